"""Builds cotrain's compiled core where torch, pybind11 and a C++ compiler are found; else cotrain is pure Python.

COTRAIN_NO_EXT=1 skips the core, COTRAIN_REQUIRE_EXT=1 fails without it, MAX_JOBS bounds the compilers at work,
CXX names the compiler. Everything else about the package stands in pyproject.toml.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

sys.path.insert(0, str(Path(__file__).parent))  # build backends do not put it there

from build_tools.commands import Finisher, core_commands, pure_commands
from build_tools.detect import TORCH_TARGET, BuildSettingError, compile_flags, decide, read_settings
from build_tools.machine import compiler_fault, find_torch, pybind11_fault


def core_library(flags: list[str]) -> Extension:
    """The operators: a plain shared library against LibTorch's stable ABI."""
    from torch.utils.cpp_extension import CppExtension

    return CppExtension(
        "cotrain.ops._core",
        sorted(map(str, [*Path("csrc").glob("*.cpp"), *Path("csrc/cpu").glob("*.cpp")])),
        include_dirs=[str(Path("csrc").resolve())],
        define_macros=[("TORCH_TARGET_VERSION", TORCH_TARGET)],
        extra_compile_args=flags,
        py_limited_api=True,  # leaves out torch's Python bindings
    )


def build_module(flags: list[str], torch_version: str) -> Extension:
    """What the core was built with: pybind11, without torch."""
    import pybind11

    told = [f'-DCOTRAIN_TORCH_VERSION="{torch_version}"', f'-DCOTRAIN_FLAGS="{" ".join(flags)}"']
    return Extension(
        "cotrain.ops._build",
        ["csrc/python/build_info.cpp"],
        include_dirs=[pybind11.get_include(), str(Path("csrc").resolve())],
        extra_compile_args=[*flags, *told],
        language="c++",
    )


try:
    settings = read_settings(os.environ)
except BuildSettingError as error:
    raise SystemExit(f"cotrain: {error}") from None
torch_version, torch_fault = ("", "") if settings.skips else find_torch()
compiler = "" if settings.skips else compiler_fault(os.environ)
decision = decide(settings, torch_fault, torch_version, compiler, pybind11_fault())
flags = compile_flags(sys.platform)
finisher = Finisher(settings, torch_version, flags)
if decision.builds:
    setup(ext_modules=[core_library(flags), build_module(flags, torch_version)], cmdclass=core_commands(finisher))
else:
    setup(cmdclass=pure_commands(finisher, decision))
