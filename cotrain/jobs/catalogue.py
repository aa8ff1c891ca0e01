"""Which learners a settings file can name, and what can be set about each."""

import warnings
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from cotrain.errors import SettingError
from cotrain.learners import ClassicalLearner, GraphLearner, Learner, NetworkLearner
from cotrain.learners.deep.settings import raise_faults
from cotrain.predictions import from_codes

LEARNERS: dict[str, tuple[type[BaseEstimator], dict[str, Any]]] = {
    "extra-trees": (ExtraTreesClassifier, {}),
    "gaussian-nb": (GaussianNB, {}),
    "graph": (GraphLearner, {}),
    "hist-gradient-boosting": (HistGradientBoostingClassifier, {}),
    "k-neighbors": (KNeighborsClassifier, {}),
    # scikit-learn's 100 steps are too few for a few thousand words.
    "logistic-regression": (LogisticRegression, {"max_iter": 1000}),
    "network": (NetworkLearner, {}),
    "random-forest": (RandomForestClassifier, {}),
    "svc": (SVC, {}),
}
"""Name -> class and the defaults that are not the class's own."""


class LearnerCatalogue:
    """The catalogue that settings are checked against."""

    def learner_faults(self, learner: str) -> Sequence[str]:
        """Why there is no learner of that name; nothing where there is one."""
        if learner in LEARNERS:
            return []
        return [f"Unknown learner `{learner}`{did_you_mean(learner, list(LEARNERS))} There are {', '.join(LEARNERS)}."]

    def settings_faults(self, learner: str, settings: Mapping[str, Any]) -> Sequence[str]:
        """Names that the learner does not have, and values that it cannot take."""
        kind, defaults = LEARNERS[learner]
        known = sorted(kind().get_params())
        faults = [
            f"Unknown setting `{name}` of {learner}{did_you_mean(name, known)}"
            for name in settings
            if name not in known
        ]
        if faults:
            return faults
        fault = _value_fault(kind(**{**defaults, **settings}))
        return [f"Settings of {learner}: {fault}"] if fault else []


def build(learner: str, settings: Mapping[str, Any]) -> Learner:
    """The learner, unfitted.

    Raises
    ------
    SettingError : for a learner or settings that the catalogue finds fault with
    """
    catalogue = LearnerCatalogue()
    faults = catalogue.learner_faults(learner) or catalogue.settings_faults(learner, settings)
    if faults:
        raise SettingError("members", dict(settings) or learner, "a learner as it can be set", hint=" ".join(faults))
    kind, defaults = LEARNERS[learner]
    made = kind(**{**defaults, **settings})
    return made if isinstance(made, (GraphLearner, NetworkLearner)) else ClassicalLearner(made)


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The end of a sentence about an unknown name: the nearest one, where there is one."""
    nearest = get_close_matches(name, known, n=1)
    return f"; did you mean `{nearest[0]}`?" if nearest else "."


_FOUR_ROWS = {"trial": from_codes(np.array([0, 1, -1, -1]), 2)}
"""A graph over four rows costs nothing and says what is wrong with its settings."""


def _value_fault(estimator: BaseEstimator) -> str | None:
    """What the estimator itself says of its settings before it sees any data."""
    try:
        if isinstance(estimator, NetworkLearner):
            raise_faults(estimator.get_params())
        elif isinstance(estimator, GraphLearner):
            estimator.fit([np.eye(4, dtype=np.float32)], _FOUR_ROWS, np.random.default_rng(0))
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # deprecations are told when it is fitted
                estimator._validate_params()  # every estimator has it; what `fit` itself calls first
    except (ValueError, TypeError) as error:
        return " ".join(str(error).split())
    return None
