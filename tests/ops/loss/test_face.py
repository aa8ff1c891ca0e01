"""The public face of the loss: what comes out, what is refused. On whichever backend serves."""

import math

import pytest
import torch

from cotrain.errors import SettingError
from cotrain.ops import BinaryCrossEntropy, CrossEntropy, Distillation, Focal, Huber, multi_head_loss


def test_targets_and_weights_of_another_float_type_are_converted():
    logits = [torch.randn(12, c) for c in (5, 3, 40)]
    soft = [torch.full((12, c), 1 / c, dtype=torch.float64) for c in (5, 3, 40)]
    weights = [torch.full((12,), 0.5, dtype=torch.float16) for _ in logits]
    loss = multi_head_loss(logits, soft, sample_weights=weights)
    for head, mean in zip(logits, loss.per_head, strict=True):
        assert mean.item() == pytest.approx(-head.log_softmax(dim=1).mean().item(), rel=1e-5)


def test_heads_may_have_different_numbers_of_rows():
    logits = [torch.randn(n, 4) for n in (0, 1, 7)]
    loss = multi_head_loss(logits, [torch.zeros(n, dtype=torch.int64) for n in (0, 1, 7)])
    assert [len(losses) for losses in loss.per_sample] == [0, 1, 7]
    assert loss.per_head[0] == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": []}, r"`outputs` must be one tensor per head"),
        ({"targets": [torch.zeros(2, dtype=torch.int64)]}, r"`targets` must be one entry per head, 2; got '1 entries'"),
        (
            {"outputs": [torch.zeros(2), torch.zeros(2, 3)]},
            r"`outputs\[0\]` must be of shape \[samples, classes, ...\]",
        ),
        ({"outputs": [torch.zeros(2, 0), torch.zeros(2, 3)]}, r"`outputs\[0\]` .* one class at least; got \(2, 0\)"),
        (
            {"outputs": [torch.zeros(2, 3), torch.zeros(2, 3).double()]},
            r"`outputs\[1\]` must be torch.float32 .*float64",
        ),
        ({"outputs": [torch.zeros(2, 3).int()] * 2}, r"`dtype` must be float16"),
        ({"targets": [torch.zeros(3, dtype=torch.int64)] * 2}, r"`targets\[0\]` must be \(2,\) class codes .*\(3,\)"),
        ({"targets": [torch.zeros(2, 4)] * 2}, r"`targets\[0\]` must be of the outputs' shape"),
        ({"targets": [torch.zeros(2, dtype=torch.int32)] * 2}, r"`targets\[0\]` must be int64 class codes"),
        ({"sample_weights": [None, torch.ones(3)]}, r"`sample_weights\[1\]` must be \[2\] floating numbers"),
        ({"sample_weights": [None, torch.ones(2, dtype=torch.int64)]}, r"`sample_weights\[1\]` .*int64"),
        ({"kinds": [Huber(), CrossEntropy()]}, r"`targets\[0\]` must be floating, for this kind of loss"),
        ({"kinds": [Focal()] * 2, "targets": [torch.zeros(2, 3)] * 2}, r"`targets\[0\]` must be int64 class codes"),
        ({"kinds": [CrossEntropy(class_weights=torch.ones(2))] * 2}, r"`class_weights\[0\]` must be \[3\] floating"),
        (
            {"kinds": [BinaryCrossEntropy(torch.ones(2))] * 2, "targets": [torch.zeros(2, 3)] * 2},
            r"`positive_weights\[0\]` must be \[3\] floating",
        ),
        ({"masks": [None, torch.ones(2)]}, r"`masks\[1\]` must be boolean"),
        ({"masks": [torch.ones(3).bool(), None]}, r"`masks\[0\]` must be \[2\] or \(2,\)"),
        ({"masks": [None]}, r"`masks` must be one entry per head"),
        ({"kinds": [CrossEntropy()]}, r"`kinds` must be one entry per head, 2"),
        ({"kinds": [CrossEntropy] * 2}, r"`kinds\[0\]` must be a kind of loss"),
        ({"kinds": [CrossEntropy(0.1)] * 2, "targets": [torch.zeros(2, 3)] * 2}, r"without label_smoothing"),
        ({"gradient_in": "sideways"}, r"`gradient_in` must be 'forward', 'backward' or None"),
        ({"head_weights": [1.0]}, r"`head_weights` must be one entry per head"),
        ({"targets": [torch.zeros(2, dtype=torch.int64, device="meta")] * 2}, r"`targets\[0\]` must be on cpu"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, message):
    fitting = {"outputs": [torch.zeros(2, 3)] * 2, "targets": [torch.zeros(2, dtype=torch.int64)] * 2}
    with pytest.raises(SettingError, match=message):
        multi_head_loss(**{**fitting, **change})


def test_a_wrong_class_code_is_an_index_error():
    with pytest.raises(IndexError, match=r"got 3 in row 1"):
        multi_head_loss([torch.zeros(2, 3)], [torch.tensor([0, 3])])


def test_uniform_logits_cost_the_logarithm_of_the_classes():
    loss = multi_head_loss([torch.zeros(4, 8)], [torch.arange(4)])
    assert loss.total.item() == pytest.approx(math.log(8), rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (lambda: CrossEntropy(label_smoothing=10), r"`label_smoothing` must be a share from 0 to 1; got 10"),
        (lambda: Distillation(0.0), r"`temperature` must be a finite number above 0; got 0.0"),
        (lambda: Distillation(teacher="shares"), r"`teacher` must be 'logits' or 'probabilities'; got 'shares'"),
        (lambda: Focal(-1.0), r"`gamma` must be a finite number, 0 or more; got -1.0"),
        (lambda: Huber(math.nan), r"`delta` must be a finite number above 0; got nan"),
    ],
)
def test_settings_that_cannot_be_are_refused(kind, message):
    with pytest.raises(SettingError, match=message):
        kind()
