"""What a person is told about the CUDA kernels: whether they serve, what they were built for, what to do."""

from pathlib import Path

from cotrain.jobs.doctor import cuda_kernels
from cotrain.ops import CudaStatus

BUILT = {
    "is_built": True,
    "version": "13.1",
    "toolkit": "/usr/local/cuda",
    "torch_cuda": "13.0",
    "architectures": ["sm_80", "sm_90", "compute_90"],
}


def test_kernels_that_serve_are_told_with_all_that_they_were_built_for():
    status = CudaStatus("native", "The CUDA kernels are loaded.", Path("_core_cuda.so"), ("sm_80",))
    told = dict(cuda_kernels(status, BUILT, has_gpu=True))
    assert told == {
        "CUDA kernels": "native: The CUDA kernels are loaded.",
        "CUDA library": "_core_cuda.so",
        "CUDA kernels built for": "sm_80, sm_90 and PTX of 9.0",
        "CUDA kernels built with": "nvcc 13.1 at /usr/local/cuda",
        "CUDA kernels built against": "a torch with CUDA 13.0",
    }


def test_kernels_that_do_not_serve_say_so_and_keep_what_they_were_built_for():
    status = CudaStatus("reference", "the kernels were built for CUDA 13.0, and this torch is CPU-only.")
    told = dict(cuda_kernels(status, BUILT, has_gpu=False))
    assert "this torch is CPU-only" in told["CUDA kernels"]
    assert told["CUDA kernels built for"] == "sm_80, sm_90 and PTX of 9.0"


def test_ways_out_are_given_where_there_is_a_gpu_to_gain():
    status = CudaStatus("reference", "the CUDA kernels were not built: no CUDA toolkit to compile with.")
    built = {"is_built": False, "advice": ["Install the toolkit of CUDA 13.", "FORCE_ONLY_CPU=1 pip install ."]}
    told = [how for what, how in cuda_kernels(status, built, has_gpu=True) if what == "what to do for CUDA"]
    assert told == built["advice"]
    assert len(list(cuda_kernels(status, built, has_gpu=False))) == 1


def test_a_core_of_an_earlier_installation_that_wrote_nothing_down_is_no_failure():
    status = CudaStatus("reference", "the CUDA kernels were not built: nothing is known.")
    told = dict(cuda_kernels(status, {}, has_gpu=True))
    assert told["what to do for CUDA"].startswith("FORCE_CUDA=1 pip install")
