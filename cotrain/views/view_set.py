"""How a table, or one array per view, becomes blocks: fitted on training rows only, then applied to any rows."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse

from cotrain.errors import SettingError, TableError, ViewError
from cotrain.frozen import Frozen
from cotrain.table.columns import named
from cotrain.table.convert import as_table
from cotrain.views.array_map import Array, fit_array_map
from cotrain.views.at_rest import freeze_maps, thaw_maps
from cotrain.views.blocks import Blocks
from cotrain.views.table_map import TableMap, fit_table_map
from cotrain.views.view import View


class ViewSet:
    """Several views of the same rows.

    Parameters
    ----------
    views : with distinct names
    exclude : columns with a role (key, targets, group, weight), which globs and types pass over

    Attributes
    ----------
    maps_ : what was learnt, one per view

    Examples
    --------
    >>> views = ViewSet([View("size", ("*_mm",)), View("words", ("title", "review"))])
    >>> blocks = views.fit(table, train_positions).transform(table)  # doctest: +SKIP
    """

    def __init__(self, views: Sequence[View], exclude: Sequence[str] = ()) -> None:
        self.views = tuple(views)
        self.exclude = tuple(exclude)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the views, in order."""
        return tuple(view.name for view in self.views)

    def fit(self, data: Any, positions: NDArray[np.integer] | None = None) -> Self:
        """Learns from the training rows; no other row is looked at, and their order does not matter.

        Parameters
        ----------
        data : a table (see `as_table`), or a mapping {view: array}: dense [n, d], [n, height, width] or
            [n, channels, height, width], sparse [n, d], one-dimensional (a single column, of text perhaps),
            or a table of the view's columns
        positions : of the training rows; None = all rows

        Raises
        ------
        ViewError : for a selector that finds nothing, a type that no view can read, a view that no
            training row has, or one that is missing from the mapping
        TableError : for an infinite value, a column without any value, or views of unequal length
        """
        if not self.views or len(set(self.names)) < len(self.names):
            raise SettingError("views", list(self.names), "at least one view, each with a name of its own")
        sources = self._sources(data)
        n_rows = _n_rows(sources)
        rows = np.arange(n_rows) if positions is None else positions
        rows = _checked(rows, n_rows)
        training: dict[int, pa.Table] = {}  # one table serves many views: its rows are taken once
        maps = []
        for view in self.views:
            source = sources[view.name]
            if isinstance(source, (np.ndarray, csr_matrix)):
                maps.append(fit_array_map(view, source, rows))
                continue
            if id(source) not in training:
                training[id(source)] = source if positions is None else source.take(pa.array(rows))
            maps.append(fit_table_map(view, training[id(source)], self.exclude, rows))
        self.maps_ = maps
        return self

    def transform(self, data: Any) -> Blocks:
        """The blocks of any rows, 0 too; a row that lacks a view is 0 in its block.

        Raises
        ------
        ViewError : before `fit`, and for data without a column or with a column of another kind
        TableError : for an infinite value, or views of unequal length
        """
        if not hasattr(self, "maps_"):
            raise ViewError("These views know no data yet; call `fit` with the training rows first.")
        sources = self._sources(data)
        _n_rows(sources)
        arrays, is_present, names = {}, {}, {}
        for one in self.maps_:
            source = sources[one.view.name]
            if isinstance(one, TableMap) != isinstance(source, pa.Table):
                was, now = ("a table", "an array") if isinstance(one, TableMap) else ("an array", "a table")
                raise ViewError(f'View "{one.view.name}" was fitted on {was}; got {now}. Give it the same.')
            arrays[one.view.name], is_present[one.view.name] = one.transform(source)  # type: ignore[arg-type]
            names[one.view.name] = one.names
        return Blocks(arrays, is_present, names)

    def freeze(self) -> Frozen:
        """The fitted views at rest."""
        if not hasattr(self, "maps_"):
            raise ViewError("Views that know no data cannot be frozen; call `fit` first.")
        return freeze_maps(self.maps_, self.exclude)

    @classmethod
    def thaw(cls, frozen: Frozen) -> Self:
        """The views as they were, transforming to the same bits."""
        maps = thaw_maps(frozen)
        views = cls([one.view for one in maps], frozen.settings["exclude"])
        views.maps_ = maps
        return views

    def _sources(self, data: Any) -> dict[str, pa.Table | Array]:
        """What each view reads: the one table, or its own array."""
        if not isinstance(data, Mapping):
            table = as_table(data)
            return dict.fromkeys(self.names, table)
        missing = [name for name in self.names if name not in data]
        if missing:
            raise ViewError(
                f"The data have no view {named(missing)}; they have {named(data)}. "
                "A dict holds one array per view; turn a dict of columns into a table with `as_table`."
            )
        return {name: _table_or_array(name, data[name]) for name in self.names}


def _table_or_array(name: str, value: Any) -> pa.Table | Array:
    if issparse(value):
        return csr_matrix(value)
    if isinstance(value, (pa.Array, pa.ChunkedArray)) or getattr(value, "ndim", None) == 1:
        return as_table({name: value})
    if isinstance(value, pa.Table) or hasattr(value, "__arrow_c_stream__"):
        return as_table(value)
    try:
        array = np.asarray(value)
        if array.ndim == 1:
            return as_table({name: value})
        if array.dtype.kind not in "fiubO":
            raise TypeError(f"it holds {array.dtype}")
        return array.astype(np.float64) if array.dtype.kind == "O" else array
    except (TypeError, ValueError) as error:
        raise ViewError(f'View "{name}" cannot be read as an array of numbers: {error}.') from error


def _n_rows(sources: Mapping[str, pa.Table | Array]) -> int:
    counts = {name: (source.shape or (0,))[0] for name, source in sources.items()}
    if len(set(counts.values())) > 1:
        raise TableError(f"All views must have the same rows; got {counts} rows.")
    return next(iter(counts.values()))


def _checked(positions: NDArray[np.integer], n_rows: int) -> NDArray[np.integer]:
    positions = np.asarray(positions)
    if not len(positions):
        raise TableError("Views cannot be fitted on 0 rows. Give at least one training row.")
    if positions.dtype.kind not in "iu":
        raise TableError(
            f"Training rows are given by position; got an array of {positions.dtype}. Use np.flatnonzero on a mask."
        )
    if positions.min() < 0 or positions.max() >= n_rows:
        raise TableError(
            f"Training positions must lie in 0 to {n_rows - 1}; got {positions.min()} to {positions.max()}."
        )
    return positions
