"""What every perturbation keeps, seen from its public face: the ball, the box, what is fixed; and what is refused."""

import math
import time

import pytest
import torch
from torch import Tensor

from cotrain.errors import SettingError
from cotrain.ops import perturb, perturb_

NORMS = ["linf", "l2", "l1"]
ORDER = {"linf": math.inf, "l2": 2, "l1": 1}


def batch(shape: tuple[int, ...] = (8, 3, 5, 4)) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.rand(shape, generator=generator), torch.randn(shape, generator=generator)


@pytest.mark.parametrize("norm", NORMS)
def test_many_steps_stay_in_the_ball_and_the_box_and_reach_its_surface(norm):
    clean, gradient = batch()
    scale = torch.linspace(0.5, 2.0, 4)
    perturbed = clean.clone()
    for _ in range(20):
        perturb_(perturbed, clean, gradient, norm=norm, step_size=0.02, epsilon=0.05, scale=scale, lower=0.0, upper=1.0)
        lengths = ((perturbed - clean) / scale).flatten(1).norm(ORDER[norm], dim=1)
        assert lengths.max() <= 0.05 + 1e-6
        assert perturbed.min() >= 0.0
        assert perturbed.max() <= 1.0
    assert lengths.max() >= 0.0499


@pytest.mark.parametrize("norm", NORMS)
def test_a_step_raises_a_linear_loss_as_much_as_a_step_of_that_length_can(norm):
    clean, gradient = batch((8, 60))
    scale = torch.linspace(0.5, 2.0, 60)
    moved = perturb(clean, clean, gradient, norm=norm, step_size=0.01, epsilon=1.0, scale=scale, top_share=1 / 60)
    gain = ((moved - clean) * gradient).sum(1)
    dual = {"linf": 1, "l2": 2, "l1": math.inf}[norm]
    assert torch.allclose(gain, 0.01 * (gradient * scale).norm(dual, dim=1), rtol=1e-3)
    back = perturb(clean, clean, gradient, norm=norm, step_size=-0.01, epsilon=1.0, scale=scale, top_share=1 / 60)
    assert torch.allclose(back - clean, clean - moved, atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_what_may_not_move_keeps_its_clean_value_even_outside_the_box(norm):
    clean, gradient = batch()
    clean[0, 1] = 7.0
    movable = torch.tensor([True, False, True]).view(3, 1, 1)
    limits = {"norm": norm, "step_size": 0.1, "epsilon": 0.2, "lower": 0.0, "upper": 1.0}
    moved = perturb(clean + 0.01, clean, gradient, movable=movable, **limits)
    assert torch.equal(moved[:, 1], clean[:, 1])
    # The others move as if the fixed features were not there.
    kept = [tensor[:, ::2] for tensor in (clean + 0.01, clean, gradient)]
    assert torch.allclose(moved[:, ::2], perturb(*kept, top_share=0.015, **limits), atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_scale_0_is_not_movable_and_a_number_is_the_scale_of_all(norm):
    clean, gradient = batch()
    start = clean + 0.01
    limits = {"norm": norm, "step_size": 0.1, "epsilon": 0.2}
    scale = torch.tensor([0.0, 1.0, 2.0, 3.0])
    scaled = perturb(start, clean, gradient, scale=scale, **limits)
    masked = perturb(start, clean, gradient, scale=scale + (scale == 0), movable=scale > 0, **limits)
    assert torch.equal(scaled, masked)
    by_number = perturb(start, clean, gradient, scale=3.0, **limits)
    assert torch.allclose(by_number, perturb(start, clean, gradient, scale=torch.tensor(3.0), **limits), atol=1e-6)
    per_row = perturb(start, clean, gradient, scale=3.0, **(limits | {"epsilon": torch.full((8,), 0.2)}))
    assert torch.allclose(per_row, by_number)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_a_gradient_of_zeros_changes_no_bit_inside_the_ball(norm, dtype):
    clean, _ = batch()
    perturbed = (clean + 0.01 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))).to(dtype)
    clean = clean.to(dtype)
    for nothing in (0.0, math.nan):
        gradient = torch.full_like(clean, nothing)
        assert torch.equal(perturb(perturbed, clean, gradient, norm=norm, step_size=0.1, epsilon=20.0), perturbed)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("size", [1e-44, 1e-25, 1e25, 3e38])
