"""Which rows count as near a clean row: what the perturbation operators take of a ball and a box, checked.

A feature is measured in units of its `scale`, and moves within

    ||(x - clean) / scale||_p <= epsilon,    lower <= x <= upper

A feature that may not move is one of scale 0. Numbers are checked always, the values of tensors on the CPU only: a GPU
would have to be waited for. Under torch.compile they are not checked either: a program cannot branch on them there.

Shapes: n = rows, ... = the features of a row, in any number of dimensions.
"""

import math
from typing import NamedTuple, NoReturn

import torch
from torch import Tensor

from cotrain.errors import SettingError
from cotrain.ops.dtypes import sum_dtype

NORMS = ("linf", "l2", "l1")

BALL_SCHEMA = (
    "float epsilon, Tensor? epsilon_per_sample, float lower, float upper, "
    "Tensor? lower_per_feature, Tensor? upper_per_feature, Tensor? scale_per_feature"
)
"""How the operators declare what `Ball` holds, in its order."""


class Ball(NamedTuple):
    """Numbers where one serves all, tensors where it differs; a tensor overrides its number.

    Parameters
    ----------
    epsilon, lower, upper : in the features' own units
    epsilon_per_sample : [n] sum type
    lower_per_feature, upper_per_feature : [...] sum type
    scale_per_feature : [...] sum type, 0 where a feature may not move; None = 1
    """

    epsilon: float
    epsilon_per_sample: Tensor | None
    lower: float
    upper: float
    lower_per_feature: Tensor | None
    upper_per_feature: Tensor | None
    scale_per_feature: Tensor | None


def ball_around(
    clean: Tensor,
    norm: str,
    epsilon: float | Tensor,
    scale: float | Tensor | None,
    lower: float | Tensor | None,
    upper: float | Tensor | None,
    movable: Tensor | None,
) -> tuple[Ball, float]:
    """The ball around `clean`, and the number by which a step in units of scale is to be multiplied.

    Raises
    ------
    SettingError : what does not fit, by name
    """
    if clean.ndim == 0:
        raise SettingError("clean", "a scalar", "a tensor [n, ...]")
    if norm not in NORMS:
        raise SettingError("norm", norm, "linf, l2 or l1")
    rows, features, wide = clean.shape[:1], clean.shape[1:], sum_dtype(clean.dtype)
    unit, scales = _split(1.0 if scale is None else scale, "scale", features, clean.device, wide)
    radius, radii = _split(epsilon, "epsilon", rows, clean.device, wide)
    floor, floors = _split(-math.inf if lower is None else lower, "lower", features, clean.device, wide)
    ceiling, ceilings = _split(math.inf if upper is None else upper, "upper", features, clean.device, wide)
    if scales is None and not 0 < unit < math.inf:
        raise SettingError("scale", unit, "above 0, and finite")
    if not radius >= 0:
        raise SettingError("epsilon", radius, "0 or more")
    if scales is not None:
        unit = 1.0
        check_each(scales, (scales >= 0) & (scales < math.inf), "scale", "0 or more, and finite")
    if radii is not None:
        check_each(radii, radii >= 0, "epsilon", "0 or more")
        radii = radii * unit
    _check_box(floor if floors is None else floors, ceiling if ceilings is None else ceilings, features)
    if movable is not None:
        scales = _where_movable(movable, scales, features, clean.device, wide)
    return Ball(radius * unit, radii, floor, ceiling, floors, ceilings, scales), unit


def check_beside(other: Tensor, name: str, like: Tensor, like_name: str) -> None:
    """Raise where `other` has not the shape, dtype and device of `like`."""
    if other.shape != like.shape:
        raise SettingError(name, tuple(other.shape), f"of the shape of `{like_name}`, {tuple(like.shape)}")
    if other.dtype != like.dtype or other.device != like.device:
        kind = f"{like.dtype} on {like.device}, like `{like_name}`"
        raise SettingError(name, f"{other.dtype} on {other.device}", kind)


def check_each(values: Tensor, fits: Tensor, name: str, expected: str) -> None:
    """Raise on the first item that does not fit."""
    if not _are_seen(values) or fits.all():
        return
    item = int((~fits).reshape(-1).nonzero()[0])
    raise SettingError(f"{name}[{_place(item, values.shape)}]", values.reshape(-1)[item].item(), expected)


def _where_movable(
    movable: Tensor, scales: Tensor | None, features: torch.Size, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """`scales`, or 1, where a feature may move, and 0 where it may not."""
    if movable.dtype != torch.bool:
        raise SettingError("movable", movable.dtype, "a tensor of torch.bool")
    _, mask = _split(movable, "movable", features, device, dtype)
    assert mask is not None  # it was a tensor
    return mask if scales is None else torch.where(mask > 0, scales, 0.0)


def _are_seen(values: Tensor) -> bool:
    """Whether the values of a tensor may be looked at."""
    return not torch.compiler.is_compiling() and values.device.type == "cpu"


def _check_box(floor: float | Tensor, ceiling: float | Tensor, features: torch.Size) -> None:
    """Raise where `lower` is not at most `upper`; a NaN on either side is not."""
    if not isinstance(floor, Tensor) and not isinstance(ceiling, Tensor):
        if not floor <= ceiling:
            _refuse_box("", floor, ceiling)
        return
    fits = torch.as_tensor(floor <= ceiling)  # a tensor already, which type checkers do not see
    if _are_seen(fits) and not fits.all():
        item = int((~fits).reshape(-1).nonzero()[0])
        low, high = (
            limit.reshape(-1)[item].item() if isinstance(limit, Tensor) else limit for limit in (floor, ceiling)
        )
        place = _place(item, features)
        _refuse_box(f"[{place}]" if place else "", low, high)


def _place(item: int, shape: torch.Size) -> str:
    return ", ".join(str(int(index)) for index in torch.unravel_index(torch.tensor(item), shape))


def _refuse_box(place: str, low: float, high: float) -> NoReturn:
    if math.isnan(high):
        raise SettingError(f"upper{place}", high, "a number")
    raise SettingError(f"lower{place}", low, f"at most `upper`, {high}")


def _split(
    limit: float | Tensor, name: str, shape: torch.Size, device: torch.device, dtype: torch.dtype
) -> tuple[float, Tensor | None]:
    """A limit as (one number, None) or (0, one number per item of `shape`)."""
    if not isinstance(limit, Tensor):
        return float(limit), None
    if limit.device != device:
        raise SettingError(name, f"on {limit.device}", f"on {device}, like the rows")
    missing = len(shape) - limit.ndim
    # Not `in (1, ...)`: under torch.compile that does not compare symbolic sizes.
    fits = missing >= 0 and all(limit.shape[i] == shape[missing + i] or limit.shape[i] == 1 for i in range(limit.ndim))
    if not fits:
        raise SettingError(name, tuple(limit.shape), f"a number, or a tensor that broadcasts to {tuple(shape)}")
    return 0.0, limit.detach().to(dtype).expand(shape)
