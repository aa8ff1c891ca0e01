"""Any scikit-learn classifier or Pipeline as a learner.

Soft labels become weighted repetition: a row whose teacher says 0.7 / 0.3 enters twice, with weights
0.7 and 0.3. For every loss that is a weighted sum over rows (logistic regression, boosting, trees'
impurities) that is exactly the soft cross-entropy. Where an estimator takes no `sample_weight`,
rows are drawn in proportion to their weights instead, which gives the same in expectation.

Shapes: n = rows, C = classes of the task.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from cotrain.errors import LearnerError
from cotrain.frozen import Frozen
from cotrain.learners.blocks import as_matrix
from cotrain.learners.protocol import Block, Probabilities
from cotrain.predictions.targets import Targets

logger = logging.getLogger(__name__)

SMALLEST_SHARE = 0.02
"""A class of which a teacher says less than this is left out: it would cost a row and teach nothing."""


class ClassicalLearner(BaseEstimator):
    """A scikit-learn classifier (or Pipeline) as a learner; one clone per task.

    Parameters
    ----------
    estimator : an unfitted scikit-learn classifier. It is cloned, never fitted itself. Its probabilities come from
        `predict_proba`, or from `decision_function` through softmax, or, failing both, are 1 for the predicted class.

    Attributes
    ----------
    models_ : {task: fitted clone}
    n_classes_ : {task: C}
    takes_weights_ : whether soft labels reach the estimator as `sample_weight` (else rows are drawn by weight)
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, blocks: Sequence[Block], targets: Mapping[str, Targets], generator: np.random.Generator) -> Self:
        """Learn each task from its labelled rows; a task with no labelled row raises LearnerError."""
        X = self._readable(as_matrix(blocks))
        weight_name = _weight_parameter(self.estimator)
        self.takes_weights_ = weight_name is not None
        self.n_classes_ = {task: target.n_classes for task, target in targets.items()}
        self.models_ = {}
        for task, target in targets.items():
            if not target.is_labelled.any():
                raise LearnerError(f"Task {task!r} has no labelled row to learn from. Label some, or leave it out.")
            rows, codes, weight = repeat_by_class(target)
            # Drawn for every task, needed or not, so that one task's labels never move another's randomness.
            model = _seeded(clone(self.estimator), generator)
            self.models_[task] = _fit(model, X, rows, codes, weight, weight_name, generator)
        return self

    def predict(self, blocks: Sequence[Block]) -> Probabilities:
        """{task: [n, C]}; a class that was never taught gets probability 0."""
        self._check_fitted()
        X = self._readable(as_matrix(blocks))
        return {task: _probabilities(model, X, self.n_classes_[task]) for task, model in self.models_.items()}

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "models_")

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError("This ClassicalLearner is not fitted yet; call `fit` first.")

    def freeze(self) -> Frozen:
        """The fitted clones and how many classes each task has."""
        self._check_fitted()
        settings = {"n_classes": self.n_classes_, "takes_weights": self.takes_weights_}
        return Frozen("classical", settings, estimators=self.models_)

    @classmethod
    def thaw(cls, frozen: Frozen) -> Self:
        """The learner that `freeze` put to rest; `estimator` is then the first of the fitted models."""
        models = dict(frozen.estimators)
        learner = cls(next(iter(models.values())))
        learner.models_ = models
        learner.n_classes_ = {task: int(count) for task, count in frozen.settings["n_classes"].items()}
        learner.takes_weights_ = bool(frozen.settings["takes_weights"])
        return learner

    def _readable(self, X: Block) -> Block:
        """X as the estimator can read it: made dense where it takes no sparse input."""
        if issparse(X) and not get_tags(self.estimator).input_tags.sparse:
            return X.toarray()
        return X


