"""What flows back from the loss. On whichever backend serves."""

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from cotrain.ops import BinaryCrossEntropy, CrossEntropy, Distillation, Focal, Huber, SquaredError, multi_head_loss

CLASSES = (5, 3, 40)


def leaves(n_rows: int = 12, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(n_rows, c, generator=generator, dtype=dtype).requires_grad_() for c in CLASSES]


def codes(n_rows: int = 12) -> list[Tensor]:
    generator = torch.Generator().manual_seed(4)
    return [torch.randint(0, c, (n_rows,), generator=generator) for c in CLASSES]


def eager(logits, targets, weights=None) -> Tensor:
    """[H] the heads' losses by PyTorch's own cross-entropy."""
    weights = [torch.ones(len(head), dtype=head.dtype) for head in logits] if weights is None else weights
    losses = [
        torch.nn.functional.cross_entropy(head, target, reduction="none")
        for head, target in zip(logits, targets, strict=True)
    ]
    return torch.stack([(w * loss).sum() / w.sum() for w, loss in zip(weights, losses, strict=True)])


def test_gradcheck_of_total_and_of_every_head():
    targets = codes()
    soft = torch.rand(12, 3, dtype=torch.float64)
    targets[1] = soft / soft.sum(dim=1, keepdim=True)

    def losses(*logits: Tensor) -> tuple[Tensor, Tensor]:
        loss = multi_head_loss(logits, targets, head_weights=[0.5, 0.0, 2.0])
        return loss.total, loss.per_head

    assert torch.autograd.gradcheck(losses, leaves())


@pytest.mark.parametrize("head_weights", [[1.0, 1.0, 1.0], [0.3, 0.0, -2.0]])
def test_gradients_are_those_of_eager_whatever_is_done_with_the_losses(head_weights):
    def use(total, per_head):
        return 3.0 * total + per_head[1] ** 2 - per_head[2]

    logits, targets = leaves(), codes()
    loss = multi_head_loss(logits, targets, head_weights=head_weights)
    mine = torch.autograd.grad(use(loss.total, loss.per_head), logits)
    expected = eager(logits, targets)
    theirs = torch.autograd.grad(use(expected @ torch.tensor(head_weights, dtype=torch.float64), expected), logits)
    for one, other in zip(mine, theirs, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-14)


# Ways from a leaf to its logits that hand a gradient back as it is.
ROUTES = {
    "none": lambda leaf: leaf,
    "view": lambda leaf: leaf.view(-1).view(leaf.shape),
    "flatten": lambda leaf: leaf[None].flatten(0, 1),
    "add": lambda leaf: leaf + 1.0,
}


@pytest.mark.parametrize("route", ROUTES)
def test_backward_thrice_gives_the_same_gradient_thrice(route):
    sources = leaves()
    loss = multi_head_loss([ROUTES[route](source) for source in sources], codes())
    loss.total.backward(retain_graph=True)
    once = [source.grad.clone() for source in sources]
    loss.total.backward(retain_graph=True)
    loss.total.backward()
    for source, first in zip(sources, once, strict=True):
        assert torch.allclose(source.grad, 3 * first, rtol=1e-14)


def test_logits_that_feed_two_losses_get_both_gradients():
    sources = leaves()
    logits = [2 * source for source in sources]
    targets = codes()
    loss = multi_head_loss(logits, targets)
    other = eager(logits, targets).sum()
    for _ in range(2):  # nothing that autograd keeps may have been added to
        mine = torch.autograd.grad(loss.total + other, sources, retain_graph=True)
        single = torch.autograd.grad(other, sources, retain_graph=True)
        for both, one in zip(mine, single, strict=True):
            assert torch.allclose(both, 2 * one, rtol=1e-10, atol=1e-14)


def test_one_tensor_may_be_the_logits_of_two_heads():
    (logits, *_), (target, *_) = leaves(), codes()
    soft = torch.full((12, CLASSES[0]), 1 / CLASSES[0], dtype=torch.float64)
    multi_head_loss([logits, logits], [target, soft]).total.backward()
    both = logits.grad.clone()
    logits.grad = None
    multi_head_loss([logits], [target]).total.backward()
    multi_head_loss([logits], [soft]).total.backward()
    assert torch.allclose(both, logits.grad, rtol=1e-12)


def test_heads_that_need_no_gradient_get_none():
    logits = leaves()
    logits[1] = logits[1].detach()
    multi_head_loss(logits, codes()).total.backward()
    assert logits[1].grad is None
    assert logits[0].grad is not None


def test_no_graph_is_kept_where_none_is_wanted():
    with torch.no_grad():
        assert not multi_head_loss(leaves(), codes()).total.requires_grad
    assert not multi_head_loss([head.detach() for head in leaves()], codes()).total.requires_grad


