"""scikit-learn's own checks of an estimator, on a light committee."""

from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.utils.estimator_checks import parametrize_with_checks

from cotrain.estimators import CoTrainingClassifier

TWO_COPIES = "a row of weight 2 is in one fold, its two copies may be in two: cross-validation cannot tell them apart"
CANNOT_HOLD = {
    "check_classifiers_classes": "its labels are -1 and 1, and -1 means not labelled, as in sklearn.semi_supervised",
    "check_sample_weight_equivalence_on_dense_data": TWO_COPIES,
    "check_sample_weight_equivalence_on_sparse_data": TWO_COPIES,
}


def light() -> CoTrainingClassifier:
    members = [("linear", LogisticRegression(), None), ("bayes", GaussianNB(), None)]
    return CoTrainingClassifier(members, rounds=1, n_folds=2, random_state=0)


def cannot_hold(_: CoTrainingClassifier) -> dict[str, str]:
    return CANNOT_HOLD


@parametrize_with_checks([light()], expected_failed_checks=cannot_hold)
def test_scikit_learn_finds_nothing_wrong(estimator: CoTrainingClassifier, check: Any) -> None:
    check(estimator)
