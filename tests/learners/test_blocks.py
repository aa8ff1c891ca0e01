"""Several blocks become one matrix, whatever they are."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, issparse
from sklearn.naive_bayes import GaussianNB

from cotrain.errors import LearnerError
from cotrain.learners import ClassicalLearner, GraphLearner
from cotrain.learners.blocks import as_matrix, n_rows_of
from cotrain.predictions import from_codes


def test_a_single_matrix_is_passed_on_uncopied() -> None:
    block = np.zeros((4, 3), dtype=np.float32)
    assert np.shares_memory(as_matrix([block]), block)  # type: ignore[arg-type]


def test_images_are_flattened_row_by_row() -> None:
    image = np.arange(24, dtype=np.float32).reshape(2, 1, 3, 4)
    assert np.array_equal(as_matrix([image]), np.arange(24).reshape(2, 12))
    assert as_matrix([image, np.ones((2, 5), dtype=np.float32)]).shape == (2, 17)


def test_one_sparse_block_makes_the_whole_sparse_with_the_same_values() -> None:
    dense, other = np.eye(3, dtype=np.float32), np.arange(6, dtype=np.float32).reshape(3, 2)
    whole = as_matrix([dense, csr_matrix(other)])
    assert issparse(whole)
    assert np.array_equal(whole.toarray(), np.hstack([dense, other]))  # type: ignore[union-attr]


def test_no_rows_are_rows_too() -> None:
    image = np.zeros((0, 1, 3, 4), dtype=np.float32)
    assert as_matrix([image]).shape == (0, 12)
    assert as_matrix([image, csr_matrix((0, 5), dtype=np.float32)]).shape == (0, 17)


@pytest.mark.parametrize("learner", [ClassicalLearner(GaussianNB()), GraphLearner()], ids=["classical", "graph"])
def test_a_learner_reads_images_as_flat_rows(learner: ClassicalLearner | GraphLearner) -> None:
    image = np.random.default_rng(0).normal(size=(30, 1, 4, 5)).astype(np.float32)
    targets = {"y": from_codes(np.arange(30) % 3, 3)}
    as_image = learner.fit([image], targets, np.random.default_rng(0)).predict([image.copy()])["y"]
    flat = image.reshape(30, 20)
    assert np.array_equal(learner.fit([flat], targets, np.random.default_rng(0)).predict([flat.copy()])["y"], as_image)


def test_blocks_of_unequal_length_and_no_block_are_refused() -> None:
    with pytest.raises(LearnerError, match=r"same rows; got \[2, 3\]"):
        n_rows_of([np.zeros((2, 1), dtype=np.float32), np.zeros((3, 1), dtype=np.float32)])
    with pytest.raises(LearnerError, match="at least one block"):
        as_matrix([])
