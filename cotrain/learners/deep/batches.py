"""How rows become batches: what they show, what is known of them, and how two rows are mixed into one.

Shapes: n = rows of a batch, d = columns, C = classes of a task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from cotrain.learners.protocol import Block
from cotrain.predictions.targets import Targets


@dataclass(frozen=True)
class Bags:
    """Sparse rows, as torch's embedding bags read them.

    Parameters
    ----------
    columns : [m] int64, the columns of all values, row after row; a column may occur twice and is then summed
    values : [m] float32
    starts : [n] int64, where each row's values begin
    """

    columns: Tensor
    values: Tensor
    starts: Tensor

    def is_present(self) -> Tensor:
        """[n] mask of the rows that hold any value."""
        ends = torch.cat([self.starts[1:], torch.tensor([len(self.values)])])
        return ends > self.starts


BlockRows = Tensor | Bags


@dataclass(frozen=True)
class Batch:
    """Some rows and what is known of them.

    Parameters
    ----------
    blocks : one [n, ...] per view, float32
    targets : {task: [n, C] float32}
    weights : {task: [n] float32}; 0 = says nothing. Only their ratios matter
    shares : {task: this batch's weight against that of an average batch}. Times the mean loss of the batch it makes
        an epoch's losses average to the loss over all rows, also where tasks are labelled unevenly.
    """

    blocks: tuple[BlockRows, ...]
    targets: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]
    shares: Mapping[str, float]


class Rows:
    """The rows of one fit, from which batches are taken: those at `chosen` of the blocks and targets given.

    Attributes
    ----------
    n_rows : how many there are
    views_had : [n] int, the same number for rows that have the same views
    """

    def __init__(self, blocks: Sequence[Block], targets: Mapping[str, Targets], chosen: NDArray[np.intp]) -> None:
        self.blocks = [_bounded(block[chosen]) for block in blocks]
        self.targets = {task: _float_tensor(_said(target)[chosen]) for task, target in targets.items()}
        self.weights = {task: _float_tensor(_scaled(target.weight[chosen])) for task, target in targets.items()}
        self.n_rows = len(chosen)
        has_view = np.stack([_has_values(block) for block in self.blocks], axis=1)
        self.views_had = np.unique(has_view, axis=0, return_inverse=True)[1].reshape(-1)
        self._mean_weight = {task: float(weight.double().mean()) for task, weight in self.weights.items()}

    def take(self, positions: NDArray[np.intp]) -> Batch:
        """The rows at `positions`, in that order."""
        index = torch.from_numpy(positions)
        return self._batch(
            take_blocks(self.blocks, positions),
            {task: target[index] for task, target in self.targets.items()},
            {task: weight[index] for task, weight in self.weights.items()},
        )

    def mix(self, positions: NDArray[np.intp], partners: NDArray[np.intp], share: NDArray[np.float32]) -> Batch:
        """Each row mixed with a partner: share * row + (1 - share) * partner, in what it shows and what is known of it.

        The loss of a mixed row is the mixture of the two rows' losses, each with its own weight, so a row that is
        not labelled for a task adds nothing to it.

        References
        ----------
        Zhang et al. 2018, mixup: beyond empirical risk minimization (arXiv 1710.09412)
        """
        own, other = torch.from_numpy(positions), torch.from_numpy(partners)
        of_own = torch.from_numpy(share)
        targets, weights = {}, {}
        for task, target in self.targets.items():
            own_weight = of_own * self.weights[task][own]
            other_weight = (1 - of_own) * self.weights[task][other]
            weights[task] = own_weight + other_weight
            said = own_weight[:, None] * target[own] + other_weight[:, None] * target[other]
            # A pair that says nothing keeps weight 0; the floor only spares it a division by zero.
            targets[task] = said / weights[task].clamp_min(torch.finfo(torch.float32).tiny)[:, None]
        blocks = tuple(_mix_rows(block, positions, partners, share) for block in self.blocks)
        return self._batch(blocks, targets, weights)

    def _batch(self, blocks: tuple[BlockRows, ...], targets: dict[str, Tensor], weights: dict[str, Tensor]) -> Batch:
        shares = {
            task: float(weight.double().mean()) / self._mean_weight[task] if self._mean_weight[task] > 0 else 0.0
            for task, weight in weights.items()
        }
        return Batch(blocks, targets, weights, shares)


def take_blocks(blocks: Sequence[Block], positions: NDArray[np.intp]) -> tuple[BlockRows, ...]:
    """The rows of each block at `positions`, as a network reads them."""
    return tuple(_take_rows(block, positions) for block in blocks)


def _take_rows(block: Block, positions: NDArray[np.intp]) -> BlockRows:
    if not isinstance(block, csr_matrix):
        return torch.from_numpy(block[positions])
    rows = block[positions]
    return _bags(rows, rows.data, rows.indptr[:-1])


def _mix_rows(
    block: Block,
    positions: NDArray[np.intp],
    partners: NDArray[np.intp],
    share: NDArray[np.float32],
) -> BlockRows:
    if not isinstance(block, csr_matrix):
        return torch.lerp(
            torch.from_numpy(block[partners]),
            torch.from_numpy(block[positions]),
            torch.from_numpy(share).view(-1, *[1] * (block.ndim - 1)),
        )
    # A row and its partner lie one after the other and make one bag together.
    rows = block[np.stack([positions, partners], axis=1).ravel()]
    factors = np.repeat(np.stack([share, 1 - share], axis=1).ravel(), np.diff(rows.indptr))
    return _bags(rows, rows.data * factors, rows.indptr[:-1:2])


def _bags(rows: csr_matrix, values: NDArray[np.float32], starts: NDArray[np.integer]) -> Bags:
    return Bags(
        torch.from_numpy(rows.indices.astype(np.int64)),
        torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)),
        torch.from_numpy(starts.astype(np.int64)),
    )


def _has_values(block: Block) -> NDArray[np.bool_]:
    """[n] mask of the rows with any value that is not zero."""
    if isinstance(block, csr_matrix):
        return np.diff(block.indptr) > 0
    return (block != 0).reshape(len(block), -1).any(axis=1)


def _bounded(block: Block) -> Block:
    """The block with no value beyond 1e38: mixing takes differences of two, which float32 must hold."""
    values = block.data if isinstance(block, csr_matrix) else block
    np.clip(values, -1e38, 1e38, out=values)
    return block


def _said(target: Targets) -> NDArray[np.floating]:
    """The probabilities, with zeros in the rows that say nothing: those may hold anything, and mixing reads them."""
    return np.where(target.is_labelled[:, None], target.probabilities, 0.0)


def _scaled(weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """The weights with the largest from 1 up to 2, so that float32 holds them however large or small they are.

    Losses are weighted means, so a common factor changes nothing; this one is a power of 2 and rounds nothing either.
    """
    _, exponent = np.frexp(np.max(weight, initial=0.0))
    return np.ldexp(weight.astype(np.float64), 1 - exponent)


def _float_tensor(values: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
