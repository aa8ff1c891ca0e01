"""A learnt metric does what its formula says, whatever the rows' order, unit, rotation or storage."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.stats import ortho_group

from cotrain.learners.metric import (
    MOST_DIRECTIONS,
    MOST_DIRECTIONS_SOUGHT,
    SHRINKAGE,
    WIDEST_DENSE,
    Metric,
    learn_metric,
)
from cotrain.learners.neighbors import nearest


def clouds(n_rows: int = 60, n_columns: int = 5, n_classes: int = 3) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Rows about the mean of their class, columns of unlike spread, the last one of two scales."""
    rng = np.random.default_rng(0)
    codes = np.arange(n_rows) % n_classes
    means = rng.normal(size=(n_classes, n_columns))
    return means[codes] + rng.normal(size=(n_rows, n_columns)) * np.linspace(0.3, 2.0, n_columns), codes


def squared(metric: Metric | None, X: NDArray[np.float64] | csr_matrix) -> NDArray[np.float64]:
    """[n, n] the squared distance of every row to every row."""
    assert metric is not None
    n_rows = X.shape[0]
    near = nearest(X, X, n_rows)
    at = metric.coordinates(X)
    distance, neighbor = metric.corrected(near.distance, near.neighbor, at, at)
    whole = np.zeros((n_rows, n_rows))
    np.put_along_axis(whole, neighbor, distance**2, axis=1)
    return whole


def by_the_formula(X: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """[n, n] |M^1/2 (x - y)|^2 + |D (x - y)|^2, both scaled to a mean of 2 over pairs, by dense linear algebra."""
    n_rows, n_columns = X.shape
    classes = np.unique(codes)
    means = np.array([X[codes == c].mean(axis=0) for c in classes])
    residues = X - means[np.searchsorted(classes, codes)]
    scatter = residues.T @ residues / n_rows
    shrunk = (1 - SHRINKAGE) * scatter + SHRINKAGE * np.trace(scatter) / n_columns * np.eye(n_columns)
    values, axes = np.linalg.eigh(shrunk)
    root = axes @ np.diag(values**-0.5) @ axes.T
    basis, _ = np.linalg.qr(((means - means[0])[1:] @ root).T)  # spans what the whitened means span
    total = np.zeros((n_rows, n_rows))
    for part in (X @ root, X @ root @ basis):
        apart = ((part[:, None] - part[None]) ** 2).sum(axis=2)
        total += 2 * apart / apart.mean()
    return total


def test_distances_are_what_the_formula_says() -> None:
    X, codes = clouds()
    np.testing.assert_allclose(squared(learn_metric(X, codes), X), by_the_formula(X, codes), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("width", "n_sought"), [(MOST_DIRECTIONS + 6, MOST_DIRECTIONS), (WIDEST_DENSE + 8, MOST_DIRECTIONS_SOUGHT)]
)
def test_of_many_columns_the_largest_directions_are_enough(width: int, n_sought: int) -> None:
    # Rows that lie in a few dimensions: all other directions are alike, and nothing is left out.
    X, codes = clouds(90, 12)
    X = X @ np.linalg.qr(np.random.default_rng(1).normal(size=(width, 12)))[0].T
    metric = learn_metric(X, codes)
    assert metric is not None
    assert metric.directions.shape == (width, n_sought + 2)
    np.testing.assert_allclose(squared(metric, X), by_the_formula(X, codes), rtol=1e-3, atol=1e-6)


def test_a_column_that_varies_within_classes_counts_less_than_one_that_sets_them_apart() -> None:
    codes = np.arange(100) % 2
    X = np.random.default_rng(0).normal(size=(100, 2)) * [1.0, 30.0] + np.column_stack([5 * codes, 0 * codes])
    told = squared(learn_metric(X, codes), np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 30.0]]))
    assert told[0, 1] > 2 * told[0, 2]


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_the_unit_of_the_columns_does_not_matter(factor: float) -> None:
    X, codes = clouds()
    np.testing.assert_allclose(
        squared(learn_metric(X * factor, codes), X * factor), by_the_formula(X, codes), rtol=1e-5
    )


