"""Weighted cross-entropy of many heads, and its gradient, in plain PyTorch.

Formulas as in csrc/formulas.h, where they are derived. Shapes: H = heads, n = rows, C = classes of a head.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from cotrain.ops.dtypes import sum_dtype

IGNORED_CODE = -100
"""The class code of a row that has none, as in torch.nn.functional.cross_entropy."""


@torch.no_grad()
def multi_head_cross_entropy(
    logits: Sequence[Tensor],  # H x [n, C]
    targets: Sequence[Tensor],  # H x [n] int64 or [n, C] sum type
    sample_weights: Sequence[Tensor | None],  # H x [n] sum type
    head_weights: Sequence[float],  # [H]
    need_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(total [], per_head [H], per_sample [sum n], gradient [sum n * C], or [0] where not needed)."""
    wide = sum_dtype(logits[0].dtype)
    parts = [
        _one_head(head, *given)
        for head, given in enumerate(zip(logits, targets, sample_weights, head_weights, strict=True))
    ]
    per_head = torch.stack([loss for loss, _, _ in parts])
    total = (per_head * per_head.new_tensor(head_weights)).sum()
    per_sample = torch.cat([losses for _, losses, _ in parts])
    gradient = torch.cat([slope.flatten() for _, _, slope in parts]) if need_gradient else per_sample.new_empty(0)
    return total.to(wide), per_head.to(wide), per_sample, gradient


def _one_head(
    head: int, logits: Tensor, target: Tensor, weight: Tensor | None, head_weight: float
) -> tuple[Tensor, Tensor, Tensor]:
    """(loss [] in the type that weights are summed in, per_sample [n], gradient [n, C]) of one head."""
    n_rows, n_classes = logits.shape
    has_codes = target.dtype == torch.int64
    if weight is None:
        weight = logits.new_ones(n_rows, dtype=sum_dtype(logits.dtype))
    _check_values(head, target if has_codes else None, weight, n_classes)
    counts = weight > 0
    if has_codes:
        counts &= target != IGNORED_CODE

    # Rows that do not count are never read: a NaN in them stays there.
    x = torch.where(counts[:, None], logits.to(weight.dtype), 0.0)
    if has_codes:
        probabilities = torch.nn.functional.one_hot(torch.where(counts, target, 0), n_classes).to(x.dtype)
    else:
        probabilities = torch.where(counts[:, None], target, 0.0)
    z = x - x.amax(dim=1, keepdim=True)
    exponentials = z.exp()
    # The largest is added last: sums without it are needed whole, see csrc/formulas.h.
    is_top = torch.nn.functional.one_hot(x.argmax(dim=1), n_classes).bool()
    rest = torch.where(is_top, 0.0, exponentials).sum(dim=1)
    sums = rest + torch.where(is_top, exponentials, 0.0).sum(dim=1)
    mass = probabilities.sum(dim=1)
    shortfall = torch.where(probabilities == 0, 0.0, -probabilities * z).sum(dim=1)

    per_sample = torch.where(counts, mass * sums.log() + shortfall, 0.0)
    weight = torch.where(counts, weight, 0.0).to(_weight_sum_dtype(weight.device))
    total_weight = weight.sum()
    total_weight = torch.where(total_weight > 0, total_weight, 1.0)
    loss = (weight * per_sample).sum() / total_weight
    others = torch.where(is_top, rest[:, None], sums[:, None] - exponentials)
    slope = exponentials * (mass[:, None] - probabilities) - probabilities * others
    slope_scale = (weight * (head_weight or 1.0) / total_weight).to(slope.dtype) / sums
    return loss, per_sample, slope * slope_scale[:, None]


def _weight_sum_dtype(device: torch.device) -> torch.dtype:
    """Wide enough that weights near the ends of float's range have a sum and a mean. Apple's GPU has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def _check_values(head: int, codes: Tensor | None, weight: Tensor, n_classes: int) -> None:
    """Raise on the first row whose weight or class code cannot be; where both cannot, on the weight."""
    is_wrong_weight = ~(torch.isfinite(weight) & (weight >= 0))
    is_wrong = is_wrong_weight
    if codes is not None:
        # The code of a row without weight is not read, so it may be anything.
        is_wrong_code = ((codes < 0) | (codes >= n_classes)) & (codes != IGNORED_CODE) & (weight != 0)
        is_wrong = is_wrong_weight | is_wrong_code
    if not is_wrong.any():
        return
    row = int(is_wrong.nonzero()[0])
    if codes is None or is_wrong_weight[row]:
        raise ValueError(f"`sample_weights[{head}]` must be finite and 0 or more; it is not in row {row}.")
    raise IndexError(
        f"`targets[{head}]` must hold class codes from 0 to {n_classes - 1}, or -100 for a row without one; "
        f"got {int(codes[row])} in row {row}."
    )
