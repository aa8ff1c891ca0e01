"""The kernels of the loss, backend by backend, against the float64 oracle; and the laws that all kinds keep."""

import math

import pytest
import torch

from cotrain.ops import CrossEntropy
from cotrain.ops.heads import prepared

FLOORS = {torch.float64: 1e-14, torch.float32: 3e-6, torch.bfloat16: 1e-5, torch.float16: 1e-5}


@pytest.mark.parametrize("dtype", FLOORS, ids=str)
def test_errors_stay_within_twice_those_of_eager(kernels, loss_case, dtype, oracle, joined, assert_within_budget):
    got = joined(kernels.multi_head_loss(*loss_case.operands(dtype)))
    truth = oracle(loss_case, dtype)
    # Eager in the type that sums are kept in: half outputs are not an excuse for half sums.
    eager = oracle(loss_case, dtype, torch.float64 if dtype == torch.float64 else torch.float32)
    for mine, true, theirs in zip(got[:3], truth[:3], eager[:3], strict=True):
        assert_within_budget(mine, true, theirs, FLOORS[dtype])
    assert_within_budget(got[3], truth[3], eager[3], FLOORS[dtype] + torch.finfo(dtype).eps / 2 * (dtype.itemsize == 2))


def test_without_gradient_the_losses_are_the_same_bits(kernels, loss_case):
    with_gradient = kernels.multi_head_loss(*loss_case.operands(torch.float32))
    without = kernels.multi_head_loss(*loss_case.operands(torch.float32, need_gradient=False))
    assert torch.equal(with_gradient[0], without[0])
    assert torch.equal(with_gradient[1], without[1])
    assert all(map(torch.equal, with_gradient[2], without[2]))
    assert without[3] == []


def test_a_head_without_rows_that_count_gives_zero_not_nan(kernels):
    logits = torch.full((3, 4), math.nan)
    codes = torch.tensor([-100, 1, 2])
    weight = torch.tensor([1.0, 0.0, 0.0])
    for outcome in kernels.one_head(logits, codes, weight):
        assert not outcome.any()


def test_a_row_that_does_not_count_is_never_read(kernels):
    logits = torch.randn(40, 5)
    codes = torch.randint(0, 5, (40,))
    codes[::3] = -100
    spoilt = torch.where((codes == -100)[:, None], math.nan, logits)
    for clean, other in zip(kernels.one_head(logits, codes), kernels.one_head(spoilt, codes), strict=True):
        assert torch.equal(clean, other)


@pytest.mark.parametrize("n_classes", [3, 50])
@pytest.mark.parametrize("code", [-1, 2**40])
def test_the_class_code_of_a_row_without_weight_may_be_anything(kernels, n_classes, code):
    logits, codes = torch.randn(20, n_classes), torch.randint(0, n_classes, (20,))
    weight = torch.rand(20) + 0.1
    weight[7] = 0.0
    expected = kernels.one_head(logits, codes, weight)
    codes[7] = code
    got = kernels.one_head(logits, codes, weight)
    assert all(map(torch.equal, expected, got))
    assert got[2][7] == 0.0
    assert not got[3].view(20, n_classes)[7].any()


@pytest.mark.parametrize("n_classes", [3, 50])
@pytest.mark.parametrize("weight", [1e-41, 3e38])
def test_weights_at_the_ends_of_float_weigh_as_ones_do(kernels, n_classes, weight):
    logits, codes = torch.randn(20, n_classes), torch.randint(0, n_classes, (20,))
    expected = kernels.one_head(logits, codes, scale=2.0)
    got = kernels.one_head(logits, codes, torch.full((20,), weight), scale=2.0)
    for one, other in zip(expected, got, strict=True):
        assert torch.allclose(one, other, rtol=1e-6, atol=1e-9)


def test_weight_two_is_the_row_twice(kernels):
    logits = torch.randn(9, 6, dtype=torch.float64)
    codes = torch.randint(0, 6, (9,))
    weight = torch.ones(9, dtype=torch.float64)
    weight[4] = 2.0
    twice = [*range(9), 4]
    assert torch.allclose(
        kernels.one_head(logits, codes, weight)[0], kernels.one_head(logits[twice], codes[twice])[0], rtol=1e-14
    )