def test_a_common_offset_does_not_matter() -> None:
    X, codes = clouds()
    np.testing.assert_allclose(
        squared(learn_metric(X + 1e4, codes), X + 1e4), by_the_formula(X, codes), rtol=1e-3, atol=1e-3
    )


def test_neither_a_rotation_nor_the_order_of_rows_and_classes_matters() -> None:
    X, codes = clouds()
    turned = X @ ortho_group.rvs(X.shape[1], random_state=0)
    order = np.random.default_rng(1).permutation(len(X))
    expected = squared(learn_metric(X, codes), X)
    np.testing.assert_allclose(squared(learn_metric(turned, codes), turned), expected, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(squared(learn_metric(X[order], codes[order]), X), expected, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(squared(learn_metric(X, 7 - codes), X), expected, rtol=1e-5, atol=1e-9)


def test_rows_that_occur_twice_teach_the_same() -> None:
    X, codes = clouds()
    twice = learn_metric(np.vstack([X, X]), np.concatenate([codes, codes]))
    np.testing.assert_allclose(squared(twice, X), squared(learn_metric(X, codes), X), rtol=1e-5, atol=1e-9)


def test_rows_of_an_unknown_class_are_left_out() -> None:
    X, codes = clouds()
    strange = np.vstack([X, 1e3 * np.ones((5, X.shape[1]))])
    told = learn_metric(strange, np.concatenate([codes, np.full(5, -1)]))
    np.testing.assert_allclose(squared(told, X), squared(learn_metric(X, codes), X), rtol=1e-5, atol=1e-9)


def test_sparse_rows_are_as_far_apart_as_dense_ones() -> None:
    X = np.random.default_rng(0).poisson(0.4, size=(80, 12)).astype(np.float32)
    codes = np.arange(80) % 3
    dense = squared(learn_metric(X, codes), X)
    np.testing.assert_allclose(squared(learn_metric(csr_matrix(X), codes), csr_matrix(X)), dense, rtol=1e-4, atol=1e-6)


def test_constant_columns_and_classes_without_a_row_of_their_own_do_no_harm() -> None:
    X, codes = clouds()
    padded = np.hstack([X, np.zeros((len(X), 2))])
    assert np.isfinite(squared(learn_metric(padded, np.where(codes == 1, 5, codes)), padded)).all()


def test_means_that_are_all_the_same_leave_the_whitening_alone() -> None:
    X = np.random.default_rng(0).normal(size=(20, 2)) * [1.0, 10.0]
    X, codes = np.vstack([X, X]), np.repeat([0, 1], 20)
    for seed in range(4):  # in every order of the rows the means differ by other roundings
        order = np.random.default_rng(seed).permutation(40)
        metric = learn_metric(X[order], codes[order])
        assert metric is not None
        assert metric.directions.shape == (2, 2), "the axes of the scatter, and no discriminant"


def test_rounding_is_no_scatter() -> None:
    row = np.random.default_rng(0).uniform(size=(1, 5))
    for n_rows in (7, 35, 60):
        X = np.repeat(row, n_rows, axis=0)
        for stored in (X, csr_matrix(X)):
            assert learn_metric(stored, np.arange(n_rows) % 2) is None


@pytest.mark.parametrize("codes", [[0, 0, 0, 0], [-1, -1, -1, -1], [0, 1, 2, 3], [0, -1, -1, -1]])
def test_without_two_classes_or_any_scatter_nothing_is_learnt(codes: list[int]) -> None:
    assert learn_metric(np.array([[0.0, 1.0], [2.0, 2.0], [4.0, 5.0], [9.0, 1.0]]), np.array(codes)) is None
    assert learn_metric(np.ones((4, 2)), np.array([0, 1, 0, 1])) is None


def test_candidates_that_are_equally_far_keep_their_order() -> None:
    metric = Metric(0.0, np.zeros((1, 1)), np.zeros(1))
    distance, neighbor = metric.corrected(
        np.array([[1.0, 2.0, 3.0]]), np.array([[4, 0, 2]]), np.zeros((1, 1)), np.zeros((5, 1))
    )
    assert neighbor.tolist() == [[4, 0, 2]]
    assert distance.tolist() == [[0.0, 0.0, 0.0]]
