"""Only labelled rows are tested, unlabelled rows always teach, and scikit-learn's own searches can rely on both."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from cotrain import CoTrainingClassifier, SemiSupervisedKFold
from cotrain.errors import SettingError, TableError

LABELS = arrays(np.int64, st.integers(6, 60), elements=st.integers(-1, 2))
X, SPECIES = load_iris(return_X_y=True)
Y = np.where(np.arange(150) % 4 == 0, SPECIES, -1)


def folds(y: Any, n_splits: int = 3, groups: Any = None, **settings: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    n_rows = len(next(iter(y.values()))) if isinstance(y, dict) else len(y)
    return list(SemiSupervisedKFold(n_splits, **settings).split(np.zeros((n_rows, 1)), y, groups))


def accuracy_where_all_are_labelled(truth: Any, told: Any) -> float:
    assert (truth != -1).all(), "scikit-learn was given an unlabelled row to test"
    return float(accuracy_score(truth, told))


SCORER = make_scorer(accuracy_where_all_are_labelled)


@settings(max_examples=150, deadline=None)
@given(LABELS, st.integers(2, 4), st.integers(0, 9), st.booleans())
def test_unlabelled_rows_train_in_every_fold_and_labelled_ones_are_tested_once(
    y: np.ndarray, n_splits: int, seed: int, shuffle: bool
) -> None:
    counts = np.bincount(y[y >= 0], minlength=3)
    drawn = {"random_state": seed} if shuffle else {"shuffle": False}
    if (counts > 0).sum() < 2 or counts[counts > 0].min() < n_splits:
        with pytest.raises(TableError):
            folds(y, n_splits, **drawn)
        return
    pairs = folds(y, n_splits, **drawn)
    assert len(pairs) == n_splits
    assert sorted(np.concatenate([test for _, test in pairs])) == np.flatnonzero(y >= 0).tolist()
    for train, test in pairs:
        assert sorted([*train, *test]) == list(range(len(y)))
        held = np.bincount(y[test], minlength=3)
        assert (held >= counts // n_splits).all()
        assert (held <= -(-counts // n_splits)).all(), "every class is dealt out evenly"


@settings(max_examples=200, deadline=None)
@given(LABELS, st.integers(2, 3), st.integers(2, 12))
def test_a_group_is_never_on_both_sides(y: np.ndarray, n_splits: int, n_groups: int) -> None:
    groups = np.random.default_rng(n_groups).integers(0, n_groups, len(y))
    classes = np.unique(y[y >= 0])
    spread = [len(np.unique(groups[y == code])) for code in classes]
    if len(classes) < 2 or min(spread) < n_splits:
        with pytest.raises(TableError):
            folds(y, n_splits, groups, random_state=0)
        return
    pairs = folds(y, n_splits, groups, random_state=0)
    assert len(pairs) == n_splits
    for train, test in pairs:
        assert len(test)
        assert (y[test] >= 0).all()
        assert not set(groups[train]) & set(groups[test])
        assert set(np.flatnonzero(~np.isin(groups, groups[test]))) == set(train), "all other rows teach"
        assert set(y[train]) >= set(classes)


def test_the_draw_belongs_to_the_seed_and_names_have_no_say() -> None:
    def tests(y: Any, **drawn: Any) -> list[list[int]]:
        return [test.tolist() for _, test in folds(y, **drawn)]

    assert tests(Y, random_state=1) == tests(Y, random_state=1) != tests(Y, random_state=2)
    names = np.array(["b", "c", "a", "-1"])[Y]
    assert tests(names, random_state=1) == tests(Y, random_state=1)
    splitter = SemiSupervisedKFold(3, random_state=1)
    twice = [[test.tolist() for _, test in splitter.split(X, Y)] for _ in range(2)]
    assert twice[0] == twice[1]


@pytest.mark.parametrize("missing", [-1, np.nan, None])
def test_every_way_to_say_not_labelled_gives_the_same_folds(missing: Any) -> None:
    y = [missing if label < 0 else int(label) for label in Y]
    for given_as in (y, pd.Series(y), pd.Series(y, dtype=object)):
        for (train, test), (other, tested) in zip(folds(Y, shuffle=False), folds(given_as, shuffle=False), strict=True):
            assert (train == other).all()
            assert (test == tested).all()


def test_a_row_that_any_task_labels_is_tested() -> None:
    tasks = {"species": np.where(np.arange(150) < 120, Y, -1), "is_first": np.where(Y >= 0, Y == 0, -1)}
    pairs = folds(tasks, random_state=0)
    assert {*np.concatenate([test for _, test in pairs])} == set(np.flatnonzero(Y >= 0))
    assert all(set(np.flatnonzero(Y < 0)) <= set(train) for train, _ in pairs)


def test_scikit_learn_scores_labelled_rows_only() -> None:
    splitter = SemiSupervisedKFold(4, random_state=0)
    for model in (LabelSpreading(), SelfTrainingClassifier(GaussianNB())):
        scores = cross_val_score(model, X, Y, cv=splitter, scoring=SCORER)
        assert scores.shape == (4,)
        assert scores.min() > 0.8
    groups = np.arange(150) % 20
    assert cross_val_score(LabelSpreading(), X, Y, cv=splitter, scoring=SCORER, groups=groups).mean() > 0.8


def test_scikit_learns_search_finds_a_setting_with_unlabelled_rows() -> None:
    search = GridSearchCV(
        LabelSpreading(), {"gamma": [1e-4, 20]}, cv=SemiSupervisedKFold(3, random_state=0), scoring=SCORER
    ).fit(X, Y)
    assert search.best_params_ == {"gamma": 20}
    members = [("linear", LogisticRegression(max_iter=300), None), ("bayes", GaussianNB(), None)]
    ours = CoTrainingClassifier(members, rounds=1, n_folds=2, random_state=0)
    search = GridSearchCV(ours, {"rounds": [0, 1]}, cv=SemiSupervisedKFold(2, random_state=0), error_score="raise")
    assert search.fit(X, Y).best_score_ > 0.85


def test_what_cannot_be_dealt_is_refused_in_words() -> None:
    with pytest.raises(TableError, match="no label in any of 4 rows"):
        folds([-1, -1, -1, -1])
    with pytest.raises(TableError, match="one class only"):
        folds([0, 0, 0, -1])
    with pytest.raises(TableError, match="class 1 has 1 of 4 labels"):
        folds([0, 0, 0, 1, -1])
    with pytest.raises(TableError, match=r"3 folds need 3 labels of every class; .* class 1 has 2\. Lower `n_splits`"):
        folds([0, 0, 0, 1, 1, -1])
    with pytest.raises(TableError, match=r"3 groups with labels of every class; .* class 1 has 2\."):
        folds([0, 0, 0, 1, 1, 1], groups=[0, 1, 2, 0, 1, 1])
    with pytest.raises(TableError, match="can be dealt into 2 folds only"):
        folds({"a": [0, 0, 0, 1, 1, 1, -1, -1], "b": [-1, 0, -1, 1, 1, 1, 0, 0]}, groups=[0, 1, 2, 0, 1, 2, 3, 4])
    with pytest.raises(TableError, match="y to be passed"):
        next(SemiSupervisedKFold().split(X))
    with pytest.raises(TableError, match="inconsistent"):
        next(SemiSupervisedKFold().split(X, Y[:9]))
    for wrong in (1, 2.5, True, "3"):
        with pytest.raises(SettingError, match="n_splits"):
            next(SemiSupervisedKFold(wrong).split(X, Y))  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="random_state"):
        next(SemiSupervisedKFold(shuffle=False, random_state=0).split(X, Y))


def test_a_table_without_unlabelled_rows_is_dealt_like_any_other() -> None:
    pairs = folds(SPECIES, 5, random_state=0)
    assert [np.bincount(SPECIES[test]).tolist() for _, test in pairs] == [[10, 10, 10]] * 5
    assert SemiSupervisedKFold(7).get_n_splits(X, SPECIES) == 7
    assert (
        repr(SemiSupervisedKFold(2, random_state=3)) == "SemiSupervisedKFold(n_splits=2, random_state=3, shuffle=True)"
    )
