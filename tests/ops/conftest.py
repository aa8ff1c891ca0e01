"""The kernels that are measured: the twin always, the compiled core where it is built."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from cotrain import ops
from cotrain.ops import LossKind, reference
from cotrain.ops.heads import prepared

BACKENDS = ["reference", "native"] if ops.backend() == "native" else ["reference"]


@dataclass(frozen=True)
class Kernels:
    """The operators of one backend, as the dispatcher calls them."""

    backend: str
    multi_head_loss: Callable[..., Any]
    perturb: Callable[..., Any]
    perturb_: Callable[..., Any]
    random_start: Callable[..., Any]

    @property
    def same(self) -> Callable[[Tensor, Tensor], bool]:
        """Bit for bit, for the core; PyTorch's own sums are cut by strides and threads, so the twin is close."""
        return torch.equal if self.backend == "native" else torch.allclose

    def one_head(
        self,
        outputs: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        scale: float = 1.0,
        need_gradient: bool = True,
        kind: LossKind | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """(total, per_head, per_sample, gradient) of one head."""
        heads = prepared([outputs], [target], None if kind is None else [kind], [mask], [weight], [scale])
        total, per_head, per_sample, gradients = self.multi_head_loss(
            [outputs], *heads, heads.gradient_scales, need_gradient
        )
        return total, per_head, per_sample[0], *gradients


@pytest.fixture(params=BACKENDS)
def kernels(request: pytest.FixtureRequest) -> Kernels:
    """Each backend that there is, one after the other."""
    source = reference if request.param == "reference" else torch.ops.cotrain
    names = ("multi_head_loss", "perturb", "perturb_", "random_start")
    return Kernels(request.param, *(getattr(source, name) for name in names))


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


def assert_within_budget(got: Tensor, truth: Tensor, eager: Tensor, floor: float) -> None:
    """No further from the truth than twice eager's error in the same dtype, plus the floor at the truth's scale."""
    assert got.shape == truth.shape
    if not truth.numel():
        return
    scale = truth.abs().max().item()
    budget = 2 * (eager.double() - truth).abs().max().item() + floor * max(scale, 1e-30)
    error = (got.double() - truth).abs().max().item()
    assert error <= budget, f"error {error:.3g} against a budget of {budget:.3g}"


@pytest.fixture(name="assert_within_budget")
def _assert_within_budget() -> Callable[..., None]:
    """The budget for errors."""
    return assert_within_budget
