"""The kernels of the multi-head loss, backend by backend, against the float64 oracle."""

import math

import pytest
import torch

from cotrain.ops import BinaryCrossEntropy, CrossEntropy, Distillation, Focal, Huber, SquaredError
from cotrain.ops.heads import prepared

FLOORS = {torch.float64: 1e-14, torch.float32: 3e-6, torch.bfloat16: 1e-5, torch.float16: 1e-5}


def one_head(
    kernels, outputs, target, weight=None, scale=1.0, need_gradient=True, kind=None, mask=None
) -> tuple[torch.Tensor, ...]:
    """(total, per_head, per_sample, gradient) of one head."""
    heads = prepared([outputs], [target], None if kind is None else [kind], [mask], [weight], [scale])
    total, per_head, per_sample, gradients = kernels.multi_head_loss(
        [outputs], *heads, heads.gradient_scales, need_gradient
    )
    return total, per_head, per_sample[0], *gradients


def same(kernels):
    """Bit for bit, for the core; PyTorch's own sums are cut by strides and threads, so the twin is close."""
    return torch.equal if kernels.backend == "native" else torch.allclose


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


def test_the_textbook_value(kernels):
    # softmax of (0, log 3) is (1/4, 3/4)
    total, per_head, per_sample, gradient = one_head(kernels, torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([0]))
    assert total.item() == per_head.item() == per_sample.item() == pytest.approx(math.log(4.0), rel=1e-6)
    assert gradient.tolist()[0] == pytest.approx([-0.75, 0.75])


def test_a_head_without_rows_that_count_gives_zero_not_nan(kernels):
    logits = torch.full((3, 4), math.nan)
    codes = torch.tensor([-100, 1, 2])
    weight = torch.tensor([1.0, 0.0, 0.0])
    for outcome in one_head(kernels, logits, codes, weight):
        assert not outcome.any()


def test_a_row_that_does_not_count_is_never_read(kernels):
    logits = torch.randn(40, 5)
    codes = torch.randint(0, 5, (40,))
    codes[::3] = -100
    spoilt = torch.where((codes == -100)[:, None], math.nan, logits)
    for clean, other in zip(one_head(kernels, logits, codes), one_head(kernels, spoilt, codes), strict=True):
        assert torch.equal(clean, other)


@pytest.mark.parametrize("n_classes", [3, 50])
@pytest.mark.parametrize("code", [-1, 2**40])
def test_the_class_code_of_a_row_without_weight_may_be_anything(kernels, n_classes, code):
    logits, codes = torch.randn(20, n_classes), torch.randint(0, n_classes, (20,))
    weight = torch.rand(20) + 0.1
    weight[7] = 0.0
    expected = one_head(kernels, logits, codes, weight)
    codes[7] = code
    got = one_head(kernels, logits, codes, weight)
    assert all(map(torch.equal, expected, got))
    assert got[2][7] == 0.0
    assert not got[3].view(20, n_classes)[7].any()


@pytest.mark.parametrize("n_classes", [3, 50])
@pytest.mark.parametrize("weight", [1e-41, 3e38])
def test_weights_at_the_ends_of_float_weigh_as_ones_do(kernels, n_classes, weight):
    logits, codes = torch.randn(20, n_classes), torch.randint(0, n_classes, (20,))
    expected = one_head(kernels, logits, codes, scale=2.0)
    got = one_head(kernels, logits, codes, torch.full((20,), weight), scale=2.0)
    for one, other in zip(expected, got, strict=True):
        assert torch.allclose(one, other, rtol=1e-6, atol=1e-9)


def test_weight_two_is_the_row_twice(kernels):
    logits = torch.randn(9, 6, dtype=torch.float64)
    codes = torch.randint(0, 6, (9,))
    weight = torch.ones(9, dtype=torch.float64)
    weight[4] = 2.0
    twice = [*range(9), 4]
    assert torch.allclose(
        one_head(kernels, logits, codes, weight)[0], one_head(kernels, logits[twice], codes[twice])[0], rtol=1e-14
    )


@pytest.mark.parametrize("n_classes", [4, 40])
def test_one_hot_probabilities_are_class_codes(kernels, n_classes):
    logits = torch.randn(20, n_classes)
    codes = torch.randint(0, n_classes, (20,))
    soft = torch.nn.functional.one_hot(codes, n_classes).float()
    for hard, other in zip(one_head(kernels, logits, codes), one_head(kernels, logits, soft), strict=True):
        assert torch.allclose(hard, other, atol=1e-6)


