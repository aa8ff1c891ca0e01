"""A graph of nearest neighbours as a learner: labels flow along its edges to the unlabelled rows.

The graph is sparse (n * n_neighbors edges, never an n x n matrix). Edges are scaled to the local density, so that
tight and loose clusters conduct alike; labels spread by F <- alpha S F + (1 - alpha) Y.
Once teachers have spoken of half of the rows, labels spread twice. The first time those rows are near that have like
columns. What then arrives at every row tells which differences are common within a class and which set classes apart
(learners.metric); the second time those rows are near that are alike in what matters. So a graph, too, learns from its
teachers.
Rows that were not in the graph take the weighted mean of their nearest neighbours in it.

Shapes: n = rows in the graph, k = n_neighbors, C = classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from cotrain.errors import LearnerError, SettingError
from cotrain.frozen import Frozen
from cotrain.learners.blocks import as_matrix
from cotrain.learners.metric import Metric, learn_metric
from cotrain.learners.neighbors import Near, affinities, closeness, nearest
from cotrain.learners.protocol import Block, Probabilities
from cotrain.learners.spreading import seeds_of, spread
from cotrain.predictions.targets import Targets

CANDIDATES = 50
"""How many rows, nearest by the plain distance, a learnt metric chooses the neighbours from (n_neighbors if that is
more). From all rows it chooses no better on the tables tried, and this way a search is done once, not every round."""

LEAST_KNOWN = 0.5
"""Share of the graph's rows that teachers must have spoken of before a metric is learnt. From what given labels alone
spread a graph would teach itself, and no round without teaching would be left to compare with; only where all rows are
labelled there is nothing to spread, and they do."""

QUERIES_AT_ONCE = 4096
"""Bounds the memory of a prediction, some hundred numbers a candidate."""


class GraphLearner(BaseEstimator):
    """Label spreading over a sparse, locally scaled graph of nearest neighbours.

    Parameters
    ----------
    n_neighbors : k, edges out of each row; fewer where the table has fewer rows
    alpha : how far labels flow, in (0, 1); close to 1 trusts the graph more than the single label.
        0.99 is Zhou et al.'s value; scikit-learn's 0.2 keeps labels near where they were given.
    learns_metric : whether labels spread a second time, over a graph whose distances set the classes apart, where
        teachers have spoken of at least half of the graph's rows or all of them are labelled
    at_most_rows : rows in the graph; of a larger table the labelled rows and a random sample of the others enter it,
        the rest is answered by their neighbours in it. Bounds time (it grows with the square) and memory.

    Attributes
    ----------
    scores_ : {task: [n, C] spread labels, rows summing to 1; uniform where no label flows to}
    metrics_ : {task: Metric}; tasks for which none was learnt are not in it

    References
    ----------
    Zhou, Bousquet, Lal, Weston, Schölkopf: Learning with Local and Global Consistency, NIPS 2003 (the iteration).
    Zhu, Ghahramani, Lafferty: Semi-Supervised Learning Using Gaussian Fields, ICML 2003, section 4 (class masses).
    Zelnik-Manor, Perona: Self-Tuning Spectral Clustering, NIPS 2004, equation 1 (local scaling).
    """

    def __init__(
        self, n_neighbors: int = 7, *, alpha: float = 0.99, learns_metric: bool = True, at_most_rows: int = 20_000
    ) -> None:
        self.n_neighbors = n_neighbors
        self.alpha = alpha
        self.learns_metric = learns_metric
        self.at_most_rows = at_most_rows

    def fit(self, blocks: Sequence[Block], targets: Mapping[str, Targets], generator: np.random.Generator) -> Self:
        """Build the graph over all rows, labelled or not, and let the labels of each task spread."""
        self._check_settings()
        is_labelled = np.any([target.is_labelled for target in targets.values()], axis=0)
        if not is_labelled.any():
            raise LearnerError("A graph needs at least one labelled row for labels to spread from; got none.")
        if self._graph_settings() != getattr(self, "_built_with", None) or not self._is_built_from(blocks):
            # The graph depends on the rows alone: it is kept while rounds bring new labels for the same arrays.
            X = as_matrix(blocks)
            self._rows = _rows_of_graph(is_labelled, self.at_most_rows, generator)
            self.X_ = X if len(self._rows) == X.shape[0] else X[self._rows]
            self._edges = affinities(nearest(self.X_, None, min(self.n_neighbors, len(self._rows) - 1)))
            self._candidates: Near | None = None  # sought when a metric first asks for them
            self._blocks = tuple(blocks)
            self._built_with = self._graph_settings()
        # New ones: a shallow copy of this learner may go on with what it learnt before.
        scores: dict[str, NDArray[np.floating]] = {}
        metrics: dict[str, Metric] = {}
        coordinates: dict[str, NDArray[np.float64]] = {}
        for task, target in targets.items():
            seeds = seeds_of(target.probabilities[self._rows], target.weight[self._rows])
            scores[task] = spread(self._edges, seeds, self.alpha)
            metric = self._metric(scores[task], target) if self.learns_metric else None
            if metric is not None:
                metrics[task], coordinates[task] = metric, metric.coordinates(self.X_)
                scores[task] = spread(self._edges_in(metric, coordinates[task]), seeds, self.alpha)
        self.scores_, self.metrics_, self._coordinates = scores, metrics, coordinates
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
        parts = [self._told(X[start : start + QUERIES_AT_ONCE]) for start in range(0, X.shape[0], QUERIES_AT_ONCE)]
        return {task: np.concatenate([part[task] for part in parts]) for task in self.scores_}

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "scores_")

    def freeze(self) -> Frozen:
        """The rows of the graph, their scores and the metrics; the edges are not needed to predict."""
        self._check_fitted()
        arrays: dict[str, NDArray[Any]] = {f"scores/{task}": scores for task, scores in self.scores_.items()}
        for task, metric in self.metrics_.items():
            arrays |= {f"{name}/{task}": value for name, value in metric.as_arrays().items()}
            arrays[f"coordinates/{task}"] = self._coordinates[task]
        if issparse(self.X_):
            arrays |= {"X/data": self.X_.data, "X/indices": self.X_.indices, "X/indptr": self.X_.indptr}
        else:
            arrays["X/dense"] = np.ascontiguousarray(self.X_)
        settings = {
            "n_neighbors": int(self.n_neighbors),
            "alpha": float(self.alpha),
            "learns_metric": bool(self.learns_metric),
            "at_most_rows": int(self.at_most_rows),
            "shape": list(self.X_.shape),
            "tasks": list(self.scores_),
            "tasks_with_metric": list(self.metrics_),
        }
        return Frozen("graph", settings, arrays)

    @classmethod
    def thaw(cls, frozen: Frozen) -> Self:
        """The learner that `freeze` put to rest."""
        settings, arrays = dict(frozen.settings), frozen.arrays
        shape, tasks = tuple(settings.pop("shape")), settings.pop("tasks")
        with_metric = settings.pop("tasks_with_metric", ())
        learner = cls(**settings)
        if "X/dense" in arrays:
            learner.X_ = arrays["X/dense"]
        else:
            learner.X_ = csr_matrix((arrays["X/data"], arrays["X/indices"], arrays["X/indptr"]), shape=shape)
        learner.scores_ = {task: arrays[f"scores/{task}"] for task in tasks}
        learner.metrics_ = {
            task: Metric.from_arrays({name: arrays[f"{name}/{task}"] for name in Metric.ARRAYS}) for task in with_metric
        }
        learner._coordinates = {task: arrays[f"coordinates/{task}"] for task in with_metric}
        return learner

    def _metric(self, scores: NDArray[np.floating], target: Targets) -> Metric | None:
        """What spread labels tell of distances; None where teachers have not said enough."""
        is_labelled = target.is_labelled[self._rows]
        if not (is_labelled.all() or (target.is_taught and is_labelled.mean() >= LEAST_KNOWN)):
            return None
        # What no label reached is alike for all classes.
        is_reached = scores.max(axis=1) > scores.min(axis=1)
        return learn_metric(self.X_, np.where(is_reached, scores.argmax(axis=1), -1))

    def _edges_in(self, metric: Metric, coordinates: NDArray[np.float64]) -> csr_matrix:
        """The graph's edges by the learnt distances."""
        if self._candidates is None:
            n_candidates = max(CANDIDATES, self.n_neighbors)
            self._candidates = nearest(self.X_, None, min(n_candidates, len(self._rows) - 1))
        near = Near(*metric.corrected(*self._candidates, coordinates, coordinates))
        return affinities(near.first(self.n_neighbors))

    def _told(self, X: Block) -> Probabilities:
        """{task: [n, C]} for a few rows that are not the graph's own."""
        n_candidates = max(CANDIDATES, self.n_neighbors) if self.metrics_ else self.n_neighbors
        plain = nearest(self.X_, X, min(n_candidates, self.X_.shape[0]))
        told = {}
        for task, scores in self.scores_.items():
            near, metric = plain, self.metrics_.get(task)
            if metric is not None:
                near = Near(*metric.corrected(*plain, metric.coordinates(X), self._coordinates[task]))
            near = near.first(self.n_neighbors)
            told[task] = np.einsum("nk,nkc->nc", closeness(near.distance), scores[near.neighbor])
        return told

    def _check_settings(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise SettingError("alpha", self.alpha, "between 0 and 1, both excluded", hint="0.99 lets labels flow far.")
        if self.n_neighbors < 1:
            raise SettingError("n_neighbors", self.n_neighbors, "at least 1")
        if not isinstance(self.learns_metric, (bool, np.bool_)):
            raise SettingError("learns_metric", self.learns_metric, "True or False")
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
