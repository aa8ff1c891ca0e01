"""One step of projected gradient ascent in a ball, in plain PyTorch.

Written from the definitions rather than for speed: lengths are taken after the step, thresholds by sorting.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from cotrain.ops.dtypes import sum_dtype


class Limits(NamedTuple):
    """The ball and the box in a shape that broadcasts to the rows [n, ...]."""

    epsilon: float | Tensor
    lower: float | Tensor
    upper: float | Tensor
    scale: float | Tensor
    moves: Tensor

    @classmethod
    def of(
        cls,
        rows: Tensor,  # [n, ...]
        epsilon: float,
        epsilon_per_sample: Tensor | None,  # [n] sum type
        lower: float,
        upper: float,
        lower_per_feature: Tensor | None,  # [...] sum type
        upper_per_feature: Tensor | None,  # [...] sum type
        scale_per_feature: Tensor | None,  # [...] sum type
    ) -> "Limits":
        """From what the operators take."""
        scale = 1.0 if scale_per_feature is None else scale_per_feature
        return cls(
            epsilon if epsilon_per_sample is None else epsilon_per_sample.reshape(-1, *[1] * (rows.ndim - 1)),
            lower if lower_per_feature is None else lower_per_feature,
            upper if upper_per_feature is None else upper_per_feature,
            scale,
            torch.as_tensor(scale, device=rows.device) > 0,
        )

    def in_box(self, value: Tensor, clean: Tensor) -> Tensor:
        """The last thing done to a value: into the box; or back, where the feature may not move."""
        return torch.where(self.moves, value.clamp(min=self.lower).clamp(max=self.upper), clean)


@torch.no_grad()
def perturb(
    perturbed: Tensor,  # [n, ...]
    clean: Tensor,  # [n, ...]
    gradient: Tensor,  # [n, ...]
    norm: str,
    step_size: float,
    top_share: float,
    *ball: Any,
) -> Tensor:
    """The perturbed rows after the step, computed in the sum type and rounded once."""
    if perturbed.numel() == 0:
        return torch.empty_like(perturbed)
    wide = sum_dtype(perturbed.dtype)
    limits = Limits.of(perturbed, *ball)
    start, centre = perturbed.to(wide), clean.to(wide)
    if norm == "linf":
        moved = start + step_size * limits.scale * gradient.to(wide).sign()
        reach = limits.epsilon * limits.scale
        moved = torch.clamp(moved, centre - reach, centre + reach)
    else:
        slope = torch.where(limits.moves, gradient.to(wide) * limits.scale, 0.0)
        slope = torch.where(slope.isnan(), 0.0, slope)
        offset = torch.where(limits.moves, (start - centre) / limits.scale, 0.0)
        is_unknown = offset.isnan()
        offset = torch.where(is_unknown, 0.0, offset)  # so that a NaN spoils its own feature only
        if norm == "l2":
            move = _l2_move(slope, step_size)
            nearest, is_inside = _nearest_in_l2_ball(offset + move, limits.epsilon)
        else:
            move = _l1_move(start, slope, step_size, top_share, limits)
            nearest, is_inside = _nearest_in_l1_ball(offset + move, limits.epsilon)
        # What stays inside the ball is moved from where it is: no step, no change.
        moved = torch.where(is_inside, start + limits.scale * move, centre + limits.scale * nearest)
        moved = torch.where(is_unknown, torch.nan, moved)
    return torch.empty_like(perturbed).copy_(limits.in_box(moved, centre))


@torch.no_grad()
def perturb_(perturbed: Tensor, *arguments: Any) -> None:
    """The same step, written over `perturbed`."""
    perturbed.copy_(perturb(perturbed, *arguments))


def _l2_move(slope: Tensor, step_size: float) -> Tensor:
    """[n, ...] along the slope; 0 where it has no direction."""
    norm = per_row(torch.linalg.vector_norm(flat(slope), dim=1, dtype=torch.float64), slope)
    has_direction = (norm > 0) & norm.isfinite()
    return torch.where(has_direction, step_size * (slope.double() / norm), 0.0).to(slope.dtype)


def _nearest_in_l2_ball(offset: Tensor, epsilon: float | Tensor) -> tuple[Tensor, Tensor]:
    """Of the ball's points, and [n, 1, ...] where it is the offset itself."""
    length = per_row(torch.linalg.vector_norm(flat(offset), dim=1, dtype=torch.float64), offset)
    is_inside = length <= epsilon
    return offset * torch.where(is_inside, 1.0, epsilon / length).to(offset.dtype), is_inside


def _l1_move(start: Tensor, slope: Tensor, step_size: float, top_share: float, limits: Limits) -> Tensor:
    """[n, ...] along the largest slopes that have room in the box, a share of the step for each."""
    rise = -slope if step_size < 0 else slope
    room = torch.where(rise > 0, limits.upper - start, start - limits.lower)
    pull = flat(torch.where(room > 0, rise.abs(), 0.0))
    n_top = max(1, int(top_share * pull.shape[1]))
    threshold = pull.topk(n_top, dim=1).values[:, -1:]
    is_top = (pull >= threshold) & (pull > 0)
    size = (step_size / is_top.sum(dim=1, keepdim=True).clamp(min=1).double()).to(slope.dtype)
    return (size * is_top).view(slope.shape) * slope.sign()


def _nearest_in_l1_ball(offset: Tensor, epsilon: float | Tensor) -> tuple[Tensor, Tensor]:
    """Of the ball's points, and [n, 1, ...] where it is the offset itself: Duchi et al. 2008, figure 1."""
    radius = epsilon.reshape(-1, 1).double() if isinstance(epsilon, Tensor) else epsilon
    sizes = flat(offset).abs().double().sort(dim=1, descending=True).values
    excess = sizes.cumsum(dim=1) - radius
    ranks = torch.arange(1, sizes.shape[1] + 1, device=offset.device)
    n_kept = (sizes * ranks > excess).sum(dim=1, keepdim=True).clamp(min=1)
    shrinkage = per_row(excess.gather(1, n_kept - 1) / n_kept, offset).to(offset.dtype)
    is_inside = per_row(sizes.sum(dim=1) <= (radius if not isinstance(radius, Tensor) else radius[:, 0]), offset)
    return (offset.abs() - shrinkage).clamp(min=0) * offset.sign(), is_inside


def flat(rows: Tensor) -> Tensor:
    """[n, d]: the features of each row side by side."""
    return rows.reshape(len(rows), -1)


def per_row(values: Tensor, rows: Tensor) -> Tensor:
    """[n] or [n, 1] as [n, 1, ...], to broadcast over `rows`."""
    return values.reshape(-1, *[1] * (rows.ndim - 1))
