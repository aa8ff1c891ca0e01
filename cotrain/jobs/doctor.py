"""What is installed here, what runs where, and what to do about what is missing."""

import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from cotrain import ops
from cotrain.ops.cuda import REBUILD, in_words, no_code_for, runs_on

PACKAGES = ("cotrain", "torch", "scikit-learn", "numpy", "scipy", "pyarrow", "skops", "safetensors", "pydantic")


def examined() -> list[tuple[str, str]]:
    """(what, how it is) in the order in which a person would ask."""
    status, built = ops.status(), ops.build_info()
    facts = [
        ("python", f"{platform.python_version()} at {sys.executable}"),
        ("machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"),
        *((package, _version(package)) for package in PACKAGES),
        ("torch threads", f"{torch.get_num_threads()} (learners use one each; set n_jobs for more processes)"),
        *_gpus(status.cuda),
        ("operators", f"{status.backend}: {status.reason}"),
        ("host kernels", f"{status.host_backend}: {status.host_reason}"),
    ]
    if status.library is not None:
        facts.append(("core", str(status.library)))
    if status.instruction_set:
        facts.append(("instruction set", f"{status.instruction_set}, chosen at run time"))
    facts += [
        (f"core built with {name}", ", ".join(value) if isinstance(value, list) else str(value))
        for name, value in built.items()
        if name not in ("is_built", "reason", "advice", "cuda") and value not in ("", None)
    ]
    if "reference" in (status.backend, status.host_backend):
        facts.append(("what to do", _advice(status.wanted, bool(built["is_built"]))))
    return [*facts, *cuda_kernels(status.cuda, built.get("cuda", {}), torch.cuda.is_available())]


def cuda_kernels(cuda: ops.CudaStatus, built: Mapping[str, Any], has_gpu: bool) -> Iterator[tuple[str, str]]:
    """Whether they serve, what they were built for and against, and what to do where a GPU is here and they do not.

    Parameters
    ----------
    cuda : how they serve in this process
    built : what setup.py wrote down about them; may be empty
    has_gpu : whether torch can use one here
    """
    yield "CUDA kernels", f"{cuda.backend}: {cuda.reason}"
    if cuda.library is not None:
        yield "CUDA library", str(cuda.library)
    if built.get("is_built"):
        yield "CUDA kernels built for", in_words(built["architectures"])
        yield "CUDA kernels built with", f"nvcc {built['version']} at {built['toolkit']}"
        yield "CUDA kernels built against", f"a torch with CUDA {built['torch_cuda']}"
    elif has_gpu:
        ways: Sequence[str] = built.get("advice") or (f"FORCE_CUDA=1 {REBUILD} says what stands in the way",)
        yield from (("what to do for CUDA", way) for way in ways)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return f"missing; pip install {package}"


def _gpus(cuda: ops.CudaStatus) -> Iterator[tuple[str, str]]:
    """Each GPU, and whether the CUDA kernels have code for it."""
    if not torch.cuda.is_available():
        yield "GPU", "none that this torch can use; everything runs on the processor"
        return
    for number in range(torch.cuda.device_count()):
        capability = torch.cuda.get_device_capability(number)
        if cuda.backend != "native":
            serves = "the PyTorch twin serves"
        elif runs_on(capability, cuda.architectures):
            serves = "the CUDA kernels serve"
        else:
            serves = f"the PyTorch twin serves: {no_code_for(capability, cuda.architectures)}"
        yield f"GPU {number}", f"{torch.cuda.get_device_name(number)}, sm_{capability[0]}{capability[1]}; {serves}"


def _advice(wanted: str, is_built: bool) -> str:
    if wanted == "reference":
        return "nothing; COTRAIN_BACKEND=reference was asked for. Unset it to use the core."
    if is_built:
        return f"the core was built and does not load: {REBUILD}"
    return f"nothing has to be done, results are the same. For the faster core install a C++ compiler, then: {REBUILD}"