@pytest.mark.parametrize("n_classes", [3, 50])
def test_a_class_of_probability_zero_may_have_logit_minus_infinity(kernels, n_classes):
    logits = torch.zeros(1, n_classes)
    logits[0, 0] = -math.inf
    soft = torch.full((1, n_classes), 1 / (n_classes - 1))
    soft[0, 0] = 0.0
    total, _, _, gradient = one_head(kernels, logits, soft)
    assert total.item() == pytest.approx(math.log(n_classes - 1), rel=1e-6)
    assert gradient.abs().max() < 1e-6


@pytest.mark.parametrize("n_classes", [3, 50])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_a_number_stays_in_its_row(kernels, value, n_classes):
    logits = torch.randn(30, n_classes)
    logits[11, 2] = value
    _, per_head, per_sample, gradient = one_head(kernels, logits, torch.randint(0, n_classes, (30,)))
    assert per_head.isnan()
    assert per_sample.isnan().nonzero().tolist() == [[11]]
    assert gradient.view(30, n_classes).isnan().any(dim=1).nonzero().tolist() == [[11]]


@pytest.mark.parametrize("n_classes", [3, 50])
def test_a_ruled_out_class_that_is_the_target_costs_infinity(kernels, n_classes):
    logits = torch.zeros(2, n_classes)
    logits[0, 1] = -math.inf
    per_sample = one_head(kernels, logits, torch.tensor([1, 1]))[2]
    assert per_sample[0] == math.inf
    assert per_sample[1].item() == pytest.approx(math.log(n_classes), rel=1e-6)


def test_large_logits_do_not_overflow(kernels):
    total, _, _, gradient = one_head(kernels, torch.tensor([[3e38, -3e38, 0.0]]), torch.tensor([0]))
    assert total.item() == 0.0
    assert gradient.tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize(("dtype", "precision"), [(torch.float64, 1e-14), (torch.float32, 2e-6)], ids=str)
@pytest.mark.parametrize("n_classes", [3, 50])
@pytest.mark.parametrize("as_codes", [True, False])
def test_what_is_left_to_learn_of_a_sure_row_is_not_rounding(kernels, dtype, precision, n_classes, as_codes):
    # p - 1 of a probability next to 1 would keep a few digits only; core and twin would train networks that differ.
    for lead in (3.0, 15.0, 40.0):
        logits = torch.zeros(2, n_classes, dtype=dtype)
        logits[0, 1] = logits[1, 0] = lead
        codes = torch.tensor([1, 0])
        target = codes if as_codes else torch.nn.functional.one_hot(codes, n_classes).to(dtype)
        gradient = one_head(kernels, logits, target)[3].reshape(2, n_classes)
        of_another = math.exp(-lead) / (1 + (n_classes - 1) * math.exp(-lead)) / 2  # a mean over two rows
        for row, code in enumerate(codes.tolist()):
            assert gradient[row, code].item() == pytest.approx(-(n_classes - 1) * of_another, rel=precision)
            assert gradient[row, 2].item() == pytest.approx(of_another, rel=precision)


@pytest.mark.parametrize("code", [4, -1, -101, 2**40])
def test_a_class_code_out_of_range_is_named(kernels, code):
    codes = torch.tensor([0, 3, code, 1])
    with pytest.raises(IndexError, match=rf"`targets\[0\]` must hold class codes from 0 to 3.* got {code} in row 2\."):
        one_head(kernels, torch.zeros(4, 4), codes)


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_weight_that_cannot_be_is_named(kernels, weight):
    weights = torch.tensor([1.0, weight])
    with pytest.raises(ValueError, match=r"`sample_weights\[0\]` must be finite and 0 or more; it is not in row 1\."):
        one_head(kernels, torch.zeros(2, 4), torch.tensor([0, 1]), weights)


CODE, WEIGHT = (IndexError, "targets"), (ValueError, "sample_weights")


@pytest.mark.parametrize(
    ("wrong_code", "wrong_weight", "named"),
    [((0, 1), (0, 2), CODE), ((0, 2), (0, 1), WEIGHT), ((0, 1), (0, 1), WEIGHT), ((0, 5), (1, 0), CODE)],
    ids=["code in an earlier row", "weight in an earlier row", "both in one row", "code in an earlier head"],
)
def test_of_several_faults_the_first_is_named_and_a_weight_before_its_code(kernels, wrong_code, wrong_weight, named):
    codes = [torch.zeros(6, dtype=torch.int64) for _ in range(2)]
    weights = [torch.ones(6) for _ in range(2)]
    codes[wrong_code[0]][wrong_code[1]] = 9
    weights[wrong_weight[0]][wrong_weight[1]] = -1.0
    error, name = named
    head, row = wrong_code if named is CODE else wrong_weight
    outputs = [torch.zeros(6, 4)] * 2
    heads = prepared(outputs, codes, None, None, weights, None)
    with pytest.raises(error, match=rf"`{name}\[{head}\]` .* row {row}\."):
        kernels.multi_head_loss(outputs, *heads, [1.0, 1.0], True)


