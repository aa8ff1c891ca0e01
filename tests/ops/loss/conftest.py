"""The cases of the loss, and the oracle that its kernels are measured against.

Oracle: PyTorch's own formulas in float64 through autograd. Eager in the case's own dtype gives the error budget: a
kernel may be off by twice as much, plus a floor.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from cotrain.ops import BinaryCrossEntropy, CrossEntropy, Distillation, Focal, Huber, LossKind, SquaredError
from cotrain.ops.heads import prepared


@dataclass(frozen=True)
class HeadCase:
    """One head: its kind, the shape of its outputs, what else it is given, how far apart its outputs lie."""

    kind: LossKind
    shape: tuple[int, ...]
    target: str = "codes"  # codes, soft (probabilities or a teacher's), values, or labels (0 and 1)
    mask: str = ""  # "", samples or full
    is_weighted: bool = False
    spread: float = 3.0
    head_weight: float = 1.0
    is_channels_last: bool = False

    def operands(
        self, dtype: torch.dtype, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """(outputs, targets, mask, sample weights)"""

        def rand(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, dtype=torch.float64)

        n, n_classes, *positions = self.shape
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        outputs = (self.spread * torch.randn(*self.shape, generator=generator)).to(dtype)
        if self.is_channels_last:
            outputs = outputs.movedim(1, -1).contiguous().movedim(-1, 1)
        if self.target == "codes":
            targets = torch.randint(0, n_classes, (n, *positions), generator=generator)
            targets[rand(n, *positions) < 0.2] = -100
        elif self.target == "soft":
            drawn = rand(*self.shape) ** 3 + 1e-6
            if n_classes > 1 and not isinstance(self.kind, Distillation):
                drawn[:, 0] = 0.0  # a class that is ruled out
            shares = drawn / drawn.sum(dim=1, keepdim=True)
            is_logits = isinstance(self.kind, Distillation) and self.kind.teacher == "logits"
            targets = (4 * rand(*self.shape) - 2 if is_logits else shares).to(wide)
        else:
            targets = (rand(*self.shape) < 0.4 if self.target == "labels" else 4 * rand(*self.shape) - 2).to(wide)
            targets[rand(*self.shape) < 0.1] = torch.nan
        is_element = self.target in ("values", "labels")
        mask_shape = {"": None, "samples": (n,), "full": self.shape if is_element else (n, *positions)}[self.mask]
        mask = None if mask_shape is None else rand(*mask_shape) > 0.3
        drawn = rand(n)
        weights = torch.where(drawn < 0.3, 0.0, drawn).to(wide) if self.is_weighted else None
        return outputs, targets, mask, weights


@dataclass(frozen=True)
class LossCase:
    """Heads that are given to the operator in one call."""

    name: str
    heads: Sequence[HeadCase]

    def __str__(self) -> str:
        return self.name

    def operands(self, dtype: torch.dtype, need_gradient: bool = True) -> tuple[Any, ...]:
        """What the operator takes, drawn from this case's own generator."""
        generator = torch.Generator().manual_seed(7)
        drawn = [head.operands(dtype, generator) for head in self.heads]
        outputs, targets, masks, weights = ([one[i] for one in drawn] for i in range(4))
        kinds, head_weights = [head.kind for head in self.heads], [head.head_weight for head in self.heads]
        heads = prepared(outputs, targets, kinds, masks, weights, head_weights)
        return outputs, *heads, heads.gradient_scales, need_gradient


def weights_of(n: int) -> Tensor:
    """[n] class weights, one of them 0 where there are three."""
    return torch.linspace(0.0 if n > 2 else 0.5, 2.0, n)


