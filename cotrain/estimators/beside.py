"""What may stand beside X and y, one value per row: weights, groups, times, names of rows.

Shapes: n = rows.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cotrain.errors import TableError
from cotrain.table import as_table, groups, row_ids, weights
from cotrain.table.columns import is_missing, is_number_type, is_text_type, plain


def weights_of(sample_weight: Any, n_rows: int) -> NDArray[np.float64] | None:
    """[n] how much each given label counts, finite and >= 0; None where no weights are given."""
    if sample_weight is None:
        return None
    return weights(_one_per_row("sample_weight", sample_weight, n_rows), "sample_weight")


def groups_of(given: Any, n_rows: int) -> NDArray[np.int64] | None:
    """[n] the group of each row as a number; None where no groups are given."""
    return None if given is None else groups(_one_per_row("groups", given, n_rows), "groups")


def moments_of(given: Any, n_rows: int) -> NDArray[np.int64]:
    """[n] the rank of each row's time, equal times equal, 0 the earliest; 0 .. n - 1 where no times are given.

    Raises
    ------
    TableError : for another number of times, a missing one, and values that are no time
    """
    if given is None:
        return np.arange(n_rows)
    times = _one_per_row("times", given, n_rows)["times"]
    if is_missing(times).any():
        raise TableError(
            f"`times` is missing in {int(is_missing(times).sum())} of {n_rows} rows. Fill it, or drop them."
        )
    kind = plain(times).type
    if n_rows and not (is_number_type(kind) or pa.types.is_temporal(kind) or is_text_type(kind)):
        raise TableError(f"`times` must hold numbers, dates, times or strings that sort as time does; got {kind}.")
    return np.unique(plain(times).to_numpy(zero_copy_only=False), return_inverse=True)[1]


def row_ids_of(given: Any, n_rows: int) -> NDArray[np.generic]:
    """[n] distinct names of the rows; 0 .. n - 1 where none are given."""
    return np.arange(n_rows) if given is None else row_ids(_one_per_row("row_ids", given, n_rows), "row_ids")


def _one_per_row(name: str, values: Any, n_rows: int) -> pa.Table:
    is_arrow = isinstance(values, (pa.Array, pa.ChunkedArray))
    table = as_table({name: values if is_arrow else np.asarray(values)})
    if table.num_rows != n_rows:
        raise TableError(f"`{name}` must have one value per row; got {table.num_rows} values for {n_rows} rows.")
    return table
