"""`make cuda-check` compiles real CUDA files where there is an nvcc, and fails where one of them does not compile."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # build_tools is not installed

from build_tools.machine import find_toolkit

PROJECT = Path(__file__).parents[2]
TOOLKIT = find_toolkit(os.environ)

# An operator on the stable ABI, with a kernel and the stream that torch works on: what csrc/cuda is made of.
KERNEL = """
#include <cuda_runtime.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

namespace {

__global__ void twice_kernel(const float* in, float* out, long n) {
  const long i = blockIdx.x * static_cast<long>(blockDim.x) + threadIdx.x;
  if (i < n) out[i] = 2 * in[i];
}

torch::stable::Tensor twice(torch::stable::Tensor x) {
  torch::stable::Tensor out = torch::stable::empty_like(x);
  void* stream = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(x.get_device_index(), &stream));
  const long n = x.numel();
  twice_kernel<<<(n + 255) / 256, 256, 0, static_cast<cudaStream_t>(stream)>>>(
      static_cast<const float*>(x.const_data_ptr()), static_cast<float*>(out.mutable_data_ptr()), n);
  return out;
}

STABLE_TORCH_LIBRARY_IMPL(cotrain, CUDA, m) { m.impl("twice", TORCH_BOX(&twice)); }

}  // namespace
"""


def check(folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    outside = {name: value for name, value in os.environ.items() if name != "FORCE_CUDA"}
    return subprocess.run(
        [sys.executable, "-m", "build_tools.cuda_check", str(folder)],
        cwd=PROJECT,
        env={**outside, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "cuda").mkdir()
    (tmp_path / "cuda" / "twice.cu").write_text(KERNEL)
    return tmp_path / "cuda"


@pytest.mark.slow
@pytest.mark.skipif(bool(TOOLKIT.fault), reason=TOOLKIT.fault)
def test_a_kernel_of_the_stable_abi_compiles_whatever_torch_is_installed(folder):
    done = check(folder)
    assert done.returncode == 0, done.stdout
    assert "for sm_80, sm_90, compute_90" in done.stdout
    assert "twice.cu compiles" in done.stdout


@pytest.mark.skipif(bool(TOOLKIT.fault), reason=TOOLKIT.fault)
def test_one_file_that_does_not_compile_fails_the_check_and_is_named(folder):
    (folder / "wrong.cu").write_text("__global__ void wrong() { no_such_thing(); }\n")
    done = check(folder, TORCH_CUDA_ARCH_LIST="9.0")
    assert done.returncode == 1
    assert "wrong.cu DOES NOT COMPILE" in done.stdout
    assert "twice.cu compiles" in done.stdout
    assert "no_such_thing" in done.stdout


def test_without_a_kernel_there_is_nothing_to_check(tmp_path):
    done = check(tmp_path)
    assert (done.returncode, done.stdout) == (0, f"cuda-check: skipped, {tmp_path} holds no .cu file.\n")


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="the nvcc of this test is a shell script")
def test_without_a_working_nvcc_the_check_is_skipped_unless_cuda_is_demanded(folder, tmp_path):
    (tmp_path / "nvcc").write_text("#!/bin/sh\necho 'not today' >&2\nexit 1\n")
    (tmp_path / "nvcc").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = check(folder, PATH=path, CUDA_HOME="", CUDA_PATH="")
    assert (done.returncode, done.stdout) == (0, f"cuda-check: skipped, {tmp_path}/nvcc fails: not today.\n")
    done = check(folder, PATH=path, CUDA_HOME="", CUDA_PATH="", FORCE_CUDA="1")
    assert (done.returncode, done.stdout) == (1, f"cuda-check: {tmp_path}/nvcc fails: not today.\n")


def test_a_cuda_home_that_is_none_fails_the_check(folder):
    done = check(folder, CUDA_HOME="/nowhere")
    assert (done.returncode, done.stdout) == (1, "cuda-check: CUDA_HOME is /nowhere, which has no bin/nvcc.\n")
