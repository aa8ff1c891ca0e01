"""On which GPUs do the CUDA kernels serve, and why not on others?

`_core_cuda` is a library of its own beside `_core`. It is loaded at import, which asks nothing of any GPU; whether it
has code for the GPU at hand is asked once, when the first tensor that lies there comes. Where it has none, the twin
serves, and says so once.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cotrain.errors import CoreError

REBUILD = "pip install --no-build-isolation --force-reinstall --no-deps ."
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CudaStatus:
    """Whether the CUDA kernels are loaded, and why not.

    Parameters
    ----------
    backend : "native" or "reference"
    reason : one sentence; where they are missing, what to do
    library : the file that was loaded; None = none
    architectures : what it was compiled for, as ("sm_80", "compute_80"): machine code, and PTX for later GPUs
    """

    backend: str
    reason: str
    library: Path | None = None
    architectures: tuple[str, ...] = ()


def load_cuda(library: Path | None, built: Mapping[str, Any], torch_cuda: str | None) -> CudaStatus:
    """Load the CUDA kernels, if they are there and this torch can carry them.

    Parameters
    ----------
    library : the file; None = it was not built
    built : what setup.py wrote down about it
    torch_cuda : the CUDA that this torch was built with, as `torch.version.cuda`
    """
    if library is None:
        return CudaStatus("reference", f"the CUDA kernels were not built: {built.get('reason', 'nothing is known.')}")
    was = str(built.get("torch_cuda", "an unknown version"))
    if torch_cuda is None:
        return CudaStatus("reference", f"the kernels were built for CUDA {was}, and this torch is CPU-only.")
    if torch_cuda.split(".")[0] != was.split(".")[0]:
        return CudaStatus(
            "reference",
            f"the kernels were built for CUDA {was}, and this torch has CUDA {torch_cuda}, another major version. "
            f"Install the torch that was built for CUDA {was.split('.')[0]}, or rebuild: {REBUILD}",
        )
    try:
        torch.ops.load_library(library)
    except OSError as error:
        return CudaStatus(
            "reference", f"the CUDA kernels do not load: {in_the_loaders_words(error)}. Rebuild them: {REBUILD}"
        )
    return CudaStatus("native", "The CUDA kernels are loaded.", library, tuple(built.get("architectures", ())))


def in_the_loaders_words(error: OSError) -> str:
    """Which symbol or which library is missing: torch hides that behind "Could not load this library"."""
    return str(error.__cause__ or error)


def runs_on(capability: tuple[int, int], architectures: Sequence[str]) -> bool:
    """Whether code for `architectures` runs on a GPU of this compute capability.

    Machine code runs on its own and later minor versions of one major version, PTX on everything that is not older.
    What ends in "a" runs on exactly that GPU, what ends in "f" within the major version.
    """
    for code in architectures:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", code)
        if found is None:
            continue  # an entry of a build to come: not for us to judge, and not relied upon
        kind, own, suffix = found[1], (int(found[2]), int(found[3])), found[4]
        if suffix == "a":
            fits = capability == own
        elif kind == "sm" or suffix == "f":
            fits = capability[0] == own[0] and capability >= own
        else:
            fits = capability >= own
        if fits:
            return True
    return False


def in_words(architectures: Sequence[str]) -> str:
    """("sm_80", "sm_90", "compute_90") as "sm_80, sm_90 and PTX of 9.0"."""
    codes = [code for code in architectures if code.startswith("sm_")]
    portable = [re.sub(r"compute_(\d+)(\d\w?)", r"\1.\2", code) for code in architectures if code not in codes]
    of_which = f"PTX of {', '.join(portable)}" if portable else "no PTX"
    return f"{', '.join(codes) or 'no machine code'} and {of_which}"


def no_code_for(capability: tuple[int, int], architectures: Sequence[str]) -> str:
    """What is said where `runs_on` is false."""
    major, minor = capability
    return (
        f"this GPU is sm_{major}{minor}; the CUDA kernels have {in_words(architectures)}. "
        f'Rebuild: TORCH_CUDA_ARCH_LIST="{major}.{minor}" {REBUILD}'
    )


class Gate:
    """Decides for each operator and each GPU, once, whether the CUDA kernels serve.

    Parameters
    ----------
    status : of the CUDA kernels
    wanted : what COTRAIN_BACKEND asked for. "native" makes an error of what is a warning under "auto"
    capability_of : the compute capability of a GPU by its number
    """

    def __init__(self, status: CudaStatus, wanted: str, capability_of: Callable[[int], tuple[int, int]]) -> None:
        self.status = status
        self.wanted = wanted
        self._capability_of = capability_of
        self._verdicts: dict[tuple[str, int], bool] = {}
        self._told: set[str] = set()

    def serves(self, operator: str, gpu: int) -> bool:
        """Whether tensors on this GPU go to the CUDA kernel of `operator`, else to its twin.

        Raises
        ------
        CoreError : COTRAIN_BACKEND=native, and they do not
        """
        verdict = self._verdicts.get((operator, gpu))
        if verdict is None:
            verdict = self._verdicts[operator, gpu] = self._decide(operator, gpu)
        return verdict

    def _decide(self, operator: str, gpu: int) -> bool:
        fault = self.fault(operator, gpu)
        if not fault or self.wanted == "reference":
            return not fault
        if self.wanted == "native":
            raise CoreError(f"COTRAIN_BACKEND=native, but on GPU {gpu} {fault}")
        if fault not in self._told:
            self._told.add(fault)
            _log.warning("The PyTorch twin serves on GPU %d (same results, slower): %s", gpu, fault)
        return False

    def fault(self, operator: str, gpu: int) -> str:
        """Why the CUDA kernel of `operator` does not serve on this GPU; "" where it does."""
        if self.status.backend != "native":
            return self.status.reason
        if not torch._C._dispatch_has_kernel_for_dispatch_key(f"cotrain::{operator}", "CUDA"):
            return f"`{operator}` has no CUDA kernel."
        capability = self._capability_of(gpu)
        if not runs_on(capability, self.status.architectures):
            return no_code_for(capability, self.status.architectures)
        return ""
