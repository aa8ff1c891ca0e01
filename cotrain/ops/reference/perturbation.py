"""One signed step inside an L-infinity ball, in plain PyTorch."""

import torch
from torch import Tensor

from cotrain.ops.dtypes import sum_dtype


@torch.no_grad()
def linf_step(
    perturbed: Tensor,  # [n, ...]
    clean: Tensor,  # [n, ...]
    gradient: Tensor,  # [n, ...]
    step_size: float,
    epsilon: float,
    epsilon_per_sample: Tensor | None,  # [n] sum type
    lower: float,
    upper: float,
    lower_per_feature: Tensor | None,  # [prod(...)] sum type
    upper_per_feature: Tensor | None,  # [prod(...)] sum type
) -> Tensor:
    """The perturbed rows after the step, computed in the sum type and rounded once."""
    wide = sum_dtype(perturbed.dtype)
    radius = epsilon if epsilon_per_sample is None else epsilon_per_sample.reshape(-1, *[1] * (perturbed.ndim - 1))
    centre = clean.to(wide)
    moved = perturbed.to(wide) + step_size * gradient.to(wide).sign()
    result = torch.clamp(moved, centre - radius, centre + radius)
    if lower_per_feature is None:
        result = result.clamp(min=lower)
    else:
        result = torch.maximum(result, lower_per_feature.view(perturbed.shape[1:]))
    if upper_per_feature is None:
        result = result.clamp(max=upper)
    else:
        result = torch.minimum(result, upper_per_feature.view(perturbed.shape[1:]))
    return torch.empty_like(perturbed).copy_(result)


@torch.no_grad()
def linf_step_(
    perturbed: Tensor,
    clean: Tensor,
    gradient: Tensor,
    step_size: float,
    epsilon: float,
    epsilon_per_sample: Tensor | None,
    lower: float,
    upper: float,
    lower_per_feature: Tensor | None,
    upper_per_feature: Tensor | None,
) -> None:
    """The same step, written over `perturbed`."""
    perturbed.copy_(
        linf_step(
            perturbed,
            clean,
            gradient,
            step_size,
            epsilon,
            epsilon_per_sample,
            lower,
            upper,
            lower_per_feature,
            upper_per_feature,
        )
    )
