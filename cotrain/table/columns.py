"""How one Arrow column becomes plain text or plain numbers.

Everything above reads columns through these few functions, so that a dictionary-encoded string,
a large string and a string, or a half and a double, mean the same thing everywhere.

Shapes: n = rows. A missing value is null or, in a float column, NaN.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cotrain.errors import TableError

Column: TypeAlias = pa.ChunkedArray | pa.Array

_STRINGS: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
)


def is_text_type(kind: pa.DataType) -> bool:
    """Strings of every layout; a dictionary counts as what it holds."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(test(kind) for test in _STRINGS)


def is_number_type(kind: pa.DataType) -> bool:
    """Integers and floats of every width; booleans and decimals are neither."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def is_boolean_type(kind: pa.DataType) -> bool:
    """Booleans, dictionary-encoded or not."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_boolean(kind)


def plain(column: Column) -> pa.Array:
    """The column as one array, dictionaries decoded, strings as large_string.

    A null inside a dictionary becomes a null of the row that points to it.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if is_text_type(column.type):
        column = column.cast(pa.large_string())  # before the chunks are joined: 32-bit offsets end at 2 GiB
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def numbers(column: Column) -> NDArray[np.float64]:
    """[n] the column as float64, NaN where a value is missing; booleans as 0 and 1.

    An all-null column without a type is all NaN.

    Raises
    ------
    TableError : for a type that holds no numbers
    """
    array = plain(column)
    if pa.types.is_null(array.type):
        return np.full(len(array), np.nan)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())  # NumPy has no missing boolean
    if not is_number_type(array.type):
        raise TableError(f"Numbers were expected; got a column of type {array.type}.")
    return array.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)


def is_missing(column: Column) -> NDArray[np.bool_]:
    """[n] mask of the nulls, and of the NaN where the column holds floats."""
    array = plain(column)
    if pa.types.is_floating(array.type):
        return np.isnan(numbers(array))
    return array.is_null().to_numpy(zero_copy_only=False)


def repeated(value: str, n_rows: int) -> pa.DictionaryArray:
    """[n] one text in every row, said once and pointed to: a column of millions of rows stays small."""
    return pa.DictionaryArray.from_arrays(np.zeros(n_rows, dtype=np.int32), pa.array([value], pa.string()))


def small(values: NDArray[np.floating]) -> pa.Array:
    """[n] as float32, null where it is NaN: JSON has no NaN, and SQL no order for it."""
    return pa.array(values.astype(np.float32), mask=np.isnan(values))


def named(values: Iterable[Any], at_most: int = 5) -> str:
    """The first few values for a message: `'a', 'b', ... (9 in all)`."""
    given: Sequence[Any] = list(values)
    shown = ", ".join(repr(value) for value in given[:at_most])
    return shown if len(given) <= at_most else f"{shown}, ... ({len(given)} in all)"


def rows(count: int) -> str:
    """`1 row`, `2 rows`."""
    return "1 row" if count == 1 else f"{count} rows"
