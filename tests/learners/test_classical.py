"""Soft labels reach scikit-learn models as weights, or as a fair draw; what was never taught gets 0."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from cotrain.errors import LearnerError
from cotrain.learners import ClassicalLearner
from cotrain.learners.classical import draw_by_weight, repeat_by_class
from cotrain.predictions import Targets, from_codes


def two_heaps(n_rows: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = np.arange(n_rows) % 2
    return (rng.normal(size=(n_rows, 3)) + 2.0 * codes[:, None]).astype(np.float32), codes


def test_a_soft_label_is_its_classes_side_by_side() -> None:
    target = Targets(np.array([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.2, 0.3, 0.5]]), np.array([2.0, 1.0, 0.0]))
    rows, codes, weight = repeat_by_class(target)
    assert rows.tolist() == [0, 0, 1]
    assert codes.tolist() == [0, 1, 1]
    np.testing.assert_allclose(weight, [1.4, 0.6, 1.0])


def test_a_share_too_small_to_teach_is_left_out_and_the_row_keeps_its_weight() -> None:
    rows, codes, weight = repeat_by_class(Targets(np.array([[0.985, 0.01, 0.005]]), np.array([3.0])))
    assert (rows.tolist(), codes.tolist()) == ([0], [0])
    np.testing.assert_allclose(weight, [3.0])


def test_a_row_that_is_spread_over_very_many_classes_is_not_lost() -> None:
    rows, codes, weight = repeat_by_class(Targets(np.full((1, 100), 0.01), np.array([1.0])))
    assert len(rows) == len(codes) == 100
    np.testing.assert_allclose(weight.sum(), 1.0)


def test_soft_labels_give_the_soft_cross_entropy() -> None:
    # An oracle: the same model on the rows written out by hand.
    X, codes = two_heaps()
    soft = np.column_stack([np.where(codes == 0, 0.8, 0.3), np.where(codes == 0, 0.2, 0.7)])
    learner = ClassicalLearner(LogisticRegression(tol=1e-8, max_iter=1000))
    learner.fit([X], {"y": Targets(soft, np.ones(40))}, np.random.default_rng(0))
    by_hand = LogisticRegression(tol=1e-8, max_iter=1000).fit(
        np.vstack([X, X]), np.repeat([0, 1], 40), sample_weight=np.concatenate([soft[:, 0], soft[:, 1]])
    )
    np.testing.assert_allclose(learner.predict([X])["y"], by_hand.predict_proba(X), atol=1e-5)


def test_equal_weights_draw_every_row_once() -> None:
    for seed in range(20):
        drawn = draw_by_weight(np.full(7, 0.3), np.random.default_rng(seed))
        assert drawn.tolist() == list(range(7))


def test_a_draw_takes_each_row_as_often_as_its_weight_says_up_to_one() -> None:
    weight = np.array([0.5, 3.2, 1.3, 0.0, 5.0])
    expected = len(weight) * weight / weight.sum()
    for seed in range(50):
        times = np.bincount(draw_by_weight(weight, np.random.default_rng(seed)), minlength=5)
        assert (times >= np.floor(expected)).all()
        assert (times <= np.ceil(expected)).all()


def test_no_row_is_lost_where_weights_differ_little() -> None:
    # What a fold's school looks like: two labels of a class, or one that weighs for both.
    weight = np.array([1.0, 1.0, 2.0, 1.0, 1.0, 2.0])
    for seed in range(20):
        times = np.bincount(draw_by_weight(weight, np.random.default_rng(seed)), minlength=6)
        assert times.tolist() == [1, 1, 2, 1, 1, 2]
        seven = np.repeat([7 / 5, 7 / 6], [5, 6])
        assert set(draw_by_weight(seven, np.random.default_rng(seed))) == set(range(11))


def test_a_class_never_vanishes_by_the_luck_of_the_draw() -> None:
    X, codes = two_heaps()
    weight = np.where(codes == 0, 1.0, 1e-6)
    for seed in range(5):
        learner = ClassicalLearner(KNeighborsClassifier(1))
        learner.fit([X], {"y": from_codes(codes, 2, weight)}, np.random.default_rng(seed))
        assert learner.models_["y"].classes_.tolist() == [0, 1]
        assert not learner.takes_weights_


def test_a_pipeline_passes_weights_on_to_its_last_step() -> None:
    X, codes = two_heaps()
    weight = np.where(codes == 0, 9.0, 1.0)
    learner = ClassicalLearner(make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8)))
    learner.fit([X], {"y": from_codes(codes, 2, weight)}, np.random.default_rng(0))
    assert learner.takes_weights_
    oracle = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8))
    oracle.fit(X, codes, logisticregression__sample_weight=weight)
    np.testing.assert_allclose(learner.predict([X])["y"], oracle.predict_proba(X), atol=1e-6)


def test_scores_become_probabilities_by_the_logistic_function() -> None:
    X, codes = two_heaps()
    learner = ClassicalLearner(LinearSVC(dual=False)).fit([X], {"y": from_codes(codes, 2)}, np.random.default_rng(0))
    scores = LinearSVC(dual=False).fit(X, codes).decision_function(X)
    np.testing.assert_allclose(learner.predict([X])["y"][:, 1], expit(scores), atol=1e-6)


@pytest.mark.parametrize("estimator", [RidgeClassifier(), Perceptron(), DecisionTreeClassifier()])
def test_any_classifier_gives_one_column_per_class(estimator: object) -> None:
    X, codes = two_heaps()
    learner = ClassicalLearner(estimator).fit([X], {"y": from_codes(codes * 2, 4)}, np.random.default_rng(0))
    probabilities = learner.predict([X])["y"]
    assert (probabilities.argmax(axis=1) == codes * 2).mean() > 0.8
    assert not probabilities[:, [1, 3]].any()


def test_a_random_state_that_the_user_fixed_is_kept_and_others_are_drawn() -> None:
    X, codes = two_heaps()
    fixed, free = (DecisionTreeClassifier(random_state=state, splitter="random") for state in (5, None))
    for estimator, expected in ((fixed, True), (free, False)):
        states = set()
        for seed in range(3):
            learner = ClassicalLearner(estimator).fit([X], {"y": from_codes(codes, 2)}, np.random.default_rng(seed))
            states.add(learner.models_["y"].random_state)
        assert (states == {5}) == expected
    assert free.random_state is None


def test_the_users_estimator_is_never_fitted() -> None:
    X, codes = two_heaps()
    estimator = GaussianNB()
    ClassicalLearner(estimator).fit([X], {"y": from_codes(codes, 2)}, np.random.default_rng(0))
    assert not hasattr(estimator, "classes_")


def test_a_task_without_labels_is_refused_by_name() -> None:
    X, codes = two_heaps()
    with pytest.raises(LearnerError, match=r"Task 'kind' has no labelled row"):
        ClassicalLearner(GaussianNB()).fit([X], {"kind": from_codes(codes - 9, 2)}, np.random.default_rng(0))


def test_nothing_is_asked_of_a_learner_that_is_not_fitted() -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ClassicalLearner(GaussianNB()).predict([np.zeros((2, 2), dtype=np.float32)])
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ClassicalLearner(GaussianNB()).freeze()