def test_a_gradient_counts_by_its_direction_however_small_or_large(norm, size):
    clean = torch.zeros(1, 8)
    gradient = torch.tensor([[1.0, -1.0, 0.0, 1.0, 0.0, 1.0, -1.0, 1.0]])
    moved = perturb(clean, clean, gradient * size, norm=norm, step_size=0.1, epsilon=1.0)
    assert torch.allclose(moved, perturb(clean, clean, gradient, norm=norm, step_size=0.1, epsilon=1.0), rtol=1e-6)


def test_an_infinite_slope_is_the_largest_and_under_l2_no_direction():
    clean, gradient = torch.zeros(1, 4), torch.tensor([[1.0, math.inf, 2.0, 0.0]])
    limits = {"step_size": 0.5, "epsilon": 1.0}
    assert perturb(clean, clean, gradient, norm="linf", **limits).tolist() == [[0.5, 0.5, 0.5, 0.0]]
    assert perturb(clean, clean, gradient, norm="l1", **limits).tolist() == [[0.0, 0.5, 0.0, 0.0]]
    assert perturb(clean, clean, gradient, norm="l2", **limits).tolist() == [[0.0, 0.0, 0.0, 0.0]]


def test_an_l1_step_passes_over_features_without_room_and_shares_among_equals():
    clean = torch.tensor([[1.0, 0.5, 0.5, 0.5, 0.0]])
    gradient = torch.tensor([[9.0, -3.0, 3.0, 1.0, -9.0]])
    moved = perturb(
        clean, clean, gradient, norm="l1", step_size=0.2, epsilon=1.0, lower=0.0, upper=1.0, top_share=0.2
    )  # fmt: skip
    assert torch.allclose(moved, torch.tensor([[1.0, 0.4, 0.6, 0.5, 0.0]]))


def test_the_l1_projection_is_quick_and_exact_where_sizes_span_all_magnitudes():
    clean = torch.zeros(1, 2000, dtype=torch.float64)
    perturbed = torch.logspace(-300, 3, 2000, dtype=torch.float64)[None]
    begin = time.perf_counter()
    moved = perturb(perturbed, clean, clean, norm="l1", step_size=0.1, epsilon=1.0)
    assert time.perf_counter() - begin < 1.0
    assert moved.sum() == pytest.approx(1.0)
    assert (moved > 0).sum() == 1


def test_bounds_per_feature_broadcast_to_the_features():
    clean, gradient = batch()
    lower, upper = torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1), torch.linspace(0.5, 0.9, 4)
    limits = {"norm": "linf", "step_size": 0.1, "epsilon": 0.2, "lower": lower}
    moved = torch.clamp(clean + 0.1 * gradient.sign(), clean - 0.2, clean + 0.2)
    assert torch.equal(perturb(clean, clean, gradient, upper=upper, **limits), moved.clamp(lower, upper))
    assert torch.equal(perturb(clean, clean, gradient, **limits), moved.clamp(min=lower))


@pytest.mark.parametrize("norm", NORMS)
def test_the_face_leaves_its_inputs_and_the_other_writes_over_the_first(norm):
    clean, gradient = batch()
    perturbed = clean + 0.01
    before = perturbed.clone()
    limits = {"norm": norm, "step_size": 0.05, "epsilon": torch.tensor(0.03)}
    after = perturb(perturbed, clean, gradient, **limits)
    assert torch.equal(perturbed, before)
    assert perturb_(perturbed, clean, gradient, **limits) is perturbed
    assert torch.equal(perturbed, after)


def test_no_graph_comes_back_and_a_graph_that_needs_the_old_values_notices_that_they_are_gone():
    clean, gradient = batch()
    perturbed = clean.clone().requires_grad_()
    limits = {"norm": "l2", "step_size": 0.1, "epsilon": 0.1}
    assert not perturb(perturbed, clean, gradient, **limits).requires_grad
    loss = (perturbed**2).sum()
    perturb_(perturbed, clean, gradient, **limits)
    assert perturbed.requires_grad
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_autocast_changes_nothing():
    clean, gradient = batch()
    limits = {"norm": "l2", "step_size": 0.1, "epsilon": 0.1}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = perturb(clean, clean, gradient, **limits)
    assert torch.equal(inside, perturb(clean, clean, gradient, **limits))


