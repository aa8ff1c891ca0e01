"""Every scikit-learn classifier that a member is likely to be comes back from bytes and predicts the same bits."""

import warnings
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from cotrain.bundle.estimators_at_rest import TRUSTED, estimators_as_bytes, estimators_from_bytes
from cotrain.errors import BundleError

COLUMNS = ColumnTransformer(
    [
        ("scaled", StandardScaler(), [0, 1]),
        ("filled", make_pipeline(SimpleImputer(), QuantileTransformer(n_quantiles=10)), slice(2, 4)),
        ("as it is", "passthrough", [1]),
        ("out", "drop", [2]),
    ]
)
VOTERS = [("nb", GaussianNB()), ("tree", DecisionTreeClassifier(random_state=0))]
ESTIMATORS = [
    LogisticRegression(),
    SGDClassifier(loss="log_loss", random_state=0),
    ExtraTreesClassifier(5, random_state=0),
    RandomForestClassifier(5, random_state=0, n_jobs=2),
    HistGradientBoostingClassifier(max_iter=5, random_state=0),
    GradientBoostingClassifier(n_estimators=3, random_state=0),
    GaussianNB(),
    LinearDiscriminantAnalysis(),
    SVC(),
    LinearSVC(),
    KNeighborsClassifier(),
    KNeighborsClassifier(algorithm="ball_tree"),
    KNeighborsClassifier(algorithm="kd_tree"),
    MLPClassifier((4,), max_iter=3, random_state=0),
    MLPClassifier((4,), max_iter=3, solver="sgd", random_state=0),
    DummyClassifier(strategy="prior"),
    CalibratedClassifierCV(GaussianNB(), cv=2),
    CalibratedClassifierCV(RandomForestClassifier(3, random_state=0, n_jobs=2), method="isotonic", cv=2),
    VotingClassifier(VOTERS, voting="soft"),
    StackingClassifier(VOTERS, cv=2),
    make_pipeline(PCA(2), SelectKBest(k=1), GaussianNB()),
    make_pipeline(COLUMNS, SVC()),
    make_pipeline(FunctionTransformer(np.log1p), GaussianNB()),
]


class Mine(GaussianNB):
    """A classifier that only this file knows."""


def twice(X: np.ndarray) -> np.ndarray:
    return 2 * X


class Evil(BaseEstimator):
    """Were it unpickled, it would run code."""

    def __reduce__(self) -> tuple:
        return (print, ("owned",))


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    X = np.abs(generator.normal(size=(60, 4))).astype(np.float32)
    return X, (X[:, 0] > 0.6).astype(int)


def fitted(estimator: Any, rows: tuple[np.ndarray, np.ndarray]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # three steps are few
        return estimator.fit(*rows)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: str(one)[:60].replace("\n", " "))
def test_an_estimator_comes_back_and_predicts_the_same_bits(estimator, rows) -> None:
    model = fitted(estimator, rows)
    back = estimators_from_bytes(estimators_as_bytes({"a task": model}, "Member 'm'"), "Member 'm'")["a task"]
    ask = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    np.testing.assert_array_equal(getattr(back, ask)(rows[0]), getattr(model, ask)(rows[0]))


def test_a_forest_that_comes_back_works_in_one_thread_however_deep_it_lies(rows) -> None:
    forest = RandomForestClassifier(3, random_state=0, n_jobs=2)
    model = fitted(CalibratedClassifierCV(make_pipeline(StandardScaler(), forest), cv=2), rows)
    back = estimators_from_bytes(estimators_as_bytes({"y": model}, "it"), "it")["y"]
    inner = [one.estimator.steps[-1][1] for one in back.calibrated_classifiers_]
    assert [one.n_jobs for one in inner] == [None, None]
    assert model.calibrated_classifiers_[0].estimator.steps[-1][1].n_jobs == 2  # what was frozen is as it was


@pytest.mark.parametrize(
    ("estimator", "told"),
    [
        (Mine(), "Mine"),
        (make_pipeline(FunctionTransformer(twice), GaussianNB()), "twice"),
        (make_pipeline(FunctionTransformer(lambda X: X), GaussianNB()), "lambda"),
    ],
)
def test_a_type_that_is_not_trusted_is_refused_by_name_when_frozen(estimator, told: str, rows) -> None:
    with pytest.raises(BundleError, match=rf"Member 'm' is made of types .*{told}.*Use scikit-learn's own"):
        estimators_as_bytes({"y": fitted(estimator, rows)}, "Member 'm'")


def test_a_type_that_is_not_trusted_is_never_built_when_loaded(capsys) -> None:
    with pytest.raises(BundleError, match="does not trust, and is not loaded"):
        estimators_from_bytes(skops.io.dumps({"y": Evil()}), "Member 'm'")
    assert "owned" not in capsys.readouterr().out


def test_bytes_that_are_no_skops_file_are_a_bundle_error() -> None:
    with pytest.raises(BundleError, match="Member 'm' cannot be read"):
        estimators_from_bytes(b"PK nothing", "Member 'm'")


def test_only_numpy_and_scikit_learn_are_trusted() -> None:
    assert all(name.startswith(("sklearn.", "numpy.")) for name in TRUSTED)
    assert list(TRUSTED) == sorted(TRUSTED)