def repeat_by_class(target: Targets) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.floating]]:
    """Soft labels as (rows, codes, weight): one entry for each class of which a row's label holds a share.

    Shares under SMALLEST_SHARE are left out and the rest rescaled, so each row keeps its weight. A one-hot row
    gives one entry. Entries are in row order, then class order.
    """
    labelled = np.flatnonzero(target.is_labelled)
    shares = target.probabilities[labelled]
    kept = np.where(shares >= min(SMALLEST_SHARE, 1 / target.n_classes), shares, 0.0)
    kept = kept / kept.sum(axis=1, keepdims=True)
    entry_row, codes = np.nonzero(kept)
    return labelled[entry_row], codes, target.weight[labelled][entry_row] * kept[entry_row, codes]


def draw_by_weight(weight: NDArray[np.floating], generator: np.random.Generator) -> NDArray[np.intp]:
    """Positions drawn in proportion to `weight` by systematic resampling (Kitagawa, JCGS 1996).

    With m points drawn, position i occurs either floor or ceil of m * weight_i / sum(weight) times. There are so many
    points that the lightest position occurs too, if twice as many as weights are enough for that (1, 1 and 2 give
    every position, the last one twice); otherwise as many as weights. Equal weights give every position once.
    """
    for_the_lightest = weight.sum() / weight[weight > 0].min()
    n_points = int(np.ceil(for_the_lightest - 1e-9)) if for_the_lightest <= 2 * len(weight) else len(weight)
    steps = np.cumsum(weight) / weight.sum() * n_points
    points = np.arange(n_points) + generator.random()
    return np.minimum(np.searchsorted(steps, points, side="right"), len(weight) - 1)


def _fit(
    model: Any,
    X: Block,
    rows: NDArray[np.intp],
    codes: NDArray[np.intp],
    weight: NDArray[np.floating],
    weight_name: str | None,
    generator: np.random.Generator,
) -> Any:
    if weight_name is None and len(np.unique(weight)) > 1:
        logger.info("%s takes no sample_weight; rows are drawn by weight instead.", type(model).__name__)
        drawn = draw_by_weight(weight, generator)
        # A class must not vanish by the luck of the draw: its heaviest row stays in.
        heaviest = [np.flatnonzero(codes == c)[np.argmax(weight[codes == c])] for c in np.unique(codes)]
        drawn = np.sort(np.concatenate([drawn, np.setdiff1d(heaviest, drawn)]))
        rows, codes = rows[drawn], codes[drawn]
    if len(np.unique(codes)) == 1:
        # Most classifiers refuse a single class; what they would have to say is known.
        return DummyClassifier(strategy="prior").fit(X[rows], codes)
    if weight_name is None:
        return model.fit(X[rows], codes)
    return model.fit(X[rows], codes, **{weight_name: weight})


def _weight_parameter(estimator: Any) -> str | None:
    """The name under which `fit` takes sample weights, None where it takes none."""
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        inner = None if last in (None, "passthrough") else _weight_parameter(last)
        return None if inner is None else f"{name}__{inner}"
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None


def _seeded(estimator: Any, generator: np.random.Generator) -> Any:
    """The estimator with every `random_state` in it drawn from `generator`, those the user fixed left alone."""
    states = {
        name: int(generator.integers(2**31 - 1))
        for name, value in sorted(estimator.get_params(deep=True).items())
        if (name == "random_state" or name.endswith("__random_state")) and value is None
    }
    return estimator.set_params(**states) if states else estimator


def _probabilities(model: Any, X: Block, n_classes: int) -> NDArray[np.floating]:
    probabilities = np.zeros((X.shape[0], n_classes))
    if X.shape[0] == 0:
        return probabilities  # scikit-learn refuses to predict for no rows; no rows is a normal case here
    if hasattr(model, "predict_proba"):
        probabilities[:, model.classes_] = model.predict_proba(X)
    elif hasattr(model, "decision_function"):
        scores = model.decision_function(X)
        if scores.ndim == 1:
            second = expit(scores)
            probabilities[:, model.classes_] = np.column_stack([1 - second, second])
        else:
            probabilities[:, model.classes_] = softmax(scores, axis=1)
    else:
        probabilities[np.arange(X.shape[0]), model.predict(X)] = 1.0
    return probabilities
