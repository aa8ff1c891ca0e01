"""What the multi-head loss is given, as its operator takes it; and what is wrong with it, where something is.

Shapes: H = heads, n = samples, C = classes or values, ... = positions (none, or e.g. H, W).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cotrain.errors import SettingError
from cotrain.ops.dtypes import sum_dtype
from cotrain.ops.kinds import BinaryCrossEntropy, CrossEntropy, Focal, LossKind, is_over_classes

PLAIN = CrossEntropy()


class Heads(NamedTuple):
    """The operator's arguments after `outputs`, one entry per head in each."""

    targets: list[Tensor]
    masks: list[Tensor | None]
    sample_weights: list[Tensor | None]
    class_weights: list[Tensor | None]
    kinds: list[int]
    settings: list[float]
    ignored: list[int]
    head_weights: list[float]

    @property
    def gradient_scales(self) -> list[float]:
        """What the gradient of each head's loss is multiplied with: its weight, so that training on `total` with an
        incoming gradient of 1 rounds nothing a second time; 1 where the weight is 0 and only `per_head` can be used.
        """
        return [weight or 1.0 for weight in self.head_weights]


def prepared(
    outputs: Sequence[Tensor],
    targets: Sequence[Tensor],
    kinds: Sequence[LossKind] | None,
    masks: Sequence[Tensor | None] | None,
    sample_weights: Sequence[Tensor | None] | None,
    head_weights: Sequence[float] | None,
) -> Heads:
    """The arguments in lists, and in the types that the operator takes. Quick: what does not fit is found by the
    operator, and explained by `check`.
    """
    n_heads = len(outputs)
    if not n_heads:
        raise SettingError("outputs", outputs, "one tensor per head, and one head at least")
    wide = sum_dtype(outputs[0].dtype)
    chosen = [PLAIN] * n_heads if kinds is None else list(kinds)
    if kinds is not None:
        _check_kinds(chosen, targets, n_heads)
    absent: list[Tensor | None] = [None] * n_heads
    own = outputs[0].dtype
    return Heads(
        [target if target.dtype in (torch.int64, own) else _in_sum(target, wide) for target in targets],
        absent if masks is None else list(masks),
        absent if sample_weights is None else [_in_sum_or_none(weight, wide) for weight in sample_weights],
        absent if kinds is None else [_in_sum_or_none(kind.class_weights, wide) for kind in chosen],
        [kind.code for kind in chosen],
        [kind.setting for kind in chosen],
        [kind.ignore_index for kind in chosen],
        [1.0] * n_heads if head_weights is None else [float(weight) for weight in head_weights],
    )


def _check_kinds(kinds: Sequence[LossKind], targets: Sequence[Tensor], n_heads: int) -> None:
    if len(kinds) != n_heads:
        raise SettingError("kinds", f"{len(kinds)} entries", f"one entry per head, {n_heads}")
    for h, (kind, target) in enumerate(zip(kinds, targets, strict=False)):
        if not isinstance(kind, LossKind):
            raise SettingError(f"kinds[{h}]", kind, "a kind of loss", hint="For example CrossEntropy().")
        if isinstance(kind, CrossEntropy) and kind.label_smoothing and target.is_floating_point():
            hint = "Smooth the probabilities themselves."
            raise SettingError(f"kinds[{h}]", kind, "without label_smoothing, which is for class codes", hint=hint)


def _in_sum(given: Tensor, wide: torch.dtype) -> Tensor:
    # Integers are left as they are: what is wrong with them is said by `check`.
    return given if given.dtype == wide or not given.is_floating_point() else given.to(wide)


def _in_sum_or_none(given: Tensor | None, wide: torch.dtype) -> Tensor | None:
    return None if given is None else _in_sum(given, wide)


def check(outputs: Sequence[Tensor], heads: Heads) -> None:
    """Raise a SettingError on the first thing that does not fit: counts, shapes, dtypes, devices, kinds."""
    for name, given in heads._asdict().items():
        if len(given) != len(outputs):
            raise SettingError(name, f"{len(given)} entries", f"one entry per head, {len(outputs)}")
    first = outputs[0]
    for h, given in enumerate(outputs):
        if given.ndim < 2 or given.shape[1] == 0:
            expected = "of shape [samples, classes, ...], with one class at least"
            raise SettingError(f"outputs[{h}]", tuple(given.shape), expected)
        if given.dtype != first.dtype:
            hint = "Cast them to one dtype."
            raise SettingError(f"outputs[{h}]", given.dtype, f"{first.dtype} like the first head's", hint=hint)
        _check_target(h, given, heads.targets[h], heads.kinds[h])
        _check_mask(h, given, heads.masks[h], is_over_classes(heads.kinds[h]))
        _check_row("sample_weights", h, heads.sample_weights[h], given.shape[0])
        name = "positive_weights" if heads.kinds[h] == BinaryCrossEntropy.code else "class_weights"
        _check_row(name, h, heads.class_weights[h], given.shape[1])
        for name in ("outputs", "targets", "masks", "sample_weights", "class_weights"):
            tensor = given if name == "outputs" else getattr(heads, name)[h]
            if tensor is not None and tensor.device != first.device:
                raise SettingError(f"{name}[{h}]", tensor.device, f"on {first.device}, like the first head's outputs")


def _check_target(h: int, outputs: Tensor, target: Tensor, kind: int) -> None:
    shape, codes_shape = tuple(outputs.shape), (outputs.shape[0], *outputs.shape[2:])
    takes_codes = kind in (CrossEntropy.code, Focal.code)
    if target.dtype == torch.int64:
        if not takes_codes:
            raise SettingError(f"targets[{h}]", target.dtype, "floating, for this kind of loss")
        if tuple(target.shape) != codes_shape:
            raise SettingError(f"targets[{h}]", tuple(target.shape), f"{codes_shape} class codes for outputs {shape}")
    elif not target.is_floating_point():
        expected = "int64 class codes" if kind == Focal.code else "floating values"
        expected = "int64 class codes or floating probabilities" if kind == CrossEntropy.code else expected
        raise SettingError(f"targets[{h}]", target.dtype, expected)
    elif kind == Focal.code:
        raise SettingError(
            f"targets[{h}]", target.dtype, "int64 class codes", hint="Focal loss takes no probabilities."
        )
    elif target.shape != outputs.shape:
        raise SettingError(f"targets[{h}]", tuple(target.shape), f"of the outputs' shape, {shape}")


def _check_mask(h: int, outputs: Tensor, mask: Tensor | None, over_classes: bool) -> None:
    if mask is None:
        return
    if mask.dtype != torch.bool:
        raise SettingError(f"masks[{h}]", mask.dtype, "boolean, True where something counts")
    full = (outputs.shape[0], *outputs.shape[2:]) if over_classes else tuple(outputs.shape)
    if tuple(mask.shape) not in ((outputs.shape[0],), full):
        expected = f"[{outputs.shape[0]}] or {full} for outputs {tuple(outputs.shape)}"
        raise SettingError(f"masks[{h}]", tuple(mask.shape), expected)


def _check_row(name: str, h: int, given: Tensor | None, count: int) -> None:
    if given is not None and (tuple(given.shape) != (count,) or not given.is_floating_point()):
        raise SettingError(f"{name}[{h}]", f"{tuple(given.shape)} {given.dtype}", f"[{count}] floating numbers")
