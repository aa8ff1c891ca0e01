"""What does this machine have: a torch and a pybind11 that can be imported, a C++ compiler that works?

A fault comes back as a sentence, never as an exception: a missing tool means a pure-Python installation.
"""

import importlib
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path


def find_torch() -> tuple[str, str]:
    """(torch.__version__, "") or ("", why it cannot be imported).

    pip builds in an environment of its own, in which the torch that the user has is not on the path. It is still
    where this Python keeps its packages, so that folder is tried second, and stays on the path.
    """
    for folder in ("", sysconfig.get_paths()["purelib"]):
        if folder and folder not in sys.path:
            sys.path.append(folder)
        try:
            import torch
            import torch.utils.cpp_extension  # needs setuptools to be as torch expects it
        except (ImportError, OSError) as error:
            fault = str(error)
        else:
            return torch.__version__, ""
    return "", fault


def compiler_fault(environ: Mapping[str, str]) -> str:
    """Why the C++ compiler cannot make a shared library; "" where it can. CXX names it, as for torch; else `c++`."""
    if sys.platform == "win32":
        return ""  # setuptools finds the compiler there; if it does not, the build says so
    command = shlex.split(environ.get("CXX", "c++"))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.cpp")
        source.write_text("#include <vector>\nint probe() { return std::vector<int>(3).size(); }\n")
        line = [*command, "-shared", "-fPIC", str(source), "-o", str(Path(folder, "probe.so"))]
        try:
            done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{shlex.join(command)}: {error}"
    said = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else f"{shlex.join(command)} fails" + (f": {said[0]}" if said else "")


def pybind11_fault() -> str:
    """Why pybind11, whose headers `_build` includes, cannot be imported; "" where it can."""
    try:
        importlib.import_module("pybind11")
    except ImportError as error:
        return str(error)
    return ""
