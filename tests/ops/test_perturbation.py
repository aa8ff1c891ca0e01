"""The projected-gradient step's kernels, in every norm, against formulas in PyTorch: numbers, layouts, threads."""

import math

import pytest
import torch
from torch import Tensor

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
NORMS = ["linf", "l2", "l1"]
STEP = {"linf": 0.05, "l2": 0.5, "l1": 1.0}
EPSILON = {"linf": 0.03, "l2": 0.4, "l1": 0.8}
TOP = 0.1


def batch(dtype: torch.dtype = torch.float32, shape: tuple[int, ...] = (6, 3, 5, 4)) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    clean = torch.rand(shape, generator=generator)
    perturbed = (clean + 0.02 * torch.randn(shape, generator=generator)).to(dtype)
    gradient = torch.randn(shape, generator=generator)
    if gradient.numel() > 60:
        gradient.view(-1)[:3] = torch.tensor([0.0, math.nan, -0.0])
    return perturbed, clean.to(dtype), gradient.to(dtype)


def by_eager(norm, perturbed, clean, gradient, step_size, epsilon, lower=0.0, upper=1.0, scale=1.0) -> Tensor:
    """As people write it: in place of a threshold by selection and a projection by sorting, loops over the rows."""
    slope = (gradient * scale).nan_to_num(0.0)
    if norm == "linf":
        moved = perturbed + step_size * scale * slope.sign()
        return torch.clamp(moved, clean - epsilon * scale, clean + epsilon * scale).clamp(lower, upper)
    rows = []
    for x, centre, g in zip(perturbed, clean, slope, strict=True):
        offset = (x - centre) / scale
        if norm == "l2":
            offset = offset + step_size * g / g.norm().clamp(min=1e-30)
            offset = offset * min(1.0, epsilon / offset.norm().item())
        else:
            room = torch.where(g > 0, x < upper, x > lower)
            order = torch.where(room, g.abs(), 0.0).flatten().argsort(descending=True)
            top = order[: max(1, int(TOP * len(order)))]
            step = torch.zeros_like(g).flatten()
            step[top] = g.flatten()[top].sign() * step_size / len(top)
            offset = offset + step.view(g.shape)
            low, high = 0.0, offset.abs().max().item()
            for _ in range(100):  # bisects the shrinkage
                middle = (low + high) / 2
                is_short = (offset.abs() - middle).clamp(min=0).sum() < epsilon
                low, high = (low, middle) if is_short else (middle, high)
            if offset.abs().sum() > epsilon:
                offset = (offset.abs() - low).clamp(min=0) * offset.sign()
        rows.append((centre + scale * offset).clamp(lower, upper))
    return torch.stack(rows)


def call(kernel, norm, perturbed, clean, gradient, *, radii=None, box=(0.0, 1.0), floors=None, scale=None):
    return kernel(
        perturbed, clean, gradient, norm, STEP[norm], TOP, EPSILON[norm], radii, *box, floors, None, scale
    )  # fmt: skip


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_step_is_the_formula_to_its_own_rounding(kernels, norm, dtype, assert_within_budget):
    operands = batch(dtype)
    got = call(kernels.perturb, norm, *operands)
    truth = by_eager(norm, *(tensor.double() for tensor in operands), STEP[norm], EPSILON[norm])
    assert got.dtype == dtype
    assert_within_budget(got, truth, truth.to(dtype), 4 * torch.finfo(dtype).eps)
    assert (got.double() - operands[0].double()).abs().max() > 0.01  # it is a step


@pytest.mark.parametrize("norm", NORMS)
def test_scale_is_the_unit_of_step_and_ball(kernels, norm, assert_within_budget):
    operands = batch(torch.float64)
    scale = torch.linspace(0.5, 3.0, 60, dtype=torch.float64).view(3, 5, 4)
    got = call(kernels.perturb, norm, *operands, scale=scale, box=(-9.0, 9.0))
    truth = by_eager(norm, *operands, STEP[norm], EPSILON[norm], -9.0, 9.0, scale)
    assert_within_budget(got, truth, truth, 1e-14)


def test_in_float_the_signed_step_is_eagers_bit_for_bit(kernels):
    assert torch.equal(call(kernels.perturb, "linf", *batch()), by_eager("linf", *batch(), 0.05, 0.03))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (1, 1), (7,), (4000, 3), (3, 10001)])
