"""How the columns of a table become the block of one view.

Order of a block's columns: numbers and booleans, then the categories column by column, then words.

Next to text, which has length 1 per row, the numbers are divided by the root of how many they are,
and so are the categories: each kind then speaks about as loudly as the text.

Shapes: n = rows, d = columns of the block.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from cotrain.errors import TableError, ViewError
from cotrain.table.columns import is_missing, named, numbers, rows
from cotrain.views.blocks import Block
from cotrain.views.categories import NO_COLUMN, CategoryMap, as_categories, fit_categories
from cotrain.views.kinds import fits, kind_in
from cotrain.views.scaling import Numbers, Read, Scaler, check_finite, fit_scaler
from cotrain.views.select import select
from cotrain.views.view import Kind, View
from cotrain.views.words import fit_words, weigh_words

NUMBERS: tuple[Kind, ...] = ("numeric", "boolean")


@dataclass(frozen=True)
class TableMap:
    """One fitted view of a table.

    Parameters
    ----------
    view : its settings
    kinds : {column: kind}, in the order of the columns
    scaler : of the numbers and booleans, if there are any
    categories : {column: its categories}
    words : the vectorizer of the text, if there is any
    """

    view: View
    kinds: Mapping[str, Kind]
    scaler: Scaler | None
    categories: Mapping[str, CategoryMap]
    words: TfidfVectorizer | None

    def transform(self, table: pa.Table) -> tuple[Block, NDArray[np.bool_]]:
        """The block of these rows, and which of them have the view."""
        self._check_schema(table)
        is_present = present_rows(table, self.kinds)
        numeric = self._numbers(table)
        numeric[~is_present] = 0.0  # in categories and words, missing is 0 by itself
        one_hot = self._one_hot(table)
        if self.words is not None:
            return self._beside_words(table, numeric, one_hot), is_present
        block = np.hstack([numeric, *(part.toarray() for part in one_hot)]) if one_hot else numeric
        shape = image_shape(self.view.shape)
        return (block if shape is None else block.reshape(table.num_rows, *shape)), is_present

    @property
    def names(self) -> tuple[str, ...]:
        """[d] what each column of the block stands for."""
        names = _of_kind(self.kinds, *NUMBERS)
        for column, categories in self.categories.items():
            names += categories.names(column)
        if self.words is not None:
            names += self.words.get_feature_names_out().tolist()
        return tuple(names)

    def _numbers(self, table: pa.Table) -> NDArray[np.float32]:
        """[n, numbers and booleans] scaled."""
        columns = _of_kind(self.kinds, *NUMBERS)
        out = np.zeros((table.num_rows, len(columns)), dtype=np.float32)
        if self.scaler is not None:
            self.scaler.apply(_reader(table, columns), out)
        return out

    def _one_hot(self, table: pa.Table) -> list[csr_matrix]:
        """[n, k] of 0 and 1 for each categorical column."""
        parts = []
        for column, categories in self.categories.items():
            codes = categories.codes(as_categories(column, table[column]))
            known = np.flatnonzero(codes != NO_COLUMN)
            ones = np.ones(len(known), dtype=np.float32)
            parts.append(csr_matrix((ones, (known, codes[known])), shape=(table.num_rows, categories.n_columns)))
        return parts

    def _beside_words(self, table: pa.Table, numeric: NDArray[np.float32], one_hot: Sequence[csr_matrix]) -> csr_matrix:
        """[n, d] the narrow parts, brought to about the length of the text, beside the words."""
        assert self.words is not None
        parts = [weigh_words(self.words, [table[column] for column in _of_kind(self.kinds, "text")])]
        if one_hot:
            share = np.float32(1.0 / np.sqrt(len(one_hot)))
            parts = [*(part * share for part in one_hot), *parts]
        if numeric.shape[1]:
            parts = [csr_matrix(numeric * np.float32(1.0 / np.sqrt(numeric.shape[1]))), *parts]
        return csr_matrix(hstack(parts, format="csr", dtype=np.float32)) if len(parts) > 1 else parts[0]

    def _check_schema(self, table: pa.Table) -> None:
        types = dict(zip(table.column_names, table.schema.types, strict=True))
        missing = [column for column in self.kinds if column not in types]
        if missing:
            shown = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
            raise ViewError(
                f'View "{self.view.name}" was fitted on {len(self.kinds)} columns, this table has '
                f"{len(self.kinds) - len(missing)}; missing: {shown}."
            )
        for column, kind in self.kinds.items():
            if not fits(kind, types[column]):
                raise ViewError(
                    f'View "{self.view.name}" was fitted with column "{column}" as {kind}, this table has it as '
                    f"{types[column]}. Read it as it was in training; for CSV, `types` sets the type of a column."
                )


def fit_table_map(view: View, table: pa.Table, exclude: Collection[str], positions: NDArray[np.integer]) -> TableMap:
    """Learns one view from a table that holds the training rows only.

    Parameters
    ----------
    positions : [n] where these rows stand in the user's table, for messages

    Raises
    ------
    ViewError, TableError : see `ViewSet.fit`
    """
    columns = select(view, table, exclude)
    _check_not_empty(view, table, columns)
    kinds: dict[str, Kind] = {column: kind_in(view, column, table[column]) for column in columns}
    _check_image(view, kinds)
    is_present = present_rows(table, kinds)
    if not is_present.any():
        raise no_row_has(view.name, table.num_rows)
    numeric = _of_kind(kinds, *NUMBERS)
    texts = [table[column] for column in _of_kind(kinds, "text")]
    scaler = fit_scaler(_reader(table, numeric, positions, is_present), numeric, view.scaling) if numeric else None
    shape = image_shape(view.shape)
    if scaler is not None and shape is not None:
        scaler = scaler.pooled(shape[0])
    return TableMap(
        view,
        kinds,
        scaler,
        {
            column: fit_categories(column, as_categories(column, table[column]), view.min_count, view.max_categories)
            for column in _of_kind(kinds, "categorical")
        },
        fit_words(view.name, texts, view.max_features) if texts else None,
    )


def present_rows(table: pa.Table, columns: Collection[str]) -> NDArray[np.bool_]:
    """[n] mask of the rows in which at least one of the columns has a value."""
    is_present = np.zeros(table.num_rows, dtype=bool)
    for column in columns:
        if is_present.all():  # nearly always after the first column
            break
        is_present |= ~is_missing(table[column])
    return is_present


def image_shape(shape: Sequence[int] | None) -> tuple[int, ...] | None:
    """(channels, height, width); one channel where none is given."""
    return None if shape is None else (1, *shape) if len(shape) == 2 else tuple(shape)


def no_row_has(view_name: str, n_rows: int) -> ViewError:
    """What to say of a view that is missing throughout."""
    return ViewError(f'View "{view_name}" is empty in all of {rows(n_rows)} for training. Drop it, or bring its data.')


def _reader(
    table: pa.Table,
    columns: Sequence[str],
    positions: NDArray[np.integer] | None = None,
    is_present: NDArray[np.bool_] | None = None,
) -> Read:
    def read(start: int, stop: int) -> Numbers:
        values = np.empty((stop - start, table.num_rows))
        for i, column in enumerate(columns[start:stop]):
            values[i] = numbers(table[column])
            check_finite(column, values[i], positions)
        return values if is_present is None else values[:, is_present]

    return read


def _check_not_empty(view: View, table: pa.Table, columns: Sequence[str]) -> None:
    empty = [column for column in columns if table[column].null_count == table.num_rows]
    if len(empty) == len(columns):
        raise no_row_has(view.name, table.num_rows)
    if empty:
        raise TableError(
            f'Column {named(empty)} of view "{view.name}" has no value in any of {rows(table.num_rows)} for training. '
            "Fill it, or leave it out of the view."
        )


def _check_image(view: View, kinds: Mapping[str, Kind]) -> None:
    if view.shape is None:
        return
    other = [column for column, kind in kinds.items() if kind not in NUMBERS]
    if other or len(kinds) != np.prod(view.shape):
        raise ViewError(
            f'View "{view.name}" of shape {view.shape} needs {np.prod(view.shape)} numeric columns; got {len(kinds)}'
            + (f", of which not numeric: {named(other)}" if other else "")
            + ". Change `shape` or `columns`."
        )


def _of_kind(kinds: Mapping[str, Kind], *wanted: Kind) -> list[str]:
    return [column for column, kind in kinds.items() if kind in wanted]
