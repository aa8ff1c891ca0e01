"""Which column plays which part, and what those columns say about the rows.

A role is given to a column by name; columns without one are features and belong to the views.

Shapes: n = rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cotrain.errors import SettingError, TableError
from cotrain.table.columns import is_boolean_type, is_missing, is_number_type, is_text_type, named, numbers, plain, rows
from cotrain.table.convert import require_columns


@dataclass(frozen=True)
class Roles:
    """The columns that are not features.

    Parameters
    ----------
    key : names each row for good; None = the rows are numbered
    targets : {task name: column of its labels}
    group : rows that must stay on one side of every split (one person, one machine)
    weight : how much a row counts, >= 0
    """

    key: str | None = None
    targets: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    weight: str | None = None

    def __post_init__(self) -> None:
        named_columns = [self.key, self.group, self.weight, *self.targets.values()]
        given = [column for column in named_columns if column is not None]
        twice = sorted({column for column in given if given.count(column) > 1})
        if twice:
            raise SettingError("roles", twice, "distinct columns", hint="Give each column one role.")

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that has a role: what no view may read."""
        given = (self.key, *self.targets.values(), self.group, self.weight)
        return tuple(dict.fromkeys(column for column in given if column is not None))

    def check(self, table: pa.Table) -> None:
        """Raises TableError naming every column with a role that the table does not have."""
        require_columns(table.column_names, self.columns, "The roles")


def row_ids(table: pa.Table, key: str | None = None) -> NDArray[np.generic]:
    """[n] what names each row for good.

    Parameters
    ----------
    key : a column of distinct integers or strings without nulls; None = 0 to n - 1

    Returns
    -------
    row_ids : int64, uint64 or fixed-width strings

    Raises
    ------
    TableError : shows the first five rows or keys that break the rule
    """
    if key is None:
        return np.arange(table.num_rows, dtype=np.int64)
    require_columns(table.column_names, [key], "The roles")
    keys = plain(table[key])
    empty = np.flatnonzero(is_missing(keys))
    if len(empty):
        raise TableError(
            f'Key column "{key}" is empty in {len(empty)} of {table.num_rows} rows, first in rows '
            f"{named(empty[:5].tolist())}. Fill it, or leave the key out to number the rows."
        )
    if not (pa.types.is_integer(keys.type) or is_text_type(keys.type)) and table.num_rows:
        raise TableError(f'Key column "{key}" must hold integers or strings; got {keys.type}. Cast it first.')
    counts = keys.value_counts()
    twice = np.flatnonzero(counts.field("counts").to_numpy() > 1)
    if len(twice):
        first = counts.field("values").take(pa.array(twice[:5])).to_pylist()
        raise TableError(
            f'Key column "{key}" must name each row once; {len(twice)} keys occur more than once, first '
            f"{named(first)}. Drop the copies, or choose another key."
        )
    if pa.types.is_integer(keys.type):
        wide = np.uint64 if pa.types.is_uint64(keys.type) else np.int64
        return keys.to_numpy(zero_copy_only=False).astype(wide)
    return np.array(keys.to_pylist(), dtype=np.str_)


def weights(table: pa.Table, column: str | None = None) -> NDArray[np.float64]:
    """[n] how much each row counts; 1 everywhere without a column.

    Raises
    ------
    TableError : for a column that is not of numbers, for a weight that is missing, infinite or negative,
        and when all of them are 0
    """
    if column is None:
        return np.ones(table.num_rows)
    require_columns(table.column_names, [column], "The roles")
    kind = table.schema.field(column).type
    if not (is_number_type(kind) or is_boolean_type(kind)):
        raise TableError(f'Weight column "{column}" must hold numbers >= 0; got {kind}. Cast it first.')
    values = numbers(table[column])
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(wrong):
        shown = ", ".join(f"{values[row]:g} in row {row}" for row in wrong[:5])
        raise TableError(
            f'Weight column "{column}" must hold finite numbers >= 0; not so in {rows(len(wrong))}: {shown}. '
            "Write 0 for a row that should not count."
        )
    if len(values) and not values.any():
        raise TableError(f'Weight column "{column}" is zero in all {len(values)} rows; nothing would count. Mend it.')
    return values


def groups(table: pa.Table, column: str | None = None) -> NDArray[np.int64] | None:
    """[n] the group of each row as a number, in the sorted order of the group names; None without a column.

    Raises
    ------
    TableError : for a missing group, and for a type other than integers, strings and booleans
    """
    if column is None:
        return None
    require_columns(table.column_names, [column], "The roles")
    values = plain(table[column])
    empty = np.flatnonzero(is_missing(values))
    if len(empty):
        raise TableError(
            f'Group column "{column}" is empty in {len(empty)} of {table.num_rows} rows, first in rows '
            f"{named(empty[:5].tolist())}. Fill it; a row on its own needs a group of its own."
        )
    kind = values.type
    if not (pa.types.is_integer(kind) or is_text_type(kind) or is_boolean_type(kind)) and len(values):
        raise TableError(f'Group column "{column}" must hold integers, strings or booleans; got {kind}. Cast it.')
    encoded = values.dictionary_encode()
    rank = np.argsort(np.argsort(np.array(encoded.dictionary.to_pylist()), kind="stable"), kind="stable")
    return rank.astype(np.int64)[encoded.indices.to_numpy(zero_copy_only=False)]
