"""Labels flow along the edges of a graph, to near rows first, and never need more than it may hold."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from scipy.special import softmax
from sklearn.datasets import load_digits, load_wine, make_moons
from sklearn.exceptions import NotFittedError

from cotrain.errors import LearnerError, SettingError
from cotrain.learners import GraphLearner
from cotrain.learners.graph import CANDIDATES
from cotrain.learners.neighbors import ONE_SIDED, affinities, nearest
from cotrain.predictions import Targets, from_codes


def test_three_rows_on_a_line_get_what_the_formula_says() -> None:
    # Worked by hand: F = (1 - a)(I - a S)^-1 Y, rows scaled to 1, for the graph of rows 0, 1 and 3 on a line.
    X = np.array([[0.0], [1.0], [3.0]], dtype=np.float32)
    S = affinities(nearest(X, None, 2)).toarray()
    scale = np.array([3.0, 2.0, 3.0])  # the distance of each row to its second neighbour
    W = np.array(
        [
            [np.exp(-((a - b) ** 2) / (scale[i] * scale[j])) for j, b in enumerate([0, 1, 3])]
            for i, a in enumerate([0, 1, 3])
        ]
    )
    np.fill_diagonal(W, 0)
    half = np.diag(W.sum(axis=1) ** -0.5)
    np.testing.assert_allclose(S, half @ W @ half, atol=1e-6)
    learner = GraphLearner(2, alpha=0.5)
    learner.fit([X], {"y": from_codes(np.array([0, -1, 1]), 2)}, np.random.default_rng(0))
    Y = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    F = 0.5 * np.linalg.solve(np.eye(3) - 0.5 * S, Y)
    F = F / F.sum(axis=0)  # one label each: both classes have the same share of the whole
    np.testing.assert_allclose(learner.scores_["y"], F / F.sum(axis=1, keepdims=True), atol=1e-4)
    assert learner.scores_["y"][1, 0] > 0.5  # row 1 lies nearer to row 0


def test_an_edge_that_only_one_end_chose_weighs_a_part() -> None:
    S = affinities(nearest(np.array([[0.0], [1.0], [3.0]], dtype=np.float32), None, 1)).toarray()
    # Rows 0 and 1 are each other's nearest; row 2 (at 3, scale 2) has row 1 as its nearest, which does not return it.
    mutual, one_sided = np.exp(-1.0), ONE_SIDED * np.exp(-(2.0**2) / (2.0 * 1.0))
    W = np.array([[0, mutual, 0], [mutual, 0, one_sided], [0, one_sided, 0]])
    half = np.diag(W.sum(axis=1) ** -0.5)
    np.testing.assert_allclose(S, half @ W @ half, atol=1e-6)


def test_two_moons_need_one_label_each() -> None:
    X, codes = make_moons(300, noise=0.05, random_state=0)
    given = np.full(300, -1)
    given[[np.flatnonzero(codes == 0)[0], np.flatnonzero(codes == 1)[0]]] = [0, 1]
    learner = GraphLearner().fit([X.astype(np.float32)], {"y": from_codes(given, 2)}, np.random.default_rng(0))
    assert (learner.scores_["y"].argmax(axis=1) == codes).mean() > 0.97


def noisy_clouds() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """400 rows of two classes that two of ten columns tell apart; in the others rows lie about at random."""
    rng = np.random.default_rng(0)
    codes = np.arange(400) % 2
    X = rng.normal(size=(400, 10)) * np.where(np.arange(10) < 2, 1.0, 3.0)
    X[:, :2] += 3.0 * codes[:, None]
    return X.astype(np.float32), codes


def mostly_right(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The codes with every fifth one wrong, as teachers may be."""
    return np.where(np.arange(len(codes)) % 5 == 0, 1 - codes, codes)


