"""The kernels that are measured: the twin, the compiled core where it is built, and the CUDA kernels' own code
in an emulated grid.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cotrain import ops
from cotrain.ops import LossKind, reference
from cotrain.ops.heads import prepared

BACKENDS = ["reference", "native"] if ops.backend() == "native" else ["reference"]
CAN_EMULATE = sys.platform == "linux" and shutil.which(os.environ.get("CXX", "c++").split()[0]) is not None
NAMES = ("multi_head_loss", "perturb", "perturb_", "random_start")


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
        """Bit for bit, for the core; PyTorch's own sums are cut by strides and threads, and a GPU's by strides, so
        those are close.
        """
        return torch.equal if self.backend == "native" else torch.allclose

    def bearable(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape, with fewer rows where every thread of a block is emulated for each of them."""
        return (min(shape[0], 20), *shape[1:]) if self.backend == "emulated" else shape

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


@pytest.fixture(scope="session")
def emulated() -> Iterator[Any]:
    """The CUDA kernels in an emulated grid, as operators over tensors of the processor; `set_grid` sets its size."""
    if not CAN_EMULATE:
        pytest.skip("no C++ compiler to emulate a grid with")
    path = Path(__file__).with_name("cuda_emulation") / "build.py"
    spec = importlib.util.spec_from_file_location("cuda_emulation_build", path)
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    library = torch.library.Library("cotrain_emulated", "DEF")
    for name in NAMES:
        library.define(str(getattr(torch.ops.cotrain, name).default._schema).removeprefix("cotrain::"))
    library.define("set_grid(int most_blocks, int seed) -> ()")
    torch.ops.load_library(build.emulated_library())
    yield torch.ops.cotrain_emulated
    library._destroy()


@pytest.fixture(params=[*BACKENDS, *(["emulated"] if CAN_EMULATE else [])])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    """Each backend that there is, one after the other."""
    return _kernels_of(request, request.param)


@pytest.fixture(params=BACKENDS)
def waiting_kernels(request: pytest.FixtureRequest) -> Kernels:
    """Each backend that waits for its results, so that it can name a fault."""
    return _kernels_of(request, request.param)


def _kernels_of(request: pytest.FixtureRequest, backend: str) -> Kernels:
    if backend == "emulated":
        source = request.getfixturevalue("emulated")
    else:
        source = reference if backend == "reference" else torch.ops.cotrain
    return Kernels(backend, *(getattr(source, name) for name in NAMES))


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
