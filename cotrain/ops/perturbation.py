"""How a batch takes one step of projected gradient ascent: operators `cotrain::perturb` and `cotrain::perturb_`.

The two differ in where the result goes: a new tensor, or over the perturbed rows, which spares a loop of
steps one allocation each. Shapes: n = rows, ... = the features of a row, in any number of dimensions.
"""

import math

import torch
from torch import Tensor

from cotrain.errors import SettingError
from cotrain.ops import reference
from cotrain.ops.ball import BALL_SCHEMA, ball_around, check_beside
from cotrain.ops.library import declare

_ARGUMENTS = f"perturbed, Tensor clean, Tensor gradient, str norm, float step_size, float top_share, {BALL_SCHEMA}"
_perturb = declare(
    "perturb",
    f"(Tensor {_ARGUMENTS}) -> Tensor",
    twin=reference.perturb,
    fake=lambda perturbed, *others: torch.empty_like(perturbed),
)
_perturb_in_place = declare(
    "perturb_",
    f"(Tensor(a!) {_ARGUMENTS}) -> ()",
    twin=reference.perturb_,
    fake=lambda perturbed, *others: None,
)


def perturb(
    perturbed: Tensor,
    clean: Tensor,
    gradient: Tensor,
    *,
    norm: str,
    step_size: float,
    epsilon: float | Tensor,
    scale: float | Tensor | None = None,
    lower: float | Tensor | None = None,
    upper: float | Tensor | None = None,
    movable: Tensor | None = None,
    top_share: float = 0.01,
) -> Tensor:
    """One step up the gradient, back into the ball around the clean rows, back into the box of legal values.

    With u = (perturbed - clean) / scale and g = gradient * scale, both 0 where a feature may not move:

        linf :  u + step_size * sign(g),             then each feature back into [-epsilon, epsilon]
        l2   :  u + step_size * g / ||g||_2,         then shortened to epsilon where it is longer
        l1   :  u + step_size * sign(g) / k          for the k features of the largest |g| that have room in the box,
                                                     then the nearest point of the l1 ball
        then    clean + scale * u                    clamped to [lower, upper]

    Parameters
    ----------
    perturbed : [n, ...] float16, bfloat16, float32 or float64, any strides; not changed
    clean : [n, ...] the rows that the ball is around, same dtype
    gradient : [n, ...] of the loss at `perturbed`, same dtype. A NaN counts as 0 and moves nothing. A row of zeros
        stays where it is, if that is in the ball; under l2 so does a row whose norm is infinite
    norm : "linf", "l2" or "l1"
    step_size : how far one step goes in that norm, in units of scale; negative descends
    epsilon : radius of the ball in units of scale, >= 0, or one per row [n]
    scale : one feature's unit, > 0, or one per feature, 0 where it may not move; None = 1. Whatever is per feature may
        have any shape that broadcasts to [...]
    lower, upper : the box, None = no bound, or one per feature
    movable : bool per feature; where False the clean value comes out, even from outside the box. None = all move
    top_share : l1 only: k is this share of the features, at least 1 feature; more where slopes are equal

    Returns
    -------
    [n, ...] like `perturbed`, without a graph. A NaN in `perturbed` or `clean` stays one, in its own feature

    Raises
    ------
    SettingError : shapes, dtypes or devices that do not fit, a number or CPU tensor of limits with a value it cannot
        have. Values of limits on a GPU are not looked at, nor any under torch.compile

    References
    ----------
    Madry et al. 2018, Towards deep learning models resistant to adversarial attacks (arXiv 1706.06083)
    Tramer & Boneh 2019, Adversarial training and robustness for multiple perturbations (arXiv 1904.13000): the l1 step
    Croce & Hein 2021, Mind the box: l1-APGD for sparse adversarial attacks (arXiv 2103.01208): only features with room
    Duchi et al. 2008, Efficient projections onto the l1-ball (ICML)
    """
    how = _checked(perturbed, clean, gradient, norm, step_size, top_share)
    ball, unit = ball_around(clean, norm, epsilon, scale, lower, upper, movable)
    with torch.no_grad():
        return _perturb(perturbed, clean, gradient, norm, how[0] * unit, how[1], *ball)


def perturb_(
    perturbed: Tensor,
    clean: Tensor,
    gradient: Tensor,
    *,
    norm: str,
    step_size: float,
    epsilon: float | Tensor,
    scale: float | Tensor | None = None,
    lower: float | Tensor | None = None,
    upper: float | Tensor | None = None,
    movable: Tensor | None = None,
    top_share: float = 0.01,
) -> Tensor:
    """Like `perturb`, but written over `perturbed`, which is also what comes back.

    The other tensors may share its memory, in whole or in part: they count as they were before.
    """
    how = _checked(perturbed, clean, gradient, norm, step_size, top_share)
    ball, unit = ball_around(clean, norm, epsilon, scale, lower, upper, movable)
    with torch.no_grad():
        _perturb_in_place(perturbed, clean, gradient, norm, how[0] * unit, how[1], *ball)
    if not torch.compiler.is_compiling():
        # A graph that saved the old values must notice that they are gone; torch.compile sees it in the schema.
        torch.autograd.graph.increment_version(perturbed)
    return perturbed


def _checked(
    perturbed: Tensor, clean: Tensor, gradient: Tensor, norm: str, step_size: float, top_share: float
) -> tuple[float, float]:
    """The numbers of a step, once everything fits."""
    if perturbed.ndim == 0:
        raise SettingError("perturbed", "a scalar", "a tensor [n, ...]")
    check_beside(clean, "clean", perturbed, "perturbed")
    check_beside(gradient, "gradient", perturbed, "perturbed")
    if not -math.inf < step_size < math.inf:
        raise SettingError("step_size", step_size, "a finite number")
    if not 0 < top_share <= 1:
        raise SettingError("top_share", top_share, "above 0 and at most 1", hint="For 1 % write 0.01.")
    return float(step_size), float(top_share)