CE = CrossEntropy()
LOSS_CASES = [
    LossCase("one head", [HeadCase(CE, (64, 10))]),
    LossCase("one row, one class", [HeadCase(CE, (1, 1))]),
    LossCase("no rows", [HeadCase(CE, (0, 4)), HeadCase(CE, (5, 4))]),
    LossCase("three small heads", [HeadCase(CE, (256, c)) for c in (10, 5, 7)]),
    LossCase(
        "rows that fill no block", [HeadCase(CE, (n, c), is_weighted=True) for n, c in ((33, 3), (63, 32), (31, 2))]
    ),
    LossCase(
        "at the border of few and many classes",
        [HeadCase(CE, (40, c), t, is_weighted=True) for c in (63, 64, 65) for t in ("codes", "soft")],
    ),
    LossCase("where the right class is compared for or looked up", [HeadCase(CE, (40, c)) for c in (15, 16, 17)]),
    LossCase("many classes", [HeadCase(CE, (50, 1000)), HeadCase(CE, (30, 333), "soft")]),
    LossCase("head weights", [HeadCase(CE, (60, 4), head_weight=0.25), HeadCase(CE, (60, 90), head_weight=-3.0)]),
    LossCase("many chunks", [HeadCase(CE, (6000, 9), is_weighted=True), HeadCase(CE, (900, 120), "soft")]),
    LossCase("confident", [HeadCase(CE, (99, c), t, spread=40.0) for c in (8, 200) for t in ("codes", "soft")]),
    LossCase("smoothed", [HeadCase(CrossEntropy(0.1), (50, c), mask="samples") for c in (6, 100)]),
    LossCase(
        "class weights",
        [
            HeadCase(CrossEntropy(smoothing, weights_of(c)), (50, c), target, is_weighted=True)
            for c in (5, 70)
            for smoothing, target in ((0.0, "codes"), (0.2, "codes"), (0.0, "soft"))
        ],
    ),
    LossCase("dense", [HeadCase(CE, (3, 7, 20, 33), mask="full"), HeadCase(CE, (2, 70, 9), is_weighted=True)]),
    LossCase("dense, in parts", [HeadCase(CE, (2, 5, 70, 60), is_weighted=True), HeadCase(Focal(), (1, 3, 9000))]),
    LossCase(
        "channels last",
        [HeadCase(CE, (3, c, 8, 9), t, is_channels_last=True) for c in (7, 80) for t in ("codes", "soft")],
    ),
    LossCase("distillation", [HeadCase(Distillation(t), (60, c), "soft") for t in (1.0, 4.0) for c in (6, 100)]),
    LossCase(
        "distillation from probabilities",
        [HeadCase(Distillation(2.0, "probabilities"), (60, c), "soft", "samples", True) for c in (6, 100)],
    ),
    LossCase("dense distillation", [HeadCase(Distillation(3.0), (3, 7, 11, 12), "soft", "full")]),
    LossCase(
        "focal", [HeadCase(Focal(g, weights_of(c)), (60, c), spread=6.0) for g in (0.0, 0.5, 2.0) for c in (5, 90)]
    ),
    LossCase(
        "several labels",
        [HeadCase(BinaryCrossEntropy(w), (70, 9), "labels", "full", True, spread=8.0) for w in (None, weights_of(9))],
    ),
    LossCase("dense labels", [HeadCase(BinaryCrossEntropy(weights_of(3)), (2, 3, 80, 90), "labels", "full")]),
    LossCase("values", [HeadCase(k, (70, 4), "values", "full", True) for k in (SquaredError(), Huber(0.7))]),
    LossCase("many values", [HeadCase(k, (2, 3, 100, 90), "values", "samples") for k in (SquaredError(), Huber(2.0))]),
    LossCase(
        "all kinds",
        [
            HeadCase(CE, (32, 10)),
            HeadCase(Focal(), (32, 5), mask="samples"),
            HeadCase(Huber(), (32, 4), "values", "full"),
            HeadCase(CE, (4, 7, 16, 16)),
            HeadCase(Distillation(4.0), (20, 100), "soft"),
            HeadCase(BinaryCrossEntropy(), (20, 6), "labels"),
        ],
    ),
]