@pytest.mark.parametrize("n_classes", [3, 50])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_a_number_stays_in_its_row(kernels, value, n_classes):
    logits = torch.randn(30, n_classes)
    logits[11, 2] = value
    _, per_head, per_sample, gradient = kernels.one_head(logits, torch.randint(0, n_classes, (30,)))
    assert per_head.isnan()
    assert per_sample.isnan().nonzero().tolist() == [[11]]
    assert gradient.view(30, n_classes).isnan().any(dim=1).nonzero().tolist() == [[11]]


@pytest.mark.parametrize("code", [4, -1, -101, 2**40])
def test_a_class_code_out_of_range_is_named(waiting_kernels, code):
    codes = torch.tensor([0, 3, code, 1])
    with pytest.raises(IndexError, match=rf"`targets\[0\]` must hold class codes from 0 to 3.* got {code} in row 2\."):
        waiting_kernels.one_head(torch.zeros(4, 4), codes)


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_weight_that_cannot_be_is_named(waiting_kernels, weight):
    weights = torch.tensor([1.0, weight])
    with pytest.raises(ValueError, match=r"`sample_weights\[0\]` must be finite and 0 or more; it is not in row 1\."):
        waiting_kernels.one_head(torch.zeros(2, 4), torch.tensor([0, 1]), weights)


CODE, WEIGHT = (IndexError, "targets"), (ValueError, "sample_weights")


@pytest.mark.parametrize(
    ("wrong_code", "wrong_weight", "named"),
    [((0, 1), (0, 2), CODE), ((0, 2), (0, 1), WEIGHT), ((0, 1), (0, 1), WEIGHT), ((0, 5), (1, 0), CODE)],
    ids=["code in an earlier row", "weight in an earlier row", "both in one row", "code in an earlier head"],
)
def test_of_several_faults_the_first_is_named_and_a_weight_before_its_code(
    waiting_kernels, wrong_code, wrong_weight, named
):
    codes = [torch.zeros(6, dtype=torch.int64) for _ in range(2)]
    weights = [torch.ones(6) for _ in range(2)]
    codes[wrong_code[0]][wrong_code[1]] = 9
    weights[wrong_weight[0]][wrong_weight[1]] = -1.0
    error, name = named
    head, row = wrong_code if named is CODE else wrong_weight
    outputs = [torch.zeros(6, 4)] * 2
    heads = prepared(outputs, codes, None, None, weights, None)
    with pytest.raises(error, match=rf"`{name}\[{head}\]` .* row {row}\."):
        waiting_kernels.multi_head_loss(outputs, *heads, [1.0, 1.0], True)


def test_the_number_of_threads_changes_no_bit(waiting_kernels, threads, loss_case, joined):
    operands = loss_case.operands(torch.float32)
    outcomes = []
    for n_threads in (1, 2, 3, 8):
        threads(n_threads)
        outcomes.append(joined(waiting_kernels.multi_head_loss(*operands)))
    for other in outcomes[1:]:
        assert all(map(waiting_kernels.same, outcomes[0], other))


def test_inputs_are_left_as_they_were(kernels, loss_case):
    operands = loss_case.operands(torch.float32)
    tensors = [tensor for group in operands[:5] for tensor in group if tensor is not None]
    before = [tensor.clone() for tensor in tensors]
    kernels.multi_head_loss(*operands)
    for tensor, copy in zip(tensors, before, strict=True):
        assert torch.equal(tensor.nan_to_num(7.0), copy.nan_to_num(7.0))


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_class_weight_that_cannot_be_is_named(waiting_kernels, weight):
    kind = CrossEntropy(class_weights=torch.tensor([1.0, weight, 2.0]))
    with pytest.raises(ValueError, match=r"`class_weights\[0\]` must be finite and 0 or more; it is not of class 1\."):
        waiting_kernels.one_head(torch.zeros(2, 3), torch.tensor([0, 2]), kind=kind)
