"""The projected-gradient step: kernels against PyTorch's own operations, and the public face."""

import math

import pytest
import torch
from torch import Tensor

from cotrain.errors import SettingError
from cotrain.ops import linf_step, linf_step_

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


def batch(dtype: torch.dtype = torch.float32, shape: tuple[int, ...] = (6, 3, 5, 4)) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    clean = torch.rand(shape, generator=generator)
    perturbed = (clean + 0.02 * torch.randn(shape, generator=generator)).to(dtype)
    gradient = torch.randn(shape, generator=generator)
    gradient.view(-1)[:3] = torch.tensor([0.0, math.nan, -0.0])
    return perturbed, clean.to(dtype), gradient.to(dtype)


def by_eager(perturbed, clean, gradient, step_size, epsilon, lower, upper) -> Tensor:
    moved = perturbed + step_size * gradient.sign()
    return torch.clamp(moved, clean - epsilon, clean + epsilon).clamp(lower, upper)


def call(kernel, perturbed, clean, gradient, step_size=0.05, epsilon=0.03, radii=None, box=(0.0, 1.0), floors=None):
    return kernel(perturbed, clean, gradient, step_size, epsilon, radii, *box, floors, None)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_step_is_eagers_to_twice_its_error(kernels, dtype, assert_within_budget):
    operands = batch(dtype)
    got = call(kernels.linf_step, *operands)
    truth = by_eager(*(tensor.double() for tensor in operands), 0.05, 0.03, 0.0, 1.0)
    eager = by_eager(*operands, 0.05, 0.03, 0.0, 1.0)
    assert got.dtype == dtype
    assert_within_budget(got, truth, eager, torch.finfo(dtype).eps)


def test_in_float_it_is_eagers_bit_for_bit(kernels):
    assert torch.equal(call(kernels.linf_step, *batch()), by_eager(*batch(), 0.05, 0.03, 0.0, 1.0))


@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (7,), (40000, 3), (3, 100001)])
def test_any_shape(kernels, shape):
    operands = batch(shape=shape) if math.prod(shape) > 2 else tuple(torch.rand(shape) for _ in range(3))
    assert torch.equal(call(kernels.linf_step, *operands), by_eager(*operands, 0.05, 0.03, 0.0, 1.0))


@pytest.mark.parametrize("layout", ["channels last", "one of them transposed", "every second", "expanded"])
def test_strides_do_not_matter(kernels, layout):
    perturbed, clean, gradient = batch()
    expected = by_eager(perturbed, clean, gradient, 0.05, 0.03, 0.0, 1.0)
    if layout == "channels last":
        perturbed, clean, gradient = (
            tensor.contiguous(memory_format=torch.channels_last) for tensor in (perturbed, clean, gradient)
        )
    elif layout == "one of them transposed":
        clean = clean.transpose(1, 3).contiguous().transpose(1, 3)
    elif layout == "every second":
        perturbed = perturbed.repeat_interleave(2, dim=3)[..., ::2]
    else:
        gradient = gradient[:1].expand(6, 3, 5, 4)
        expected = by_eager(perturbed, clean, gradient, 0.05, 0.03, 0.0, 1.0)
    assert torch.equal(call(kernels.linf_step, perturbed, clean, gradient), expected)
    address, strides = perturbed.data_ptr(), perturbed.stride()
    call(kernels.linf_step_, perturbed, clean, gradient)
    assert torch.equal(perturbed, expected)
    assert (perturbed.data_ptr(), perturbed.stride()) == (address, strides)


@pytest.mark.parametrize("shared", ["clean", "gradient", "the same rows", "turned", "epsilon", "lower"])
def test_memory_that_is_shared_with_the_stepped_rows_counts_as_it_was_before(kernels, shared):
    buffer = torch.rand(400, generator=torch.Generator().manual_seed(8))
    perturbed = buffer[20:].view(20, 19) if shared != "turned" else buffer[:361].view(19, 19)
    rows = perturbed.shape
    others = {"clean": torch.rand(rows), "gradient": torch.randn(rows), "radii": None, "floors": None}
    if shared == "gradient":
        buffer -= 0.5  # the box then turns signs that are read later
    if shared in ("clean", "gradient"):
        others[shared] = buffer[:-20].view(rows)
    elif shared == "the same rows":
        others["clean"] = perturbed
    elif shared == "turned":
        others["clean"] = perturbed.t()
    elif shared == "epsilon":
        others["radii"] = buffer[21:41]
    else:
        others["floors"] = perturbed[3]
    expected = call(kernels.linf_step, perturbed, **others)
    call(kernels.linf_step_, perturbed, **others)
    assert torch.equal(perturbed, expected)


def test_one_epsilon_per_row(kernels):
    operands = batch()
    radii = torch.tensor([0.0, 0.01, 0.02, 0.5, 1.0, math.inf])
    expected = by_eager(*operands, 0.05, radii.view(-1, 1, 1, 1), 0.0, 1.0)
    assert torch.equal(call(kernels.linf_step, *operands, radii=radii), expected)


def test_nan_is_kept_where_eager_keeps_it(kernels):
    perturbed, clean, gradient = (torch.full((1, 40), 0.5) for _ in range(3))
    perturbed[0, 3], clean[0, 7], gradient[0, 11] = math.nan, math.nan, math.nan
    got = call(kernels.linf_step, perturbed, clean, gradient)
    assert got.isnan().nonzero()[:, 1].tolist() == [3, 7]
    assert got[0, 11] == 0.5


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_number_of_threads_changes_no_bit(kernels, threads, dtype):
    operands = batch(dtype, (9, 30011))
    outcomes = []
    for n_threads in (1, 2, 5):
        threads(n_threads)
        outcomes.append(
            call(
                kernels.linf_step,
                *operands,
                radii=torch.full((9,), 0.01, dtype=torch.float64).to(
                    torch.float64 if dtype == torch.float64 else torch.float32
                ),
            )
        )
    assert torch.equal(outcomes[0], outcomes[1])
    assert torch.equal(outcomes[0], outcomes[2])


