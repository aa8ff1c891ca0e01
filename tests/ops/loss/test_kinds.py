"""What each kind of loss is, by hand, and at its edges."""

import math

import pytest
import torch

from cotrain.ops import BinaryCrossEntropy, CrossEntropy, Distillation, Focal, Huber, SquaredError


def test_the_textbook_value(kernels):
    # softmax of (0, log 3) is (1/4, 3/4)
    total, per_head, per_sample, gradient = kernels.one_head(torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([0]))
    assert total.item() == per_head.item() == per_sample.item() == pytest.approx(math.log(4.0), rel=1e-6)
    assert gradient.tolist()[0] == pytest.approx([-0.75, 0.75])


@pytest.mark.parametrize("n_classes", [4, 40])
def test_one_hot_probabilities_are_class_codes(kernels, n_classes):
    logits = torch.randn(20, n_classes)
    codes = torch.randint(0, n_classes, (20,))
    soft = torch.nn.functional.one_hot(codes, n_classes).float()
    for hard, other in zip(kernels.one_head(logits, codes), kernels.one_head(logits, soft), strict=True):
        assert torch.allclose(hard, other, atol=1e-6)


@pytest.mark.parametrize("n_classes", [3, 50])
def test_a_class_of_probability_zero_may_have_logit_minus_infinity(kernels, n_classes):
    logits = torch.zeros(1, n_classes)
    logits[0, 0] = -math.inf
    soft = torch.full((1, n_classes), 1 / (n_classes - 1))
    soft[0, 0] = 0.0
    total, _, _, gradient = kernels.one_head(logits, soft)
    assert total.item() == pytest.approx(math.log(n_classes - 1), rel=1e-6)
    assert gradient.abs().max() < 1e-6


@pytest.mark.parametrize("n_classes", [3, 50])
def test_a_ruled_out_class_that_is_the_target_costs_infinity(kernels, n_classes):
    logits = torch.zeros(2, n_classes)
    logits[0, 1] = -math.inf
    per_sample = kernels.one_head(logits, torch.tensor([1, 1]))[2]
    assert per_sample[0] == math.inf
    assert per_sample[1].item() == pytest.approx(math.log(n_classes), rel=1e-6)


def test_large_logits_do_not_overflow(kernels):
    total, _, _, gradient = kernels.one_head(torch.tensor([[3e38, -3e38, 0.0]]), torch.tensor([0]))
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
        gradient = kernels.one_head(logits, target)[3].reshape(2, n_classes)
        of_another = math.exp(-lead) / (1 + (n_classes - 1) * math.exp(-lead)) / 2  # a mean over two rows
        for row, code in enumerate(codes.tolist()):
            assert gradient[row, code].item() == pytest.approx(-(n_classes - 1) * of_another, rel=precision)
            assert gradient[row, 2].item() == pytest.approx(of_another, rel=precision)


@pytest.mark.parametrize("n_classes", [5, 90])
def test_a_teacher_who_agrees_leaves_nothing_to_learn(kernels, n_classes):
    logits = torch.randn(40, n_classes, dtype=torch.float64)
    for teacher, kind in (
        (logits + 3.0, Distillation(4.0)),
        (logits.softmax(dim=1), Distillation(4.0, "probabilities")),
    ):
        total, _, _, gradient = kernels.one_head(logits, teacher, kind=kind)
        assert total.item() == pytest.approx(0.0, abs=1e-12)
        assert gradient.abs().max() < 1e-12


@pytest.mark.parametrize("n_classes", [3, 90])
def test_a_class_that_the_teacher_rules_out_may_be_ruled_out_by_the_student(kernels, n_classes):
    logits, teacher = torch.zeros(2, n_classes), torch.zeros(2, n_classes)
    logits[:, 1] = teacher[:, 1] = -math.inf
    for given, kind in ((teacher, Distillation(2.0)), (teacher.exp(), Distillation(2.0, "probabilities"))):
        total, _, _, gradient = kernels.one_head(logits, given, kind=kind)
        assert total.item() == pytest.approx(0.0, abs=1e-5)  # of T^2 log C = 18
        assert gradient.isfinite().all()


@pytest.mark.parametrize("n_classes", [4, 90])
def test_focal_loss_without_focus_is_cross_entropy(kernels, n_classes):
    logits, codes = torch.randn(30, n_classes), torch.randint(0, n_classes, (30,))
    for focal, plain in zip(
        kernels.one_head(logits, codes, kind=Focal(0.0)), kernels.one_head(logits, codes), strict=True
    ):
        assert torch.allclose(focal, plain, rtol=1e-6, atol=1e-7)


