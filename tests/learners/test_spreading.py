"""How labels flow along edges: what arrives is what the equation says, and nothing crosses to where no edge leads."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import block_diag, csr_matrix
from sklearn.datasets import load_digits

from cotrain.learners.neighbors import affinities, nearest
from cotrain.learners.spreading import spread


def digits(n_labels: int) -> tuple[csr_matrix, NDArray[np.floating]]:
    """A graph of 500 digits, and labels of some of them."""
    X, codes = load_digits(return_X_y=True)
    seeds = np.zeros((500, 10))
    labelled = np.random.default_rng(0).permutation(500)[:n_labels]
    seeds[labelled, codes[labelled]] = 1.0
    return affinities(nearest(X[:500], None, 7)), seeds


@pytest.mark.parametrize("alpha", [0.5, 0.99])
@pytest.mark.parametrize("n_labels", [5, 100])
def test_what_arrives_solves_the_equation(n_labels: int, alpha: float) -> None:
    edges, seeds = digits(n_labels)
    arrived = np.linalg.solve(np.eye(500) - alpha * edges.toarray(), (1 - alpha) * seeds)
    reach = arrived.sum(axis=0)
    arrived *= np.divide(np.sqrt(seeds.sum(axis=0)), reach, out=np.zeros(10), where=reach > 0)
    np.testing.assert_allclose(spread(edges, seeds, alpha), arrived / arrived.sum(axis=1, keepdims=True), atol=0.03)


def test_rows_in_another_order_get_the_same() -> None:
    edges, seeds = digits(50)
    order = np.random.default_rng(1).permutation(500)
    np.testing.assert_allclose(
        spread(edges[order][:, order], seeds[order], 0.99), spread(edges, seeds, 0.99)[order], atol=1e-6
    )


def test_no_label_crosses_to_a_part_of_the_graph_that_no_edge_leads_to() -> None:
    edges, seeds = digits(50)
    apart = csr_matrix(block_diag([edges, edges]))
    scores = spread(apart, np.concatenate([seeds, np.zeros_like(seeds)]), 0.99)
    np.testing.assert_array_equal(scores[500:], 0.1)
    np.testing.assert_allclose(scores[:500], spread(edges, seeds, 0.99), atol=1e-9)


def test_a_class_without_a_label_arrives_nowhere() -> None:
    edges, seeds = digits(50)
    seeds[:, 3] = 0.0
    scores = spread(edges, seeds, 0.99)
    assert not scores[:, 3].any()
    assert np.isfinite(scores).all()


def test_without_labels_all_classes_are_alike() -> None:
    edges, seeds = digits(0)
    np.testing.assert_array_equal(spread(edges, seeds, 0.99), 0.1)