def test_a_graph_learns_in_which_columns_classes_differ() -> None:
    X, codes = noisy_clouds()
    targets = {"y": from_codes(mostly_right(codes[:300]), 2)}
    plain, learnt = (
        GraphLearner(learns_metric=learns).fit([X[:300]], targets, np.random.default_rng(0)) for learns in (False, True)
    )
    for rows, told in (
        (slice(0, 300), [learner.scores_["y"] for learner in (plain, learnt)]),
        (slice(300, 400), [learner.predict([X[300:]])["y"] for learner in (plain, learnt)]),
    ):
        of_plain, of_learnt = ((opinion.argmax(axis=1) != codes[rows]).mean() for opinion in told)
        assert of_learnt < of_plain / 2


@pytest.mark.parametrize(
    ("n_labelled", "is_taught", "learns"),
    [(399, False, False), (400, False, True), (199, True, False), (200, True, True)],
)
def test_a_graph_never_teaches_itself_distances(n_labelled: int, is_taught: bool, learns: bool) -> None:
    X, codes = noisy_clouds()
    X = np.round(X)  # many rows are equally far from one another
    given = from_codes(np.where(np.arange(400) < n_labelled, codes, -1), 2)
    targets = {"y": replace(given, is_taught=is_taught)}
    told, plain = (
        GraphLearner(learns_metric=asked).fit([X], targets, np.random.default_rng(0)) for asked in (True, False)
    )
    assert bool(told.metrics_) is learns
    assert np.array_equal(told.scores_["y"], plain.scores_["y"]) is not learns
    assert np.array_equal(told.predict([X[:50].copy()])["y"], plain.predict([X[:50].copy()])["y"]) is not learns


def test_what_teachers_say_of_rows_changes_how_far_apart_they_are() -> None:
    X, codes = noisy_clouds()
    few = GraphLearner().fit(
        [X], {"y": from_codes(np.where(np.arange(400) < 4, codes, -1), 2)}, np.random.default_rng(0)
    )
    taught = copy(few).fit([X], {"y": from_codes(mostly_right(codes), 2)}, np.random.default_rng(0))
    before, after = few.predict([X[:50] + 0.1])["y"], taught.predict([X[:50] + 0.1])["y"]
    assert (after.argmax(axis=1) == codes[:50]).mean() > (before.argmax(axis=1) == codes[:50]).mean()
    # The copy went on; what it was copied from still says what it said.
    assert np.array_equal(few.predict([X[:50] + 0.1])["y"], before)


@pytest.mark.parametrize("store", [np.asarray, csr_matrix])
def test_learnt_distances_survive_the_bundle(store: Callable[[NDArray[np.float32]], Any]) -> None:
    X, codes = noisy_clouds()
    learner = GraphLearner().fit([store(X)], {"a/b": from_codes(mostly_right(codes), 2)}, np.random.default_rng(0))
    frozen = learner.freeze()
    assert all(array.flags.c_contiguous for array in frozen.arrays.values())
    queries = [store(X[:90] + np.float32(0.1))]
    assert learner.metrics_
    assert np.array_equal(GraphLearner.thaw(frozen).predict(queries)["a/b"], learner.predict(queries)["a/b"])


def test_every_task_has_distances_of_its_own() -> None:
    X, codes = noisy_clouds()
    other = (X[:, 5] > 0).astype(int)
    targets = {"y": from_codes(codes, 2), "z": from_codes(other, 2)}
    told = GraphLearner().fit([X], targets, np.random.default_rng(0))
    alone = GraphLearner().fit([X], {"z": targets["z"]}, np.random.default_rng(0))
    assert not np.array_equal(told.metrics_["y"].directions, told.metrics_["z"].directions)
    assert np.array_equal(told.scores_["z"], alone.scores_["z"])


def test_wide_texts_of_few_kinds_are_told_the_same_bits_twice() -> None:
    # A scatter of few dimensions among many: the solver must start anew, and not where chance has it.
    X = csr_matrix(np.repeat(np.random.default_rng(0).poisson(0.1, (6, 900)), 20, axis=0).astype(np.float32))
    targets = {"y": from_codes(np.arange(120) % 2, 2)}
    once, again = (GraphLearner().fit([X], targets, np.random.default_rng(0)) for _ in range(2))
    assert once.metrics_
    assert np.array_equal(once.predict([X[:7]])["y"], again.predict([X[:7]])["y"])
    assert np.array_equal(once.scores_["y"], again.scores_["y"])


