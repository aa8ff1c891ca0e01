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
    """The operator, with its gradient in the forward pass (`in_forward`) or in the backward pass.

    Gives (total, per_head). The samples' losses, which have no gradient, go into `per_sample`, past autograd and what
    it charges for every result.
    """

    @staticmethod
    def forward(
        ctx: Any, operator: Operator, heads: Heads, in_forward: bool, per_sample: list[Tensor], *outputs: Tensor
    ) -> tuple[Tensor, Tensor]:
        total, per_head, own, ctx.gradients = operator(outputs, *heads, heads.gradient_scales, in_forward)
        per_sample.extend(own)
        ctx.set_materialize_grads(False)
        # The targets and weights too: whoever goes back a second time reads them, and must notice if they have changed.
        ctx.save_for_backward(*outputs, *heads.targets, *heads.masks, *heads.sample_weights, *heads.class_weights)
        ctx.operator, ctx.numbers = operator, heads[4:]
        return total, per_head

    @staticmethod
    def backward(ctx: Any, of_total: Tensor | None, of_heads: Tensor | None) -> tuple[Tensor | None, ...]:
        if not torch.is_grad_enabled():
            return None, None, None, None, *_gradients(ctx, of_total, of_heads)
        with torch.no_grad():
            gradients = _gradients(ctx, of_total, of_heads)
        return None, None, None, None, *_refuse_second_derivative(gradients)


def _gradients(ctx: Any, of_total: Tensor | None, of_heads: Tensor | None) -> list[Tensor]:
    saved = ctx.saved_tensors  # raises where one was written over since
    computed: list[Tensor] = ctx.gradients
    ctx.gradients = []
    head_weights: list[float] = ctx.numbers[-1]
    factors = _factors(head_weights, of_total, of_heads)
    if not computed:
        return _computed_anew(ctx, saved, factors)
    for factor in factors:
        if factor != 1.0:
            is_exact = saved[0].dtype in (torch.float32, torch.float64)
            return _scaled(computed, factors) if is_exact else _computed_anew(ctx, saved, factors)
    return computed


def _scaled(gradients: list[Tensor], factors: Sequence[float]) -> list[Tensor]:
    return [
        gradient if factor == 1.0 else gradient.mul_(factor)
        for gradient, factor in zip(gradients, factors, strict=True)
    ]


def _computed_anew(ctx: Any, saved: Sequence[Any], factors: Sequence[float]) -> list[Tensor]:
    n_heads = len(factors)
    outputs, *tensors = (list(saved[i * n_heads : (i + 1) * n_heads]) for i in range(5))
    heads = Heads(*tensors, *ctx.numbers)
    wanted = [factor * scale for factor, scale in zip(factors, heads.gradient_scales, strict=True)]
    return ctx.operator(outputs, *heads, wanted, True)[3]


def _factors(head_weights: Sequence[float], of_total: Tensor | None, of_heads: Tensor | None) -> list[float]:
    """What each head's gradient, which is that of scale * loss, is to be multiplied with."""
    from_total = 0.0 if of_total is None else of_total.item()
    if of_heads is None:
        return [from_total if weight else 0.0 for weight in head_weights]
    return [
        from_total + part / weight if weight else part
        for weight, part in zip(head_weights, of_heads.tolist(), strict=True)
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
