"""What ours is measured against: supervised and semi-supervised models of scikit-learn on all columns together.

Each rival is a function of (X [n, d], y [n] with -1 = not labelled, X_test) that gives the predicted codes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

Rival = Callable[[Any, Any, Any], Any]


def _logistic_regression(seed: int) -> Any:
    return LogisticRegression(max_iter=1000, random_state=seed)


def _on_labels(model: Any) -> Rival:
    """Learns from the labelled rows alone."""
    return lambda X, y, X_test: model.fit(X[y >= 0], y[y >= 0]).predict(X_test)


def _on_all(model: Any) -> Rival:
    """Learns from all rows, the unlabelled ones marked by -1."""

    def predict(X: Any, y: Any, X_test: Any) -> Any:
        # A row far from every label has no spread label at all; scikit-learn divides 0 by 0 there.
        with np.errstate(invalid="ignore"):
            return model.fit(X, y).predict(X_test)

    return predict


def _label_spreading(X: Any, y: Any, X_test: Any) -> Any:
    """Over the 7 nearest rows, or as many as there are."""
    model = LabelSpreading(kernel="knn", n_neighbors=min(7, X.shape[0]), max_iter=100)
    return _on_all(model)(X, y, X_test)


RIVALS: dict[str, Callable[[int], Rival]] = {
    "logistic_regression": lambda seed: _on_labels(_logistic_regression(seed)),
    "random_forest": lambda seed: _on_labels(RandomForestClassifier(n_estimators=100, random_state=seed)),
    "self_training": lambda seed: _on_all(SelfTrainingClassifier(_logistic_regression(seed))),
    "label_spreading": lambda seed: _label_spreading,
}
