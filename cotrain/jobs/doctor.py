"""What is installed here, what runs where, and what to do about what is missing."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import torch

from cotrain import ops

PACKAGES = ("cotrain", "torch", "scikit-learn", "numpy", "scipy", "pyarrow", "skops", "safetensors", "pydantic")


def examined() -> list[tuple[str, str]]:
    """(what, how it is) in the order in which a person would ask."""
    status, built = ops.status(), ops.build_info()
    facts = [
        ("python", f"{platform.python_version()} at {sys.executable}"),
        ("machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"),
        *((package, _version(package)) for package in PACKAGES),
        ("torch threads", f"{torch.get_num_threads()} (learners use one each; set n_jobs for more processes)"),
        ("GPU", _gpu()),
        ("operators", f"{status.backend}: {status.reason}"),
    ]
    if status.library is not None:
        facts.append(("core", str(status.library)))
    if status.instruction_set:
        facts.append(("instruction set", f"{status.instruction_set}, chosen at run time"))
    facts += [
        (f"core built with {name}", str(value))
        for name, value in built.items()
        if name not in ("is_built", "reason") and value not in ("", None)
    ]
    if status.backend == "reference":
        facts.append(("what to do", _advice(status.wanted, bool(built["is_built"]))))
    return facts


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return f"missing; pip install {package}"


def _gpu() -> str:
    if not torch.cuda.is_available():
        return "none that this torch can use; everything runs on the processor"
    return ", ".join(torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))


def _advice(wanted: str, is_built: bool) -> str:
    if wanted == "reference":
        return "nothing; COTRAIN_BACKEND=reference was asked for. Unset it to use the core."
    if is_built:
        return "the core was built and does not load: pip install --no-build-isolation --force-reinstall --no-deps ."
    return (
        "nothing has to be done, results are the same. For the faster core install a C++ compiler, then: "
        "pip install --no-build-isolation --force-reinstall --no-deps ."
    )
