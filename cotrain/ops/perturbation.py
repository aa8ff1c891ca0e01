"""How a batch takes one step of projected gradient ascent: operators `cotrain::linf_step` and `cotrain::linf_step_`.

The two differ in where the result goes: a new tensor, or over the perturbed rows, which spares a loop of
steps one allocation each. Shapes: n = rows, ... = the features of a row, in any number of dimensions.
"""

import math
from typing import NoReturn

import torch
from torch import Tensor

from cotrain.errors import SettingError
from cotrain.ops import reference
from cotrain.ops.dtypes import sum_dtype
from cotrain.ops.library import declare

_ARGUMENTS = (
    "perturbed, Tensor clean, Tensor gradient, float step_size, float epsilon, Tensor? epsilon_per_sample, "
    "float lower, float upper, Tensor? lower_per_feature, Tensor? upper_per_feature"
)
_step = declare(
    "linf_step",
    f"(Tensor {_ARGUMENTS}) -> Tensor",
    twin=reference.linf_step,
    fake=lambda perturbed, *others: torch.empty_like(perturbed),
)
_step_in_place = declare(
    "linf_step_",
    f"(Tensor(a!) {_ARGUMENTS}) -> ()",
    twin=reference.linf_step_,
    fake=lambda perturbed, *others: None,
)


def linf_step(
    perturbed: Tensor,
    clean: Tensor,
    gradient: Tensor,
    *,
    step_size: float,
    epsilon: float | Tensor,
    lower: float | Tensor | None = None,
    upper: float | Tensor | None = None,
) -> Tensor:
    """One signed gradient step, back into the ball around the clean rows, back into the box of legal values.

    clamp(clip(perturbed + step_size * sign(gradient), clean - epsilon, clean + epsilon), lower, upper)

    Parameters
    ----------
    perturbed : [n, ...] float16, bfloat16, float32 or float64, any strides; not changed
    clean : [n, ...] the rows that the ball is around, same dtype
    gradient : [n, ...] of the loss at `perturbed`, same dtype; where it is 0 or NaN the step is 0, as in torch.sign
    step_size : how far one step goes; negative descends
    epsilon : half-width of the ball, >= 0, or one per row [n]
    lower, upper : the box, None = no bound, or one per feature: any shape that broadcasts to [...]

    The values of limits that are tensors are looked at too, for which a GPU is waited for, but not under
    torch.compile: a program cannot branch on them there.

    Returns
    -------
    [n, ...] like `perturbed`, without a graph

    Raises
    ------
    SettingError : shapes or dtypes that do not fit, a negative `epsilon`, `lower` above `upper`, NaN in any of them

    References
    ----------
    Madry et al. 2018, Towards deep learning models resistant to adversarial attacks (arXiv 1706.06083)
    """
    limits = _limits(perturbed, clean, gradient, step_size, epsilon, lower, upper)
    with torch.no_grad():
        return _step(perturbed, clean, gradient, *limits)


def linf_step_(
    perturbed: Tensor,
    clean: Tensor,
    gradient: Tensor,
    *,
    step_size: float,
    epsilon: float | Tensor,
    lower: float | Tensor | None = None,
    upper: float | Tensor | None = None,
) -> Tensor:
    """Like `linf_step`, but written over `perturbed`, which is also what comes back.

    The other tensors may share its memory, in whole or in part: they count as they were before.
    """
    limits = _limits(perturbed, clean, gradient, step_size, epsilon, lower, upper)
    with torch.no_grad():
        _step_in_place(perturbed, clean, gradient, *limits)
    if not torch.compiler.is_compiling():
        # A graph that saved the old values must notice that they are gone; torch.compile sees it in the schema.
        torch.autograd.graph.increment_version(perturbed)
    return perturbed


