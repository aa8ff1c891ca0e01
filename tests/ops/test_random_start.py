"""Random points of a ball: where they lie, that core and twin draw the same, and what is refused."""

import math

import pytest
import torch

from cotrain.errors import SettingError
from cotrain.ops import random_start

NORMS = ["linf", "l2", "l1"]
ORDER = {"linf": math.inf, "l2": 2, "l1": 1}


def draws(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lengths(points, clean, norm, scale=1.0):
    return ((points - clean) / scale).flatten(1).norm(ORDER[norm], dim=1)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_a_point_is_its_direction_times_epsilon(kernels, norm, dtype, assert_within_budget):
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    clean = torch.rand(5, 3, 4, generator=draws()).to(dtype)
    direction = torch.randn(5, 3, 4, generator=draws(4), dtype=wide)
    scale, radii = torch.linspace(0, 2, 4, dtype=wide).expand(3, 4), torch.linspace(0, 0.5, 5, dtype=wide)
    got = kernels.random_start(clean, direction, norm, 0.0, radii, 0.0, 1.0, None, None, scale)
    unit = direction.double() * (scale > 0)
    if norm != "linf":
        unit = unit / unit.flatten(1).norm(ORDER[norm], dim=1).view(-1, 1, 1)
    truth = (clean.double() + scale * radii.view(-1, 1, 1) * unit).clamp(0, 1)
    assert_within_budget(got, truth, truth.to(dtype), 4 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (1, 1), (7,), (3000, 3), (2, 40001)])
def test_any_shape_and_number_of_threads(kernels, threads, norm, shape):
    shape = kernels.bearable(shape)
    clean, direction = torch.rand(shape, generator=draws()), torch.randn(shape, generator=draws(4))
    outcomes = []
    for n_threads in (1, 3):
        threads(n_threads)
        outcomes.append(kernels.random_start(clean, direction, norm, 0.3, None, 0.0, 1.0, None, None, None))
    assert outcomes[0].shape == shape
    assert torch.equal(*outcomes)
    turned = direction.movedim(0, -1).contiguous().movedim(-1, 0)
    other = kernels.random_start(clean, turned, norm, 0.3, None, 0.0, 1.0, None, None, None)
    assert torch.equal(other, outcomes[0])


@pytest.mark.parametrize("norm", NORMS)
def test_points_are_uniform_in_the_ball(norm):
    clean = torch.full((20000, 3), 5.0, dtype=torch.float64)
    points = random_start(clean, norm=norm, epsilon=2.0, generator=draws())
    share = (lengths(points, clean, norm) / 2.0) ** 3  # of the volume: uniform in [0, 1]
    assert share.max() <= 1.0 + 1e-12
    for quantile in (0.1, 0.5, 0.9):
        assert abs((share < quantile).double().mean() - quantile) < 0.015  # four standard deviations
    # Of the ball's volume this much lies where the first coordinate is above half the radius.
    beyond = {"linf": 1 / 4, "l2": 5 / 32, "l1": 1 / 16}[norm]
    for sign in (1, -1):
        for axis in range(3):
            assert abs((sign * (points - clean)[:, axis] > 1.0).double().mean() - beyond) < 0.013


@pytest.mark.parametrize("norm", NORMS)
def test_the_dimension_is_that_of_what_may_move(norm):
    clean = torch.zeros(20000, 4, dtype=torch.float64)
    movable = torch.tensor([True, False, True, False])
    points = random_start(clean, norm=norm, epsilon=1.0, scale=3.0, movable=movable, generator=draws())
    assert torch.equal(points[:, ~movable], clean[:, ~movable])
    assert abs((lengths(points, clean, norm, 3.0) ** 2 < 0.5).double().mean() - 0.5) < 0.015


@pytest.mark.parametrize("norm", NORMS)
def test_points_stay_in_the_ball_and_the_box(norm):
    clean = torch.rand(50, 3, 4, generator=draws())
    radii, scale = torch.linspace(0, 1, 50), torch.linspace(0.1, 2, 4)
    limits = {"lower": 0.0, "upper": torch.linspace(0.5, 1, 4)}
    points = random_start(clean.clamp(max=0.5), norm=norm, epsilon=radii, scale=scale, generator=draws(), **limits)
    assert (lengths(points, clean.clamp(max=0.5), norm, scale) <= radii + 1e-6).all()
    assert (points >= 0).all()
    assert (points <= limits["upper"]).all()


@pytest.mark.parametrize("norm", NORMS)
def test_layout_changes_no_number_and_nothing_is_written_over(norm):
    clean = torch.rand(4, 3, 5, 6, generator=draws())
    before = clean.clone()
    one = random_start(clean, norm=norm, epsilon=0.3, generator=draws())
    last = clean.contiguous(memory_format=torch.channels_last)
    other = random_start(last, norm=norm, epsilon=0.3, generator=draws())
    assert other.stride() == last.stride()
    assert torch.allclose(one, other, rtol=0, atol=1e-6)
    assert torch.equal(clean, before)
    assert not torch.equal(one, random_start(clean, norm=norm, epsilon=0.3, generator=draws(9)))


@pytest.mark.parametrize("norm", NORMS)
def test_where_nothing_may_move_the_clean_rows_come_back(norm):
    clean = torch.rand(4, 3, generator=draws())
    still = torch.zeros(3, dtype=torch.bool)
    assert torch.equal(random_start(clean, norm=norm, epsilon=0.3, movable=still, generator=draws()), clean)
    assert torch.equal(random_start(clean, norm=norm, epsilon=0.0, generator=draws()), clean)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": math.inf}, r"`epsilon` must be finite, to draw from the ball; got inf"),
        ({"epsilon": torch.tensor([0.1, math.inf])}, r"`epsilon\[1\]` must be finite, to draw from the ball; got inf"),
        ({"norm": "l0"}, r"`norm` must be linf, l2 or l1; got 'l0'"),
        ({"clean": torch.tensor(1.0)}, r"`clean` must be a tensor \[n, ...\]; got 'a scalar'"),
        ({"clean": torch.zeros(2, 3, device="meta")}, r"`generator` must be on meta, like `clean`; got 'on cpu'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, message):
    fitting = {"clean": torch.zeros(2, 3), "norm": "l2", "epsilon": 0.1, "generator": draws()}
    with pytest.raises(SettingError, match=message):
        random_start(**(fitting | change))
