"""A graph of nearest neighbours as a learner: labels flow along its edges to the unlabelled rows.

The graph is sparse (n * n_neighbors edges, never an n x n matrix). Edges are scaled to the local density, so that
tight and loose clusters conduct alike; labels spread by F <- alpha S F + (1 - alpha) Y.
Rows that were not in the graph take the weighted mean of their nearest neighbours in it.

Shapes: n = rows in the graph, k = n_neighbors, C = classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags, issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import NearestNeighbors

from cotrain.errors import LearnerError, SettingError
from cotrain.frozen import Frozen
from cotrain.learners.blocks import as_matrix
from cotrain.learners.protocol import Block, Probabilities
from cotrain.predictions.targets import Targets

FAINT = 1e-9
"""Added to distances and edges so that equal rows and far rows stay connected with a finite weight."""

ONE_SIDED = 0.25
"""Weight of an edge that only one end chose. Between 0.1 and 0.3 digits of four kinds are told better than at 0.5 or 1,
other tables about as well; at 0 rows that nobody chose would be cut off."""


class GraphLearner(BaseEstimator):
    """Label spreading over a sparse, locally scaled graph of nearest neighbours.

    Parameters
    ----------
    n_neighbors : k, edges out of each row; fewer where the table has fewer rows
    alpha : how far labels flow, in (0, 1); close to 1 trusts the graph more than the single label.
        0.99 is Zhou et al.'s value; scikit-learn's 0.2 keeps labels near where they were given.
    at_most_rows : rows in the graph; of a larger table the labelled rows and a random sample of the others enter it,
        the rest is answered by their neighbours in it. Bounds time (it grows with the square) and memory.

    Attributes
    ----------
    scores_ : {task: [n, C] spread labels, rows summing to 1; uniform where no label flows to}

    References
    ----------
    Zhou, Bousquet, Lal, Weston, Schölkopf: Learning with Local and Global Consistency, NIPS 2003 (the iteration).
    Zhu, Ghahramani, Lafferty: Semi-Supervised Learning Using Gaussian Fields, ICML 2003, section 4 (class masses).
    Zelnik-Manor, Perona: Self-Tuning Spectral Clustering, NIPS 2004, equation 1 (local scaling).
    """

    def __init__(self, n_neighbors: int = 7, *, alpha: float = 0.99, at_most_rows: int = 20_000) -> None:
        self.n_neighbors = n_neighbors
        self.alpha = alpha
        self.at_most_rows = at_most_rows

    def fit(self, blocks: Sequence[Block], targets: Mapping[str, Targets], generator: np.random.Generator) -> Self:
        """Build the graph over all rows, labelled or not, and let the labels of each task spread."""
        self._check_settings()
        X = as_matrix(blocks)
        is_labelled = np.any([target.is_labelled for target in targets.values()], axis=0)
        if not is_labelled.any():
            raise LearnerError("A graph needs at least one labelled row for labels to spread from; got none.")
        if self._graph_settings() != getattr(self, "_built_with", None) or not self._is_built_from(blocks):
            # The graph depends on the rows alone: it is kept while rounds bring new labels for the same arrays.
            self._rows = _rows_of_graph(is_labelled, self.at_most_rows, generator)
            self.X_ = X if len(self._rows) == X.shape[0] else X[self._rows]
            self._edges = affinities(self.X_, self.n_neighbors)
            self._blocks = tuple(blocks)
            self._built_with = self._graph_settings()
        rows = self._rows
        self.scores_ = {
            task: _spread(self._edges, _seeds(target.probabilities[rows], target.weight[rows]), self.alpha)
            for task, target in targets.items()
        }
        return self

    def predict(self, blocks: Sequence[Block]) -> Probabilities:
        """{task: [n, C]}, the mean of the nearest graph rows' scores, nearer ones counting more.

        A row that is in the graph is its own nearest neighbour, at distance 0, and so gets about its own score.
        """
        self._check_fitted()
        X = as_matrix(blocks)
        if X.shape[0] == 0:
            return {task: np.zeros((0, scores.shape[1])) for task, scores in self.scores_.items()}
        if self._is_built_from(blocks) and len(self._rows) == X.shape[0]:
            return {task: scores.copy() for task, scores in self.scores_.items()}
        distance, neighbor = _nearest(self.X_, X, min(self.n_neighbors, self.X_.shape[0]))
        # A Gaussian as wide as the farthest of the k: scale-free, like the graph itself.
        closeness = np.exp(-((distance / (distance[:, -1:] + FAINT)) ** 2))
        closeness /= closeness.sum(axis=1, keepdims=True)
        return {task: np.einsum("nk,nkc->nc", closeness, scores[neighbor]) for task, scores in self.scores_.items()}

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "scores_")

    def freeze(self) -> Frozen:
        """The rows of the graph and their scores; the edges are not needed to predict."""
        self._check_fitted()
        arrays: dict[str, NDArray[Any]] = {f"scores/{task}": scores for task, scores in self.scores_.items()}
        if issparse(self.X_):
            arrays |= {"X/data": self.X_.data, "X/indices": self.X_.indices, "X/indptr": self.X_.indptr}
        else:
            arrays["X/dense"] = np.ascontiguousarray(self.X_)
        settings = {
            "n_neighbors": int(self.n_neighbors),
            "alpha": float(self.alpha),
            "at_most_rows": int(self.at_most_rows),
            "shape": list(self.X_.shape),
            "tasks": list(self.scores_),
        }
        return Frozen("graph", settings, arrays)

    @classmethod
    def thaw(cls, frozen: Frozen) -> Self:
        """The learner that `freeze` put to rest."""
        settings, arrays = dict(frozen.settings), frozen.arrays
        shape, tasks = tuple(settings.pop("shape")), settings.pop("tasks")
        learner = cls(**settings)
        if "X/dense" in arrays:
            learner.X_ = arrays["X/dense"]
        else:
            learner.X_ = csr_matrix((arrays["X/data"], arrays["X/indices"], arrays["X/indptr"]), shape=shape)
        learner.scores_ = {task: arrays[f"scores/{task}"] for task in tasks}
        return learner

    def _check_settings(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise SettingError("alpha", self.alpha, "between 0 and 1, both excluded", hint="0.99 lets labels flow far.")
        if self.n_neighbors < 1:
            raise SettingError("n_neighbors", self.n_neighbors, "at least 1")
        if self.at_most_rows < 2:
            raise SettingError("at_most_rows", self.at_most_rows, "at least 2")

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError("This GraphLearner is not fitted yet; call `fit` first.")

    def _graph_settings(self) -> tuple[int, int]:
        return self.n_neighbors, self.at_most_rows

    def _is_built_from(self, blocks: Sequence[Block]) -> bool:
        built = getattr(self, "_blocks", ())
        return len(built) == len(blocks) and all(a is b for a, b in zip(built, blocks, strict=True))


def affinities(X: Block, n_neighbors: int) -> csr_matrix:
    """[n, n] sparse, symmetric, normalised: S = D^-1/2 W D^-1/2 with W_ij = exp(-d_ij^2 / (s_i s_j)).

    s_i is the distance of row i to its k-th neighbour. An edge stands if both ends count the other among their nearest;
    if only one does, it has ONE_SIDED of the weight: rows that single each other out are more often of one class.
    """
    n_rows = X.shape[0]
    k = min(n_neighbors, n_rows - 1)
    if k < 1:
        return csr_matrix((n_rows, n_rows))
    distance, neighbor = _nearest(X, None, k)
    scale = distance[:, -1] + FAINT
    weight = np.exp(-(distance**2) / (scale[:, None] * scale[neighbor])) + FAINT
    W = csr_matrix((weight.ravel(), neighbor.ravel(), np.arange(0, n_rows * k + 1, k)), shape=(n_rows, n_rows))
    W = (1 - ONE_SIDED) * W.minimum(W.T) + ONE_SIDED * W.maximum(W.T)
    half = diags(1.0 / np.sqrt(np.asarray(W.sum(axis=1)).ravel()))
    return csr_matrix(half @ W @ half)


def _nearest(X: Block, queries: Block | None, k: int) -> tuple[NDArray[np.floating], NDArray[np.intp]]:
    # Exact search in cache-sized pieces: faster than trees beyond some twenty columns, and it takes sparse rows.
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(X)
    return search.kneighbors(queries)


def _seeds(probabilities: NDArray[np.floating], weight: NDArray[np.floating]) -> NDArray[np.floating]:
    """[n, C] what flows from each row: its label times its weight."""
    # An unlabelled row's probabilities are never read: whatever they are, even NaN, 0 flows from it.
    return np.where(weight[:, None] > 0, probabilities, 0.0) * weight[:, None]


def _spread(S: csr_matrix, Y: NDArray[np.floating], alpha: float) -> NDArray[np.floating]:
    """F = (1 - alpha)(I - alpha S)^-1 Y by iteration, until a step moves nothing that could turn a label."""
    F = Y.copy()
    # The error shrinks by alpha a step: ln(1000) / (1 - alpha) steps leave a thousandth of it.
    for _ in range(min(300, int(np.ceil(7 / (1 - alpha))))):
        previous, F = F, alpha * (S @ F) + (1 - alpha) * Y
        if np.abs(F - previous).max() < 1e-5 * max(F.max(), FAINT):
            break
    # With alpha near 1 far rows hear little more than how many labels each class has, and in which part of the graph
    # they happen to lie; the largest class would flood it. So each class is given a share of the whole by the root of
    # its labels' mass: by the mass itself it still floods, and in equal shares a rare class would be everywhere.
    reach = F.sum(axis=0)
    F = F * np.divide(np.sqrt(Y.sum(axis=0)), reach, out=np.zeros_like(reach), where=reach > 0)
    mass = F.sum(axis=1, keepdims=True)
    reached = mass[:, 0] > 0
    scores = np.full_like(F, 1.0 / F.shape[1])
    scores[reached] = F[reached] / mass[reached]
    return scores


def _rows_of_graph(
    is_labelled: NDArray[np.bool_], at_most_rows: int, generator: np.random.Generator
) -> NDArray[np.intp]:
    """[at most at_most_rows] sorted positions: labelled rows first; a random sample of what does not fit."""
    n_rows = len(is_labelled)
    if n_rows <= at_most_rows:
        return np.arange(n_rows)
    labelled, others = np.flatnonzero(is_labelled), np.flatnonzero(~is_labelled)
    if len(labelled) >= at_most_rows:
        return np.sort(generator.choice(labelled, at_most_rows, replace=False))
    sampled = generator.choice(others, at_most_rows - len(labelled), replace=False)
    return np.sort(np.concatenate([labelled, sampled]))
