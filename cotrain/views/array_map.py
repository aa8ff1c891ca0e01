"""How an array that is a view already becomes its block: rows and columns, images, or a sparse matrix.

Dense columns are filled and scaled like the numbers of a table; an image [n, height, width] or
[n, channels, height, width] has one scale per channel. A sparse matrix keeps its zeros: it is
multiplied by one number, such that the mean squared length of a row is 1, as with text.

A row whose entries are all NaN (in a sparse matrix: all stored ones) lacks the view.

Shapes: n = rows, d = entries of a row.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cotrain.errors import TableError, ViewError
from cotrain.table.columns import named, rows
from cotrain.views.blocks import Block
from cotrain.views.scaling import Numbers, Read, Scaler, check_finite, fit_scaler
from cotrain.views.table_map import image_shape, no_row_has
from cotrain.views.view import View

Array: TypeAlias = NDArray[Any] | csr_matrix


@dataclass(frozen=True)
class ArrayMap:
    """One fitted view of an array.

    Parameters
    ----------
    view : its settings
    row_shape : of one row as it is given: (d,), (height, width) or (channels, height, width)
    scaler : of a dense array; None for a sparse one
    factor : of a sparse matrix
    """

    view: View
    row_shape: tuple[int, ...]
    scaler: Scaler | None
    factor: float = 1.0

    def transform(self, array: Array) -> tuple[Block, NDArray[np.bool_]]:
        """The block of these rows, and which of them have the view."""
        self._check_shape(array)
        is_present = present_rows(array)
        if self.scaler is None:
            return self._sparse(csr_matrix(array), is_present), is_present
        out = np.zeros((n_rows(array), int(np.prod(self.row_shape))), dtype=np.float32)
        self.scaler.apply(_reader(self.view.name, np.asarray(array)), out)
        out[~is_present] = 0.0
        shape = block_shape(self.view, self.row_shape)
        return (out if shape is None else out.reshape(len(out), *shape)), is_present

    @property
    def names(self) -> tuple[str, ...]:
        """[d] `name[0]`, `name[1]`, ..., as an array has no column names."""
        return tuple(f"{self.view.name}[{column}]" for column in range(int(np.prod(self.row_shape))))

    def _sparse(self, array: csr_matrix, is_present: NDArray[np.bool_]) -> csr_matrix:
        data = array.data.astype(np.float64)
        data[~np.repeat(is_present, np.diff(array.indptr))] = 0.0
        _check_stored(self.view.name, array, data, np.arange(len(is_present)))
        scaled = csr_matrix((data * self.factor, array.indices.copy(), array.indptr.copy()), shape=array.shape)
        scaled.sum_duplicates()
        scaled.eliminate_zeros()
        return csr_matrix(scaled, dtype=np.float32)

    def _check_shape(self, array: Array) -> None:
        is_sparse = isinstance(array, csr_matrix)
        if is_sparse != (self.scaler is None) or row_shape_of(array) != self.row_shape:
            raise ViewError(
                f'View "{self.view.name}" was fitted on a {"sparse" if self.scaler is None else "dense"} array with '
                f"rows of shape {self.row_shape}; this one is {'sparse' if is_sparse else 'dense'} with rows of shape "
                f"{row_shape_of(array)}. Give it the columns it was fitted on."
            )


def fit_array_map(view: View, array: Array, positions: NDArray[np.integer]) -> ArrayMap:
    """Learns one view from the rows of an array at `positions`.

    Raises
    ------
    ViewError, TableError : see `ViewSet.fit`
    """
    _check_view(view, array)
    row_shape = row_shape_of(array)
    shape = block_shape(view, row_shape)
    training = array[positions]
    is_present = present_rows(training)
    if not is_present.any():
        raise no_row_has(view.name, len(positions))
    if isinstance(training, csr_matrix):
        return ArrayMap(view, row_shape, None, _factor(view, training[is_present], positions[is_present]))
    names = [f"{view.name}[{column}]" for column in range(int(np.prod(row_shape)))]
    read = _reader(view.name, training[is_present], positions[is_present])
    scaler = fit_scaler(read, names, view.scaling)
    return ArrayMap(view, row_shape, scaler if shape is None else scaler.pooled(shape[0]))


def present_rows(array: Array) -> NDArray[np.bool_]:
    """[n] mask of the rows that are not NaN throughout."""
    if isinstance(array, csr_matrix):
        n_stored = np.diff(array.indptr)
        row_of = np.repeat(np.arange(len(n_stored)), n_stored)
        n_missing = np.bincount(row_of[np.isnan(array.data)], minlength=len(n_stored))
        return np.asarray((n_missing < n_stored) | (n_stored == 0))  # a row of zeros is there
    is_present = np.ones(len(array), dtype=bool)
    if array.dtype.kind == "f" and len(array):
        is_present[np.isnan(array.reshape(len(array), -1)).all(axis=1)] = False
    return is_present


def block_shape(view: View, row_shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """(channels, height, width) of the block's rows; None where they are not images."""
    return image_shape(view.shape or (row_shape if len(row_shape) > 1 else None))


