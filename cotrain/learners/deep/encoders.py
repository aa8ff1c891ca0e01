"""How one block becomes an embedding: columns through a small perceptron, images through a small convolutional net.

Before that a block is brought to one scale (by a single factor, so that zeros stay zeros: they mean "lacks this view"),
outliers are bent back smoothly, and in training noise is added in that scale. No layer normalises a row: how bright or
how large a row is as a whole is often what tells the classes apart.

Shapes: k = copies, n = rows, d = columns, e = embedding.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from cotrain.learners.deep.batches import Bags, BlockRows
from cotrain.learners.deep.copies import CopiedConvolution, CopiedLinear, Dropout, InputLinear

LARGEST_FULL_SIDE = 16
"""Images larger than this are halved by the first convolution: full-size maps would take most of the time of a fit."""
SMALLEST_SIDE = 4
"""Maps are halved as long as their sides stay at least this long."""
GRID = 4
"""Maps are pooled into this many fields per side, so that a rough idea of where things are is kept."""
LARGEST_VALUE = 1e18
"""Scaled values beyond it are taken for it: float32 still holds its square, and what a stack of layers makes of it."""


class Preparation(nn.Module):
    """What is done to a block before it is encoded: scale, bend outliers, add noise, hide inputs.

    Parameters
    ----------
    clip : values far beyond it are bent back towards it, v / sqrt(1 + (v / clip)^2); infinity = left alone,
        up to `LARGEST_VALUE`
    noise : standard deviation of the Gaussian noise added in training, in units of the scaled block
    input_dropout : the share of inputs hidden in training
    """

    scale: Tensor

    def __init__(self, clip: float, noise: float, input_dropout: float, generator: torch.Generator) -> None:
        super().__init__()
        self.clip = clip
        self.noise = noise
        self.generator = generator
        self.hide = Dropout(input_dropout, generator)
        self.register_buffer("scale", torch.ones((), dtype=torch.float32))

    def forward(self, rows: BlockRows) -> BlockRows:
        if isinstance(rows, Bags):
            # Bending would turn word counts into word presence, and noise would make sparse rows dense.
            return Bags(rows.columns, self.hide(self._scaled(rows.values, LARGEST_VALUE)), rows.starts)
        # Below 1, `clip` makes the square that much larger; what is cut off there is bent to `clip` all the same.
        rows = self._scaled(rows, LARGEST_VALUE * min(self.clip, 1.0))
        if math.isfinite(self.clip):
            rows = rows * torch.rsqrt(1 + (rows / self.clip).square())
        if self.training and self.noise > 0:
            rows = rows + self.noise * torch.randn(rows.shape, generator=self.generator, dtype=torch.float32)
        return self.hide(rows)

    def _scaled(self, values: Tensor, largest: float) -> Tensor:
        return (values * self.scale).clamp(-largest, largest)


class ColumnEncoder(nn.Module):
    """Columns (dense or sparse) through one hidden layer: [n, d] -> [k, n, e]; other shapes are flattened first."""

    def __init__(
        self,
        n_columns: int,
        *,
        n_copies: int,
        hidden: int,
        embedding: int,
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.first = InputLinear(n_copies, n_columns, hidden, generator)
        self.dropout = Dropout(dropout, generator)
        self.second = CopiedLinear(n_copies, hidden, embedding, generator)

    def forward(self, rows: BlockRows) -> Tensor:
        if isinstance(rows, Tensor):
            rows = rows.flatten(1)
        return self.second(self.dropout(functional.gelu(self.first(rows))))


class ImageEncoder(nn.Module):
    """Images through 3 x 3 convolutions with halvings in between, then pooled: [n, c, h, w] -> [k, n, e]."""

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        n_copies: int,
        hidden: int,
        embedding: int,
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.n_copies = n_copies
        self.first_stride = 2 if min(shape[1:]) > LARGEST_FULL_SIDE else 1
        widths = _map_widths(min(shape[1:]) // self.first_stride, hidden)
        self.convolutions = nn.ModuleList(
            CopiedConvolution(n_copies, before, after, generator, is_first=stage == 0)
            for stage, (before, after) in enumerate(pairwise([shape[0], *widths]))
        )
        self.dropout = Dropout(dropout, generator)
        self.second = CopiedLinear(n_copies, widths[-1] * GRID**2, embedding, generator)

    def forward(self, rows: Tensor) -> Tensor:
        maps = rows
        for stage, convolution in enumerate(self.convolutions):
            if stage > 0:
                maps = functional.max_pool2d(maps, 2)
            maps = functional.relu(convolution(maps, stride=self.first_stride if stage == 0 else 1))
        pooled = functional.adaptive_avg_pool2d(maps, GRID)  # [n, k*maps, grid, grid]
        pooled = pooled.reshape(len(rows), self.n_copies, -1).transpose(0, 1)
        return self.second(self.dropout(pooled))


def _map_widths(side: int, hidden: int) -> list[int]:
    """How many maps each convolution makes, for images of this (shorter) side: one more for each halving."""
    widths = [max(hidden // 4, 1)]
    while side >= 2 * SMALLEST_SIDE:
        side //= 2
        widths.append(max(hidden // 2, 1))
    return widths
