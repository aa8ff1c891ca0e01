"""The CUDA kernel's own code in an emulated grid: what a GPU's blocks and threads must not change, and its faults.

That it gives the right numbers is asked with all other backends, in the files beside this one.
"""

import math

import pytest
import torch
from torch import Tensor

from cotrain.ops import BinaryCrossEntropy, CrossEntropy, Distillation, Focal, Huber, LossKind
from cotrain.ops.heads import prepared


@pytest.fixture
def grid(emulated):
    """Sets the grid's size and the order of its threads; the usual ones come back afterwards."""
    yield emulated.set_grid
    emulated.set_grid(3, 0)


def test_neither_the_number_of_blocks_nor_their_order_changes_a_bit(emulated, grid, loss_case, joined):
    operands = loss_case.operands(torch.float32)
    outcomes = []
    for most_blocks, seed in ((1, 1), (2, 2), (7, 3)):
        grid(most_blocks, seed)
        outcomes.append(joined(emulated.multi_head_loss(*operands)))
    for other in outcomes[1:]:
        assert all(map(torch.equal, outcomes[0], other))


@pytest.mark.parametrize("n_heads", [12, 13, 40])
def test_any_number_of_heads(emulated, n_heads):
    generator = torch.Generator().manual_seed(n_heads)
    outputs = [torch.randn(5, 2 + h % 4, generator=generator) for h in range(n_heads)]
    codes = [torch.randint(0, 2, (5,), generator=generator) for _ in outputs]
    heads = prepared(outputs, codes, None, None, None, [1.0 + h for h in range(n_heads)])
    got = emulated.multi_head_loss(outputs, *heads, heads.gradient_scales, True)
    expected = torch.ops.cotrain.multi_head_loss(outputs, *heads, heads.gradient_scales, True)
    assert torch.allclose(got[0], expected[0])
    assert torch.allclose(got[1], expected[1])
    for mine, theirs in zip(got[3], expected[3], strict=True):
        assert torch.allclose(mine, theirs, atol=1e-7)


@pytest.mark.parametrize("n_classes", [1024, 1025, 8192, 8193])
@pytest.mark.parametrize("kind", [CrossEntropy(), Distillation(2.0)], ids=["codes", "teacher"])
def test_where_a_row_fills_the_registers_of_its_team(emulated, n_classes, kind):
    generator = torch.Generator().manual_seed(n_classes)
    logits = torch.randn(3, n_classes, generator=generator)
    codes = torch.randint(0, n_classes, (3,), generator=generator)
    target = codes if isinstance(kind, CrossEntropy) else torch.randn(3, n_classes, generator=generator)
    heads = prepared([logits], [target], [kind], None, None, None)
    got = emulated.multi_head_loss([logits], *heads, [1.0], True)
    expected = torch.ops.cotrain.multi_head_loss([logits], *heads, [1.0], True)
    assert torch.allclose(got[0], expected[0], rtol=1e-5)
    assert torch.allclose(got[3][0], expected[3][0], rtol=1e-4, atol=1e-8)


def of_one_head(
    emulated, outputs: Tensor, target: Tensor, kind: LossKind, weight: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(total, per_head, per_sample, gradient) beside a second head in which nothing is wrong."""
    other, codes = torch.zeros(2, 3), torch.tensor([0, 1])
    heads = prepared([outputs, other], [target, codes], [kind, CrossEntropy()], None, [weight, None], None)
    total, per_head, per_sample, gradients = emulated.multi_head_loss([outputs, other], *heads, [1.0, 1.0], True)
    assert per_head[1].item() == pytest.approx(math.log(3), rel=1e-6)
    assert gradients[1].isfinite().all()
    return total, per_head[0], per_sample[0], gradients[0]


@pytest.mark.parametrize("code", [-1, 4, -101, 2**40, -(2**62)])
@pytest.mark.parametrize("kind", [CrossEntropy(), CrossEntropy(0.1, torch.ones(4)), Focal()], ids=str)
@pytest.mark.parametrize("positions", [(), (5,)], ids=str)
def test_a_class_code_that_cannot_be_makes_its_head_nan_and_its_row(emulated, code, kind, positions):
    codes = torch.zeros(6, *positions, dtype=torch.int64)
    codes.view(6, -1)[2, -1] = code
    total, per_head, per_sample, gradient = of_one_head(emulated, torch.zeros(6, 4, *positions), codes, kind)
    assert total.isnan()
    assert per_head.isnan()
    assert per_sample.isnan().nonzero().tolist() == [[2]]
    assert gradient.reshape(6, 4, -1)[2, :, -1].isnan().all()


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", [CrossEntropy(), Distillation(), BinaryCrossEntropy(), Huber()], ids=str)
def test_a_sample_weight_that_cannot_be_makes_its_head_nan_and_its_row(emulated, weight, kind):
    weights = torch.tensor([1.0, 0.0, weight, 2.0])
    target = torch.zeros(4, dtype=torch.int64) if isinstance(kind, CrossEntropy) else torch.full((4, 3), 0.5)
    total, per_head, per_sample, gradient = of_one_head(emulated, torch.zeros(4, 3), target, kind, weights)
    assert total.isnan()
    assert per_head.isnan()
    assert per_sample.isnan().nonzero().tolist() == [[2]]
    assert gradient[2].isnan().all()


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_class_weight_that_cannot_be_makes_its_head_nan_even_if_no_row_has_the_class(emulated, weight):
    kind = CrossEntropy(class_weights=torch.tensor([1.0, weight, 2.0]))
    total, per_head, _, gradient = of_one_head(emulated, torch.zeros(2, 3), torch.tensor([0, 2]), kind)
    assert total.isnan()
    assert per_head.isnan()
    assert gradient.isnan().all()


def test_a_faulty_code_that_does_not_count_is_no_fault(emulated):
    codes, weights = torch.tensor([0, 9, 1]), torch.tensor([1.0, 0.0, 1.0])
    assert all(one.isfinite().all() for one in of_one_head(emulated, torch.zeros(3, 4), codes, CrossEntropy(), weights))
