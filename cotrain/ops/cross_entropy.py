"""What several heads lose on their targets, all in one call: operator `cotrain::multi_head_cross_entropy`.

The operator computes the gradient in the same pass as the loss, while the exponentials are at hand; backward only
scales it. Shapes: H = heads, n = rows of a head, C = classes of a head; both may differ from head to head.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cotrain.errors import SettingError
from cotrain.ops import reference
from cotrain.ops.dtypes import sum_dtype
from cotrain.ops.library import declare


class MultiHeadLoss(NamedTuple):
    """What each head lost. float32, or float64 for float64 logits.

    Parameters
    ----------
    total : [] sum of head weight * head loss; differentiable
    per_head : [H] weighted mean of each head over its rows, without its head weight; differentiable
    per_sample : H x [n] bare loss of each row, 0 where a row is left out; without a graph
    """

    total: Tensor
    per_head: Tensor
    per_sample: tuple[Tensor, ...]


def multi_head_cross_entropy(
    logits: Sequence[Tensor],
    targets: Sequence[Tensor],
    *,
    sample_weights: Sequence[Tensor | None] | None = None,
    head_weights: Sequence[float] | None = None,
) -> MultiHeadLoss:
    """Weighted cross-entropy of every head: sum_i w_i * loss_i / sum_i w_i over the rows that count.

    A row counts where its weight is above 0 and its class code is not -100; of the others neither the logits nor the
    target are read. A head in which no row counts has loss 0 and gradient 0. A class of probability 0 adds nothing,
    even where its logit is -inf.

    Parameters
    ----------
    logits : H x [n, C], all float16, bfloat16, float32 or float64; any strides. Sums are kept in float32 or float64
    targets : H x either [n] int64 class codes, or [n, C] floating probabilities, which are taken as they are (they
        need not sum to 1) and get no gradient
    sample_weights : H x [n] floating, finite and >= 0, or None = 1 for every row; they get no gradient
    head_weights : [H] how much each head counts in `total`, 1 where not given. For weights that are themselves
        learnt, combine `per_head` instead

    Returns
    -------
    MultiHeadLoss

    Raises
    ------
    SettingError : shapes, dtypes or devices that do not fit
    IndexError : a class code below 0 (other than -100), or of C and more, in a row of weight above 0
    ValueError : a weight that is negative, infinite or NaN
        Of several such faults the first is named: by head, then by row, a row's weight before its code
    """
    wide = _check_heads(logits, targets, sample_weights, head_weights)
    weights = [None] * len(logits) if sample_weights is None else list(sample_weights)
    targets = [target if target.dtype == torch.int64 else target.detach().to(wide) for target in targets]
    weights = [None if weight is None else weight.detach().to(wide) for weight in weights]
    scales = [1.0] * len(logits) if head_weights is None else [float(weight) for weight in head_weights]
    need_gradient = torch.is_grad_enabled() and any(head.requires_grad for head in logits)
    with torch.no_grad():
        total, per_head, per_sample, gradient = _losses(logits, targets, weights, scales, need_gradient)
    if need_gradient:
        total, per_head = _Attached.apply(total, per_head, gradient, tuple(scales), *_distinct(logits))
    return MultiHeadLoss(total, per_head, per_sample.split([len(head) for head in logits]))


def _distinct(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The same tensors, where one that comes again is a view of itself: torch.compile takes none twice."""
    return [
        tensor.view_as(tensor) if any(tensor is earlier for earlier in tensors[:i]) else tensor
        for i, tensor in enumerate(tensors)
    ]