def row_shape_of(array: Array) -> tuple[int, ...]:
    """The shape of one row."""
    return tuple(array.shape or ())[1:]


def n_rows(array: Array) -> int:
    """n"""
    return next(iter(array.shape or (0,)))


def _check_view(view: View, array: Array) -> None:
    row_shape = row_shape_of(array)
    if len(row_shape) not in (1, 2, 3) or 0 in row_shape:
        raise ViewError(
            f'View "{view.name}" must be an array [n, d], [n, height, width] or [n, channels, height, width]; '
            f"got one with rows of shape {row_shape}."
        )
    if view.columns != ("*",) or view.kinds:
        raise ViewError(
            f'View "{view.name}" selects columns, but it was given an array, which has no column names. '
            "Leave `columns` and `kinds` out, or give a table."
        )
    if view.shape is not None and np.prod(view.shape) != np.prod(row_shape):
        raise ViewError(f'View "{view.name}" of shape {view.shape} cannot hold rows of shape {row_shape}.')
    if view.scaling == "quantile" and (isinstance(array, csr_matrix) or len(row_shape) > 1):
        raise ViewError(
            f'View "{view.name}" is {"sparse" if isinstance(array, csr_matrix) else "an image"}; it cannot have '
            'scaling "quantile". Use "standard" or "none".'
        )


def _reader(name: str, array: NDArray[Any], positions: NDArray[np.integer] | None = None) -> Read:
    flat = array.reshape(len(array), int(np.prod(array.shape[1:])))

    def read(start: int, stop: int) -> Numbers:
        values = np.ascontiguousarray(flat[:, start:stop].T, dtype=np.float64)
        if np.isinf(values).any():
            for i, column in enumerate(values):
                check_finite(f"{name}[{start + i}]", column, positions)
        return values

    return read


def _factor(view: View, array: csr_matrix, positions: NDArray[np.integer]) -> float:
    _check_stored(view.name, array, array.data, positions)
    if view.scaling == "none":
        return 1.0
    squares = array.astype(np.float64).power(2).sum(axis=1)
    mean_square = float(np.sort(np.asarray(squares).ravel()).mean())  # sorted: any order of rows, the same bits
    return 1.0 / np.sqrt(mean_square) if mean_square > 0 else 1.0


def _check_stored(name: str, array: csr_matrix, data: NDArray[Any], positions: NDArray[np.integer]) -> None:
    wrong = np.flatnonzero(~np.isfinite(data))
    if len(wrong):
        where = np.unique(np.searchsorted(array.indptr, wrong, side="right") - 1)
        raise TableError(
            f'The sparse array of view "{name}" holds NaN or infinite entries in {rows(len(where))}: '
            f"{named(positions[where].tolist())}. Leave such entries out; they are then 0."
        )
