"""How the X that users pass in becomes what views read.

Shapes: n = rows, d = columns.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from cotrain.errors import SettingError
from cotrain.table import as_table
from cotrain.views import View, views_by_prefix


def is_tabular(X: Any) -> bool:
    """Whether X has named columns: a pyarrow Table, or a DataFrame of pandas or polars."""
    return isinstance(X, pa.Table) or (hasattr(X, "__arrow_c_stream__") and not isinstance(X, np.ndarray))


def as_data(X: Any, columns: Mapping[str, Sequence[int]] | None) -> Any:
    """X as `ViewSet` reads it: a table, or {view: array}.

    Parameters
    ----------
    X : a table, a mapping {view: array}, or a matrix [n, d]
    columns : {view: positions of its columns}, for a matrix only; None = one view "all"
    """
    if is_tabular(X):
        return as_table(X)
    if isinstance(X, Mapping):
        return dict(X)
    if columns is None:
        return {"all": X}
    return {view: X[:, list(positions)] for view, positions in columns.items()}


def views_of(
    X: Any, views: Mapping[str, Any] | Sequence[View] | None
) -> tuple[list[View], dict[str, list[int]] | None]:
    """The views to fit, and for a matrix which of its columns each one takes.

    Parameters
    ----------
    X : as in `as_data`
    views : None = by column prefix in a table, by key in a mapping, one view "all" in a matrix; or {name: columns}
        with names, globs and types for a table, positions or a slice for a matrix; or View objects
    """
    if views is not None and not isinstance(views, Mapping):
        if not all(isinstance(view, View) for view in views):
            raise SettingError("views", views, "a mapping {name: columns} or a list of View")
        return list(views), None
    if isinstance(X, Mapping):
        return [_as_view(name, View(name)) for name in (views or X)], None
    if is_tabular(X):
        if views is None:
            return views_by_prefix(as_table(X).column_names), None
        return [_as_view(name, columns) for name, columns in views.items()], None
    if views is None:
        return [View("all")], None
    n_columns = X.shape[1]
    return [View(name) for name in views], {
        name: np.atleast_1d(np.arange(n_columns)[columns]).tolist() for name, columns in views.items()
    }


def _as_view(name: str, columns: Any) -> View:
    if isinstance(columns, View):
        return columns
    return View(name, (columns,) if isinstance(columns, str) else tuple(columns))


def n_rows_of(X: Any) -> int:
    """How many rows X has, whatever it is."""
    if isinstance(X, Mapping):
        return next((_length(array) for array in X.values()), 0)
    return _length(X)


def _length(array: Any) -> int:
    return array.shape[0] if hasattr(array, "shape") else array.num_rows if hasattr(array, "num_rows") else len(array)
