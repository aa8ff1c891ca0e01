"""Gradients in fewer bits, so that the core and its twin train the same network.

The two compute a loss's gradient in float64 and differ in its last bits. Rounded to the network's float32 these are
gone, but for a value that lies next to the middle between two floats: one in some 1e9, and a run computes millions. It
moves a weight by a last bit, a training makes 1e-6 of it, and the choices of the exchange thousandths.
"""

from typing import Any

import torch
from torch import Tensor

_KEPT_BITS = 16
"""Of a mantissa; float32 keeps 23, bfloat16 7. The error, 1e-5 of a gradient, is far below the noise of a batch; two
values that differ by 1e-16 of themselves fall on two sides of an edge once in 1e10 times."""

_DROPPED = 52 - _KEPT_BITS

_TO_NEAREST = 2 ** (_DROPPED - 1) + 2**18
"""Half of what is dropped, and a little: so the edges lie where no simple fraction does."""


def widened(values: Tensor) -> Tensor:
    """[...] float32 values in float64; the gradient that comes back to them has _KEPT_BITS bits."""
    return _Widened.apply(values)


class _Widened(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.double()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return coarse(gradients[0]).float()


def coarse(values: Tensor) -> Tensor:
    """[...] float64 values, rounded to _KEPT_BITS bits of mantissa; 0, infinities and NaN stay what they are."""
    bits = values.contiguous().view(torch.int64)
    rounded = ((bits + _TO_NEAREST) & -(2**_DROPPED)).view(torch.float64)
    return torch.where(torch.isfinite(values), rounded, values)
