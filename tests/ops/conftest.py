"""The operators' cases, the oracle they are measured against, and the kernels that are measured.

Kernels: the twin always, the compiled core where it is built. Oracle: PyTorch's own formula in float64 through
autograd. Eager in the case's own dtype gives the error budget: a kernel may be off by twice as much, plus a floor.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from cotrain import ops
from cotrain.ops import reference

BACKENDS = ["reference", "native"] if ops.backend() == "native" else ["reference"]


@dataclass(frozen=True)
class Kernels:
    """The operators of one backend, as the dispatcher calls them."""

    backend: str
    multi_head_cross_entropy: Callable[..., Any]
    linf_step: Callable[..., Any]
    linf_step_: Callable[..., Any]


@pytest.fixture(params=BACKENDS)
def kernels(request: pytest.FixtureRequest) -> Kernels:
    """Each backend that there is, one after the other."""
    source = reference if request.param == "reference" else torch.ops.cotrain
    return Kernels(request.param, source.multi_head_cross_entropy, source.linf_step, source.linf_step_)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of threads; the old number comes back afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def in_new_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a Python program in a process of its own, with the environment variables given."""

    def run(program: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-c", program, *arguments]
        return subprocess.run(line, env={**os.environ, **environ}, capture_output=True, text=True, check=False)

    return run


Operands = tuple[list[Tensor], list[Tensor], list[Tensor | None], list[float], bool]


@dataclass(frozen=True)
class HeadsCase:
    """Heads of (rows, classes); what their targets and weights are like; how far apart the logits lie."""

    name: str
    heads: Sequence[tuple[int, int]]
    targets: str = "codes"  # codes, soft, or mixed: every other head
    is_weighted: bool = False
    head_weights: Sequence[float] | None = None
    spread: float = 3.0

    def __str__(self) -> str:
        return self.name

    def operands(self, dtype: torch.dtype) -> Operands:
        """What the operator takes, drawn from this case's own generator."""
        generator = torch.Generator().manual_seed(7)
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        logits: list[Tensor] = []
        targets: list[Tensor] = []
        weights: list[Tensor | None] = []
        for head, (n_rows, n_classes) in enumerate(self.heads):
            logits.append((self.spread * torch.randn(n_rows, n_classes, generator=generator)).to(dtype))
            is_soft = self.targets == "soft" or (self.targets == "mixed" and head % 2 == 1)
            if is_soft:
                drawn = torch.rand(n_rows, n_classes, generator=generator) ** 3
                drawn[:, 0] = 0.0  # a class that is ruled out
                drawn[:, -1] += 1e-3
                targets.append((drawn / drawn.sum(dim=1, keepdim=True)).to(wide))
            else:
                codes = torch.randint(0, n_classes, (n_rows,), generator=generator)
                codes[torch.rand(n_rows, generator=generator) < 0.2] = -100
                targets.append(codes)
            drawn = torch.rand(n_rows, generator=generator)
            weights.append(torch.where(drawn < 0.3, 0.0, drawn).to(wide) if self.is_weighted else None)
        return logits, targets, weights, list(self.head_weights or [1.0] * len(self.heads)), True


HEADS_CASES = [
    HeadsCase("one head", [(64, 10)]),
    HeadsCase("one row, one class", [(1, 1)]),
    HeadsCase("no rows", [(0, 4), (5, 4)]),
    HeadsCase("three small heads", [(256, 10), (256, 5), (256, 7)]),
    HeadsCase("rows that fill no block", [(17, 3), (33, 32), (15, 2)], is_weighted=True),
    HeadsCase("at the border of few and many classes", [(40, 31), (40, 32), (40, 33)], "mixed", is_weighted=True),
    HeadsCase("many classes", [(50, 1000), (30, 333)], "mixed"),
    HeadsCase("soft", [(100, 6), (50, 100)], "soft", is_weighted=True),
    HeadsCase("head weights", [(60, 4), (60, 50)], head_weights=[0.25, 3.0]),
    HeadsCase("many chunks", [(6000, 9), (900, 120)], "mixed", is_weighted=True),
    HeadsCase("confident", [(100, 8), (100, 200)], "mixed", spread=40.0),
]


def oracle(operands: Operands, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(total, per_head, per_sample, gradient) as the operator gives them, by log_softmax and autograd in `dtype`."""
    logits, targets, weights, head_weights, _ = operands
    leaves = [head.detach().to(dtype).requires_grad_() for head in logits]
    per_head, per_sample = [], []
    for head, target, weight in zip(leaves, targets, weights, strict=True):
        weight = head.new_ones(len(head)) if weight is None else weight.to(dtype)
        log_probabilities = head.log_softmax(dim=1)
        if target.dtype == torch.int64:
            weight = torch.where(target == -100, 0.0, weight)
            losses = -log_probabilities.gather(1, target.clamp(min=0)[:, None])[:, 0]
        else:
            losses = -(target.to(dtype) * log_probabilities).sum(dim=1)
        losses = torch.where(weight > 0, losses, 0.0)
        per_sample.append(losses)
        per_head.append((weight * losses).sum() / weight.sum().clamp(min=1e-30))
    total = sum((scale * loss for scale, loss in zip(head_weights, per_head, strict=True)), leaves[0].new_zeros(()))
    gradients = torch.autograd.grad(total, leaves)
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    return total.detach(), torch.stack(per_head).detach(), torch.cat(per_sample).detach(), flat


def assert_within_budget(got: Tensor, truth: Tensor, eager: Tensor, floor: float) -> None:
    """No further from the truth than twice eager's error in the same dtype, plus the floor at the truth's scale."""
    assert got.shape == truth.shape
    if not truth.numel():
        return
    scale = truth.abs().max().item()
    budget = 2 * (eager.double() - truth).abs().max().item() + floor * max(scale, 1e-30)
    error = (got.double() - truth).abs().max().item()
    assert error <= budget, f"error {error:.3g} against a budget of {budget:.3g}"


@pytest.fixture(params=HEADS_CASES, ids=str)
def heads_case(request: pytest.FixtureRequest) -> HeadsCase:
    """Every case of the table, one after the other."""
    return request.param


@pytest.fixture(name="oracle")
def _oracle() -> Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]:
    """What is true, or with a dtype: what eager makes of it."""
    return oracle


@pytest.fixture(name="assert_within_budget")
def _assert_within_budget() -> Callable[..., None]:
    """The budget for errors."""
    return assert_within_budget
