"""How far apart rows are, once it is known roughly which class each is of.

Columns that vary much within a class say little about it: their differences are shrunk (whitening of the within-class
scatter). Differences along the lines that lead from one class's mean to another's count once more (discriminants).
Classes need be known for most rows only, and not without error: what enters are means and scatters over all of them.

A Metric corrects plain distances that are at hand; it never needs sparse rows dense, nor a matrix of n x n.

Shapes: n = rows, d = columns, q = directions, C = classes, c = candidates, neighbours by the plain distance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator, eigsh

from cotrain.learners.protocol import Block

SHRINKAGE = 0.3
"""Share of the within-class scatter that is taken to be alike in all directions. Between 0.2 and 0.5 little changes."""

MOST_DIRECTIONS = 64
"""Of the within-class scatter, largest first; the others are taken to be alike."""

WIDEST_DENSE = 512
"""Columns up to which the scatter is decomposed whole."""

MOST_DIRECTIONS_SOUGHT = 16
"""Of a wider scatter, where every direction must be sought; on two sets of texts 64 are no better."""

NOTHING = 1e-9
"""A scatter smaller than this share of the whole is rounding."""

ROWS_AT_ONCE = 1024
"""Bounds the memory of the differences, c * q numbers a row."""


@dataclass(frozen=True)
class Metric:
    """Squared distance = plain * |x - y|^2 + sum over directions of gain * (direction . (x - y))^2.

    Parameters
    ----------
    plain : what is left of the plain squared distance
    directions : [d, q]
    gains : [q], also below 0: of a direction in which a class varies much, less than `plain` is left
    """

    ARRAYS: ClassVar = ("plain", "directions", "gains")
    plain: float
    directions: NDArray[np.float64]
    gains: NDArray[np.float64]

    def as_arrays(self) -> dict[str, NDArray[np.float64]]:
        """All it is, for a bundle."""
        return {"plain": np.array([self.plain]), "directions": self.directions, "gains": self.gains}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The metric that `as_arrays` wrote down."""
        return cls(float(arrays["plain"][0]), arrays["directions"], arrays["gains"])

    def coordinates(self, X: Block) -> NDArray[np.float64]:
        """[n, q] where rows lie along the directions."""
        return np.asarray(X @ self.directions, dtype=np.float64)

    def corrected(
        self,
        distance: NDArray[np.floating],  # [n, c]
        neighbor: NDArray[np.intp],  # [n, c]
        coordinates: NDArray[np.float64],  # [n, q] of the rows
        of_neighbors: NDArray[np.float64],  # [rows that may be neighbours, q]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """The candidates [n, c] of every row in their new order, nearest first, with their new distances."""
        squared = self.plain * distance.astype(np.float64) ** 2
        for start in range(0, len(squared), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            apart = coordinates[rows, None, :] - of_neighbors[neighbor[rows]]
            squared[rows] += np.square(apart, out=apart) @ self.gains
        # Where nothing but rounding is left it may fall below 0. Ties keep the plain order.
        corrected = np.sqrt(np.maximum(squared, 0.0))
        order = np.argsort(corrected, axis=1, kind="stable")
        return np.take_along_axis(corrected, order, axis=1), np.take_along_axis(neighbor, order, axis=1)


def learn_metric(X: Block, codes: NDArray[np.integer]) -> Metric | None:
    """The metric that sets the classes of these rows apart.

    With S the within-class scatter, shrunk towards a multiple of the identity, M = S^-1 and D the projection of
    M^1/2 x onto the span of the whitened and centred means of the classes, both scaled to the same mean over pairs:
    distance^2(x, y) = |M^1/2 (x - y)|^2 + |D (x - y)|^2.

    Parameters
    ----------
    X : [n, d] dense or CSR
    codes : [n] classes, some of them wrong; negative = not known, left out

    Returns
    -------
    metric : None where nothing can be learnt: fewer than two classes, or no scatter within them

    References
    ----------
    Bar-Hillel, Hertz, Shental, Weinshall: Learning a Mahalanobis Metric from Equivalence Constraints, JMLR 2005,
    section 2 (whitening of the within-class scatter).
    Friedman: Regularized Discriminant Analysis, JASA 1989, equation 18 (shrinkage towards a multiple of the identity).
    Dhillon, Talukdar, Crammer: Inference-Driven Metric Learning for Graph Construction, UPenn MS-CIS-10-18, 2010
    (a metric from labels that were themselves inferred over a graph).
    """
    classes, members = np.unique(codes[codes >= 0], return_inverse=True)
    if len(classes) < 2:
        return None
    X = _as_float64(X[codes >= 0])
    indicators = np.eye(len(classes))[members]
    shares = indicators.mean(axis=0)
    means = np.asarray(X.T @ indicators).T / indicators.sum(axis=0)[:, None]  # [C, d]
    overall = shares @ means
    mean_square = float((X.multiply(X).sum() if issparse(X) else np.square(X).sum()) / len(members))
    total = mean_square - float(overall @ overall)
    within = _Scatter(X, means, shares)
    trace = total - float(shares @ ((means - overall) ** 2).sum(axis=1))
    if not trace > NOTHING * mean_square:  # not of the total, which may be rounding itself
        return None
    values, axes = _largest(within)

    n_columns = X.shape[1]
    alike = trace / n_columns
    others = max(trace - values.sum(), 0.0) / max(n_columns - len(values), 1)
    plain = 1.0 / ((1 - SHRINKAGE) * others + SHRINKAGE * alike)
    gains = 1.0 / ((1 - SHRINKAGE) * np.maximum(values, 0.0) + SHRINKAGE * alike) - plain
    spread = plain * total + gains @ _variances(X @ axes)  # half the mean of |M^1/2 (x - y)|^2 over pairs of rows

    least = np.sqrt(NOTHING * spread)
    discriminants = _discriminants((means - overall) * np.sqrt(shares)[:, None], axes, plain, gains, least)
    n_discriminants = discriminants.shape[1]  # 0 where the classes' means are all the same
    between = np.ones(n_discriminants) / (_variances(X @ discriminants).sum() if n_discriminants else 1.0)
    return Metric(
        plain=float(plain / spread),
        # In the layout in which a bundle keeps it: with another one products may differ in their last bits.
        directions=np.ascontiguousarray(np.hstack([axes, discriminants])),
        gains=np.concatenate([gains / spread, between]),
    )


class _Scatter(LinearOperator):
    """[d, d] the scatter of rows about the mean of their class, as what it does to a vector."""

    def __init__(self, X: Block, means: NDArray[np.float64], shares: NDArray[np.float64]) -> None:
        super().__init__(np.dtype(np.float64), (X.shape[1], X.shape[1]))
        self._X, self._means, self._shares = X, means, shares

    def _matmat(self, V: NDArray[np.float64]) -> NDArray[np.float64]:
        of_rows = np.asarray(self._X.T @ (self._X @ V)) / self._X.shape[0]
        return of_rows - self._means.T @ (self._shares[:, None] * (self._means @ V))


def _largest(within: LinearOperator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest eigenvalues of the scatter, in falling order, and their axes [d, at most MOST_DIRECTIONS]."""
    n_columns = within.shape[0]
    if n_columns <= WIDEST_DENSE:
        first = max(n_columns - MOST_DIRECTIONS, 0)
        values, axes = eigh(within @ np.eye(n_columns), subset_by_index=[first, n_columns - 1])
        return values[::-1], axes[:, ::-1]
    # The solver draws where it starts, and, of a scatter of few dimensions, where it starts again.
    values, axes = eigsh(within, k=MOST_DIRECTIONS_SOUGHT, which="LA", rng=np.random.default_rng(0))
    return values[::-1], axes[:, ::-1]


def _discriminants(
    between: NDArray[np.float64],
    axes: NDArray[np.float64],
    plain: float,
    gains: NDArray[np.float64],
    least: float,
) -> NDArray[np.float64]:
    """[d, at most C - 1] directions whose coordinates are those of M^1/2 x in the span of the whitened means.

    M = plain * I + axes diag(gains) axes^T; `between` [C, d] holds the means, centred and scaled by the root of their
    share. Directions along which they differ by less than `least` are rounding.
    """
    root = np.sqrt(plain)
    more = np.sqrt(np.maximum(plain + gains, 0.0)) - root

    def whitened(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return root * rows + (rows @ axes * more) @ axes.T

    _, sizes, span = np.linalg.svd(whitened(between), full_matrices=False)
    return whitened(span[sizes > least]).T


def _variances(coordinates: Block) -> NDArray[np.float64]:
    return np.asarray(coordinates).var(axis=0)


def _as_float64(X: Block) -> Block:
    """In double precision, and dense rows centred, so that a large common offset does not drown the scatter."""
    X = X.astype(np.float64)
    return X if issparse(X) else X - X.mean(axis=0)