def test_any_shape(kernels, norm, shape, assert_within_budget):
    shape = kernels.bearable(shape)
    operands = batch(torch.float64, shape)
    got = call(kernels.perturb, norm, *operands)
    assert got.shape == shape
    if math.prod(shape):
        truth = by_eager(norm, *operands, STEP[norm], EPSILON[norm])
        assert_within_budget(got, truth, truth, 1e-13)
    call(kernels.perturb_, norm, *operands)
    assert torch.equal(operands[0], got)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("layout", ["channels last", "one transposed", "rows inside", "every second", "expanded"])
def test_strides_do_not_matter(kernels, norm, layout):
    perturbed, clean, gradient = batch(torch.float64)
    limits = {"floors": torch.linspace(0, 0.3, 60, dtype=torch.float64).view(3, 5, 4)}
    limits["scale"] = limits["floors"].flip(0) + 0.1
    if layout == "expanded":
        gradient = gradient[:1].expand(6, 3, 5, 4)
    expected = call(kernels.perturb, norm, perturbed, clean, gradient.contiguous(), **limits)
    if layout == "channels last":
        perturbed, clean, gradient = (
            tensor.contiguous(memory_format=torch.channels_last) for tensor in (perturbed, clean, gradient)
        )
    elif layout == "one transposed":
        clean = clean.transpose(1, 3).contiguous().transpose(1, 3)
    elif layout == "rows inside":
        perturbed, clean = (tensor.transpose(0, 3).contiguous().transpose(0, 3) for tensor in (perturbed, clean))
    elif layout == "every second":
        perturbed = perturbed.repeat_interleave(2, dim=3)[..., ::2]
    got = call(kernels.perturb, norm, perturbed, clean, gradient, **limits)
    assert torch.allclose(got, expected, rtol=0, atol=1e-14)  # sums are taken in the order of memory
    address, strides = perturbed.data_ptr(), perturbed.stride()
    call(kernels.perturb_, norm, perturbed, clean, gradient, **limits)
    assert torch.equal(perturbed, got)
    assert (perturbed.data_ptr(), perturbed.stride()) == (address, strides)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("shared", ["clean", "gradient", "the same rows", "turned", "epsilon", "lower", "scale"])
def test_memory_that_is_shared_with_the_stepped_rows_counts_as_it_was_before(kernels, norm, shared):
    buffer = torch.rand(400, generator=torch.Generator().manual_seed(8))
    perturbed = buffer[20:].view(20, 19) if shared != "turned" else buffer[:361].view(19, 19)
    rows = perturbed.shape
    others = {"clean": torch.rand(rows), "gradient": torch.randn(rows), "radii": None, "floors": None, "scale": None}
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
    elif shared == "lower":
        others["floors"] = perturbed[3]
    else:
        others["scale"] = perturbed[3]
    expected = call(kernels.perturb, norm, perturbed, **others)
    call(kernels.perturb_, norm, perturbed, **others)
    assert torch.equal(perturbed, expected)


@pytest.mark.parametrize("norm", NORMS)
def test_one_epsilon_per_row(kernels, norm):
    operands = batch()
    radii = torch.tensor([0.0, 0.01, 0.02, 0.5, 1.0, math.inf])
    together = call(kernels.perturb, norm, *operands, radii=radii)
    for i, radius in enumerate(radii):
        alone = call(kernels.perturb, norm, *(tensor[i : i + 1] for tensor in operands), radii=radius.view(1))
        assert torch.equal(together[i : i + 1], alone)
    assert torch.equal(together[0], operands[1][0])


@pytest.mark.parametrize("norm", NORMS)
def test_nan_stays_where_it_is_and_spoils_nothing_else(kernels, norm):
    perturbed, clean, gradient = batch(shape=(1, 40))
    gradient[0, 11] = math.nan
    before = perturbed[0, 11].item()
    perturbed[0, 3], clean[0, 7] = math.nan, math.nan
    got = call(kernels.perturb, norm, perturbed, clean, gradient, box=(-9.0, 9.0), radii=torch.tensor([99.0]))
    assert got.isnan().nonzero()[:, 1].tolist() == [3, 7]
    assert got[0, 11] == before


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_number_of_threads_changes_no_bit(waiting_kernels, threads, norm, dtype):
    operands = batch(dtype, (9, 30011))
    radii = torch.full((9,), 0.01, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
    outcomes = []
    for n_threads in (1, 2, 5):
        threads(n_threads)
        outcomes.append(call(waiting_kernels.perturb, norm, *operands, radii=radii))
    assert torch.equal(outcomes[0], outcomes[1])
    assert torch.equal(outcomes[0], outcomes[2])
