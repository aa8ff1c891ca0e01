"""How a category becomes numbers: one column of 0 and 1 per category that is not rare.

Rare categories share one column. A category that training never saw, and a missing one, is 0 in all columns.

Shapes: n = rows, k = columns of 0 and 1.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cotrain.errors import TableError, ViewError
from cotrain.table.columns import Column, is_text_type, numbers, plain

RARE = "(rare)"
NO_COLUMN = -1


@dataclass(frozen=True)
class CategoryMap:
    """The categories of one column.

    Parameters
    ----------
    kept : those with a column of their own, sorted
    rare : those that share the last column, sorted; none = there is no such column
    """

    kept: tuple[str, ...]
    rare: tuple[str, ...]

    @property
    def n_columns(self) -> int:
        """k, of which the last is for the rare ones, if there are any."""
        return len(self.kept) + bool(self.rare)

    def codes(self, column: pa.Array) -> NDArray[np.int64]:
        """[n] which column is 1 in each row; -1 where none is."""
        encoded = column.dictionary_encode()
        code_of: Mapping[str | None, int] = {
            **dict.fromkeys(self.rare, len(self.kept)),
            **{category: code for code, category in enumerate(self.kept)},
        }
        found = [code_of.get(category, NO_COLUMN) for category in encoded.dictionary.to_pylist()]
        lookup = np.array([*found, NO_COLUMN], dtype=np.int64)  # the last entry serves a null
        return lookup[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]

    def names(self, column_name: str) -> list[str]:
        """[k] what each column stands for."""
        return [f"{column_name}={category}" for category in (*self.kept, *([RARE] if self.rare else []))]

    def settings(self) -> dict[str, Any]:
        """All of it, in JSON values."""
        return {"kept": list(self.kept), "rare": list(self.rare)}


def fit_categories(name: str, column: pa.Array, min_count: int, max_categories: int) -> CategoryMap:
    """The categories of the training rows; the most frequent first claim, ties in sorted order.

    Raises
    ------
    TableError : for a column in which every value is missing
    """
    counted = column.drop_null().value_counts().to_pylist()
    counts = Counter({entry["values"]: entry["counts"] for entry in counted})
    if not counts:
        raise TableError(
            f'Column "{name}" has no value in any of {len(column)} training rows. Fill it, or leave it out of the view.'
        )
    frequent_first = sorted(counts, key=lambda category: (-counts[category], category))
    kept = [category for category in frequent_first[:max_categories] if counts[category] >= min_count]
    return CategoryMap(tuple(sorted(kept)), tuple(sorted(set(counts).difference(kept))))


def as_categories(name: str, column: Column) -> pa.Array:
    """[n] the column as strings, null where a value is missing; 7 and 7.0 are the same category.

    Raises
    ------
    ViewError : for numbers that are not whole
    """
    values = plain(column)
    if is_text_type(values.type):
        return values
    if pa.types.is_floating(values.type):
        floats = numbers(values)
        is_missing = np.isnan(floats)
        if np.any(floats[~is_missing] != np.floor(floats[~is_missing])) or np.isinf(floats).any():
            raise ViewError(f'Column "{name}" holds numbers that are not whole and cannot be categories.')
        values = pa.array(np.where(is_missing, 0, floats).astype(np.int64), mask=is_missing)
    return values.cast(pa.large_string())
