"""How held-out rows are scored: scikit-learn's scorers, for one task or for each of several.

Shapes: n = rows.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import get_scorer

from cotrain.errors import SettingError

Scorer: TypeAlias = Callable[..., Any]
Scoring: TypeAlias = str | Scorer | Iterable[str] | Mapping[str, str | Scorer] | None


def scorers_of(scoring: Scoring) -> dict[str, Scorer]:
    """{what the score is called after: its scorer}; a single one is called nothing, "".

    Raises
    ------
    SettingError : for what scores nothing, such as an empty list
    """
    if scoring is None or isinstance(scoring, str) or callable(scoring):
        return {"": _scorer(scoring)}
    named = dict(scoring) if isinstance(scoring, Mapping) else {name: name for name in scoring}
    if not named:
        raise SettingError("scoring", scoring, "the name of a metric, a scorer, or several of them")
    return {name: _scorer(one) for name, one in named.items()}


class OneTask(ClassifierMixin, BaseEstimator):
    """What a fitted model of several tasks says of one of them, as a classifier that any scorer can ask.

    Parameters
    ----------
    model : whose `predict`, `predict_proba` and `classes_` are mappings by task
    task : its name
    """

    def __init__(self, model: Any, task: str) -> None:
        self.model = model
        self.task = task

    @property
    def classes_(self) -> NDArray[Any]:
        """[C] the labels of this task."""
        return self.model.classes_[self.task]

    def predict(self, X: Any) -> NDArray[Any]:
        """[n] labels of this task."""
        return self.model.predict(X)[self.task]

    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        """[n, C] probabilities of this task."""
        return self.model.predict_proba(X)[self.task]

    def __sklearn_is_fitted__(self) -> bool:
        return True


def _scorer(scoring: Any) -> Scorer:
    if scoring is None:
        return _own_score
    return scoring if callable(scoring) else get_scorer(scoring)


def _own_score(model: Any, X: Any, y: Any, **beside: Any) -> float:
    return model.score(X, y, **beside)
