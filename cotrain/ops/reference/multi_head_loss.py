"""The weighted loss of many heads, and its gradient, in plain PyTorch.

Formulas as in csrc/loss_formulas.h, where they are derived. Shapes: H = heads, n = samples, C = classes or values,
P = positions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cotrain.ops.dtypes import sum_dtype, widest
from cotrain.ops.kinds import FROM_PROBABILITIES, is_over_classes
from cotrain.ops.reference.faults import check_class_weights, check_values
from cotrain.ops.reference.kinds import loss_over_classes, loss_per_element


class Head(NamedTuple):
    """One head's part of the operator's arguments, in the type that sums are kept in, positions in one dimension."""

    outputs: Tensor  # [n, C, P]
    targets: Tensor  # [n, P] int64 or [n, C, P]
    counts: Tensor  # [n, 1, P] or [n, C, P] bool
    weight: Tensor  # [n]
    class_weights: Tensor | None  # [C]
    kind: int
    setting: float


@torch.no_grad()
def multi_head_loss(
    outputs: Sequence[Tensor],
    targets: Sequence[Tensor],
    masks: Sequence[Tensor | None],
    sample_weights: Sequence[Tensor | None],
    class_weights: Sequence[Tensor | None],
    kinds: Sequence[int],
    settings: Sequence[float],
    ignored: Sequence[int],
    head_weights: Sequence[float],
    gradient_scales: Sequence[float],
    need_gradient: bool,
) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
    """(total [], per_head [H], per_sample H x [n], gradients H x [n, C, ...], or none where not needed)."""
    check_class_weights(class_weights)
    wide = sum_dtype(outputs[0].dtype)
    per_head, per_sample, gradients = [], [], []
    for h, given in enumerate(outputs):
        head = _head(
            h, given, targets[h], masks[h], sample_weights[h], class_weights[h], kinds[h], settings[h], ignored[h]
        )
        scale = gradient_scales[h] if need_gradient else 0.0
        loss, own, gradient = _one_head(head, scale)
        per_head.append(loss)
        per_sample.append(own)
        if need_gradient:
            gradients.append(torch.empty_like(given).copy_(gradient.view(given.shape)))
    losses = torch.stack(per_head)
    total = (losses * losses.new_tensor(head_weights)).sum()
    return total.to(wide), losses.to(wide), per_sample, gradients


def _head(
    number: int,
    outputs: Tensor,
    targets: Tensor,
    mask: Tensor | None,
    weight: Tensor | None,
    class_weights: Tensor | None,
    kind: int,
    setting: float,
    ignored: int,
) -> Head:
    wide = sum_dtype(outputs.dtype)
    n, n_classes = outputs.shape[:2]
    has_codes = targets.dtype == torch.int64
    x = outputs.reshape(n, n_classes, -1) if outputs.numel() else outputs.reshape(n, n_classes, _positions(outputs))
    n_positions = x.shape[2]
    weight = x.new_ones(n, dtype=wide) if weight is None else weight
    targets = targets.reshape(n, n_positions) if has_codes else targets.reshape(x.shape).to(wide)
    counts = _mask(mask, n, n_classes, n_positions, is_over_classes(kind), outputs.device)
    counts = counts & (weight > 0)[:, None, None]
    if has_codes:
        counts = counts & (targets != ignored)[:, None]
    elif not is_over_classes(kind):
        counts = counts & ~targets.isnan()
    check_values(number, targets if has_codes else None, counts[:, 0], weight, n_classes, ignored)
    # What does not count is never read: a NaN in it stays there.
    x = torch.where(counts, x.to(wide), 0.0)
    # (What a teacher says there is taken for 1, whose logarithm is finite.)
    unread = 1.0 if kind == FROM_PROBABILITIES else 0.0
    targets = torch.where(counts[:, 0], targets, 0) if has_codes else torch.where(counts, targets, unread)
    return Head(x, targets, counts, weight, class_weights, kind, setting)


def _positions(outputs: Tensor) -> int:
    return int(torch.Size(outputs.shape[2:]).numel())


def _mask(
    mask: Tensor | None, n: int, n_classes: int, n_positions: int, over_classes: bool, device: torch.device
) -> Tensor:
    """[n, 1, P], or [n, C, P] for losses of single elements."""
    width = 1 if over_classes else n_classes
    if mask is None:
        return torch.ones(n, width, n_positions, dtype=torch.bool, device=device)
    if mask.ndim == 1:
        return mask[:, None, None].expand(n, width, n_positions)
    return mask.reshape(n, width, n_positions)


def _one_head(head: Head, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """(loss [] in the type that weights are summed in, per_sample [n], gradient [n, C, P])."""
    if is_over_classes(head.kind):
        losses, slopes, shares = loss_over_classes(*_of_kind(head))
    else:
        losses, slopes, shares = loss_per_element(*_of_kind(head))
    losses = torch.where(head.counts, losses, 0.0)
    count = head.counts.sum(dim=(1, 2))
    per_sample = losses.sum(dim=(1, 2), dtype=losses.dtype) / count.clamp(min=1)

    weight = torch.where(head.weight > 0, head.weight, 0.0).to(widest(head.weight.device))
    spread = weight[:, None, None]
    total = (torch.where(head.counts, shares, 0.0) * spread).sum()
    total = torch.where(total > 0, total, torch.inf)  # nothing counts: loss 0 and gradient 0
    loss = (spread * losses).sum() / total
    steepness = (spread * scale / total).to(slopes.dtype)
    return loss, per_sample, torch.where(head.counts, slopes * steepness, 0.0)


def _of_kind(head: Head) -> tuple[Tensor, Tensor, Tensor | None, int, float]:
    return head.outputs, head.targets, head.class_weights, head.kind, head.setting
