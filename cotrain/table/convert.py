"""What counts as a table, and does it have the columns and rows that are asked for.

Inside, a table is always a `pyarrow.Table` with distinct column names.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import pyarrow as pa

from cotrain.errors import TableError
from cotrain.table.columns import named


def as_table(data: Any) -> pa.Table:
    """Any tabular thing as a `pyarrow.Table`, without copying where Arrow allows.

    Parameters
    ----------
    data : a `pyarrow.Table`, anything with `__arrow_c_stream__` (pandas, polars, DuckDB), or a
        mapping from column name to a one-dimensional column

    Returns
    -------
    table : without the index of a pandas DataFrame; `reset_index()` makes columns of it

    Raises
    ------
    TableError : for a thing that is not tabular, columns of different lengths, values of mixed
        types in one column, or two columns of one name

    Examples
    --------
    >>> as_table({"age": [31, None], "city": ["Oslo", "Rome"]}).num_rows
    2
    """
    if isinstance(data, pa.Table):
        return without_index(require_distinct(data, "The table"))
    if isinstance(data, Mapping):
        return _from_columns(data)
    if not hasattr(data, "__arrow_c_stream__"):
        raise TableError(
            f"A table was expected; got {type(data).__name__}. "
            "Give a pandas or polars DataFrame, a pyarrow.Table, or a dict of columns."
        )
    try:
        table = pa.table(data)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise TableError(
            f"The {type(data).__name__} cannot be read as a table: {_first_line(error)}. "
            "Give every column one type and a name of its own."
        ) from error
    return without_index(require_distinct(table, "The table"))


def require_rows(table: pa.Table, what: str) -> pa.Table:
    """The table itself if it has rows.

    Raises
    ------
    TableError : when it has none; `what` says which table it is, as in "The training table"
    """
    if table.num_rows == 0:
        raise TableError(f"{what} has 0 rows; at least one is needed. Check the query or file it comes from.")
    return table


def require_columns(names: Sequence[str], wanted: Iterable[str], what: str) -> None:
    """Checks that all the wanted columns are among `names`.

    Raises
    ------
    TableError : names every missing column and, where there is one, the nearest name; `what` says
        who asks, as in "The roles"
    """
    missing = [name for name in wanted if name not in names]
    if missing:
        hints = "".join(did_you_mean(name, names) for name in missing[:5])
        raise TableError(f"{what} ask for columns that the table does not have: {named(missing)}.{hints}")


def require_distinct(table: pa.Table, what: str) -> pa.Table:
    """The table itself if no two columns share a name; Arrow would accept that silently."""
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise TableError(f"{what} has several columns of one name: {named(twice)}. Rename or drop the copies.")
    return table


def without_index(table: pa.Table) -> pa.Table:
    """The table without the nameless index that pandas stores as a column, and without its notes on it."""
    metadata = dict(table.schema.metadata or {})
    if metadata.pop(b"pandas", None) is None:
        return table
    index = [name for name in table.column_names if name.startswith("__index_level_") and name.endswith("__")]
    return table.drop_columns(index).replace_schema_metadata(metadata or None)


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """A hint at the nearest name, with a leading space; empty where none is near."""
    nearest = get_close_matches(name, names, n=1)
    return f' For "{name}", did you mean "{nearest[0]}"?' if nearest else ""


def _from_columns(columns: Mapping[str, Any]) -> pa.Table:
    arrays = {str(name): _as_array(str(name), values) for name, values in columns.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise TableError(f"All columns of a table must have the same number of rows; got {lengths}.")
    return pa.table(arrays)


def _as_array(name: str, values: Any) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    shape = np.shape(values) if isinstance(values, np.ndarray) else (0,)
    if len(shape) != 1:
        raise TableError(f'Column "{name}" must have one dimension; got an array of shape {shape}.')
    try:
        return pa.array(values, from_pandas=True)  # NaN in objects and floats becomes null
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise TableError(f'Column "{name}" has no single type: {_first_line(error)}. Give it one.') from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
