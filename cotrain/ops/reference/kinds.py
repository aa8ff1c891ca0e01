"""Each kind of loss and its slope, in plain PyTorch; formulas as in csrc/loss_formulas.h.

Shapes: n = samples, C = classes or values, P = positions. Everything is in the type that sums are kept in.
"""

import torch
from torch import Tensor
from torch.nn import functional

from cotrain.ops.dtypes import widest
from cotrain.ops.kinds import FROM_LOGITS, BinaryCrossEntropy, CrossEntropy, Focal, Huber, SquaredError

Losses = tuple[Tensor, Tensor, Tensor]
"""(loss [n, 1 or C, P], slope [n, C, P], share in the head's mean, of the loss's shape or broadcasting to it)."""


class Softmax:
    """What a softmax over C needs, without the cancellation of p - 1: a largest exponential is summed last."""

    def __init__(self, logits: Tensor, temperature: float = 1.0) -> None:
        self.z = (logits - logits.amax(dim=1, keepdim=True)) * (1.0 / temperature)
        self.exponentials = self.z.exp()
        is_one = self.exponentials == 1.0
        self.rest = torch.where(is_one, 0.0, self.exponentials).sum(dim=1, keepdim=True)
        self.rest = self.rest + (is_one.sum(dim=1, keepdim=True) - 1)

    @property
    def log_sum(self) -> Tensor:
        """[n, 1, P]"""
        return self.rest.log1p()

    @property
    def others(self) -> Tensor:
        """[n, C, P] sum of all exponentials but that of the class."""
        return torch.where(self.exponentials == 1.0, self.rest, (1.0 - self.exponentials) + self.rest)


def loss_over_classes(
    logits: Tensor, targets: Tensor, class_weights: Tensor | None, kind: int, setting: float
) -> Losses:
    """Cross-entropy, distillation, focal loss: one loss per position."""
    has_codes = targets.dtype == torch.int64
    weights = logits.new_ones(logits.shape[1]) if class_weights is None else class_weights
    share = weights[targets][:, None] if has_codes and kind == CrossEntropy.code else logits.new_ones(1, 1, 1)
    if kind == Focal.code:
        return *_focal(logits, targets, weights, setting), share
    if kind == CrossEntropy.code:
        target = _one_hot(targets, logits) if has_codes else targets
        if has_codes:
            target = target * (1.0 - setting) + setting / logits.shape[1]
        return *_cross_entropy(Softmax(logits), target * weights[:, None]), share
    return *_distillation(Softmax(logits, setting), _teacher(targets, kind == FROM_LOGITS, setting), setting), share


def _one_hot(codes: Tensor, logits: Tensor) -> Tensor:
    """[n, C, P]"""
    return functional.one_hot(codes, logits.shape[1]).movedim(-1, 1).to(logits.dtype)


def _times(target: Tensor, z: Tensor) -> Tensor:
    """-target * z summed over classes; a class of target 0 adds nothing, whatever its logit."""
    return torch.where(target == 0, 0.0, -target * z).sum(dim=1, keepdim=True)


def _cross_entropy(softmax: Softmax, target: Tensor) -> tuple[Tensor, Tensor]:
    mass = target.sum(dim=1, keepdim=True)
    loss = mass * softmax.log_sum + _times(target, softmax.z)
    slope = softmax.exponentials * (mass - target) - target * softmax.others
    return loss, slope / (1.0 + softmax.rest)


def _teacher(targets: Tensor, are_logits: bool, temperature: float) -> Softmax:
    if not are_logits:
        # One too small for the logarithm counts as none; a NaN stays one.
        is_none = targets < torch.finfo(targets.dtype).tiny
        targets = torch.where(is_none, -torch.inf, torch.where(is_none, 1.0, targets).log())
    return Softmax(targets, temperature)


def _distillation(student: Softmax, teacher: Softmax, temperature: float) -> tuple[Tensor, Tensor]:
    mass, wide = temperature**2, widest(student.z.device)
    target = teacher.exponentials / (1.0 + teacher.rest) * mass
    _, slope = _cross_entropy(student, target)
    # In double: at high temperatures the teacher's entropy is almost the student's part, and each mass times as large.
    entropy = _times(teacher.exponentials, teacher.z).to(wide) / (1.0 + teacher.rest) + teacher.rest.to(wide).log1p()
    loss = mass * student.rest.to(wide).log1p() + _times(target, student.z) - mass * entropy
    return loss.to(student.z.dtype), slope * (1.0 / temperature)


def _focal(logits: Tensor, codes: Tensor, weights: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    softmax, target = Softmax(logits), _one_hot(codes, logits)
    surprise, slope = _cross_entropy(softmax, target)
    missing = softmax.others.gather(1, codes[:, None]) / (1.0 + softmax.rest)
    missing = torch.where(missing < torch.finfo(missing.dtype).tiny, 0.0, missing)
    power = missing**gamma
    ratio = torch.where(missing > 0, surprise / missing, 1.0)
    loss = torch.where(power == 0, 0.0, power * surprise)
    factor = torch.where(power == 0, 0.0, power * (1.0 + gamma * (1.0 - missing) * ratio))
    own = weights[codes][:, None]
    return own * loss, own * factor * slope


def loss_per_element(
    outputs: Tensor, targets: Tensor, class_weights: Tensor | None, kind: int, setting: float
) -> Losses:
    """Binary cross-entropy, squared error, Huber: one loss per element."""
    share = outputs.new_ones(1, 1, 1)
    if kind == BinaryCrossEntropy.code:
        positive = outputs.new_ones(1) if class_weights is None else class_weights
        return *_binary(outputs, targets, positive[:, None]), share
    difference = outputs - targets
    if kind == SquaredError.code:
        return difference**2, 2 * difference, share
    if kind == Huber.code:
        size = difference.abs()
        loss = torch.where(size <= setting, 0.5 * difference**2, setting * (size - 0.5 * setting))
        return loss, difference.clamp(-setting, setting), share
    raise ValueError(f"{kind} is no kind of loss.")


def _binary(x: Tensor, target: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    faded = (-x.abs()).exp()
    softplus = faded.log1p()
    nearer = 1.0 / (1.0 + faded)
    further = faded * nearer
    unlike_positive, unlike_negative = (-x).clamp(min=0) + softplus, x.clamp(min=0) + softplus
    loss = torch.where(positive * target == 0, 0.0, positive * target * unlike_positive)
    loss = loss + torch.where(target == 1, 0.0, (1 - target) * unlike_negative)
    sigmoid, opposite = torch.where(x < 0, further, nearer), torch.where(x < 0, nearer, further)
    return loss, (1 - target) * sigmoid - positive * target * opposite