def test_the_focal_loss_of_an_even_choice(kernels):
    # p = 1/2: (1/2)^2 * log 2; slope (1/4 + 2 * 1/2 * 1/2 * log 2) / 2
    total, _, _, gradient = kernels.one_head(torch.zeros(1, 2), torch.tensor([0]), kind=Focal(2.0))
    assert total.item() == pytest.approx(math.log(2) / 4, rel=1e-6)
    slope = (0.25 + 0.5 * math.log(2)) / 2
    assert gradient.flatten().tolist() == pytest.approx([-slope, slope], rel=1e-6)


@pytest.mark.parametrize("kind", [BinaryCrossEntropy(), SquaredError(), Huber()], ids=lambda kind: type(kind).__name__)
def test_a_missing_value_is_a_masked_one(kernels, kind):
    outputs, targets, mask = torch.randn(20, 5), torch.rand(20, 5), torch.rand(20, 5) > 0.4
    mask[3] = False
    spoilt = torch.where(mask, outputs, math.nan)
    masked = kernels.one_head(spoilt, targets, kind=kind, mask=mask)
    missing = kernels.one_head(spoilt, torch.where(mask, targets, math.nan), kind=kind)
    assert all(map(kernels.same, masked, missing))
    assert masked[2][3] == 0.0
    assert not masked[3][~mask].any()
    per_element = kernels.one_head(outputs[mask][:, None], targets[mask][:, None], kind=kind)
    assert masked[1].item() == pytest.approx(per_element[1].item(), rel=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_stays_in_its_element(kernels, value):
    outputs = torch.zeros(6, 3)
    outputs[2, 1] = value
    _, per_head, per_sample, gradient = kernels.one_head(outputs, torch.ones(6, 3), kind=SquaredError())
    assert not per_head.isfinite()
    assert (~per_sample.isfinite()).nonzero().tolist() == [[2]]
    assert (~gradient.isfinite()).nonzero().tolist() == [[2, 1]]


def test_label_smoothing_is_a_mixture_with_equal_shares(kernels):
    for n_classes in (4, 90):
        logits, codes = torch.randn(30, n_classes), torch.randint(0, n_classes, (30,))
        mixed = 0.8 * torch.nn.functional.one_hot(codes, n_classes) + 0.2 / n_classes
        smoothed = kernels.one_head(logits, codes, kind=CrossEntropy(label_smoothing=0.2))
        for mine, other in zip(smoothed, kernels.one_head(logits, mixed), strict=True):
            assert torch.allclose(mine, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n_classes", [6, 90])
def test_a_hot_distillation_is_as_exact_as_eager(kernels, n_classes, assert_within_budget):
    generator = torch.Generator().manual_seed(0)
    student, teacher = (3 * torch.randn(40, n_classes, generator=generator) for _ in range(2))
    told = [(one / 200.0).log_softmax(dim=1) for one in (student, teacher)]
    eager = 200.0**2 * torch.nn.functional.kl_div(*told, log_target=True, reduction="none").sum(dim=1)
    exact = kernels.one_head(student.double(), teacher.double(), kind=Distillation(200.0))[2]
    got = kernels.one_head(student, teacher, kind=Distillation(200.0))[2]
    assert_within_budget(got, exact, eager, floor=1e-6)


@pytest.mark.parametrize("n_classes", [2, 90])
def test_a_teacher_who_says_nothing_at_all_teaches_nan(kernels, n_classes):
    teacher = torch.full((3, n_classes), 1 / n_classes)
    teacher[1] = 0.0
    per_sample = kernels.one_head(torch.randn(3, n_classes), teacher, kind=Distillation(2.0, "probabilities"))[2]
    assert per_sample.isnan().tolist() == [False, True, False]
    unread = torch.tensor([True, False, True])
    told = kernels.one_head(torch.randn(3, n_classes), teacher, kind=Distillation(2.0, "probabilities"), mask=unread)
    assert all(one.isfinite().all() for one in told)


@pytest.mark.parametrize("output", [-math.inf, -3.0])
def test_positives_of_weight_0_cost_nothing_whatever_was_put_out(kernels, output):
    outputs, target = torch.tensor([[output, 0.0]]), torch.tensor([[1.0, 0.0]])
    total, _, _, gradient = kernels.one_head(outputs, target, kind=BinaryCrossEntropy(torch.tensor([0.0, 1.0])))
    assert total.item() == pytest.approx(math.log(2) / 2, rel=1e-6)
    assert gradient[0, 0] == 0.0