def test_strides_do_not_matter(kernels):
    wide = torch.randn(30, 24)
    soft = torch.rand(12, 30).t()
    weight = torch.rand(30, 2)[:, 1]
    for logits in (wide[:, ::2], wide[:, 3:15], torch.randn(12, 30).t(), wide[:1, :12].expand(30, 12)):
        strided = one_head(kernels, logits, soft, weight)
        packed = one_head(kernels, logits.contiguous(), soft.contiguous(), weight.contiguous())
        assert all(map(same(kernels), strided, packed))


# Images whose memory lies in every way that PyTorch gives it; strides of dimensions of size 1 mean nothing.
LAYOUTS = {
    "a last dimension of one": lambda image: image[..., :1].contiguous().transpose(2, 3),
    "one between two others": lambda image: image[:, :, :, None, :5],
    "turned": lambda image: image.transpose(2, 3),
    "classes turned": lambda image: image.permute(0, 2, 1, 3),
    "channels last": lambda image: image.to(memory_format=torch.channels_last),
    "every other line": lambda image: image[:, :, ::2],
    "expanded": lambda image: image[:, :, :1, :1].expand(3, 4, 5, 6),
    "expanded samples": lambda image: image[:1].permute(0, 3, 1, 2).expand(2, 7, 4, 6),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [CrossEntropy(), BinaryCrossEntropy()], ids=["classes", "elements"])
def test_how_an_image_lies_in_memory_does_not_matter(kernels, layout, kind):
    generator = torch.Generator().manual_seed(0)
    image, soft = (LAYOUTS[layout](torch.rand(3, 4, 6, 7, generator=generator)) for _ in range(2))
    mask = LAYOUTS[layout](torch.rand(3, 4, 6, 7, generator=generator) > 0.3)
    mask = mask if isinstance(kind, BinaryCrossEntropy) else mask[:, 0]
    packed = [torch.empty(one.shape, dtype=one.dtype).copy_(one) for one in (image, soft, mask)]
    got = one_head(kernels, image, soft, kind=kind, mask=mask)
    expected = one_head(kernels, packed[0], packed[1], kind=kind, mask=packed[2])
    for one, other in zip(got, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-8)
    assert got[3].stride() == torch.empty_like(image).stride()


def test_the_number_of_threads_changes_no_bit(kernels, threads, loss_case, joined):
    operands = loss_case.operands(torch.float32)
    outcomes = []
    for n_threads in (1, 2, 3, 8):
        threads(n_threads)
        outcomes.append(joined(kernels.multi_head_loss(*operands)))
    for other in outcomes[1:]:
        assert all(map(same(kernels), outcomes[0], other))


def test_inputs_are_left_as_they_were(kernels, loss_case):
    operands = loss_case.operands(torch.float32)
    tensors = [tensor for group in operands[:5] for tensor in group if tensor is not None]
    before = [tensor.clone() for tensor in tensors]
    kernels.multi_head_loss(*operands)
    for tensor, copy in zip(tensors, before, strict=True):
        assert torch.equal(tensor.nan_to_num(7.0), copy.nan_to_num(7.0))


@pytest.mark.parametrize("n_classes", [5, 90])
def test_a_teacher_who_agrees_leaves_nothing_to_learn(kernels, n_classes):
    logits = torch.randn(40, n_classes, dtype=torch.float64)
    for teacher, kind in (
        (logits + 3.0, Distillation(4.0)),
        (logits.softmax(dim=1), Distillation(4.0, "probabilities")),
    ):
        total, _, _, gradient = one_head(kernels, logits, teacher, kind=kind)
        assert total.item() == pytest.approx(0.0, abs=1e-12)
        assert gradient.abs().max() < 1e-12


@pytest.mark.parametrize("n_classes", [3, 90])
def test_a_class_that_the_teacher_rules_out_may_be_ruled_out_by_the_student(kernels, n_classes):
    logits, teacher = torch.zeros(2, n_classes), torch.zeros(2, n_classes)
    logits[:, 1] = teacher[:, 1] = -math.inf
    for given, kind in ((teacher, Distillation(2.0)), (teacher.exp(), Distillation(2.0, "probabilities"))):
        total, _, _, gradient = one_head(kernels, logits, given, kind=kind)
        assert total.item() == pytest.approx(0.0, abs=1e-5)  # of T^2 log C = 18
        assert gradient.isfinite().all()


@pytest.mark.parametrize("n_classes", [4, 90])
def test_focal_loss_without_focus_is_cross_entropy(kernels, n_classes):
    logits, codes = torch.randn(30, n_classes), torch.randint(0, n_classes, (30,))
    for focal, plain in zip(
        one_head(kernels, logits, codes, kind=Focal(0.0)), one_head(kernels, logits, codes), strict=True
    ):
        assert torch.allclose(focal, plain, rtol=1e-6, atol=1e-7)


