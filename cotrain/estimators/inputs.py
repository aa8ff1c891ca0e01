"""How the X that users pass in becomes what views read.

Shapes: n = rows, d = columns.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import issparse

from cotrain.errors import SettingError
from cotrain.table import as_table
from cotrain.views import View, views_by_prefix


def is_tabular(X: Any) -> bool:
    """Whether X has named columns: a pyarrow Table, or a DataFrame of pandas or polars."""
    return isinstance(X, pa.Table) or (hasattr(X, "__arrow_c_stream__") and not isinstance(X, np.ndarray))


def is_by_view(X: Any) -> bool:
    """Whether X is a mapping {view: array}; SciPy's DOK matrix, which is a dict too, is not."""
    return isinstance(X, Mapping) and not issparse(X)


def as_data(X: Any, columns: Mapping[str, Sequence[int]] | None) -> Any:
    """X as `ViewSet` reads it: a table, or {view: array}.

    Parameters
    ----------
    X : a table, a mapping {view: array}, or a matrix [n, d]
    columns : {view: positions of its columns}, for a matrix only; None = one view "all"
    """
    if is_tabular(X):
        return as_table(X)
    if is_by_view(X):
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
        with names, globs and types for a table, positions or a slice for a matrix, None for everything, or a View
        with its settings; or a list of View

    Raises
    ------
    SettingError : for what is neither, for positions that a matrix does not have
    """
    if views is None:
        return _views_found(X), None
    if not isinstance(views, Mapping):
        if isinstance(views, str) or not all(isinstance(view, View) for view in views):
            raise SettingError("views", views, "a mapping {name: columns} or a list of View")
        names = [view.name for view in views]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SettingError("views", twice, "views with a name of their own each")
        views = {view.name: view for view in views}
    if is_by_view(X) or is_tabular(X):
        return [_as_view(name, columns) for name, columns in views.items()], None
    return (
        # A matrix has no column names: its view reads all that it is given, which is the columns at the positions.
        [_as_view(name, columns if isinstance(columns, View) else None) for name, columns in views.items()],
        {name: _positions(name, columns, X.shape[1]) for name, columns in views.items()},
    )


def _views_found(X: Any) -> list[View]:
    if is_by_view(X):
        return [View(name) for name in X]
    return views_by_prefix(as_table(X).column_names) if is_tabular(X) else [View("all")]


def _as_view(name: str, columns: Any) -> View:
    """The view under the name that the user gave it, whatever it was called before."""
    if isinstance(columns, View):
        return replace(columns, name=name)
    if columns is None:
        return View(name)
    selectors = (columns,) if isinstance(columns, str) else tuple(columns) if isinstance(columns, Iterable) else ()
    if not selectors or not all(isinstance(selector, str) for selector in selectors):
        raise SettingError(
            "views",
            columns,
            f"names, globs or types of columns in view {name!r}",
            hint="Positions and slices are for an array.",
        )
    return View(name, selectors)


def _positions(name: str, columns: Any, n_columns: int) -> list[int]:
    if columns is None or isinstance(columns, View):
        return list(range(n_columns))
    try:
        chosen = np.atleast_1d(np.arange(n_columns)[list(columns) if isinstance(columns, tuple) else columns])
    except IndexError:
        chosen = np.zeros(0, dtype=np.intp)
    if chosen.ndim != 1 or not len(chosen):
        raise SettingError(
            "views",
            columns,
            f"positions between 0 and {n_columns - 1} or a slice in view {name!r}",
            hint="Names and globs are for a table.",
        )
    return chosen.tolist()


def n_rows_of(X: Any) -> int:
    """How many rows X has, whatever it is."""
    if is_by_view(X):
        return next((_length(array) for array in X.values()), 0)
    return _length(X)


def rows_of(X: Any, positions: NDArray[np.intp]) -> Any:
    """The rows of X at the positions, as the same kind of thing; nested lists become an array."""
    if is_by_view(X):
        return {view: rows_of(array, positions) for view, array in X.items()}
    if isinstance(X, pa.Table):
        return X.take(pa.array(positions))
    if issparse(X):
        return X.tocsr()[positions]  # some sparse formats cannot be indexed
    if hasattr(X, "iloc"):
        return X.iloc[positions]
    return X[positions] if hasattr(X, "shape") else np.asarray(X)[positions]


def _length(array: Any) -> int:
    return array.shape[0] if hasattr(array, "shape") else array.num_rows if hasattr(array, "num_rows") else len(array)
