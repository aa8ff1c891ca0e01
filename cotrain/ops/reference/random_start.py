"""A point of a ball in a given direction, in plain PyTorch."""

from typing import Any

import torch
from torch import Tensor

from cotrain.ops.dtypes import sum_dtype
from cotrain.ops.reference.perturbation import Limits, flat, per_row


@torch.no_grad()
def random_start(
    clean: Tensor,  # [n, ...]
    direction: Tensor,  # [n, ...] sum type
    norm: str,
    *ball: Any,
) -> Tensor:
    """The clean rows moved by epsilon in the direction, of which only what may move counts."""
    if clean.numel() == 0:
        return torch.empty_like(clean)
    limits = Limits.of(clean, *ball)
    offset = torch.where(limits.moves, direction, 0.0)
    if norm != "linf":
        order = 2 if norm == "l2" else 1
        length = per_row(torch.linalg.vector_norm(flat(offset), order, dim=1, dtype=torch.float64), offset)
        offset = torch.where(length > 0, offset / length.to(offset.dtype), 0.0)
    centre = clean.to(sum_dtype(clean.dtype))
    moved = centre + limits.scale * (limits.epsilon * offset)
    return torch.empty_like(clean).copy_(limits.in_box(moved, centre))
