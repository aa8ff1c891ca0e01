"""Is the compiled core there, and if not, why?

The core is two files beside this one, written by setup.py: `_core`, a library of operators for the dispatcher, built
against LibTorch's stable ABI, and `_build`, a small Python module that says what it was built with. Either may be
missing; `_build_info.json` then says why. COTRAIN_BACKEND=auto|native|reference decides whether the core is used.
"""

import importlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cotrain.errors import CoreError, SettingError

_HERE = Path(__file__).parent
_BACKENDS = ("auto", "native", "reference")
_OLDEST_TORCH = (2, 11)  # TORCH_TARGET_VERSION in build_tools/detect.py
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CoreStatus:
    """Which kernels serve, and why.

    Parameters
    ----------
    backend : "native" or "reference"
    wanted : what COTRAIN_BACKEND asked for
    reason : one sentence; where the core is missing, what to do
    library : the file that was loaded; None = none
    instruction_set : "baseline", "avx2" or "avx512"; "" where the twin serves
    """

    backend: str
    wanted: str
    reason: str
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
        return CoreStatus("reference", wanted, "COTRAIN_BACKEND=reference asks for the PyTorch twin.")
    library = next(iter(sorted(_HERE.glob("_core*.so")) + sorted(_HERE.glob("_core*.pyd"))), None)
    fault = _why_not(library)
    if fault is None:
        return CoreStatus("native", wanted, "The compiled core is loaded.", library, _instruction_set())
    if wanted == "native":
        raise CoreError(f"COTRAIN_BACKEND=native, but {fault}")
    _log.warning("The PyTorch twin serves in place of the compiled core (same results, slower): %s", fault)
    return CoreStatus("reference", wanted, fault)


def build_info() -> dict[str, Any]:
    """What the core was built with, or why it was not: compiler, flags, torch, python, instruction_sets, reason.

    From `_build` where that loads, completed by what setup.py wrote down.
    """
    written = _HERE / "_build_info.json"
    info: dict[str, Any] = {"is_built": False, "reason": "cotrain was not installed by its setup.py."}
    if written.exists():
        info = json.loads(written.read_text())
    module = _build_module()
    return info if module is None else {**info, **module.build_info()}


def _why_not(library: Path | None) -> str | None:
    """Load the library; None, or one sentence on why it cannot be used."""
    if library is None:
        return f"the core was not built: {build_info()['reason']}"
    version = torch.__version__.split("+")[0]
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_TORCH:
        return f"the core needs torch {_OLDEST_TORCH[0]}.{_OLDEST_TORCH[1]} or later, this is {version}. Upgrade torch."
    try:
        torch.ops.load_library(library)
    except OSError as error:
        return (
            f"the core does not load: {error}. Rebuild it: "
            "pip install --no-build-isolation --force-reinstall --no-deps ."
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
