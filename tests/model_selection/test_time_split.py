"""What is tested is later than all that is learnt from, however times are told."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sklearn
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.semi_supervised import LabelSpreading

from cotrain import SemiSupervisedTimeSplit
from cotrain.errors import SettingError, TableError

Y = np.array([0, 1, -1, 0, 1, -1, 0, -1, 1, 0, -1, 1])


def folds(y: Any, n_splits: int = 2, groups: Any = None, times: Any = None, **settings: Any) -> list[tuple[Any, Any]]:
    return list(SemiSupervisedTimeSplit(n_splits, **settings).split(np.zeros((len(y), 1)), y, groups, times))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(3, 30), st.booleans(), st.booleans())
def test_no_tested_row_is_earlier_than_a_row_that_was_learnt(
    seed: int, n_splits: int, n_moments: int, future: bool, grouped: bool
) -> None:
    rng = np.random.default_rng(seed)
    y, times = rng.integers(-1, 2, 60), rng.integers(0, n_moments, 60)
    groups = rng.integers(0, 40, 60) if grouped else None
    if len(np.unique(times[y >= 0])) <= n_splits:
        with pytest.raises(TableError, match="different moments"):
            folds(y, n_splits, groups, times)
        return
    try:
        pairs = folds(y, n_splits, groups, times, future_unlabelled=future)
    except TableError:
        assume(False)  # one class only in the first span, say; told in words below
        return
    assert len(pairs) == n_splits
    all_tested = np.concatenate([test for _, test in pairs])
    assert len(set(all_tested)) == len(all_tested)
    for train, test in pairs:
        assert len(test)
        assert (y[test] >= 0).all()
        learnt = train if not future else train[y[train] >= 0]
        assert times[learnt].max() < times[test].min()
        free = np.ones(60, dtype=bool) if groups is None else ~np.isin(groups, groups[test])
        expected = free & ((times < times[test].min()) | (future & (y < 0)))
        assert train.tolist() == np.flatnonzero(expected).tolist()


def test_spans_hold_the_same_number_of_labels_and_the_last_row_is_tested() -> None:
    pairs = folds(Y, 3)
    assert [test.tolist() for _, test in pairs] == [[3, 4], [6, 8], [9, 11]]
    assert [train.tolist() for train, _ in pairs] == [[0, 1, 2], [0, 1, 2, 3, 4, 5], list(range(9))]
    sizes = [len(test) for _, test in folds(np.arange(103) % 2, 4)]
    assert max(sizes) - min(sizes) <= 1


def test_rows_of_one_moment_are_never_parted() -> None:
    times = [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2]
    assert [test.tolist() for _, test in folds(Y, times=times)] == [[3, 4, 6, 8, 9], [11]]


def test_times_of_every_kind_say_the_same_and_the_order_of_rows_does_not_matter() -> None:
    days = [date(2024, 1, 1) + timedelta(days=int(day)) for day in np.arange(12) // 2]
    expected = folds(Y, times=np.arange(12) // 2)
    kinds = [
        days,
        np.array(days, dtype="datetime64[ns]"),
        pd.Series(pd.to_datetime(days)),
        pd.Series(pd.to_datetime(days)).dt.tz_localize("Europe/Rome"),
        pa.array(days),
        [str(day) for day in days],
        np.arange(12) // 2 / 10 - 3,
    ]
    for times in kinds:
        for (train, test), (other, tested) in zip(expected, folds(Y, times=times), strict=True):
            assert (train == other).all()
            assert (test == tested).all()
    order = np.random.default_rng(0).permutation(12)
    for (train, test), (other, tested) in zip(expected, folds(Y[order], times=np.array(days)[order]), strict=True):
        assert set(order[other]) == set(train)
        assert set(order[tested]) == set(test)


def test_a_tested_group_is_not_learnt_however_early_it_is() -> None:
    groups = [0, 1, 2, 3, 4, 4, 5, 3, 6, 2, 7, 8]
    pairs = [(train.tolist(), test.tolist()) for train, test in folds(Y, groups=groups)]
    assert pairs == [([0, 1, 2, 3], [4, 6]), ([0, 1, 3, 4, 5, 6, 7], [8, 9, 11])]
    past, future = folds(Y, groups=groups, future_unlabelled=True)
    assert past[0].tolist() == [0, 1, 2, 3, 7, 10], "an unlabelled row of a tested group is in neither part"
    assert future[0].tolist() == [0, 1, 3, 4, 5, 6, 7, 10]


def test_scikit_learn_goes_by_the_order_of_rows_or_by_routed_times() -> None:
    X, species = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(150)
    X, y = X[order], np.where(np.arange(150) % 3 == 0, species[order], -1)
    splitter = SemiSupervisedTimeSplit(3)
    plain = cross_val_score(LabelSpreading(), X, y, cv=splitter)
    back = np.arange(150)[::-1]
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cross_val_score(LabelSpreading(), X[back], y[back], cv=splitter, params={"times": back})
    assert plain.min() > 0.8
    np.testing.assert_array_equal(plain, routed)


def test_what_cannot_be_cut_is_refused_in_words() -> None:
    with pytest.raises(TableError, match="labels at 3 different moments; there are 2"):
        folds(Y, times=np.arange(12) // 6)
    with pytest.raises(TableError, match=r"Fold 1 of 2 would learn task 'y' from one class only, 0"):
        folds([0, 0, 1, 1, 1, 0])
    with pytest.raises(TableError, match="no label in any"):
        folds([-1] * 5)
    with pytest.raises(TableError, match="missing in 1 of 12 rows"):
        folds(Y, times=[None, *range(11)])
    with pytest.raises(TableError, match="missing in 1 of 12 rows"):
        folds(Y, times=np.array(["NaT", *["2024-01-01"] * 11], dtype="datetime64[s]"))
    with pytest.raises(TableError, match="one value per row; got 3 values for 12 rows"):
        folds(Y, times=[1, 2, 3])
    with pytest.raises(TableError, match="numbers, dates, times or strings"):
        folds(Y, times=[True] * 12)
    with pytest.raises(SettingError, match="n_splits"):
        folds(Y, 1)