def test_a_second_derivative_is_refused_not_taken_for_zero():
    logits = leaves()
    loss = multi_head_loss(logits, codes())
    (first, *_) = torch.autograd.grad(loss.total, logits, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        (loss.total + first.square().sum()).backward()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_logits_give_float_losses_and_half_gradients(dtype):
    logits = leaves(dtype=dtype)
    loss = multi_head_loss(logits, codes())
    assert loss.total.dtype == torch.float32
    # A scaled loss, as under mixed precision: what is below float16's numbers before scaling must survive it.
    (2.0**16 * loss.total).backward()
    wide = [head.detach().float().requires_grad_() for head in logits]
    (2.0**16 * eager(wide, codes()).sum()).backward()
    for head, other in zip(logits, wide, strict=True):
        assert head.grad.dtype == dtype
        assert torch.allclose(head.grad.float(), other.grad, rtol=1e-2)


KINDS = [
    CrossEntropy(0.1, torch.tensor([0.5, 1.0, 2.0])),
    Focal(1.5),
    Distillation(3.0),
    Distillation(3.0, "probabilities"),
    BinaryCrossEntropy(torch.tensor([0.5, 1.0, 2.0])),
    SquaredError(),
    Huber(0.5),
]


def heads_of_every_kind() -> tuple[list[Tensor], list[Tensor]]:
    generator = torch.Generator().manual_seed(5)
    outputs = [torch.randn(6, 3, 4, generator=generator, dtype=torch.float64).requires_grad_() for _ in KINDS]
    targets = [torch.rand(6, 3, 4, generator=generator, dtype=torch.float64) for _ in KINDS]
    targets[:2] = [torch.randint(0, 3, (6, 4), generator=generator) for _ in range(2)]
    targets[3] = targets[3].softmax(dim=1)
    return outputs, targets


@pytest.mark.parametrize("gradient_in", ["forward", "backward"])
def test_gradcheck_of_every_kind(gradient_in):
    outputs, targets = heads_of_every_kind()
    weights = [None, torch.rand(6, dtype=torch.float64)] + [None] * 5
    masks = [torch.rand(6, 4) > 0.3, *[torch.rand(6) > 0.3] * 3, *[torch.rand(6, 3, 4) > 0.3] * 3]

    def losses(*outputs: Tensor) -> tuple[Tensor, Tensor]:
        loss = multi_head_loss(
            outputs,
            targets,
            kinds=KINDS,
            masks=masks,
            sample_weights=weights,
            head_weights=[0.5, 1.0, 2.0, 0.0, 1.0, -1.0, 3.0],
            gradient_in=gradient_in,
        )
        return loss.total, loss.per_head

    assert torch.autograd.gradcheck(losses, outputs)


def test_where_the_gradient_is_computed_changes_nothing_else():
    found = []
    for gradient_in in ("forward", "backward"):
        outputs, targets = heads_of_every_kind()
        loss = multi_head_loss(outputs, targets, kinds=KINDS, gradient_in=gradient_in)
        (3.0 * loss.total + loss.per_head[2]).backward()
        found.append([loss.total.detach(), *loss.per_sample, *[output.grad for output in outputs]])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-15)


def test_a_gradient_that_is_handed_on_is_the_leaf_s_own():
    (logits, *_), (target, *_) = leaves(), codes()
    loss = multi_head_loss([logits], [target])
    loss.total.backward(retain_graph=True)
    once = logits.grad.clone()
    logits.grad.zero_()  # whoever owns it may write to it
    loss.total.backward()
    assert torch.allclose(logits.grad, once, rtol=1e-14)


@pytest.mark.parametrize("gradient_in", ["forward", "backward"])
def test_outputs_that_were_written_over_are_noticed(gradient_in):
    (leaf, *_), (target, *_) = leaves(), codes()
    logits = leaf * 1.0
    loss = multi_head_loss([logits], [target], gradient_in=gradient_in)
    logits.detach().zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.total.backward()


def test_a_scaled_float16_loss_keeps_gradients_that_float16_alone_would_lose():
    logits = torch.zeros(4096, 3, dtype=torch.float16, requires_grad=True)
    target = torch.zeros(4096, dtype=torch.int64)
    (2.0**-12 * multi_head_loss([logits], [target]).total * 2.0**16).backward()
    assert logits.grad[0, 1].item() == pytest.approx(2.0**4 / 3 / 4096, rel=1e-3)


def test_channels_last_outputs_get_channels_last_gradients():
    image = torch.randn(2, 5, 6, 7).to(memory_format=torch.channels_last).requires_grad_()
    multi_head_loss([image], [torch.zeros(2, 6, 7, dtype=torch.int64)]).total.backward()
    assert image.grad.is_contiguous(memory_format=torch.channels_last)


def test_targets_that_were_written_over_are_noticed_by_whoever_reads_them_again():
    (logits, *_), (target, *_) = leaves(), codes()
    loss = multi_head_loss([logits], [target], gradient_in="backward")
    target.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.total.backward()


# PyTorch's forward mode uses parts of PyTorch that PyTorch has deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forward_mode_derivative_is_refused_not_taken_for_zero():
    (logits, *_), (target, *_) = leaves(), codes()
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(logits.detach(), torch.ones_like(logits))
        with pytest.raises(RuntimeError, match="no forward-mode derivative"):
            multi_head_loss([dual], [target])


def test_heads_are_what_pytorch_says_and_total_is_their_weighted_sum():
    logits, targets = leaves(), codes()
    weights = [torch.rand(12, dtype=torch.float64) for _ in CLASSES]
    loss = multi_head_loss(logits, targets, sample_weights=weights, head_weights=[1.0, 0.5, 2.0])
    expected = eager(logits, targets, weights)
    assert torch.allclose(loss.per_head, expected, rtol=1e-12)
    assert torch.allclose(loss.total, expected @ torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64), rtol=1e-12)
    assert [losses.shape for losses in loss.per_sample] == [(12,)] * 3
    assert not any(losses.requires_grad for losses in loss.per_sample)


def test_a_masked_head_is_silent_and_the_others_still_learn():
    logits, targets = leaves(), codes()
    targets[0] = torch.full((12,), -100)
    loss = multi_head_loss(logits, targets)
    loss.total.backward()
    assert loss.per_head[0] == 0.0
    assert not logits[0].grad.any()
    assert logits[1].grad.any()
