"""A sketch is small, and rows that are alike are alike in it."""

import numpy as np
from scipy.sparse import csr_matrix

from cotrain.views import Blocks, sketch


def blocks(**arrays: object) -> Blocks:
    n_rows = next(iter(arrays.values())).shape[0]  # type: ignore[attr-defined]
    return Blocks(arrays, {view: np.ones(n_rows, dtype=bool) for view in arrays})  # type: ignore[arg-type]


def test_distances_are_about_those_between_the_rows_and_copies_have_none() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 400)).astype(np.float32)
    rows[1] = rows[0]
    made = sketch(blocks(one=rows), np.random.default_rng(1))
    np.testing.assert_array_equal(made[0], made[1])
    true = np.linalg.norm(rows[2:, None] - rows[None, 2:], axis=2) / 20.0  # 20: the mean length of a row
    kept = np.linalg.norm(made[2:, None] - made[None, 2:], axis=2)
    apart = true > 0
    np.testing.assert_allclose(kept[apart] / true[apart], 1.0, atol=0.45)
    assert np.std(kept[apart] / true[apart]) < 0.12


def test_the_unit_of_a_view_does_not_matter_nor_whether_it_is_sparse_or_an_image() -> None:
    rows = np.random.default_rng(0).random((20, 12)).astype(np.float32)
    as_is = sketch(blocks(one=rows, two=rows), np.random.default_rng(1))
    other = sketch(blocks(one=rows * 1000, two=csr_matrix(rows)), np.random.default_rng(1))
    image = sketch(blocks(one=rows.reshape(20, 1, 3, 4), two=rows), np.random.default_rng(1))
    np.testing.assert_allclose(other, as_is, atol=1e-5)
    np.testing.assert_allclose(image, as_is, atol=1e-5)


def test_a_view_of_zeros_or_a_table_without_rows_is_no_error() -> None:
    assert not sketch(blocks(one=np.zeros((3, 2), dtype=np.float32)), np.random.default_rng(0)).any()
    assert len(sketch(blocks(one=np.zeros((0, 2), dtype=np.float32)), np.random.default_rng(0))) == 0
