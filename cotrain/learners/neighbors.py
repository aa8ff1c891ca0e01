"""Which rows are near which, and how strong the edges between them are.

Nearest rows first are sought by the plain distance; a learnt metric then puts these candidates in another order.

Shapes: n = rows, d = columns, c = candidates, k = neighbours.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from sklearn.neighbors import NearestNeighbors

from cotrain.learners.protocol import Block

FAINT = 1e-9
"""Added to distances and edges so that equal rows and far rows stay connected with a finite weight."""

ONE_SIDED = 0.25
"""Weight of an edge that only one end chose. Between 0.1 and 0.3 digits of four kinds are told better than at 0.5 or 1,
other tables about as well; at 0 rows that nobody chose would be cut off."""


class Near(NamedTuple):
    """The rows nearest to each row, nearest first.

    Parameters
    ----------
    distance : [n, c]
    neighbor : [n, c] positions
    """

    distance: NDArray[np.floating]
    neighbor: NDArray[np.intp]

    def first(self, k: int) -> "Near":
        """The k nearest of them."""
        return Near(self.distance[:, :k], self.neighbor[:, :k])


def nearest(X: Block, queries: Block | None, n_candidates: int) -> Near:
    """The rows of X nearest to each of `queries`; None = to each row of X, itself left out."""
    if n_candidates < 1:
        n_rows = X.shape[0] if queries is None else queries.shape[0]
        return Near(np.zeros((n_rows, 0)), np.zeros((n_rows, 0), dtype=np.intp))
    # Exact search in cache-sized pieces: faster than trees beyond some twenty columns, and it takes sparse rows.
    search = NearestNeighbors(n_neighbors=n_candidates, algorithm="brute").fit(X)
    return Near(*search.kneighbors(queries))


def affinities(near: Near) -> csr_matrix:
    """[n, n] sparse, symmetric, normalised: S = D^-1/2 W D^-1/2 with W_ij = exp(-d_ij^2 / (s_i s_j)).

    s_i is the distance of row i to its k-th neighbour. An edge stands if both ends count the other among their nearest;
    if only one does, it has ONE_SIDED of the weight: rows that single each other out are more often of one class.

    Parameters
    ----------
    near : [n, k] the neighbours of every row among the same n
    """
    distance, neighbor = near
    n_rows, k = distance.shape
    if k < 1:
        return csr_matrix((n_rows, n_rows))
    scale = distance[:, -1] + FAINT
    weight = np.exp(-(distance**2) / (scale[:, None] * scale[neighbor])) + FAINT
    W = csr_matrix((weight.ravel(), neighbor.ravel(), np.arange(0, n_rows * k + 1, k)), shape=(n_rows, n_rows))
    W = (1 - ONE_SIDED) * W.minimum(W.T) + ONE_SIDED * W.maximum(W.T)
    half = diags(1.0 / np.sqrt(np.asarray(W.sum(axis=1)).ravel()))
    return csr_matrix(half @ W @ half)


def closeness(distance: NDArray[np.floating]) -> NDArray[np.floating]:
    """[n, k] what share each neighbour has in the mean over all k, nearer ones more."""
    # A Gaussian as wide as the farthest of the k: scale-free, like the graph itself.
    shares = np.exp(-((distance / (distance[:, -1:] + FAINT)) ** 2))
    return shares / shares.sum(axis=1, keepdims=True)
