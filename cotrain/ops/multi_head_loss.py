"""What several heads of different kinds lose, all in one call: operator `cotrain::multi_head_loss`.

Shapes: H = heads, n = samples of a head, C = its classes or values, ... = its positions (none, or e.g. H, W). All may
differ from head to head.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from cotrain.errors import SettingError
from cotrain.ops import reference
from cotrain.ops.dtypes import sum_dtype
from cotrain.ops.handing import Attached, Handed
from cotrain.ops.heads import Heads, check, prepared
from cotrain.ops.kinds import LossKind
from cotrain.ops.library import declare


class MultiHeadLoss(NamedTuple):
    """What each head lost. float32, or float64 for float64 outputs.

    Parameters
    ----------
    total : [] sum of head weight * head loss; differentiable
    per_head : [H] weighted mean of each head, without its head weight; differentiable
    per_sample : H x [n] each sample's own loss, a mean over its positions (or elements) that count, 0 where none does;
        without a graph
    """

    total: Tensor
    per_head: Tensor
    per_sample: tuple[Tensor, ...]


def multi_head_loss(
    outputs: Sequence[Tensor],
    targets: Sequence[Tensor],
    *,
    kinds: Sequence[LossKind] | None = None,
    masks: Sequence[Tensor | None] | None = None,
    sample_weights: Sequence[Tensor | None] | None = None,
    head_weights: Sequence[float] | None = None,
    gradient_in: Literal["forward", "backward"] | None = None,
) -> MultiHeadLoss:
    """The weighted mean loss of every head: sum_i w_i * loss_i / sum_i w_i over what counts.

    What counts: samples of weight above 0, in them the positions (for losses of single elements: the elements) that the
    mask leaves, whose class code is not the kind's `ignore_index` and whose value is not missing. Nothing else is read.
    A head in which nothing counts has loss 0 and gradient 0. In cross-entropy with codes a class weight counts like a
    sample weight, as in torch.nn.functional.cross_entropy.

    Parameters
    ----------
    outputs : H x [n, C, ...] logits, or values, all float16, bfloat16, float32 or float64; any strides (channels-last
        too is taken as it is). Sums are kept in float32, or float64 for float64
    targets : H x what the head's kind takes: int64 class codes [n, ...], or floating [n, C, ...]; no gradient
    kinds : H x CrossEntropy, Distillation, Focal, BinaryCrossEntropy, SquaredError or Huber; None = CrossEntropy()
    masks : H x None, or bool: [n], or [n, ...] for losses over classes, [n, C, ...] for losses of single elements
    sample_weights : H x None = 1 for every sample, or [n] floating, finite and >= 0; no gradient
    head_weights : [H] how much each head counts in `total`, 1 where not given. For weights that are themselves
        learnt, combine `per_head` instead
    gradient_in : where the gradient is computed. "forward": while the exponentials are at hand, one read of the outputs
        and one write of the gradient in all; the gradient then lives until backward. "backward": from the outputs once
        more, with the incoming gradient multiplied in before it is rounded; keeps nothing but what it was given. None =
        "backward" for float16, whose losses are scaled (GradScaler) because its small gradients vanish, else "forward".
        Under torch.compile always in the forward pass

    Returns
    -------
    MultiHeadLoss

    Raises
    ------
    SettingError : shapes, dtypes, devices or kinds that do not fit
    IndexError : a class code that counts is below 0, or C and more
    ValueError : a class weight or sample weight that is negative, infinite or NaN
        Of several such faults the first is named: class weights, then by head and sample, a sample's weight before
        its codes
    RuntimeError : outputs under forward-mode differentiation, or a second derivative
    """
    heads = prepared(outputs, targets, kinds, masks, sample_weights, head_weights)
    if gradient_in not in (None, "forward", "backward"):
        raise SettingError("gradient_in", gradient_in, "'forward', 'backward' or None")
    need_gradient = torch.is_grad_enabled() and any(head.requires_grad for head in outputs)
    if not need_gradient and any(forward_ad.unpack_dual(head).tangent is not None for head in outputs):
        raise RuntimeError("multi_head_loss has no forward-mode derivative. Use backward(), or torch.nn.functional.")
    if torch.compiler.is_compiling():
        return _traced(outputs, heads, need_gradient)
    if not _looks_right(outputs, heads):
        check(outputs, heads)
    in_forward = gradient_in == "forward" or (gradient_in is None and outputs[0].dtype != torch.float16)
    try:
        if need_gradient:
            per_sample: list[Tensor] = []
            total, per_head = Handed.apply(_losses, heads, in_forward, per_sample, *outputs)
        else:
            with torch.no_grad():
                total, per_head, per_sample, _ = _losses(outputs, *heads, [], False)
    except (RuntimeError, ValueError, IndexError, TypeError):
        check(outputs, heads)  # says it in this function's words, where it is about shapes and types
        raise
    return MultiHeadLoss(total, per_head, tuple(per_sample))


def _looks_right(outputs: Sequence[Tensor], heads: Heads) -> bool:
    """What must be known before a kernel is chosen, or what the twin would take in good faith: as many entries as
    heads, one device, one dtype of outputs, and weights of the type of sums. The kernels see to the rest.
    """
    n_heads, device, dtype = len(outputs), outputs[0].device, outputs[0].dtype
    wide = sum_dtype(dtype)
    groups = (outputs, heads.targets, heads.masks, heads.sample_weights, heads.class_weights)
    return (
        all(len(entries) == n_heads for entries in heads)
        and all(tensor is None or tensor.device == device for group in groups for tensor in group)
        and all(output.dtype == dtype for output in outputs)
        and all(weight is None or weight.dtype == wide for group in groups[3:] for weight in group)
    )


def _traced(outputs: Sequence[Tensor], heads: Heads, need_gradient: bool) -> MultiHeadLoss:
    """The same for torch.compile."""
    check(outputs, heads)
    scales = heads.gradient_scales
    with torch.no_grad():
        fixed = [target.detach() for target in heads.targets]
        total, per_head, per_sample, gradients = _losses(list(outputs), fixed, *heads[1:], scales, need_gradient)
    if need_gradient:
        weights = (tuple(heads.head_weights), tuple(scales))
        total, per_head = Attached.apply(total, per_head, weights, *gradients, *_distinct(outputs))
    return MultiHeadLoss(total, per_head, tuple(per_sample))


def _distinct(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The same tensors, where one that comes again is a view of itself: torch.compile takes none twice."""
    return [
        tensor.view_as(tensor) if any(tensor is earlier for earlier in tensors[:i]) else tensor
        for i, tensor in enumerate(tensors)
    ]


def _fake(
    outputs: Sequence[Tensor],
    targets: Sequence[Tensor],
    masks: Sequence[Tensor | None],
    sample_weights: Sequence[Tensor | None],
    class_weights: Sequence[Tensor | None],
    kinds: Sequence[int],
    settings: Sequence[float],
    ignored: Sequence[int],
    head_weights: Sequence[float],
    gradient_scales: Sequence[float],
    need_gradient: bool,
) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
    first, wide = outputs[0], sum_dtype(outputs[0].dtype)
    return (
        first.new_empty((), dtype=wide),
        first.new_empty(len(outputs), dtype=wide),
        [first.new_empty(head.shape[0], dtype=wide) for head in outputs],
        [torch.empty_like(head) for head in outputs] if need_gradient else [],
    )


_losses = declare(
    "multi_head_loss",
    "(Tensor[] outputs, Tensor[] targets, Tensor?[] masks, Tensor?[] sample_weights, Tensor?[] class_weights,"
    " int[] kinds, float[] settings, int[] ignored, float[] head_weights, float[] gradient_scales, bool need_gradient)"
    " -> (Tensor total, Tensor per_head, Tensor[] per_sample, Tensor[] gradients)",
    twin=reference.multi_head_loss,
    fake=_fake,
)