def test_a_device_without_values_is_served_without_looking_at_them():
    rows, limit = torch.empty(4, 3, device="meta"), torch.empty((), device="meta")
    moved = perturb(rows, rows, rows, norm="l2", step_size=0.1, epsilon=limit, scale=limit, lower=limit)
    assert moved.shape == (4, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clean": torch.zeros(2, 4)}, r"`clean` must be of the shape of `perturbed`, \(2, 3\); got \(2, 4\)"),
        ({"gradient": torch.zeros(2, 3).double()}, r"`gradient` must be torch.float32 on cpu"),
        (
            {"gradient": torch.zeros(2, 3, device="meta")},
            r"`gradient` must be .* on cpu.* 'torch.float32 on meta'",
        ),
        ({"norm": "l3"}, r"`norm` must be linf, l2 or l1; got 'l3'"),
        ({"step_size": math.nan}, r"`step_size` must be a finite number; got nan"),
        ({"top_share": 5}, r"`top_share` must be above 0 and at most 1; got 5. For 1 % write 0.01"),
        ({"epsilon": -0.1}, r"`epsilon` must be 0 or more; got -0.1"),
        ({"epsilon": math.nan}, r"`epsilon` must be 0 or more"),
        ({"epsilon": torch.zeros(3)}, r"`epsilon` must be a number, or a tensor that broadcasts to \(2,\); got \(3,\)"),
        ({"epsilon": torch.tensor([0.5, -0.25])}, r"`epsilon\[1\]` must be 0 or more; got -0.25"),
        ({"epsilon": torch.tensor(math.nan)}, r"`epsilon\[0\]` must be 0 or more; got nan"),
        ({"epsilon": torch.zeros(2, device="meta")}, r"`epsilon` must be on cpu, like the rows; got 'on meta'"),
        ({"scale": 0.0}, r"`scale` must be above 0, and finite; got 0.0"),
        ({"scale": torch.tensor([1.0, -1.0, 1.0])}, r"`scale\[1\]` must be 0 or more, and finite; got -1.0"),
        ({"scale": torch.tensor([1.0, 1.0, math.inf])}, r"`scale\[2\]` must be 0 or more, and finite; got inf"),
        ({"movable": torch.ones(3)}, r"`movable` must be a tensor of torch.bool; got torch.float32"),
        ({"movable": torch.ones(2).bool()}, r"`movable` must be a number, or a tensor that broadcasts to \(3,\)"),
        ({"lower": 1.0, "upper": 0.0}, r"`lower` must be at most `upper`, 0.0; got 1.0"),
        ({"lower": math.nan}, r"`lower` must be at most `upper`, inf; got nan"),
        ({"upper": math.nan}, r"`upper` must be a number; got nan"),
        (
            {"lower": 0.5, "upper": torch.tensor([1.0, 0.5, 0.25])},
            r"`lower\[2\]` must be at most `upper`, 0.25; got 0.5",
        ),
        ({"lower": torch.tensor([0.0, 2.0, 0.0]), "upper": torch.ones(3)}, r"`lower\[1\]` .* `upper`, 1.0; got 2.0"),
        ({"upper": torch.tensor([math.nan, 0.0, 0.0])}, r"`upper\[0\]` must be a number; got nan"),
        ({"lower": torch.zeros(2)}, r"`lower` must be a number, or a tensor that broadcasts to \(3,\)"),
        ({"perturbed": torch.tensor(1.0)}, r"`perturbed` must be a tensor \[n, ...\]"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, message):
    fitting = {name: torch.zeros(2, 3) for name in ("perturbed", "clean", "gradient")}
    with pytest.raises(SettingError, match=message):
        perturb(**{**fitting, "norm": "linf", "step_size": 0.1, "epsilon": 0.1, **change})


def test_a_bound_that_is_refused_is_named_by_its_place_among_the_features():
    rows, limits = torch.zeros(2, 3, 4), {"norm": "linf", "step_size": 0.1, "epsilon": 0.1}
    with pytest.raises(SettingError, match=r"`lower\[1, 0\]` must be at most `upper`, 0.0; got 1.0"):
        perturb(rows, rows, rows, lower=torch.tensor([[0.0], [1.0], [0.0]]), upper=0.0, **limits)
    numbers = torch.zeros(2)
    with pytest.raises(SettingError, match=r"`lower` must be at most `upper`, 0.0; got 1.0"):
        perturb(numbers, numbers, numbers, lower=torch.tensor(1.0), upper=0.0, **limits)


def test_integers_are_refused():
    whole = torch.zeros(2, 3, dtype=torch.int64)
    with pytest.raises(SettingError, match="`dtype` must be float16"):
        perturb(whole, whole, whole, norm="linf", step_size=0.1, epsilon=0.1)
