"""Whether CUDA kernels are built, and for which GPUs, is decided from what is known, with no GPU and no toolkit."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # build_tools is not installed

from build_tools.cuda import (
    DEFAULT_ARCHITECTURES,
    Toolkit,
    Torch,
    architecture_list,
    architectures,
    cuda_not_built_message,
    cuda_sources,
    decide_cuda,
    nvcc_flags,
)
from build_tools.settings import BuildSettingError, BuildSettings

TORCH = Torch("2.13.0", "13.0", "/site-packages/torch")
TOOLKIT = Toolkit("/usr/local/cuda", "13.0")


def test_a_toolkit_of_torchs_own_cuda_is_all_it_takes():
    decision = decide_cuda(BuildSettings(), True, TORCH, TOOLKIT)
    assert decision.builds
    assert not decision.note


def test_another_minor_version_is_one_line_and_no_more():
    decision = decide_cuda(BuildSettings(), True, TORCH, Toolkit("/usr/local/cuda", "13.2"))
    assert decision.builds
    assert "nvcc is of CUDA 13.2, torch was built with CUDA 13.0" in decision.note
    assert "\n" not in decision.note


def test_another_major_version_stops_with_three_ways_out():
    decision = decide_cuda(BuildSettings(), True, TORCH, Toolkit("/usr/local/cuda", "12.2"))
    assert not decision.builds
    message = cuda_not_built_message(decision)
    assert "CUDA kernels NOT built" in message
    assert "CUDA 12.2 (/usr/local/cuda/bin/nvcc), torch 2.13.0 was built with CUDA 13.0" in message
    assert "1. CUDA_HOME=/path/to/cuda-13 pip install" in message
    assert "2. install the torch that was built for CUDA 12" in message
    assert "3. FORCE_ONLY_CPU=1 pip install" in message


@pytest.mark.parametrize(
    ("settings", "has_sources", "torch", "toolkit", "said"),
    [
        (BuildSettings(only_cpu=True), True, TORCH, TOOLKIT, "FORCE_ONLY_CPU=1"),
        (BuildSettings(sanitizes=True), True, TORCH, TOOLKIT, "COTRAIN_SANITIZE=1"),
        (BuildSettings(), False, TORCH, TOOLKIT, "csrc/cuda holds no .cu file"),
        (BuildSettings(), True, Torch("2.13.0+cpu", "", "/lib/torch"), TOOLKIT, "CPU-only (2.13.0+cpu at /lib/torch)"),
    ],
    ids=["processor alone", "sanitizers", "no kernels", "CPU-only torch"],
)
def test_where_nothing_is_wrong_one_line_says_why_there_are_none(settings, has_sources, torch, toolkit, said):
    decision = decide_cuda(settings, has_sources, torch, toolkit)
    assert not decision.builds
    message = cuda_not_built_message(decision)
    assert said in message
    assert "\n" not in message


def test_without_a_toolkit_it_is_said_which_one_to_install():
    decision = decide_cuda(BuildSettings(), True, TORCH, Toolkit(fault="no nvcc on PATH, and CUDA_HOME is not set"))
    assert not decision.builds
    message = cuda_not_built_message(decision)
    assert "no nvcc on PATH" in message
    assert "CUDA_HOME=/path/to/cuda-13 pip install" in message


def test_without_a_gpu_there_is_still_something_to_compile_for():
    assert architecture_list("", []) == architecture_list("native", []) == DEFAULT_ARCHITECTURES
    assert architectures(DEFAULT_ARCHITECTURES) == ("sm_80", "sm_90", "compute_90")


def test_the_gpus_that_are_here_are_compiled_for_with_ptx_of_the_newest():
    assert architecture_list("", [(9, 0), (8, 6), (9, 0)]) == "8.6;9.0+PTX"
    assert architecture_list("", [(10, 0), (9, 0)]) == "9.0;10.0+PTX"  # by number, not by letter


def test_a_list_that_was_given_is_taken_as_it_is():
    assert architecture_list("7.5", [(9, 0)]) == "7.5"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("8.0", ("sm_80",)),
        ("8.0 9.0a;12.0+PTX", ("sm_80", "sm_90a", "sm_120", "compute_120")),
        ("8.0;8.0+PTX", ("sm_80", "compute_80")),
        ("Hopper", ("sm_90", "compute_90")),
        ("Ampere", ("sm_80", "sm_86", "compute_86")),
        ("10.0f;", ("sm_100f",)),
    ],
)
def test_a_list_of_architectures_reads_as_torch_reads_it(text, codes):
    assert architectures(text) == codes


@pytest.mark.parametrize("text", ["sm_90", "9", "9.0+ptx", "Hoper", ";", "9.0+PTX+PTX"])
def test_a_word_that_names_no_architecture_is_refused(text):
    with pytest.raises(BuildSettingError, match="TORCH_CUDA_ARCH_LIST must be compute capabilities such as"):
        architectures(text)


def test_torch_is_never_asked_for_an_architecture():
    flags = nvcc_flags(BuildSettings(), ("sm_80", "sm_90", "compute_90"))
    assert [flag for flag in flags if "arch" in flag] == [
        "-gencode=arch=compute_80,code=sm_80",
        "-gencode=arch=compute_90,code=sm_90",
        "-gencode=arch=compute_90,code=compute_90",
    ]


def test_what_was_asked_of_nvcc_reaches_it_last():
    settings = BuildSettings(debugs=True, nvcc_threads=3, nvcc_flags=("-Xptxas", "-v"))
    flags = nvcc_flags(settings, ("sm_80",))
    assert flags[-4:] == ["--threads", "3", "-Xptxas", "-v"]
    assert {"-O0", "-G"} <= set(flags)
    assert "-lineinfo" in nvcc_flags(BuildSettings(with_symbols=True), ("sm_80",))


def test_accuracy_is_not_traded_for_speed():
    assert not [flag for flag in nvcc_flags(BuildSettings(), ("sm_80",)) if "fast" in flag]


def test_without_a_kernel_there_is_no_library(tmp_path):
    assert cuda_sources(tmp_path / "nowhere") == []
    (tmp_path / "bindings.cpp").touch()
    assert cuda_sources(tmp_path) == []
    (tmp_path / "kernel.cu").touch()
    assert [path.name for path in cuda_sources(tmp_path)] == ["bindings.cpp", "kernel.cu"]


def test_two_files_that_would_become_one_object_are_refused(tmp_path):
    (tmp_path / "loss.cu").touch()
    (tmp_path / "loss.cpp").touch()
    with pytest.raises(BuildSettingError, match=r"loss.cpp and loss.cu would become one object file"):
        cuda_sources(tmp_path)