def test_more_neighbors_than_candidates_may_be_asked_for() -> None:
    X, codes = noisy_clouds()
    learner = GraphLearner(CANDIDATES + 10).fit([X], {"y": from_codes(codes, 2)}, np.random.default_rng(0))
    assert learner.metrics_
    assert (learner.predict([X + np.float32(0.1)])["y"].argmax(axis=1) == codes).mean() > 0.8


def test_queries_of_any_number_are_answered_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    X, codes = noisy_clouds()
    learner = GraphLearner().fit([X], {"y": from_codes(codes, 2)}, np.random.default_rng(0))
    at_once = learner.predict([X + np.float32(0.1)])["y"]
    monkeypatch.setattr("cotrain.learners.graph.QUERIES_AT_ONCE", 70)
    np.testing.assert_allclose(learner.predict([X + np.float32(0.1)])["y"], at_once, rtol=1e-9)


def test_the_class_with_most_labels_does_not_flood_the_graph() -> None:
    X, codes = load_wine(return_X_y=True)
    X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)
    rng = np.random.default_rng(0)
    labelled = np.concatenate([rng.permutation(np.flatnonzero(codes == c))[:k] for c, k in enumerate([7, 18, 9])])
    given = np.full(len(codes), -1)
    given[labelled] = codes[labelled]
    learner = GraphLearner(alpha=0.99).fit([X], {"y": from_codes(given, 3)}, rng)
    assert (learner.scores_["y"].argmax(axis=1) == codes).mean() > 0.8


def test_the_graph_is_sparse_symmetric_and_no_louder_than_1() -> None:
    X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    S = affinities(nearest(X, None, 5))
    assert issparse(S)
    assert S.nnz <= 2 * 60 * 5
    assert abs(S - S.T).max() < 1e-12
    assert np.abs(np.linalg.eigvalsh(S.toarray())).max() <= 1 + 1e-9  # so that the spreading converges


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_unit_of_the_columns_does_not_matter(factor: float) -> None:
    X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    targets = {"y": from_codes(np.where(np.arange(60) < 10, np.arange(60) % 2, -1), 2)}
    plain, scaled = (GraphLearner().fit([X * f], targets, np.random.default_rng(0)).scores_["y"] for f in (1, factor))
    np.testing.assert_allclose(scaled, plain, atol=1e-3)


def test_rows_that_occur_twice_do_not_break_the_graph() -> None:
    X = np.repeat(np.random.default_rng(0).normal(size=(5, 3)), 12, axis=0).astype(np.float32)
    codes = np.repeat(np.arange(5) % 2, 12)
    given = np.where(np.arange(60) % 12 == 0, codes, -1)
    learner = GraphLearner(4).fit([X], {"y": from_codes(given, 2)}, np.random.default_rng(0))
    assert np.isfinite(learner.scores_["y"]).all()
    assert np.isfinite(learner.predict([X.copy()])["y"]).all()


@pytest.mark.parametrize("n_rows", [1, 2])
def test_fewer_rows_than_neighbors_are_enough(n_rows: int) -> None:
    X = np.arange(n_rows, dtype=np.float32)[:, None]
    learner = GraphLearner(7).fit([X], {"y": from_codes(np.arange(n_rows) % 2, 2)}, np.random.default_rng(0))
    assert (learner.scores_["y"].argmax(axis=1) == np.arange(n_rows) % 2)[:2].all()
    np.testing.assert_allclose(learner.predict([X.copy()])["y"].sum(axis=1), 1)


def test_an_island_without_a_label_is_uniform() -> None:
    X = np.array([[0.0], [0.1], [0.2], [90.0], [90.1], [90.2]], dtype=np.float32)
    learner = GraphLearner(1).fit(
        [X], {"y": from_codes(np.array([0, -1, -1, -1, -1, -1]), 2)}, np.random.default_rng(0)
    )
    assert learner.scores_["y"][3:].tolist() == [[0.5, 0.5]] * 3