def test_the_focal_loss_of_an_even_choice(kernels):
    # p = 1/2: (1/2)^2 * log 2; slope (1/4 + 2 * 1/2 * 1/2 * log 2) / 2
    total, _, _, gradient = one_head(kernels, torch.zeros(1, 2), torch.tensor([0]), kind=Focal(2.0))
    assert total.item() == pytest.approx(math.log(2) / 4, rel=1e-6)
    slope = (0.25 + 0.5 * math.log(2)) / 2
    assert gradient.flatten().tolist() == pytest.approx([-slope, slope], rel=1e-6)


@pytest.mark.parametrize("kind", [BinaryCrossEntropy(), SquaredError(), Huber()], ids=lambda kind: type(kind).__name__)
def test_a_missing_value_is_a_masked_one(kernels, kind):
    outputs, targets, mask = torch.randn(20, 5), torch.rand(20, 5), torch.rand(20, 5) > 0.4
    mask[3] = False
    spoilt = torch.where(mask, outputs, math.nan)
    masked = one_head(kernels, spoilt, targets, kind=kind, mask=mask)
    missing = one_head(kernels, spoilt, torch.where(mask, targets, math.nan), kind=kind)
    assert all(map(same(kernels), masked, missing))
    assert masked[2][3] == 0.0
    assert not masked[3][~mask].any()
    per_element = one_head(kernels, outputs[mask][:, None], targets[mask][:, None], kind=kind)
    assert masked[1].item() == pytest.approx(per_element[1].item(), rel=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_stays_in_its_element(kernels, value):
    outputs = torch.zeros(6, 3)
    outputs[2, 1] = value
    _, per_head, per_sample, gradient = one_head(kernels, outputs, torch.ones(6, 3), kind=SquaredError())
    assert not per_head.isfinite()
    assert (~per_sample.isfinite()).nonzero().tolist() == [[2]]
    assert (~gradient.isfinite()).nonzero().tolist() == [[2, 1]]


def test_label_smoothing_is_a_mixture_with_equal_shares(kernels):
    for n_classes in (4, 90):
        logits, codes = torch.randn(30, n_classes), torch.randint(0, n_classes, (30,))
        mixed = 0.8 * torch.nn.functional.one_hot(codes, n_classes) + 0.2 / n_classes
        smoothed = one_head(kernels, logits, codes, kind=CrossEntropy(label_smoothing=0.2))
        for mine, other in zip(smoothed, one_head(kernels, logits, mixed), strict=True):
            assert torch.allclose(mine, other, rtol=1e-5, atol=1e-6)


def test_an_image_is_the_mean_of_its_pixels(kernels):
    for n_classes in (6, 70):
        image, codes = torch.randn(2, n_classes, 5, 7), torch.randint(0, n_classes, (2, 5, 7))
        codes[1, 0, :4] = -100
        rows = image.movedim(1, -1).reshape(-1, n_classes)
        whole, pixels = one_head(kernels, image, codes), one_head(kernels, rows, codes.flatten())
        assert torch.allclose(whole[1], pixels[1])
        assert torch.allclose(whole[2][1], pixels[2][35:].sum() / 31)
        assert torch.allclose(whole[3].movedim(1, -1).reshape(-1, n_classes), pixels[3])
        assert torch.allclose(one_head(kernels, image.to(memory_format=torch.channels_last), codes)[3], whole[3])


@pytest.mark.parametrize("kind", [None, Focal(), CrossEntropy(0.1), BinaryCrossEntropy(), Huber()], ids=str)
@pytest.mark.parametrize("shape", [(2, 3, 0), (0, 3, 4), (0, 90), (2, 90, 4, 0)], ids=str)
def test_nothing_at_all_costs_nothing(kernels, kind, shape):
    is_element = isinstance(kind, BinaryCrossEntropy | Huber)
    target = torch.zeros(shape) if is_element else torch.zeros(shape[0], *shape[2:], dtype=torch.int64)
    total, _, per_sample, gradient = one_head(kernels, torch.zeros(shape), target, kind=kind)
    assert total == 0.0
    assert per_sample.tolist() == [0.0] * shape[0]
    assert gradient.shape == shape


def test_a_wrong_code_in_an_image_is_named_with_its_position(kernels):
    codes = torch.zeros(2, 3, 4, dtype=torch.int64)
    codes[1, 2, 1] = 5
    with pytest.raises(IndexError, match=r"got 5 in row 1, position 9\."):
        one_head(kernels, torch.zeros(2, 5, 3, 4), codes)