class _Attached(torch.autograd.Function):
    """Ties losses that are known already to the logits they came from, by a gradient that is known already.

    The operator stands outside, so that its targets and weights, of which one tensor may serve many heads, need not
    pass through here.
    """

    @staticmethod
    def forward(
        ctx: Any, total: Tensor, per_head: Tensor, gradient: Tensor, scales: tuple[float, ...], *logits: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(gradient)
        ctx.scales = scales
        ctx.shapes = [head.shape for head in logits]
        ctx.dtype = logits[0].dtype
        return total.view_as(total), per_head.view_as(per_head)

    @staticmethod
    def backward(ctx: Any, of_total: Tensor, of_heads: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            with torch.no_grad():
                gradients = _Attached._gradients(ctx, of_total, of_heads)
            gradients = _refuse_second_derivative(gradients)
        else:
            gradients = _Attached._gradients(ctx, of_total, of_heads)
        return None, None, None, None, *gradients

    @staticmethod
    def _gradients(ctx: Any, of_total: Tensor, of_heads: Tensor) -> list[Tensor | None]:
        (saved,) = ctx.saved_tensors
        pieces = saved.split([shape.numel() for shape in ctx.shapes])
        factors = _factors(ctx.scales, of_total, of_heads)
        gradients: list[Tensor | None] = []
        for i in range(len(ctx.scales)):
            if not ctx.needs_input_grad[4 + i]:
                gradients.append(None)
                continue
            # Multiplied even where the factor is 1: the saved gradient itself would reach a leaf through whatever hands
            # gradients on as they are (view, flatten, adding a constant), become its .grad there and be added to.
            gradients.append((pieces[i] * factors[i]).view(ctx.shapes[i]).to(ctx.dtype))
        return gradients


class _SecondDerivative(torch.autograd.Function):
    """Stands between a gradient and whoever wants to differentiate it again."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, gradient: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor | None, ...]:
        raise RuntimeError(
            "multi_head_cross_entropy has no second derivative, and its gradient is being differentiated. "
            "For a gradient penalty use torch.nn.functional.cross_entropy."
        )


def _refuse_second_derivative(gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
    """The same gradients, which raise where they are differentiated: left alone they would count as constants."""
    anchor = torch.zeros((), requires_grad=True)
    return [None if gradient is None else _SecondDerivative.apply(anchor, gradient) for gradient in gradients]


def _factors(scales: tuple[float, ...], of_total: Tensor, of_heads: Tensor) -> Sequence[float | Tensor]:
    """What each head's saved gradient is to be multiplied with.

    The saved gradient is that of scale * head loss (of the bare head loss where the scale is 0), so that training on
    `total` with an incoming gradient of 1 multiplies by 1 and rounds nothing a second time. Numbers where reading
    them costs nothing.
    """
    if of_heads.device.type == "cpu" and not torch.compiler.is_compiling():
        from_total, from_heads = of_total.item(), of_heads.tolist()
        return [from_total + own / scale if scale else own for scale, own in zip(scales, from_heads, strict=True)]
    return [of_total + of_heads[head] / scale if scale else of_heads[head] for head, scale in enumerate(scales)]


def _check_heads(
    logits: Sequence[Tensor],
    targets: Sequence[Tensor],
    sample_weights: Sequence[Tensor | None] | None,
    head_weights: Sequence[float] | None,
) -> torch.dtype:
    """The type that sums are kept in, if everything fits together."""
    n_heads = len(logits)
    if n_heads == 0:
        raise SettingError("logits", logits, "one tensor per head, and one head at least")
    for name, given in (("targets", targets), ("sample_weights", sample_weights), ("head_weights", head_weights)):
        if given is not None and len(given) != n_heads:
            raise SettingError(name, f"{len(given)} entries", f"one entry per head, {n_heads}")
    first = logits[0]
    for head in range(n_heads):
        _check_head(head, first, logits[head], targets[head], None if sample_weights is None else sample_weights[head])
    return sum_dtype(first.dtype)


def _check_head(head: int, first: Tensor, logits: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Shapes, dtypes and devices of one head."""
    if logits.ndim != 2 or logits.shape[1] == 0:
        raise SettingError(f"logits[{head}]", tuple(logits.shape), "of shape [rows, classes], with one class at least")
    if logits.dtype != first.dtype:
        hint = "Cast them to one dtype."
        raise SettingError(f"logits[{head}]", logits.dtype, f"{first.dtype} like the first head's", hint=hint)
    if target.dtype == torch.int64:
        if target.shape != logits.shape[:1]:
            expected = f"[{logits.shape[0]}] class codes for logits {tuple(logits.shape)}"
            raise SettingError(f"targets[{head}]", tuple(target.shape), expected)
    elif not target.is_floating_point():
        raise SettingError(f"targets[{head}]", target.dtype, "int64 class codes or floating probabilities")
    elif target.shape != logits.shape:
        expected = f"probabilities of the logits' shape, {tuple(logits.shape)}"
        raise SettingError(f"targets[{head}]", tuple(target.shape), expected)
    if weight is not None and (weight.shape != logits.shape[:1] or not weight.is_floating_point()):
        got = f"{tuple(weight.shape)} {weight.dtype}"
        raise SettingError(f"sample_weights[{head}]", got, f"[{logits.shape[0]}] floating weights")
    for name, given in (("logits", logits), ("targets", target), ("sample_weights", weight)):
        if given is not None and given.device != first.device:
            raise SettingError(f"{name}[{head}]", given.device, f"on {first.device}, like the first head")


def _fake(
    logits: Sequence[Tensor],
    targets: Sequence[Tensor],
    sample_weights: Sequence[Tensor | None],
    head_weights: Sequence[float],
    need_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    wide = sum_dtype(logits[0].dtype)
    n_cells = sum(head.numel() for head in logits) if need_gradient else 0
    return (
        logits[0].new_empty((), dtype=wide),
        logits[0].new_empty(len(logits), dtype=wide),
        logits[0].new_empty(sum(head.shape[0] for head in logits), dtype=wide),
        logits[0].new_empty(n_cells, dtype=wide),
    )


_losses = declare(
    "multi_head_cross_entropy",
    "(Tensor[] logits, Tensor[] targets, Tensor?[] sample_weights, float[] head_weights, bool need_gradient)"
    " -> (Tensor total, Tensor per_head, Tensor per_sample, Tensor gradient)",
    twin=reference.multi_head_cross_entropy,
    fake=_fake,
)