def _limits(
    perturbed: Tensor,
    clean: Tensor,
    gradient: Tensor,
    step_size: float,
    epsilon: float | Tensor,
    lower: float | Tensor | None,
    upper: float | Tensor | None,
) -> tuple[float, float, Tensor | None, float, float, Tensor | None, Tensor | None]:
    """The operators' arguments after the three tensors, checked."""
    if perturbed.ndim == 0:
        raise SettingError("perturbed", "a scalar", "a tensor [n, ...]")
    for name, other in (("clean", clean), ("gradient", gradient)):
        if other.shape != perturbed.shape:
            raise SettingError(name, tuple(other.shape), f"of the shape of `perturbed`, {tuple(perturbed.shape)}")
        if other.dtype != perturbed.dtype or other.device != perturbed.device:
            kind = f"{perturbed.dtype} on {perturbed.device}, like `perturbed`"
            raise SettingError(name, f"{other.dtype} on {other.device}", kind)
    wide = sum_dtype(perturbed.dtype)
    radius, radii = _split(epsilon, "epsilon", perturbed.shape[:1], perturbed.device, wide)
    floor, floors = _split(-math.inf if lower is None else lower, "lower", perturbed.shape[1:], perturbed.device, wide)
    ceiling, ceilings = _split(
        math.inf if upper is None else upper, "upper", perturbed.shape[1:], perturbed.device, wide
    )
    _check_radius(radius, radii)
    _check_box(floor if floors is None else floors, ceiling if ceilings is None else ceilings, perturbed.shape[1:])
    return float(step_size), radius, radii, floor, ceiling, floors, ceilings


def _check_radius(radius: float, radii: Tensor | None) -> None:
    """Raise on a negative or NaN epsilon."""
    if not radius >= 0:
        raise SettingError("epsilon", radius, "0 or more")
    if radii is None or torch.compiler.is_compiling():
        return
    fits = radii >= 0
    if not fits.all():
        row = int((~fits).nonzero()[0])
        raise SettingError(f"epsilon[{row}]", radii[row].item(), "0 or more")


def _check_box(floor: float | Tensor, ceiling: float | Tensor, shape: torch.Size) -> None:
    """Raise where `lower` is not at most `upper`; a NaN on either side is not."""
    if not isinstance(floor, Tensor) and not isinstance(ceiling, Tensor):
        if not floor <= ceiling:
            _refuse_box("", floor, ceiling)
        return
    if torch.compiler.is_compiling():
        return
    fits = torch.as_tensor(floor <= ceiling)  # a tensor already, which type checkers do not see
    if not fits.all():
        item = (~fits).nonzero()[0, 0]
        place = ", ".join(str(int(index)) for index in torch.unravel_index(item, shape))
        low, high = (limit[item].item() if isinstance(limit, Tensor) else limit for limit in (floor, ceiling))
        _refuse_box(f"[{place}]" if place else "", low, high)


def _refuse_box(place: str, low: float, high: float) -> NoReturn:
    if math.isnan(high):
        raise SettingError(f"upper{place}", high, "a number")
    raise SettingError(f"lower{place}", low, f"at most `upper`, {high}")


def _split(
    limit: float | Tensor, name: str, shape: torch.Size, device: torch.device, dtype: torch.dtype
) -> tuple[float, Tensor | None]:
    """A limit as (one number, None) or (0, one number per item of `shape`, flat)."""
    if not isinstance(limit, Tensor):
        return float(limit), None
    if limit.device != device:
        raise SettingError(name, f"on {limit.device}", f"on {device}, like `perturbed`")
    missing = len(shape) - limit.ndim
    # Not `in (1, ...)`: under torch.compile that does not compare symbolic sizes.
    fits = missing >= 0 and all(limit.shape[i] == shape[missing + i] or limit.shape[i] == 1 for i in range(limit.ndim))
    if not fits:
        raise SettingError(name, tuple(limit.shape), f"a number, or a tensor that broadcasts to {tuple(shape)}")
    return 0.0, limit.detach().to(dtype).expand(shape).reshape(-1).contiguous()
