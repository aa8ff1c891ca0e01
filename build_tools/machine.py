"""What does this machine have: a torch and a pybind11 that can be imported, compilers that work, cores and memory?

A fault comes back as a sentence, never as an exception: a missing tool means a pure-Python installation, or one
without CUDA kernels.
"""

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

from build_tools.cuda import Toolkit, Torch


def find_torch() -> Torch:
    """The torch that can be imported, or why none can.

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
            return Torch(torch.__version__, torch.version.cuda or "", str(Path(torch.__file__).parent))
    return Torch(fault=fault)


def find_toolkit(environ: Mapping[str, str], usual: Path = Path("/usr/local/cuda")) -> Toolkit:
    """The CUDA toolkit: where CUDA_HOME or CUDA_PATH says, else that of the nvcc on PATH, else the usual folder."""
    named = next((name for name in ("CUDA_HOME", "CUDA_PATH") if environ.get(name)), None)
    if named is not None:
        nvcc = shutil.which("nvcc", path=str(Path(environ[named], "bin")))
        if nvcc is None:
            return Toolkit(fault=f"{named} is {environ[named]}, which has no bin/nvcc")
    else:
        path = os.pathsep.join([environ.get("PATH", os.defpath), str(usual / "bin")])
        nvcc = shutil.which("nvcc", path=path)
        if nvcc is None:
            return Toolkit(fault="no nvcc on PATH, and CUDA_HOME is not set")
    said, fault = _output([nvcc], "--version")
    version = re.search(r"release (\d+\.\d+)", said)
    if version is None:
        return Toolkit(fault=fault or f"{nvcc} --version names no release")
    return Toolkit(environ[named] if named else _home_of(nvcc), version[1])


def _home_of(nvcc: str) -> str:
    """The toolkit's folder by what nvcc says of itself: on PATH there may be a link to it, or a script."""
    said, _ = _output([nvcc], "--dryrun", "-E", "-x", "cu", os.devnull)
    found = re.search(r"^#\$ _HERE_=(.+)$", said, re.MULTILINE)
    return str((Path(found[1]) if found else Path(nvcc).resolve().parent).parent)


def gpu_capabilities() -> list[tuple[int, int]]:
    """Of the GPUs that torch sees here, no newer than what it was itself compiled for: so new an nvcc is not sure."""
    import torch

    if not torch.cuda.is_available():
        return []
    codes = [re.sub(r"\D", "", code) for code in torch.cuda.get_arch_list()]
    newest = max((int(code[:-1]), int(code[-1])) for code in codes)
    return [min(newest, torch.cuda.get_device_capability(number)) for number in range(torch.cuda.device_count())]


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process may still take, by the machine and by its container; None where nobody says."""
    free: list[int] = []
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB$", (root / "proc/meminfo").read_text(), re.MULTILINE)
        free += [int(found[1]) * 1024] if found else []
        limit = (root / "sys/fs/cgroup/memory.max").read_text().strip()
        if limit != "max":
            free.append(max(0, int(limit) - int((root / "sys/fs/cgroup/memory.current").read_text())))
    except OSError:
        pass  # not Linux, or no container: what was found until here
    return min(free, default=None)


def compiler_fault(environ: Mapping[str, str]) -> str:
    """Why the C++ compiler cannot make a shared library; "" where it can. CXX names it, as for torch; else `c++`."""
    if sys.platform == "win32":
        return ""  # setuptools finds the compiler there; if it does not, the build says so
    command = shlex.split(environ.get("CXX", "c++"))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.cpp")
        source.write_text("#include <vector>\nint probe() { return std::vector<int>(3).size(); }\n")
        line = ["-shared", "-fPIC", str(source), "-o", str(Path(folder, "probe.so"))]
        _, fault = _output(command, *line, timeout=60)
    return fault


def compiler_name(environ: Mapping[str, str]) -> str:
    """What the C++ compiler calls itself; "" where it does not say."""
    command = shlex.split(environ.get("CXX", "c++"))
    said, _ = _output(command, "--version")
    return next(iter(said.strip().splitlines()), "")


def pybind11_fault() -> str:
    """Why pybind11, whose headers `_build` includes, cannot be imported; "" where it can."""
    try:
        importlib.import_module("pybind11")
    except ImportError as error:
        return str(error)
    return ""


def _output(command: list[str], *arguments: str, timeout: float = 30) -> tuple[str, str]:
    """(what a command said, "") or ("", why it failed)."""
    try:
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"{shlex.join(command)}: {error}"
    if done.returncode != 0:
        complaint = done.stderr.strip().splitlines()
        return "", f"{shlex.join(command)} fails" + (f": {complaint[0]}" if complaint else "")
    return done.stdout + done.stderr, ""
