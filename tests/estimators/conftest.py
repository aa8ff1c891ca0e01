"""Small tables with few labels, and committees that learn them in a moment."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from cotrain.estimators import CoTrainingClassifier

IRIS, SPECIES = load_iris(return_X_y=True)


@pytest.fixture
def X() -> NDArray[np.float64]:  # noqa: N802
    return IRIS.copy()


@pytest.fixture
def species() -> NDArray[np.int64]:
    """[150] the truth."""
    return SPECIES.copy()


@pytest.fixture
def y() -> NDArray[np.int64]:
    """[150] ten labels of each species, -1 elsewhere."""
    rng = np.random.default_rng(0)
    kept = np.concatenate([rng.permutation(np.flatnonzero(code == SPECIES))[:10] for code in range(3)])
    labels = np.full(150, -1)
    labels[kept] = SPECIES[kept]
    return labels


@pytest.fixture
def light() -> Any:
    """A maker of light estimators: sepals and petals teach one another."""

    def make(**settings: Any) -> CoTrainingClassifier:
        defaults: dict[str, Any] = {
            "members": [
                ("sepals", LogisticRegression(max_iter=300), "sepals"),
                ("petals", GaussianNB(), "petals"),
                ("both", LogisticRegression(C=0.3, max_iter=300), None),
            ],
            "views": {"sepals": [0, 1], "petals": slice(2, 4)},
            "rounds": 2,
            "n_folds": 2,
            "random_state": 0,
        }
        return CoTrainingClassifier(**{**defaults, **settings})

    return make
