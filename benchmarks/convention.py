"""Which rows, classes and views a table in the convention of the benchmarks has, and whether they can be measured.

Columns are `<view>__<feature>`. A string column is text where its feature is named `text`, `title` or `review`, and
categorical everywhere else, whatever its values look like.

Shapes: n = rows that are used.
"""

from collections.abc import Sequence
from dataclasses import replace
from glob import escape
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cotrain.errors import TableError
from cotrain.table import encode_target, read_table
from cotrain.table.columns import is_missing, is_number_type, is_text_type, named, numbers
from cotrain.views import View, kind_of, views_by_prefix
from cotrain.views.kinds import TEXT_NAMES
from cotrain.views.scaling import check_finite
from cotrain.views.view import SEPARATOR

LEAST_ROWS = 3
"""Of a class: one is tested and two are learnt from. Rarer classes are left out, for every method."""


def load(
    path: Path, target: str, views: Sequence[str] | None = None, n_rows: int | None = None
) -> tuple[pa.Table, NDArray[np.int64]]:
    """The feature columns and the class codes of the rows that have a label and a class to share it with.

    Parameters
    ----------
    path : of a Parquet or CSV file
    target : the column to predict: integers, strings or booleans, null where there is no label
    views : prefixes of those to use; None = all
    n_rows : a sample of at most this many rows, always the same one; None = all

    Returns
    -------
    features, codes : [n] rows; codes 0 .. C - 1, all of which occur

    Raises
    ------
    TableError : for a file that is no table, a target without two classes of three rows, no such view, no column to
        read, a column of a type that no view reads, an infinite value
    """
    table = read_table(path)
    if target not in table.column_names:
        raise TableError(f"{path} has no column {target!r} to predict; name the target with --target.")
    columns = _columns(path, table, target, views)
    codes = encode_target(table[target], target)[1]
    used = _rows(codes, n_rows)
    if len(np.unique(codes[used])) < 2:
        raise TableError(
            f"Target {target!r} of {path} has fewer than two classes with {LEAST_ROWS} rows each "
            f"({int((codes >= 0).sum())} of {len(codes)} rows are labelled); label more rows, or use more of them."
        )
    features = table.select(columns).take(pa.array(used))
    _check_columns(features, used)
    return features, np.unique(codes[used], return_inverse=True)[1].astype(np.int64)


def views_in(features: pa.Table) -> list[View]:
    """The views of these columns, with the kinds that the convention gives them."""
    return [
        replace(view, kinds={escape(name): "categorical" for name in view.columns if _is_category(features, name)})
        for view in views_by_prefix(features.column_names)
    ]


def with_values(features: pa.Table, train: NDArray[np.integer]) -> pa.Table:
    """The columns that have a value in the training rows; of the others nothing could be learnt.

    Raises
    ------
    TableError : where that leaves no column
    """
    rows = features.take(pa.array(train))
    kept = [name for name in features.column_names if not is_missing(rows[name]).all()]
    if not kept:
        raise TableError(f"None of {features.num_columns} columns has a value in the {len(train)} training rows.")
    return features.select(kept)


def _columns(path: Path, table: pa.Table, target: str, views: Sequence[str] | None) -> list[str]:
    known = views_by_prefix(table.column_names, exclude=[target])
    if not known:
        raise TableError(f"{path} has no column besides the target {target!r}; add features as `<view>__<feature>`.")
    names = [view.name for view in known]
    unknown = [name for name in views or () if name not in names]
    if unknown:
        raise TableError(f"{path} has no view {named(unknown)}; it has {named(names)}.")
    return [column for view in known if views is None or view.name in views for column in view.columns]


def _rows(codes: NDArray[np.int64], n_rows: int | None) -> NDArray[np.intp]:
    """[n] sorted positions of the rows whose class is not too rare, before and after the sample is drawn."""
    used = _not_rare(codes, np.flatnonzero(codes >= 0))
    if n_rows is None or n_rows >= len(used):
        return used
    return _not_rare(codes, np.sort(np.random.default_rng(0).permutation(used)[:n_rows]))


def _not_rare(codes: NDArray[np.int64], positions: NDArray[np.intp]) -> NDArray[np.intp]:
    counts = np.bincount(codes[positions])
    return positions[counts[codes[positions]] >= LEAST_ROWS]


def _check_columns(features: pa.Table, positions: NDArray[np.intp]) -> None:
    """Finds before hours of work what would end them: a type that no view reads, an infinite value."""
    for name in features.column_names:
        column = features[name]
        if not pa.types.is_null(column.type):  # empty columns are dropped seed by seed
            kind_of(name, column)
        if is_number_type(column.type):
            check_finite(name, numbers(column), positions)


def _is_category(features: pa.Table, name: str) -> bool:
    return is_text_type(features[name].type) and name.rsplit(SEPARATOR, 1)[-1].lower() not in TEXT_NAMES
