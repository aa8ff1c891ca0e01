"""What a block and a target must be before a network reads them.

Blocks become float32, dense `[n, ...]` or CSR `[n, d]` without stored zeros; what is passed in is never changed.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse

from cotrain.errors import LearnerError
from cotrain.learners.blocks import n_rows_of
from cotrain.learners.protocol import Block
from cotrain.predictions.targets import Targets

FARTHEST = 1e18
"""Values beyond it are marks for `missing` (float32's largest, 1e20), not measurements: they set no block's scale."""


def readable(blocks: Sequence[Block]) -> list[Block]:
    """The blocks as float32, checked.

    Raises
    ------
    LearnerError : no block, blocks of different lengths, a block without columns, NaN or infinite values
    """
    n_rows_of(blocks)
    return [_readable_block(block, position) for position, block in enumerate(blocks)]


def shapes_of(blocks: Sequence[Block]) -> list[tuple[int, ...]]:
    """The shape of one row of each block."""
    return [_row_shape(block) for block in blocks]


def check_shapes(blocks: Sequence[Block], fitted: Sequence[tuple[int, ...]]) -> None:
    """LearnerError where the rows are not of the shapes that the network was fitted on."""
    given = shapes_of(blocks)
    if given != list(fitted):
        raise LearnerError(
            f"The network was fitted on blocks with rows of shape {list(fitted)}; these have {given}. "
            "Give the same views, in the same order, as in `fit`."
        )


def check_targets(targets: Mapping[str, Targets], n_rows: int) -> None:
    """LearnerError where the targets do not fit the rows, or say something that cannot be learnt."""
    if not targets:
        raise LearnerError("A network needs at least one task to learn; got no targets.")
    for task, target in targets.items():
        if len(target.weight) != n_rows:
            raise LearnerError(f"Task {task!r} has targets for {len(target.weight)} rows; the blocks have {n_rows}.")
        if target.n_classes == 0:
            raise LearnerError(f"Task {task!r} has no classes. Give its targets one column per class.")
        if not (np.isfinite(target.weight).all() and (target.weight >= 0).all()):
            raise LearnerError(
                f"Task {task!r} has a weight that is negative, NaN or infinite. Use 0 for `not labelled`."
            )
        said = target.probabilities[target.is_labelled]
        # NaN compares false, and what float32 cannot hold would be infinite to the network.
        if not ((said >= 0) & (said <= np.finfo(np.float32).max)).all():
            raise LearnerError(
                f"Task {task!r} has a labelled row whose probabilities are negative, NaN or infinite (as float32). "
                "Give it probabilities that sum to 1."
            )


def labelled_for_any(targets: Mapping[str, Targets]) -> NDArray[np.intp]:
    """Positions of the rows that say something for at least one task."""
    return np.flatnonzero(np.any([target.is_labelled for target in targets.values()], axis=0))


def scale_of(block: Block) -> float:
    """What brings the block's values to a root mean square of 1.

    Rows that lack the view do not count, nor do values beyond `FARTHEST`, unless there are no others.
    """
    if isinstance(block, csr_matrix):
        n_present = int(np.count_nonzero(np.diff(block.indptr)))
        values = block.data
    else:
        values = block.reshape(len(block), math.prod(_row_shape(block)))
        n_present = int(np.count_nonzero((values != 0).any(axis=1)))
    squares = float(np.square(values, dtype=np.float64).sum())
    if squares > FARTHEST**2:
        near = values[np.abs(values) <= FARTHEST]
        squares = float(np.square(near, dtype=np.float64).sum()) or squares
    if squares == 0:
        return 1.0  # zeros only, or no rows: there is no scale to bring them to
    # The factor is a float32 too, and blocks of float32's smallest values ask for a larger one than there is.
    return min(math.sqrt(n_present * math.prod(_row_shape(block)) / squares), float(np.finfo(np.float32).max))


def _row_shape(block: Block) -> tuple[int, ...]:
    sizes: tuple[int, ...] = tuple(block.shape or ())
    return tuple(int(size) for size in sizes[1:])


def _readable_block(block: Block, position: int) -> Block:
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is reported as such
        if issparse(block):
            block = csr_matrix(block, dtype=np.float32, copy=True)
            block.sum_duplicates()
            block.eliminate_zeros()  # so that a row without stored values is a row that lacks the view
            is_finite = np.isfinite(block.data)
        else:
            block = np.ascontiguousarray(block, dtype=np.float32)
            is_finite = np.isfinite(block)
    row_shape = _row_shape(block)
    if not row_shape or 0 in row_shape:
        raise LearnerError(
            f"Block {position} must have rows and columns; got shape {block.shape}. Leave out empty views."
        )
    if not is_finite.all():
        raise LearnerError(
            f"Block {position} holds {int((~is_finite).sum())} NaN or infinite values (as float32). "
            "Fill them in first; zeros in a whole row mean that the row lacks the view."
        )
    return block
