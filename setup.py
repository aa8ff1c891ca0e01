"""Builds cotrain's compiled core where torch, pybind11 and a C++ compiler are found; else cotrain is pure Python.

The core's CUDA kernels are a library of their own, built where torch was built with CUDA and its nvcc is found.
Environment variables: build_tools/settings.py. Everything else about the package stands in pyproject.toml.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

sys.path.insert(0, str(Path(__file__).parent))  # build backends do not put it there

from build_tools.commands import core_commands, pure_commands
from build_tools.cuda import nvcc_flags
from build_tools.detect import TORCH_TARGET, compile_flags, link_flags
from build_tools.plan import make_plan
from build_tools.settings import BuildSettingError


def core_library(flags: list[str]) -> Extension:
    """The operators: a plain shared library against LibTorch's stable ABI."""
    from torch.utils.cpp_extension import CppExtension

    return CppExtension(
        "cotrain.ops._core",
        sorted(map(str, [*Path("csrc").glob("*.cpp"), *Path("csrc/cpu").glob("*.cpp")])),
        include_dirs=[str(Path("csrc").resolve())],
        define_macros=[("TORCH_TARGET_VERSION", TORCH_TARGET)],
        extra_compile_args=flags,
        extra_link_args=link_flags(plan.settings),
        py_limited_api=True,  # leaves out torch's Python bindings
    )


def cuda_libraries(flags: list[str]) -> list[Extension]:
    """The operators' CUDA kernels, in a library of their own: what is wrong with CUDA must not cost the core."""
    if not plan.cuda.builds:
        return []
    from torch.utils.cpp_extension import CUDAExtension

    library = CUDAExtension(
        "cotrain.ops._core_cuda",
        plan.cuda_sources,
        include_dirs=[str(Path("csrc").resolve())],
        define_macros=[("TORCH_TARGET_VERSION", TORCH_TARGET), ("USE_CUDA", None)],  # shows the stable ABI's streams
        extra_compile_args={"cxx": flags, "nvcc": nvcc_flags(plan.settings, plan.architectures)},
        py_limited_api=True,
    )
    return [library]


def build_module(flags: list[str], torch_version: str) -> Extension:
    """What the core was built with: pybind11, without torch."""
    import pybind11

    told = [f'-DCOTRAIN_TORCH_VERSION="{torch_version}"', f'-DCOTRAIN_FLAGS="{" ".join(flags)}"']
    return Extension(
        "cotrain.ops._build",
        ["csrc/python/build_info.cpp"],
        include_dirs=[pybind11.get_include(), str(Path("csrc").resolve())],
        extra_compile_args=[*flags, *told],
        extra_link_args=link_flags(plan.settings),
        language="c++",
    )


def host_module(flags: list[str]) -> Extension:
    """The kernels over NumPy arrays: pybind11, without torch."""
    import pybind11

    threads = [] if sys.platform == "win32" else ["-pthread"]
    return Extension(
        "cotrain.ops._host",
        sorted(map(str, [Path("csrc/python/host.cpp"), *Path("csrc/host").glob("*.cpp")])),
        include_dirs=[pybind11.get_include(), str(Path("csrc").resolve())],
        extra_compile_args=[*flags, *threads],
        extra_link_args=[*threads, *link_flags(plan.settings)],
        language="c++",
    )


try:
    plan = make_plan(os.environ, Path("csrc", "cuda"))
except BuildSettingError as error:
    raise SystemExit(f"cotrain: {error}") from None
flags = compile_flags(sys.platform, plan.settings)
if plan.core.builds:
    modules = [build_module(flags, plan.torch.version), host_module(flags)]
    libraries = [core_library(flags), *modules, *cuda_libraries(flags)]
    setup(ext_modules=libraries, cmdclass=core_commands(plan, flags))
else:
    setup(cmdclass=pure_commands(plan, flags))