def eager_losses(outputs: Tensor, targets: Tensor, kind: LossKind) -> tuple[Tensor, Tensor | float]:
    """(losses per position or element, their share in the mean) as PyTorch users write them, for autograd."""
    weights = None if kind.class_weights is None else kind.class_weights.to(outputs.dtype)
    shape = [1, -1, *[1] * (outputs.ndim - 2)]
    if isinstance(kind, CrossEntropy) and targets.dtype == torch.int64:
        losses = functional.cross_entropy(
            outputs, targets, weights, label_smoothing=kind.label_smoothing, reduction="none"
        )
        return losses, 1.0 if weights is None else weights[targets.clamp(min=0)]
    if isinstance(kind, CrossEntropy):
        weighed = targets if weights is None else targets * weights.view(shape)
        return -(weighed * outputs.log_softmax(dim=1)).sum(dim=1), 1.0
    if isinstance(kind, Distillation):
        told = targets if kind.teacher == "logits" else targets.log()
        teacher, student = ((x / kind.temperature).log_softmax(dim=1) for x in (told, outputs))
        divergence = functional.kl_div(student, teacher, log_target=True, reduction="none").sum(dim=1)
        return kind.temperature**2 * divergence, 1.0
    if isinstance(kind, Focal):
        surprise = functional.cross_entropy(outputs, targets, reduction="none")
        alpha = 1.0 if weights is None else weights[targets.clamp(min=0)]
        return alpha * (1 - (-surprise).exp()).clamp(min=1e-30) ** kind.gamma * surprise, 1.0
    if isinstance(kind, BinaryCrossEntropy):
        positive = None if weights is None else weights.view(shape[1:])
        losses = functional.binary_cross_entropy_with_logits(outputs, targets, pos_weight=positive, reduction="none")
        return losses, 1.0
    if isinstance(kind, Huber):
        return functional.huber_loss(outputs, targets, reduction="none", delta=kind.delta), 1.0
    return functional.mse_loss(outputs, targets, reduction="none"), 1.0


def oracle(
    case: LossCase, dtype: torch.dtype, in_dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(total, per_head, per_sample, gradients), lists joined, of the case in `dtype`, by autograd in `in_dtype`."""
    outputs, given, masks, weights, *_ = case.operands(dtype)
    leaves = [head.detach().to(in_dtype).requires_grad_() for head in outputs]
    per_head, per_sample = [], []
    for leaf, target, mask, weight, head in zip(leaves, given, masks, weights, case.heads, strict=True):
        has_codes = target.dtype == torch.int64
        is_element = head.target in ("values", "labels")
        target = target if has_codes else target.to(in_dtype)
        missing = (
            target == -100 if has_codes else target.isnan() if is_element else torch.zeros(target[:, 0].shape).bool()
        )
        losses, share = eager_losses(leaf, target if has_codes else target.nan_to_num(), head.kind)
        mask = torch.ones(len(leaf), dtype=torch.bool) if mask is None else mask
        weight = leaf.new_ones(len(leaf)) if weight is None else weight.to(in_dtype)
        spread = [-1, *[1] * (losses.ndim - 1)]
        mask = mask.view(spread) if mask.ndim == 1 else mask
        counts = mask & ~missing & (weight > 0).view(spread)
        losses, weight = torch.where(counts, losses, 0.0), weight.view(spread)
        rows = losses.reshape(len(leaf), -1) if len(leaf) else losses[:, None]
        per_sample.append(rows.sum(dim=1) / counts.reshape(rows.shape).sum(dim=1).clamp(min=1))
        per_head.append((weight * losses).sum() / (weight * share * counts).sum().clamp(min=1e-30))
    weighed = [head.head_weight * loss for head, loss in zip(case.heads, per_head, strict=True)]
    total = torch.stack(weighed).sum()
    gradients = torch.cat([gradient.flatten() for gradient in torch.autograd.grad(total, leaves)])
    return total.detach(), torch.stack(per_head).detach(), torch.cat(per_sample).detach(), gradients


def joined(result: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The operator's result with its lists joined."""
    total, per_head, per_sample, gradients = result
    return total, per_head, torch.cat(per_sample), torch.cat([gradient.flatten() for gradient in gradients])


@pytest.fixture(params=LOSS_CASES, ids=str)
def loss_case(request: pytest.FixtureRequest) -> LossCase:
    """Every case of the table, one after the other."""
    return request.param


@pytest.fixture(name="oracle")
def _oracle() -> Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]:
    """What is true, or with a dtype: what eager makes of it."""
    return oracle


@pytest.fixture(name="joined")
def _joined() -> Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]:
    """The operator's result with its lists joined."""
    return joined
