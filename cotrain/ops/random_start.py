"""Where an attack starts: a random point of the ball around each clean row, operator `cotrain::random_start`.

What is random is drawn here, with PyTorch's generator, so the compiled core and its twin start from the same numbers.
The operator itself draws nothing and works under torch.compile; `random_start` does not, which takes no generator in.
Shapes: n = rows, ... = the features of a row, in any number of dimensions.
"""

import math

import torch
from torch import Tensor

from cotrain.errors import SettingError
from cotrain.ops import reference
from cotrain.ops.ball import BALL_SCHEMA, Ball, ball_around, check_each
from cotrain.ops.dtypes import sum_dtype
from cotrain.ops.library import declare

_start = declare(
    "random_start",
    f"(Tensor clean, Tensor direction, str norm, {BALL_SCHEMA}) -> Tensor",
    twin=reference.random_start,
    fake=lambda clean, *others: torch.empty_like(clean),
)


def random_start(
    clean: Tensor,
    *,
    norm: str,
    epsilon: float | Tensor,
    generator: torch.Generator,
    scale: float | Tensor | None = None,
    lower: float | Tensor | None = None,
    upper: float | Tensor | None = None,
    movable: Tensor | None = None,
) -> Tensor:
    """A point drawn uniformly from the ball around each clean row, then clamped to the box of legal values.

    l2 and l1: a direction uniform in its norm (Gaussian, Laplace) times epsilon * U^(1 / d), for d features that may
    move: of a ball in d dimensions the share r^d lies within r.

    Parameters
    ----------
    clean : [n, ...] float16, bfloat16, float32 or float64, any strides
    norm : "linf", "l2" or "l1"
    epsilon : radius of the ball in units of scale, >= 0 and finite, or one per row [n]
    generator : draws, on the device of `clean`
    scale, lower, upper, movable : as in `perturb`

    Returns
    -------
    [n, ...] like `clean`, without a graph

    Raises
    ------
    SettingError : as in `perturb`; a generator of another device

    References
    ----------
    Barthe et al. 2005, A probabilistic approach to the geometry of the l_p^n-ball (Annals of Probability 33)
    """
    ball, _ = ball_around(clean, norm, epsilon, scale, lower, upper, movable)
    expected = "finite, to draw from the ball"
    if ball.epsilon == math.inf:
        raise SettingError("epsilon", ball.epsilon, expected)
    if ball.epsilon_per_sample is not None:
        check_each(ball.epsilon_per_sample, ball.epsilon_per_sample < math.inf, "epsilon", expected)
    if generator.device.type != clean.device.type:
        raise SettingError("generator", f"on {generator.device}", f"on {clean.device}, like `clean`")
    with torch.no_grad():
        direction = _direction(clean, norm, generator)
        if norm != "linf":
            ball = ball._replace(epsilon=0.0, epsilon_per_sample=_radii(clean, ball, generator))
        return _start(clean, direction, norm, *ball)


def _direction(clean: Tensor, norm: str, generator: torch.Generator) -> Tensor:
    """[n, ...] sum type: in [-1, 1] for linf, else of any length."""
    drawn = {"generator": generator, "dtype": sum_dtype(clean.dtype), "device": clean.device}
    if norm == "l2":
        return torch.randn(clean.shape, **drawn)
    if norm == "linf":
        return torch.rand(clean.shape, **drawn) * 2 - 1
    size = torch.empty(clean.shape, dtype=drawn["dtype"], device=clean.device).exponential_(generator=generator)
    return size * (torch.randint(0, 2, clean.shape, **drawn) * 2 - 1)


def _radii(clean: Tensor, ball: Ball, generator: torch.Generator) -> Tensor:
    """[n] how far from its clean row each point lies."""
    scales = ball.scale_per_feature
    n_movable = math.prod(clean.shape[1:]) if scales is None else (scales > 0).sum()
    drawn = torch.rand(clean.shape[:1], generator=generator, dtype=sum_dtype(clean.dtype), device=clean.device)
    radius = ball.epsilon if ball.epsilon_per_sample is None else ball.epsilon_per_sample
    # Where nothing may move, the direction is 0 and any radius will do.
    return radius * drawn ** (1 / torch.as_tensor(n_movable).clamp(min=1))
