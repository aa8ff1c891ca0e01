"""The core's kernels over NumPy arrays, for the scikit-learn side: are they there, and if not, why?

They are one file beside this one, `_host`, written by setup.py for one Python and linked to no torch. Their twins are
the plain NumPy of `predictions` and `rounds`, which call these kernels where `cotrain.ops.status()` says that they
serve.
"""

import importlib
from typing import Any

from cotrain.errors import CoreError

_INTERFACE = 1  # interface_version in csrc/python/host.cpp
_MODULE = "cotrain.ops._host"
_REBUILD = "Rebuild it: pip install --no-build-isolation --force-reinstall --no-deps ."


def fault() -> str:
    """Why the host kernels cannot be used, as a sentence; "" where they can."""
    try:
        found = importlib.import_module(_MODULE)
    except ModuleNotFoundError:
        return "the host kernels were not built for this Python."
    except ImportError as error:
        return f"the host kernels do not load: {error}. {_REBUILD}"
    if getattr(found, "INTERFACE", None) != _INTERFACE:
        return f"the host kernels were built from another version of cotrain. {_REBUILD}"
    return ""


def kernels() -> Any:
    """The module that holds the kernels.

    Raises
    ------
    CoreError : it cannot be used
    """
    if reason := fault():
        raise CoreError(f"There is no kernel over NumPy arrays here: {reason}")
    return importlib.import_module(_MODULE)
