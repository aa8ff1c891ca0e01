"""How the gradient of the multi-head loss gets from the forward to the backward pass.

`Handed` serves eager mode. The gradient that the forward pass computed is given away at the first backward pass, as it
is where the incoming gradient is 1, and forgotten: nothing is copied, and no one else can write to it. Whoever goes
back once more (retain_graph), or scales a loss of half precision, has it computed anew from the outputs.

`Attached` serves torch.compile, which traces what it sees: a gradient that was computed, times what comes in.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from cotrain.ops.heads import Heads

Operator = Callable[..., tuple[Tensor, Tensor, list[Tensor], list[Tensor]]]


class Handed(torch.autograd.Function):
    """The operator, with its gradient in the forward pass (`in_forward`) or in the backward pass."""

    @staticmethod
    def forward(ctx: Any, operator: Operator, heads: Heads, in_forward: bool, *outputs: Tensor) -> tuple[Tensor, ...]:
        scales = heads.gradient_scales
        total, per_head, per_sample, gradients = operator(outputs, *heads, scales, in_forward)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*per_sample)
        # The targets and weights too: whoever goes back a second time reads them, and must notice if they have changed.
        ctx.save_for_backward(*outputs, *heads.targets, *heads.masks, *heads.sample_weights, *heads.class_weights)
        ctx.operator, ctx.numbers = operator, heads[4:]
        ctx.gradients = gradients
        return total, per_head, *per_sample

    @staticmethod
    def backward(ctx: Any, of_total: Tensor | None, of_heads: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            with torch.no_grad():
                gradients = Handed._gradients(ctx, of_total, of_heads)
            return None, None, None, *_refuse_second_derivative(gradients)
        return None, None, None, *Handed._gradients(ctx, of_total, of_heads)

    @staticmethod
    def _gradients(ctx: Any, of_total: Tensor | None, of_heads: Tensor | None) -> list[Tensor | None]:
        saved = ctx.saved_tensors  # raises where one was written over since
        n_heads = len(saved) // 5
        outputs, *tensors = (list(saved[i * n_heads : (i + 1) * n_heads]) for i in range(5))
        heads = Heads(*tensors, *ctx.numbers)
        scales = heads.gradient_scales
        factors = _factors(heads.head_weights, scales, of_total, of_heads)
        computed: list[Tensor] = ctx.gradients
        ctx.gradients = []
        is_exact = outputs[0].dtype in (torch.float32, torch.float64)
        if not computed or not (is_exact or all(factor == 1.0 for factor in factors)):
            wanted = [factor * scale for factor, scale in zip(factors, scales, strict=True)]
            computed = ctx.operator(outputs, *heads, wanted, True)[3]
        else:
            for gradient, factor in zip(computed, factors, strict=True):
                if factor != 1.0:
                    gradient.mul_(factor)
        return [
            gradient if needed else None for gradient, needed in zip(computed, ctx.needs_input_grad[3:], strict=True)
        ]


def _factors(
    head_weights: Sequence[float], scales: Sequence[float], of_total: Tensor | None, of_heads: Tensor | None
) -> list[float]:
    """What each head's gradient, which is that of scale * loss, is to be multiplied with."""
    from_total = 0.0 if of_total is None else of_total.item()
    if of_heads is None:
        return [from_total if weight else 0.0 for weight in head_weights]
    own = of_heads.tolist()
    return [
        (from_total if weight else 0.0) + part / scale
        for weight, scale, part in zip(head_weights, scales, own, strict=True)
    ]


class Attached(torch.autograd.Function):
    """Ties losses that are known already to the outputs they came from, by gradients that are known already.

    The operator stands outside, so that its targets and weights, of which one tensor may serve many heads, need not
    pass through here.
    """

    @staticmethod
    def forward(
        ctx: Any, total: Tensor, per_head: Tensor, heads: tuple[tuple[float, ...], tuple[float, ...]], *tensors: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.head_weights, ctx.scales = heads
        ctx.save_for_backward(*tensors[: len(ctx.scales)])
        return total.view_as(total), per_head.view_as(per_head)

    @staticmethod
    def backward(ctx: Any, of_total: Tensor, of_heads: Tensor) -> tuple[Tensor | None, ...]:
        found: list[Tensor | None] = []
        for h, gradient in enumerate(ctx.saved_tensors):
            factor = of_heads[h] / ctx.scales[h]
            if ctx.head_weights[h]:
                factor = factor + of_total
            found.append(
                (gradient * factor).to(gradient.dtype) if ctx.needs_input_grad[3 + len(ctx.scales) + h] else None
            )
        return None, None, None, *[None] * len(ctx.scales), *found


class _SecondDerivative(torch.autograd.Function):
    """Stands between a gradient and whoever wants to differentiate it again."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, gradient: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor | None, ...]:
        raise RuntimeError(
            "multi_head_loss has no second derivative, and its gradient is being differentiated. "
            "For a gradient penalty use the losses of torch.nn.functional."
        )


def _refuse_second_derivative(gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
    """The same gradients, which raise where they are differentiated: left alone they would count as constants."""
    anchor = torch.zeros((), requires_grad=True)
    return [None if gradient is None else _SecondDerivative.apply(anchor, gradient) for gradient in gradients]
