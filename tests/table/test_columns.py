"""A column means the same however Arrow stores it."""

import numpy as np
import pyarrow as pa
import pytest

from cotrain.errors import TableError
from cotrain.table.columns import is_missing, named, numbers, plain

STORED = [
    pa.array([1.5, None, 3]),
    pa.array([1.5, float("nan"), 3], pa.float32()),
    pa.array(np.array([1.5, np.nan, 3], dtype=np.float16)),
    pa.array([1.5, None, 3]).dictionary_encode(),
    pa.chunked_array([[1.5], [None, 3.0]]),
]


@pytest.mark.parametrize("column", STORED, ids=lambda column: str(column.type))
def test_numbers_are_the_same_in_every_layout(column: pa.Array) -> None:
    assert np.array_equal(numbers(column), [1.5, np.nan, 3], equal_nan=True)
    assert is_missing(column).tolist() == [False, True, False]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_strings_are_the_same_in_every_layout(kind: pa.DataType) -> None:
    assert plain(pa.array(["a", None], kind)).equals(pa.array(["a", None], pa.large_string()))


def test_a_null_inside_a_dictionary_is_a_missing_value() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", None]))
    assert is_missing(column).tolist() == [False, True]


def test_booleans_and_nothing_at_all_are_numbers_too() -> None:
    assert np.array_equal(numbers(pa.array([True, None, False])), [1, np.nan, 0], equal_nan=True)
    assert np.isnan(numbers(pa.nulls(2))).all()
    with pytest.raises(TableError, match="got a column of type"):
        numbers(pa.array(["a"]))


def test_messages_show_the_first_few() -> None:
    assert named(["a"]) == "'a'"
    assert named(range(7)) == "0, 1, 2, 3, 4, ... (7 in all)"
