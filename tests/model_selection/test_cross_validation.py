"""Two numbers per fold: the tested rows were there when it was learnt, or they were not; their labels never were."""

import doctest
import re
from importlib import import_module
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.model_selection import cross_validate as sklearn_cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from cotrain import CoTrainingClassifier, SemiSupervisedKFold, SemiSupervisedTimeSplit, cross_validate
from cotrain.errors import SettingError, TableError

X, SPECIES = load_iris(return_X_y=True)
Y = np.where(np.arange(150) % 5 == 0, SPECIES, -1)
ROWS = np.arange(150)


class Memoriser(ClassifierMixin, BaseEstimator):
    """Knows the rows that it has seen, labelled or not, and nothing else: X holds their numbers and the truth."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        self.rows_, self.labels_, self.weight_, self.groups_ = X[:, 0].astype(int), y, sample_weight, groups
        self.classes_ = np.unique(y[y != -1])
        return self

    def predict(self, X: Any) -> NDArray[np.int64]:
        return np.where(np.isin(X[:, 0].astype(int), self.rows_), X[:, 1].astype(int), -2)


NUMBERED = np.column_stack([ROWS, SPECIES])


def committee(**settings: Any) -> CoTrainingClassifier:
    members = [("sepals", LogisticRegression(max_iter=300), "sepals"), ("petals", GaussianNB(), "petals")]
    views = {"sepals": [0, 1], "petals": [2, 3]}
    return CoTrainingClassifier(**{"members": members, "views": views, "rounds": 1, "n_folds": 2, **settings})


def test_a_memorising_learner_knows_all_that_it_saw_and_nothing_that_it_did_not() -> None:
    scores = cross_validate(Memoriser(), NUMBERED, Y, cv=3, unlabelled="train")
    assert scores["test_inductive"].tolist() == [0, 0, 0]
    assert scores["test_transductive"].tolist() == [1, 1, 1]


def test_nobody_is_told_the_label_of_a_tested_row() -> None:
    scores = cross_validate(Memoriser(), NUMBERED, Y, unlabelled="train", return_estimator=True, return_indices=True)
    for fold, (train, test) in enumerate(zip(*scores["indices"].values(), strict=True)):
        blind, present = scores["estimator_inductive"][fold], scores["estimator_transductive"][fold]
        assert blind.rows_.tolist() == train.tolist()
        assert blind.labels_.tolist() == Y[train].tolist()
        assert present.rows_.tolist() == sorted([*train, *test]) == ROWS.tolist()
        assert (present.labels_[test] == -1).all()
        assert (present.labels_[train] == Y[train]).all()


def test_a_supervised_classifier_learns_from_labelled_rows_alone() -> None:
    is_labelled = Y >= 0
    splitter = SemiSupervisedKFold(3, shuffle=False)
    ours = cross_validate(GaussianNB(), X, Y, cv=splitter)
    theirs = sklearn_cross_validate(GaussianNB(), X[is_labelled], Y[is_labelled], cv=splitter)
    np.testing.assert_array_equal(ours["test_inductive"], theirs["test_score"])
    np.testing.assert_array_equal(ours["test_transductive"], theirs["test_score"])
    dropped = cross_validate(Memoriser(), NUMBERED, Y, unlabelled="drop", return_estimator=True)
    assert all((model.labels_ >= 0).all() for model in dropped["estimator_transductive"])


@pytest.mark.parametrize(
    "model",
    [
        LabelSpreading(),
        SelfTrainingClassifier(GaussianNB()),
        make_pipeline(StandardScaler(), LabelSpreading()),
        GridSearchCV(LabelSpreading(), {"gamma": [5, 20]}, cv=SemiSupervisedKFold(2, random_state=0)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_semi_supervised_classifiers_are_known_by_themselves_and_in_their_wrappers(model: Any) -> None:
    splitter = SemiSupervisedKFold(3, random_state=0)
    scores = cross_validate(model, X, Y, cv=splitter)
    theirs = sklearn_cross_validate(model, X, Y, cv=splitter)
    np.testing.assert_array_equal(scores["test_inductive"], theirs["test_score"])
    told = cross_validate(model, X, Y, cv=splitter, unlabelled="train")
    np.testing.assert_array_equal(scores["test_transductive"], told["test_transductive"])


def test_every_kind_of_input_gives_the_same_scores() -> None:
    frame = pd.DataFrame(X, columns=["sepals__l", "sepals__w", "petals__l", "petals__w"], index=ROWS[::-1])
    expected = cross_validate(committee(random_state=0), X, Y, cv=2)
    kinds = [
        (X.tolist(), committee().views),
        (frame, None),
        (pa.Table.from_pandas(frame), None),
        ({"sepals": X[:, :2], "petals": X[:, 2:]}, None),
    ]
    for data, views in kinds:
        scores = cross_validate(committee(views=views, random_state=0), data, Y, cv=2)
        for kind in ("test_inductive", "test_transductive"):
            np.testing.assert_array_equal(scores[kind], expected[kind])
    sparse = cross_validate(LogisticRegression(max_iter=500), csr_matrix(X), Y, cv=2)["test_inductive"]
    np.testing.assert_array_equal(
        sparse, cross_validate(LogisticRegression(max_iter=500), X, Y, cv=2)["test_inductive"]
    )


def test_moving_the_rows_moves_no_score_and_neither_do_processes() -> None:
    pairs = list(SemiSupervisedKFold(3, random_state=0).split(X, Y))
    scores = cross_validate(LabelSpreading(gamma=60), X, Y, cv=pairs)
    order = np.random.default_rng(0).permutation(150)
    place = np.argsort(order)
    moved = [(place[train], place[test]) for train, test in pairs]
    again = cross_validate(LabelSpreading(gamma=60), X[order], Y[order], cv=moved)
    split = cross_validate(LabelSpreading(gamma=60), X, Y, cv=iter(pairs), n_jobs=2)
    for kind in ("test_inductive", "test_transductive"):
        np.testing.assert_array_equal(again[kind], scores[kind])
        np.testing.assert_array_equal(split[kind], scores[kind])
    assert (scores["fit_time_inductive"] > 0).all()
    assert scores["score_time_transductive"].shape == (3,)


def test_several_tasks_are_scored_each_on_the_rows_that_it_labels() -> None:
    tasks = {"species": np.where(ROWS % 2 == 0, Y, -1), "is_long": np.where(ROWS % 15 == 0, X[:, 2] > 4, -1)}
    model = committee(random_state=0)
    scores = cross_validate(model, X, tasks, cv=2, scoring=["accuracy", "neg_log_loss"], return_estimator=True)
    one = cross_validate(model, X, tasks, cv=2)
    for task in tasks:
        assert scores[f"test_inductive_{task}_accuracy"].mean() > 0.6
        assert (scores[f"test_transductive_{task}_neg_log_loss"] < 0).all()
        np.testing.assert_array_equal(one[f"test_inductive_{task}"], scores[f"test_inductive_{task}_accuracy"])
    assert not np.isin(["test_inductive", "test_inductive_accuracy"], list(scores)).any()
    folds = [(np.flatnonzero(ROWS % 20 != 0), np.flatnonzero((ROWS % 20 == 0) & (ROWS % 15 != 0)))]
    half = cross_validate(model, X, tasks, cv=folds)
    assert np.isnan(half["test_inductive_is_long"]).all(), "nothing is known of a task that no tested row has"
    assert np.isfinite(half["test_inductive_species"]).all()


def test_scorers_may_be_named_given_or_several() -> None:
    def share_of_first(model: Any, X: Any, y: Any) -> float:
        return float((model.predict(X) == y)[y == 0].mean())

    plain = cross_validate(LabelSpreading(), X, Y, cv=3)
    named = cross_validate(LabelSpreading(), X, Y, cv=3, scoring="accuracy")
    several = cross_validate(
        LabelSpreading(), X, Y, cv=3, scoring={"right": "accuracy", "first": share_of_first, "auc": "roc_auc_ovr"}
    )
    np.testing.assert_array_equal(plain["test_inductive"], named["test_inductive"])
    np.testing.assert_array_equal(plain["test_transductive"], several["test_transductive_right"])
    assert several["test_inductive_first"].tolist() == [1, 1, 1]
    assert (several["test_inductive_auc"] > 0.9).all()
    with pytest.raises(SettingError, match="scoring"):
        cross_validate(LabelSpreading(), X, Y, scoring=[])


def test_a_label_of_weight_zero_is_as_good_as_none_and_weight_two_counts_twice() -> None:
    weight = np.where(ROWS % 10 == 0, 0.0, 1.0)
    without = np.where(weight > 0, Y, -1)
    weighed = cross_validate(
        Memoriser(), NUMBERED, Y, cv=3, sample_weight=weight, unlabelled="train", return_indices=True
    )
    plain = cross_validate(Memoriser(), NUMBERED, without, cv=3, unlabelled="train", return_indices=True)
    np.testing.assert_array_equal(weighed["indices"]["test"], plain["indices"]["test"])
    X_test, fold = NUMBERED.copy(), [(ROWS[:100], np.array([100, 105, 110, 115]))]
    X_test[[100, 105], 1] = 0  # told wrong
    y = np.where(np.isin(ROWS, [1, 2, 60, 61, 100, 105, 110, 115]), SPECIES, -1)
    y[[100, 105]] = 1
    weight = np.where(ROWS <= 105, 1.0, 3.0)
    scores = cross_validate(
        Memoriser(), X_test, y, cv=fold, sample_weight=weight, unlabelled="train", return_estimator=True
    )
    assert scores["test_transductive"].tolist() == [6 / 8]
    assert scores["estimator_inductive"][0].weight_.tolist() == weight[:100].tolist()
    in_pipeline = make_pipeline(StandardScaler(), GaussianNB())
    heavy = cross_validate(in_pipeline, X, Y, cv=3, sample_weight=np.where(SPECIES == 1, 50.0, 1.0))
    assert not np.array_equal(heavy["test_inductive"], cross_validate(in_pipeline, X, Y, cv=3)["test_inductive"])


def test_groups_stay_together_and_reach_a_fit_that_asks_for_them() -> None:
    groups = ROWS // 3
    scores = cross_validate(
        Memoriser(), NUMBERED, Y, cv=3, groups=groups, unlabelled="train", return_estimator=True, return_indices=True
    )
    for model, train, test in zip(scores["estimator_inductive"], *scores["indices"].values(), strict=True):
        assert not set(groups[train]) & set(groups[test])
        assert model.groups_.tolist() == groups[train].tolist()
    assert cross_validate(committee(random_state=0), X, Y, cv=2, groups=groups)["test_inductive"].mean() > 0.8


def test_with_times_the_past_is_learnt_and_the_future_is_tested() -> None:
    times = np.random.default_rng(0).permutation(150)
    by_number = cross_validate(LabelSpreading(), X, Y, cv=3, times=times, return_indices=True)
    by_splitter = cross_validate(LabelSpreading(), X, Y, cv=SemiSupervisedTimeSplit(3), times=times)
    np.testing.assert_array_equal(by_number["test_inductive"], by_splitter["test_inductive"])
    for train, test in zip(*by_number["indices"].values(), strict=True):
        assert times[train].max() < times[test].min()
    with pytest.raises(TableError, match="read by a splitter"):
        cross_validate(LabelSpreading(), X, Y, cv=[(ROWS[:100], ROWS[100::5])], times=times)


@pytest.mark.parametrize("kind", ["strings", "booleans", "floats"])
def test_labels_of_every_kind_come_back_as_they_went_in(kind: str) -> None:
    truth: Any = {"strings": np.array(["a", "b", "b"])[SPECIES], "booleans": SPECIES > 0, "floats": SPECIES / 1}[kind]
    y = np.array([label if row % 5 == 0 else None for row, label in enumerate(truth.tolist())], dtype=object)
    for model in (
        SelfTrainingClassifier(GaussianNB()) if kind != "booleans" else GaussianNB(),
        committee(random_state=0),
    ):
        scores = cross_validate(model, X, y, cv=2, return_estimator=True)
        assert scores["test_inductive"].mean() > 0.8
        if isinstance(model, CoTrainingClassifier):
            assert scores["estimator_inductive"][0].classes_.tolist() == np.unique(truth).tolist()


def test_ugly_input_is_learnt_or_refused_in_words() -> None:
    assert cross_validate(LabelSpreading(), X, SPECIES, cv=3)["test_inductive"].mean() > 0.9
    for y, words in [
        (np.full(150, -1), "no label in any of 150 rows"),
        (np.where(ROWS == 0, 0, Y * 0 + np.where(SPECIES > 0, 1, -1)), "class 0 has 1 of"),
        (np.where(SPECIES == 0, 0, -1), "one class only"),
        (Y[:9], "inconsistent"),
    ]:
        with pytest.raises(TableError, match=words):
            cross_validate(LabelSpreading(), X, y)
    with pytest.raises(TableError, match="Fold 1 tests 40 rows without a label"):
        cross_validate(LabelSpreading(), X, Y, cv=KFold(3))
    with pytest.raises(TableError, match="trains on 30 of the rows that it tests"):
        cross_validate(LabelSpreading(), X, Y, cv=[(ROWS, ROWS[::5])])
    with pytest.raises(TableError, match="tests no row"):
        cross_validate(LabelSpreading(), X, Y, cv=[(ROWS, [])])
    with pytest.raises(TableError, match="no fold"):
        cross_validate(LabelSpreading(), X, Y, cv=[])
    with pytest.raises(SettingError, match="unlabelled"):
        cross_validate(LabelSpreading(), X, Y, unlabelled="keep")  # type: ignore[arg-type]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_a_fit_raises_comes_with_the_fold_it_happened_in(n_jobs: int) -> None:
    y = np.where((Y == 2) & (ROWS < 145), -1, Y)
    y[[20, 146]] = 2  # one label early and two late
    with pytest.raises(TableError, match="class 2 has 1") as caught:
        cross_validate(committee(), X, y, cv=SemiSupervisedTimeSplit(2), times=ROWS, n_jobs=n_jobs)
    # Both folds lack labels; of several at once either may be the first to say so.
    assert re.search("fold 1, inductive" if n_jobs == 1 else "fold [12], inductive", caught.value.__notes__[0])


@pytest.mark.parametrize("module", ["k_fold", "time_split", "cross_validation"])
def test_the_documented_examples_are_true(module: str) -> None:
    result = doctest.testmod(import_module(f"cotrain.model_selection.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
