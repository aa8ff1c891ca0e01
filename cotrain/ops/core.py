"""Is the compiled core there, and if not, why?

The core is files beside this one, written by setup.py: `_core`, a library of operators for the dispatcher, built
against LibTorch's stable ABI; `_core_cuda`, its kernels for GPUs; `_host`, the kernels over NumPy arrays (see
`cotrain.ops.host`); and `_build`, a small Python module that says what they were built with. Each may be missing;
`_build_info.json` then says why. COTRAIN_BACKEND=auto|native|reference decides whether the core is used.
"""

import importlib
import json
import logging
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cotrain.errors import CoreError, SettingError
from cotrain.ops import host
from cotrain.ops.cuda import REBUILD, CudaStatus, in_the_loaders_words, load_cuda

_HERE = Path(__file__).parent
_BACKENDS = ("auto", "native", "reference")
_OLDEST_TORCH = (2, 11)  # TORCH_TARGET_VERSION in build_tools/detect.py
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CoreStatus:
    """Which kernels serve, and why.

    Parameters
    ----------
    backend : "native" or "reference", for the operators over tensors
    wanted : what COTRAIN_BACKEND asked for
    reason : one sentence; where the core is missing, what to do
    host_backend : "native" or "reference", for the kernels over NumPy arrays
    host_reason : one sentence, as `reason`
    library : the file that was loaded; None = none
    instruction_set : "baseline", "avx2" or "avx512"; "" where the twin serves
    cuda : the same of the CUDA kernels
    """

    backend: str
    wanted: str
    reason: str
    cuda: CudaStatus
    host_backend: str
    host_reason: str
    library: Path | None = None
    instruction_set: str = ""


def load_core(wanted: str | None = None) -> CoreStatus:
    """Load the compiled core if it is there and may be used.

    Raises
    ------
    SettingError : COTRAIN_BACKEND is none of auto, native, reference
    CoreError : COTRAIN_BACKEND=native, and the core is not there or does not load
    """
    wanted = os.environ.get("COTRAIN_BACKEND", "auto") if wanted is None else wanted
    if wanted not in _BACKENDS:
        raise SettingError("COTRAIN_BACKEND", wanted, "one of auto, native, reference")
    if wanted == "reference":
        asked = "COTRAIN_BACKEND=reference asks for the {} twin."
        cuda = CudaStatus("reference", asked.format("PyTorch"))
        return CoreStatus("reference", wanted, asked.format("PyTorch"), cuda, "reference", asked.format("NumPy"))
    library, built = _library("_core"), build_info()
    fault, host_fault = _why_not(library, built), host.fault()
    if wanted == "native" and (fault or host_fault):
        raise CoreError(f"COTRAIN_BACKEND=native, but {fault or host_fault}")
    of_host = ("reference", host_fault) if host_fault else ("native", "The host kernels are loaded.")
    if fault is not None:
        _log.warning("The PyTorch twin serves in place of the compiled core (same results, slower): %s", fault)
        return CoreStatus("reference", wanted, fault, CudaStatus("reference", fault), *of_host)
    if host_fault:
        _log.warning("NumPy serves in place of the host kernels (same results, slower): %s", host_fault)
    reason = " ".join(["The compiled core is loaded.", *differences(built, torch.__version__, _python())])
    cuda = load_cuda(_library("_core_cuda"), built.get("cuda", {}), torch.version.cuda)
    return CoreStatus("native", wanted, reason, cuda, *of_host, library, _instruction_set())


def build_info() -> dict[str, Any]:
    """What the core was built with, or why it was not: compiler, flags, torch, python, instruction_sets, reason, cuda.

    From `_build` where that loads, completed by what setup.py wrote down.
    """
    written = _HERE / "_build_info.json"
    info: dict[str, Any] = {"is_built": False, "reason": "cotrain was not installed by its setup.py."}
    if written.exists():
        info = json.loads(written.read_text())
    module = _build_module()
    return info if module is None else {**info, **module.build_info()}


def differences(built: Mapping[str, Any], torch_version: str, python_version: str) -> list[str]:
    """One sentence for each of torch and Python that is another than the core was built for, and what that means."""
    told = []
    was = _release(built.get("torch", ""))
    if was and was != _release(torch_version):
        now = _release(torch_version)
        told.append(f"It was built for torch {was}, and torch {now} runs it through the stable ABI.")
    # A library of operators is of no particular Python; what pybind11 binds is of one minor version.
    was, now = (".".join(version.split(".")[:2]) for version in (built.get("python", ""), python_version))
    if was and was != now:
        told.append(f"Its Python modules were built for Python {was}, and you run {now}: {REBUILD}")
    return told


def _release(version: str) -> str:
    return version.split("+")[0]


def _python() -> str:
    return platform.python_version()


def _library(name: str) -> Path | None:
    """The library of this name, if it was built."""
    return next((path for path in (_HERE / f"{name}.so", _HERE / f"{name}.pyd") if path.exists()), None)


def _why_not(library: Path | None, built: Mapping[str, Any]) -> str | None:
    """Load the library; None, or one sentence on why it cannot be used."""
    if library is None:
        return f"the core was not built: {built['reason']}"
    version = _release(torch.__version__)
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_TORCH:
        return f"the core needs torch {_OLDEST_TORCH[0]}.{_OLDEST_TORCH[1]} or later, this is {version}. Upgrade torch."
    try:
        torch.ops.load_library(library)
    except OSError as error:
        was = f"built for torch {_release(built.get('torch', 'unknown'))} and Python {built.get('python', 'unknown')}"
        return (
            f"the core does not load: {in_the_loaders_words(error)}. It was {was}; "
            f"you run torch {version} and Python {_python()}. Rebuild it: {REBUILD}"
        )
    return None


def _build_module() -> Any:
    """The `_build` module, or None where it is missing or was built for another Python."""
    try:
        return importlib.import_module("cotrain.ops._build")
    except ImportError:
        return None


def _instruction_set() -> str:
    """What the loaded core says of itself."""
    return torch.ops.cotrain.instruction_set()
