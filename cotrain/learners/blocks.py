"""How several blocks become one matrix, for learners that want a single one.

Shapes: n = rows, d = columns of all blocks together.
"""

from collections.abc import Sequence
from math import prod

import numpy as np
from scipy.sparse import csr_matrix, hstack, issparse

from cotrain.errors import LearnerError
from cotrain.learners.protocol import Block


def n_rows_of(blocks: Sequence[Block]) -> int:
    """How many rows the blocks have; all must have the same number."""
    if not blocks:
        raise LearnerError("A learner needs at least one block of columns; got none. Give its member a view.")
    counts = {block.shape[0] for block in blocks}
    if len(counts) > 1:
        raise LearnerError(f"All blocks of a learner must have the same rows; got {sorted(counts)} rows.")
    return counts.pop()


def as_matrix(blocks: Sequence[Block]) -> Block:
    """[n, d]: the blocks side by side; images are flattened, one sparse block makes the whole sparse.

    A single two-dimensional block is returned as it is, not copied.
    """
    n_rows = n_rows_of(blocks)
    # The width is written out: of 0 rows NumPy could not tell it.
    flat = [block if issparse(block) else np.asarray(block).reshape(n_rows, prod(block.shape[1:])) for block in blocks]
    if len(flat) == 1:
        return flat[0]
    if any(issparse(block) for block in flat):
        return csr_matrix(hstack([csr_matrix(block) for block in flat], format="csr"))
    return np.hstack(flat)
