"""How several copies of a network run as one.

Copies differ in their first weights and in what dropout hides from them, and are averaged in the end: an ensemble at
little more than the price of one network, because each layer of all copies is one matrix product.
All randomness comes from the `torch.Generator` given, never from torch's global state.

Shapes: k = copies, n = rows, i = inputs, o = outputs of a layer.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from cotrain.learners.deep.batches import Bags, BlockRows


class InputLinear(nn.Module):
    """The first layer: all copies read the same rows, so it is one product with a k times wider matrix.

    Sparse rows cost as much as they have values, not as much as they have columns.
    """

    def __init__(self, n_copies: int, n_inputs: int, n_outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.n_copies = n_copies
        start = torch.randn(n_inputs, n_copies * n_outputs, generator=generator, dtype=torch.float32)
        self.weight = nn.Parameter(start / math.sqrt(n_inputs))  # [i, k*o]
        self.bias = nn.Parameter(torch.zeros(n_copies * n_outputs, dtype=torch.float32))

    def forward(self, rows: BlockRows) -> Tensor:
        """[n, i] -> [k, n, o]"""
        if isinstance(rows, Bags):
            product = functional.embedding_bag(
                rows.columns, self.weight, rows.starts, mode="sum", per_sample_weights=rows.values
            )
            product = product + self.bias
        else:
            product = torch.addmm(self.bias, rows, self.weight)
        return product.view(len(product), self.n_copies, -1).transpose(0, 1)


class CopiedLinear(nn.Module):
    """A later layer: each copy has its own input and its own matrix. `gain` 0 starts it at zero."""

    def __init__(
        self, n_copies: int, n_inputs: int, n_outputs: int, generator: torch.Generator, *, gain: float = 1.0
    ) -> None:
        super().__init__()
        start = torch.randn(n_copies, n_inputs, n_outputs, generator=generator, dtype=torch.float32)
        self.weight = nn.Parameter(start * (gain / math.sqrt(n_inputs)))  # [k, i, o]
        self.bias = nn.Parameter(torch.zeros(n_copies, 1, n_outputs, dtype=torch.float32))

    def forward(self, rows: Tensor) -> Tensor:
        """[k, n, i] -> [k, n, o]"""
        return torch.baddbmm(self.bias, rows, self.weight)


class CopiedConvolution(nn.Module):
    """A 3 x 3 convolution of each copy's own channels, or of the image itself where `is_first`."""

    def __init__(
        self, n_copies: int, n_inputs: int, n_outputs: int, generator: torch.Generator, *, is_first: bool
    ) -> None:
        super().__init__()
        start = torch.randn(n_copies * n_outputs, n_inputs, 3, 3, generator=generator, dtype=torch.float32)
        # He et al. 2015: half of the signal is lost in each activation, which deep stacks must make up for.
        self.weight = nn.Parameter(start * math.sqrt(2 / (9 * n_inputs)))
        self.bias = nn.Parameter(torch.zeros(n_copies * n_outputs, dtype=torch.float32))
        self.groups = 1 if is_first else n_copies

    def forward(self, images: Tensor, *, stride: int = 1) -> Tensor:
        """[n, i, h, w] (first) or [n, k*i, h, w] -> [n, k*o, h, w], sides divided by `stride`"""
        return functional.conv2d(images, self.weight, self.bias, stride, padding=1, groups=self.groups)


class Dropout(nn.Module):
    """Hides each value with probability `share` in training, and scales the rest up; passes everything otherwise."""

    def __init__(self, share: float, generator: torch.Generator) -> None:
        super().__init__()
        self.share = share
        self.generator = generator

    def forward(self, values: Tensor) -> Tensor:
        if not self.training or self.share == 0:
            return values
        kept = torch.rand(values.shape, generator=self.generator, dtype=torch.float32) >= self.share
        return values * kept / (1 - self.share)