def test_the_face_leaves_its_inputs_and_the_other_writes_over_the_first():
    perturbed, clean, gradient = batch()
    before = perturbed.clone()
    after = linf_step(perturbed, clean, gradient, step_size=0.05, epsilon=0.03)
    assert torch.equal(perturbed, before)
    assert linf_step_(perturbed, clean, gradient, step_size=0.05, epsilon=0.03) is perturbed
    assert torch.equal(perturbed, after)


def test_bounds_per_feature_broadcast_to_the_features():
    perturbed, clean, gradient = batch()
    lower, upper = torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1), torch.linspace(0.5, 0.9, 4)
    got = linf_step(perturbed, clean, gradient, step_size=0.1, epsilon=0.2, lower=lower, upper=upper)
    moved = torch.clamp(perturbed + 0.1 * gradient.sign(), clean - 0.2, clean + 0.2)
    assert torch.equal(got, moved.clamp(lower, upper))
    only_lower = linf_step(perturbed, clean, gradient, step_size=0.1, epsilon=0.2, lower=lower)
    assert torch.equal(only_lower, moved.clamp(min=lower))


def test_many_steps_never_leave_the_ball():
    perturbed, clean, _ = batch()
    perturbed = clean.clone()
    for _ in range(20):
        linf_step_(perturbed, clean, torch.randn_like(clean), step_size=0.02, epsilon=0.05, lower=0.0, upper=1.0)
        assert (perturbed - clean).abs().max() <= 0.05 + 1e-7
        assert perturbed.min() >= 0.0


def test_no_graph_comes_back_and_a_leaf_may_be_stepped():
    perturbed, clean, gradient = batch()
    perturbed.requires_grad_()
    assert not linf_step(perturbed, clean, gradient, step_size=0.1, epsilon=0.1).requires_grad
    linf_step_(perturbed, clean, gradient, step_size=0.1, epsilon=0.1)
    assert perturbed.requires_grad


def test_a_graph_that_needs_the_old_values_notices_that_they_are_gone():
    perturbed, clean, gradient = batch()
    perturbed.requires_grad_()
    loss = (perturbed**2).sum()
    linf_step_(perturbed, clean, gradient, step_size=0.1, epsilon=0.1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clean": torch.zeros(2, 4)}, r"`clean` must be of the shape of `perturbed`, \(2, 3\); got \(2, 4\)"),
        ({"gradient": torch.zeros(2, 3).double()}, r"`gradient` must be torch.float32 on cpu"),
        ({"epsilon": -0.1}, r"`epsilon` must be 0 or more; got -0.1"),
        ({"epsilon": math.nan}, r"`epsilon` must be 0 or more"),
        ({"epsilon": torch.zeros(3)}, r"`epsilon` must be a number, or a tensor that broadcasts to \(2,\); got \(3,\)"),
        ({"epsilon": torch.tensor([0.5, -0.25])}, r"`epsilon\[1\]` must be 0 or more; got -0.25"),
        ({"epsilon": torch.tensor(math.nan)}, r"`epsilon\[0\]` must be 0 or more; got nan"),
        ({"lower": 1.0, "upper": 0.0}, r"`lower` must be at most `upper`, 0.0; got 1.0"),
        ({"lower": math.nan}, r"`lower` must be at most `upper`, inf; got nan"),
        ({"upper": math.nan}, r"`upper` must be a number; got nan"),
        (
            {"lower": 0.5, "upper": torch.tensor([1.0, 0.5, 0.25])},
            r"`lower\[2\]` must be at most `upper`, 0.25; got 0.5",
        ),
        ({"lower": torch.tensor([0.0, 2.0, 0.0]), "upper": torch.ones(3)}, r"`lower\[1\]` .* `upper`, 1.0; got 2.0"),
        ({"lower": torch.tensor([0.0, 0.0, math.nan])}, r"`lower\[2\]` must be at most `upper`, inf; got nan"),
        ({"upper": torch.tensor([math.nan, 0.0, 0.0])}, r"`upper\[0\]` must be a number; got nan"),
        ({"lower": torch.zeros(2)}, r"`lower` must be a number, or a tensor that broadcasts to \(3,\)"),
        ({"perturbed": torch.tensor(1.0)}, r"`perturbed` must be a tensor \[n, ...\]"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, message):
    fitting = {name: torch.zeros(2, 3) for name in ("perturbed", "clean", "gradient")}
    with pytest.raises(SettingError, match=message):
        linf_step(**{**fitting, "step_size": 0.1, "epsilon": 0.1, **change})


def test_a_bound_that_is_refused_is_named_by_its_place_among_the_features():
    rows = torch.zeros(2, 3, 4)
    with pytest.raises(SettingError, match=r"`lower\[1, 0\]` must be at most `upper`, 0.0; got 1.0"):
        linf_step(rows, rows, rows, step_size=0.1, epsilon=0.1, lower=torch.tensor([[0.0], [1.0], [0.0]]), upper=0.0)
    numbers = torch.zeros(2)
    with pytest.raises(SettingError, match=r"`lower` must be at most `upper`, 0.0; got 1.0"):
        linf_step(numbers, numbers, numbers, step_size=0.1, epsilon=0.1, lower=torch.tensor(1.0), upper=0.0)


def test_integers_are_refused():
    whole = torch.zeros(2, 3, dtype=torch.int64)
    with pytest.raises(SettingError, match="`dtype` must be float16"):
        linf_step(whole, whole, whole, step_size=0.1, epsilon=0.1)
