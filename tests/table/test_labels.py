"""Labels become codes and come back unchanged; what is no label is refused with a sentence."""

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.errors import TableError
from cotrain.table import check_labels, decode, encode_target
from cotrain.tasks import Task


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))))
def test_labels_come_back_unchanged(labels: list[int | None]) -> None:
    task, codes = encode_target(pa.array(labels, pa.int64()), "y")
    assert decode(codes, task, pa.int64()).to_pylist() == labels


@settings(deadline=None)
@given(st.lists(st.sampled_from([None, "a", "b", "c"])), st.permutations(["a", "b", "c"]))
def test_relabelling_is_a_pure_renaming(labels: list[str | None], order: list[str]) -> None:
    rename = dict(zip(["a", "b", "c"], order, strict=True))
    task, codes = encode_target(pa.array(labels, pa.string()), "y")
    renamed = [None if label is None else rename[label] for label in labels]
    _, again = encode_target(pa.array(renamed, pa.string()), "y", classes=[rename[str(one)] for one in task.classes])
    assert np.array_equal(codes, again)


@pytest.mark.parametrize(
    ("column", "classes", "codes"),
    [
        (pa.array([10, 9, None, 10]), (9, 10), [1, 0, -1, 1]),
        (pa.array(["10", "9", None]), ("10", "9"), [0, 1, -1]),
        (pa.array([True, None, False]), (False, True), [1, -1, 0]),
        (pa.array([1.0, float("nan"), None, 3.0]), (1, 3), [0, -1, -1, 1]),
        (pa.array([1, 3, None], pa.float32()).cast(pa.float16()), (1, 3), [0, 1, -1]),
        (pa.array(["b", "a", None]).dictionary_encode(), ("a", "b"), [1, 0, -1]),
        (pa.array(["b", "a"], pa.large_string()), ("a", "b"), [1, 0]),
        (pa.chunked_array([["b"], ["a", None]]), ("a", "b"), [1, 0, -1]),
        (pa.array([2**64 - 1, 0], pa.uint64()), (0, 2**64 - 1), [1, 0]),
        (pa.nulls(2), (), [-1, -1]),
        (pa.array([], pa.int64()), (), []),
        (pa.chunked_array([], pa.string()), (), []),
    ],
)
def test_every_type_of_label_has_its_codes(column: pa.Array, classes: tuple, codes: list[int]) -> None:
    task, found = encode_target(column, "y")
    assert task == Task("y", classes)
    assert [type(label) for label in task.classes] == [type(label) for label in classes]
    assert found.dtype == np.int64
    assert found.tolist() == codes


def test_decode_gives_the_type_that_is_asked_for() -> None:
    task, codes = encode_target(pa.array([3, None, 5], pa.int8()), "y")
    assert decode(codes, task, pa.int8()).equals(pa.array([3, None, 5], pa.int8()))
    assert decode(np.array([0, 1]), Task("y", (0, 2**64 - 1))).to_pylist() == [0, 2**64 - 1]
    with pytest.raises(TableError, match="2 classes; got code 2"):
        decode(np.array([2]), task)


def test_given_classes_keep_their_order_and_an_unknown_label_is_named() -> None:
    task, codes = encode_target(pa.array(["no", "yes", None]), "y", classes=["yes", "no"])
    assert (task.classes, codes.tolist()) == (("yes", "no"), [1, 0, -1])
    with pytest.raises(TableError, match="the labels of 2 rows are 'maybe'"):
        encode_target(pa.array(["no", "maybe", "maybe"]), "y", classes=["yes", "no"])


UNSEEN_TYPES = [
    pa.array([datetime.datetime(2026, 1, 1)]),
    pa.array([[1, 2]]),
    pa.array([decimal.Decimal("1.0")]),
    pa.array([b"x"]),
    pa.array([{"a": 1}]),
]


@pytest.mark.parametrize("column", UNSEEN_TYPES, ids=lambda column: str(column.type))
def test_a_target_of_an_unseen_type_says_what_is_needed(column: pa.Array) -> None:
    with pytest.raises(TableError, match="a class target needs integers, strings or booleans"):
        encode_target(column, "y")


@pytest.mark.parametrize("value", [0.5, float("inf"), 1e300])
def test_numbers_that_are_not_whole_are_no_classes(value: float) -> None:
    with pytest.raises(TableError, match="not whole in 1 row"):
        encode_target(pa.array([1.0, value, None]), "y")


def test_labels_that_differ_in_blanks_only_are_a_slip() -> None:
    with pytest.raises(TableError, match="differ in blanks"):
        encode_target(pa.array(["yes", " yes"]), "y")
    with pytest.raises(TableError, match="empty string as a label"):
        encode_target(pa.array(["yes", ""]), "y")


def test_there_must_be_something_to_learn_from() -> None:
    task = Task("y", ("ham", "spam"))
    with pytest.raises(TableError, match="no label in any of 3 rows"):
        check_labels(np.array([-1, -1, -1]), task)
    with pytest.raises(TableError, match="one class only, 'spam' in 2 rows"):
        check_labels(np.array([1, 1, -1]), task)
    with pytest.raises(TableError, match="'spam' has 1 of 3 labels"):
        check_labels(np.array([0, 0, 1]), task)
    check_labels(np.array([0, 0, 1]), task, at_least=1)
    check_labels(np.array([0, 0, 1, 1, -1]), task)