def test_a_large_table_keeps_every_label_and_a_sample_of_the_others() -> None:
    X, codes = load_digits(return_X_y=True)
    X = (X[:600] / 16).astype(np.float32)
    given = np.where(np.arange(600) % 12 == 0, codes[:600], -1)
    targets = {"y": from_codes(given, 10)}
    learner = GraphLearner(at_most_rows=200).fit([X], targets, np.random.default_rng(0))
    assert learner.X_.shape == (200, 64)
    labelled = {row.tobytes() for row in X[given >= 0]}
    assert labelled <= {row.tobytes() for row in np.asarray(learner.X_)}
    assert (learner.predict([X])["y"].argmax(axis=1) == codes[:600]).mean() > 0.6
    again = GraphLearner(at_most_rows=200).fit([X], targets, np.random.default_rng(0))
    assert np.array_equal(again.predict([X])["y"], learner.predict([X])["y"])


def test_more_labels_than_rows_allowed_still_keep_the_graph_within_its_bound() -> None:
    X = np.random.default_rng(0).normal(size=(90, 3)).astype(np.float32)
    learner = GraphLearner(at_most_rows=30).fit([X], {"y": from_codes(np.arange(90) % 2, 2)}, np.random.default_rng(0))
    assert learner.X_.shape[0] == 30


def test_other_settings_build_another_graph_from_the_same_arrays() -> None:
    X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    targets = {"y": from_codes(np.where(np.arange(50) < 12, np.arange(50) % 2, -1), 2)}
    learner = GraphLearner(3).fit([X], targets, np.random.default_rng(0))
    learner.set_params(n_neighbors=9).fit([X], targets, np.random.default_rng(0))
    fresh = GraphLearner(9).fit([X], targets, np.random.default_rng(0))
    assert np.array_equal(learner.scores_["y"], fresh.scores_["y"])


def test_soft_labels_flow_as_shares() -> None:
    X = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    soft = softmax(np.random.default_rng(1).normal(size=(30, 3)), axis=1)
    weight = np.where(np.arange(30) < 15, 1.0, 0.0)
    scores = GraphLearner().fit([X], {"y": Targets(soft, weight)}, np.random.default_rng(0)).scores_["y"]
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    doubled = GraphLearner().fit([X], {"y": Targets(soft, 2 * weight)}, np.random.default_rng(0)).scores_["y"]
    np.testing.assert_allclose(doubled, scores, atol=1e-9)  # only the ratios of weights matter


def test_sparse_rows_are_never_made_dense() -> None:
    X = csr_matrix(np.random.default_rng(0).poisson(0.3, size=(50, 9)).astype(np.float32))
    learner = GraphLearner().fit([X], {"y": from_codes(np.arange(50) % 2, 2)}, np.random.default_rng(0))
    assert issparse(learner.X_)
    assert GraphLearner.thaw(learner.freeze()).predict([X])["y"].shape == (50, 2)


def test_settings_out_of_range_are_refused() -> None:
    X = np.zeros((4, 1), dtype=np.float32)
    for settings in ({"alpha": 1.0}, {"alpha": 0.0}, {"n_neighbors": 0}, {"at_most_rows": 1}, {"learns_metric": "no"}):
        with pytest.raises(SettingError, match=next(iter(settings))):
            GraphLearner(**settings).fit([X], {"y": from_codes(np.arange(4) % 2, 2)}, np.random.default_rng(0))  # type: ignore[arg-type]


def test_a_graph_needs_a_label_and_must_be_fitted_to_be_asked() -> None:
    X = np.zeros((4, 1), dtype=np.float32)
    with pytest.raises(LearnerError, match="at least one labelled row"):
        GraphLearner().fit([X], {"y": from_codes(np.full(4, -1), 2)}, np.random.default_rng(0))
    with pytest.raises(NotFittedError):
        GraphLearner().predict([X])
    with pytest.raises(NotFittedError):
        GraphLearner().freeze()
