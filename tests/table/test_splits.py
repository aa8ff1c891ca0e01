"""No split leaks, none takes a class from training, and every draw belongs to the generator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cotrain.errors import SettingError, TableError
from cotrain.table import EvaluationLock, hide_labels, label_folds, stratified_split

CODES = arrays(np.int64, st.integers(0, 60), elements=st.integers(-1, 3))


def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def carriers(codes: np.ndarray, code: int, groups: np.ndarray | None) -> int:
    """In how many rows, or groups, a class occurs."""
    return int((codes == code).sum()) if groups is None else len(np.unique(groups[codes == code]))


@settings(max_examples=200, deadline=None)
@given(CODES, st.floats(0.05, 0.95), st.integers(0, 8))
def test_a_split_loses_no_row_and_no_class(codes: np.ndarray, share: float, n_groups: int) -> None:
    groups = np.random.default_rng(n_groups).integers(0, n_groups, len(codes)) if n_groups else None
    may_hold = any(carriers(codes, code, groups) > 1 for code in range(4))
    try:
        train, held = stratified_split(codes, share, generator(), groups)
    except TableError:
        assert groups is not None or not may_hold
        return
    assert sorted([*train, *held]) == list(range(len(codes)))
    for code in set(codes[codes >= 0].tolist()):
        assert code in codes[train]
        if groups is None and carriers(codes, code, None) > 1:
            assert code in codes[held]
    if groups is not None:
        assert not set(groups[train]) & set(groups[held])
    else:
        assert (codes[held] >= 0).all(), "a row without a label cannot judge anything"


def test_a_split_holds_out_the_share_of_every_class() -> None:
    codes = np.repeat([0, 1, 2, -1], [100, 50, 10, 40])
    _, held = stratified_split(codes, 0.2, generator())
    assert np.bincount(codes[held]).tolist() == [20, 10, 2]


def test_a_grouped_split_comes_near_the_share() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 600)
    codes = rng.integers(0, 3, 600)
    _, held = stratified_split(codes, 0.25, generator(), groups)
    assert np.abs(np.bincount(codes[held]) / np.bincount(codes) - 0.25).max() < 0.05


@settings(max_examples=200, deadline=None)
@given(CODES, st.integers(2, 6), st.integers(0, 8))
def test_folds_hold_out_labelled_rows_once_and_never_take_a_class_from_training(
    codes: np.ndarray, n_folds: int, n_groups: int
) -> None:
    groups = np.random.default_rng(n_groups).integers(0, n_groups, len(codes)) if n_groups else None
    may_fold = any(carriers(codes, code, groups) > 1 for code in range(4))
    try:
        folds = label_folds(codes, n_folds, generator(), groups)
    except TableError:
        assert groups is not None or not may_fold
        return
    assert 2 <= len(folds) <= n_folds
    labelled = set(np.flatnonzero(codes >= 0))
    all_held = np.concatenate([held for _, held in folds])
    assert len(set(all_held)) == len(all_held)
    for train, held in folds:
        assert set(train) | set(held) == labelled
        assert not set(train) & set(held)
        assert set(codes[train]) == set(codes[sorted(labelled)])
        if groups is not None:
            assert not set(groups[train]) & set(groups[held])
    if groups is None:
        often = [code for code in range(4) if (codes == code).sum() > 1]
        assert set(all_held) == set(np.flatnonzero(np.isin(codes, often)))


def test_folds_are_even_and_a_small_class_is_spread_over_some() -> None:
    codes = np.repeat([0, 1, -1], [30, 3, 5])
    folds = label_folds(codes, 5, generator())
    held = [np.bincount(codes[held], minlength=2).tolist() for _, held in folds]
    assert held == [[6, 1], [6, 1], [6, 1], [6, 0], [6, 0]]


@pytest.mark.parametrize(("n_classes", "n_labels", "n_folds"), [(2, 2, 2), (3, 2, 3), (10, 2, 5), (2, 3, 3), (2, 5, 5)])
def test_a_fold_holds_out_two_rows_or_more(n_classes: int, n_labels: int, n_folds: int) -> None:
    codes = np.repeat(np.arange(n_classes), n_labels)
    folds = label_folds(codes, 5, generator())
    assert len(folds) == n_folds
    assert min(len(held) for _, held in folds) >= 2
    assert all(len(set(codes[train])) == n_classes for train, _ in folds)


def test_without_a_generator_rows_take_turns_in_the_order_in_which_they_stand() -> None:
    codes = np.array([0, -1, 1, 0, 1, 0, 1, 0, 1])
    folds = label_folds(codes, 2, None)
    assert [held.tolist() for _, held in folds] == [[0, 2, 5, 6], [3, 4, 7, 8]]
    groups = np.array([0, 0, 0, 1, 1, 2, 2, 3, 3])
    assert [held.tolist() for _, held in label_folds(codes, 2, None, groups)] == [[0, 2, 5, 6], [3, 4, 7, 8]]


def test_grouped_folds_spread_the_classes() -> None:
    rng = np.random.default_rng(3)
    groups, codes = rng.integers(0, 100, 1000), rng.integers(0, 3, 1000)
    folds = label_folds(codes, 5, generator(), groups)
    shares = np.array([np.bincount(codes[held]) / np.bincount(codes) for _, held in folds])
    assert np.abs(shares - 0.2).max() < 0.04


def test_the_only_group_of_a_class_is_never_held_out() -> None:
    codes = np.array([0, 0, 0, 0, 1, 1])
    groups = np.array([0, 1, 2, 3, 4, 4])
    folds = label_folds(codes, 4, generator(), groups)
    assert len(folds) == 4
    assert all({4, 5} <= set(train) for train, _ in folds)
    with pytest.raises(TableError, match="two folds"):
        label_folds(codes, 2, generator(), np.zeros(6, dtype=int))


@pytest.mark.parametrize("grouped", [False, True])
def test_with_row_ids_a_shuffled_table_gives_the_same_rows(grouped: bool) -> None:
    rng = np.random.default_rng(1)
    codes, ids = rng.integers(-1, 3, 200), np.array([f"row {i}" for i in rng.permutation(200)])
    groups = rng.integers(0, 30, 200) if grouped else None
    shuffled = rng.permutation(200)
    moved = None if groups is None else groups[shuffled]
    _, held = stratified_split(codes, 0.3, generator(), groups, ids)
    _, again = stratified_split(codes[shuffled], 0.3, generator(), moved, ids[shuffled])
    assert set(ids[held]) == set(ids[shuffled][again])
    folds = label_folds(codes, 3, generator(), groups, ids)
    others = label_folds(codes[shuffled], 3, generator(), moved, ids[shuffled])
    for (_, one), (_, other) in zip(folds, others, strict=True):
        assert set(ids[one]) == set(ids[shuffled][other])


def test_hidden_labels_leave_the_same_number_of_every_class() -> None:
    codes = np.repeat([0, 1, -1, 2], [50, 7, 20, 9])
    kept = hide_labels(codes, 7, generator())
    assert np.bincount(codes[kept]).tolist() == [7, 7, 7]
    assert np.array_equal(kept, hide_labels(codes, 7, generator())), "the generator decides, nothing else"
    assert not np.array_equal(kept, hide_labels(codes, 7, np.random.default_rng(8)))
    with pytest.raises(TableError, match="Class code 1 has 7 labels, 8 were asked for"):
        hide_labels(codes, 8, generator())


def test_impossible_splits_are_refused() -> None:
    codes = np.array([0, 1, 1])
    for call in (
        lambda: stratified_split(codes, 20, generator()),
        lambda: label_folds(codes, 1, generator()),
        lambda: hide_labels(codes, 0, generator()),
    ):
        with pytest.raises(SettingError):
            call()
    nothing = np.full(3, -1)
    for call in (
        lambda: stratified_split(nothing, 0.5, generator()),
        lambda: label_folds(nothing, 2, generator()),
        lambda: hide_labels(nothing, 1, generator()),
        lambda: hide_labels(nothing[:0], 1, generator()),
    ):
        with pytest.raises(TableError):
            call()


def test_a_locked_row_never_teaches_anything() -> None:
    lock = EvaluationLock(np.array(["b", "d"]))
    lock.check(np.array(["a", "c"]), doing="scaling")
    with pytest.raises(TableError, match="Scaling would see 1 row kept for evaluation: 'd'"):
        lock.check(np.array(["a", "d"]), doing="scaling")
    with pytest.raises(TableError, match="cannot be compared"):
        lock.check(np.array([1, 2]), doing="scaling")
    assert len(lock) == 2
    EvaluationLock(np.array([], dtype=int)).check(np.array([1]), doing="fitting")
