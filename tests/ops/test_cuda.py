"""Which GPUs the CUDA kernels serve, and what is said of the others. No GPU is needed to know."""

import ctypes
import logging

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from cotrain import ops
from cotrain.errors import CoreError
from cotrain.ops import library
from cotrain.ops.cuda import CudaStatus, Gate, in_words, load_cuda, no_code_for, runs_on

BUILT = {"is_built": True, "reason": "", "torch_cuda": "13.0", "architectures": ["sm_80", "sm_90", "compute_90"]}


@pytest.mark.parametrize(
    ("capability", "architectures", "fits"),
    [
        ((8, 0), ["sm_80"], True),
        ((8, 9), ["sm_80"], True),  # machine code runs on later minor versions
        ((8, 0), ["sm_86"], False),  # but not on earlier ones
        ((9, 0), ["sm_80"], False),  # nor on another major version
        ((12, 0), ["sm_80", "sm_90"], False),
        ((12, 0), ["sm_80", "sm_90", "compute_90"], True),  # PTX runs on everything that comes later
        ((7, 5), ["sm_80", "compute_80"], False),
        ((9, 0), ["sm_90a"], True),
        ((10, 3), ["sm_100a", "compute_90a"], False),  # "a" is for one GPU alone
        ((10, 3), ["sm_100f"], True),
        ((12, 0), ["compute_100f"], False),
        ((9, 0), [], False),
        ((9, 0), ["riscv"], False),
    ],
)
def test_code_runs_where_nvidia_says_it_does(capability, architectures, fits):
    assert runs_on(capability, architectures) is fits


def test_a_gpu_without_code_is_told_what_there_is_and_how_to_rebuild():
    told = no_code_for((12, 0), ["sm_80", "sm_90"])
    assert told.startswith("this GPU is sm_120; the CUDA kernels have sm_80, sm_90 and no PTX.")
    assert 'TORCH_CUDA_ARCH_LIST="12.0" pip install' in told
    assert in_words(["sm_80", "sm_100", "compute_100"]) == "sm_80, sm_100 and PTX of 10.0"


def test_kernels_that_were_not_built_say_why():
    status = load_cuda(None, {"reason": "csrc/cuda holds no .cu file."}, "13.0")
    assert (status.backend, status.library) == ("reference", None)
    assert status.reason == "the CUDA kernels were not built: csrc/cuda holds no .cu file."


@pytest.mark.parametrize(
    ("torch_cuda", "said"),
    [
        (None, "built for CUDA 13.0, and this torch is CPU-only"),
        ("12.6", "built for CUDA 13.0, and this torch has CUDA 12.6, another major version"),
        ("13.2", "do not load"),  # another minor version is tried, and this file is none
    ],
)
def test_kernels_that_this_torch_cannot_carry_are_left_alone(tmp_path, torch_cuda, said):
    path = tmp_path / "_core_cuda.so"
    path.write_bytes(b"not a library")
    status = load_cuda(path, BUILT, torch_cuda)
    assert (status.backend, status.library, status.architectures) == ("reference", None, ())
    assert said in status.reason


def test_the_loaders_own_words_are_passed_on(tmp_path):
    path = tmp_path / "_core_cuda.so"
    path.write_bytes(b"not a library")
    reason = load_cuda(path, BUILT, "13.0").reason
    with pytest.raises(OSError, match=str(path)) as caught:
        ctypes.CDLL(str(path))
    assert str(caught.value) in reason


def asked_for(wanted: str, status: CudaStatus) -> Gate:
    return Gate(status, wanted, lambda gpu: (9, 0))


MISSING = CudaStatus("reference", "the CUDA kernels were not built: for a test.")


def test_the_twin_serves_and_says_so_once_for_each_reason(caplog):
    gate = asked_for("auto", MISSING)
    with caplog.at_level(logging.WARNING, logger="cotrain"):
        assert [gate.serves("perturb", 0) for _ in range(3)] == [False] * 3
        assert not gate.serves("perturb_", 0)
    assert [record.getMessage() for record in caplog.records] == [
        "The PyTorch twin serves on GPU 0 (same results, slower): the CUDA kernels were not built: for a test."
    ]


def test_a_twin_that_was_asked_for_says_nothing(caplog):
    assert not asked_for("reference", MISSING).serves("perturb", 0)
    assert not caplog.records


def test_a_demanded_core_without_kernels_for_the_gpu_is_an_error():
    with pytest.raises(CoreError, match="COTRAIN_BACKEND=native, but on GPU 1 the CUDA kernels were not built"):
        asked_for("native", MISSING).serves("perturb", 1)


@pytest.fixture(scope="module")
def probe():
    """Operators whose results say who made them; `probe` has a CUDA kernel, `probe_twin` has none."""
    arguments = {"twin": lambda tensor: "twin", "fake": lambda tensor: tensor.new_empty(())}
    kernels = torch.library.Library("cotrain", "IMPL")
    calls = {name: library.declare(name, "(Tensor x) -> Tensor", **arguments) for name in ("probe", "probe_twin")}
    kernels.impl("probe", lambda tensor: tensor.new_empty(()), "CUDA")
    yield calls
    kernels._destroy()


@pytest.fixture
def guard():
    """Sets the gate; the process's own comes back afterwards."""
    before = library._gate
    yield library.guard_with
    library.guard_with(before)


def test_each_gpu_is_asked_once_and_only_served_where_there_is_code_for_it(probe, guard, caplog):
    asked = []

    def capability_of(gpu: int) -> tuple[int, int]:
        asked.append(gpu)
        return [(8, 6), (12, 0)][gpu]

    guard(Gate(CudaStatus("native", "", None, ("sm_80",)), "auto", capability_of))
    with FakeTensorMode():  # tensors of GPUs that are not here
        served, unserved = torch.empty(3, device="cuda:0"), torch.empty(3, device="cuda:1")
        for _ in range(2):
            assert isinstance(probe["probe"](served), torch.Tensor)
            assert probe["probe"](unserved) == "twin"
    assert asked == [0, 1]
    assert [record.getMessage().split(":")[1][:24] for record in caplog.records] == [" this GPU is sm_120; the"]


def test_an_operator_without_a_cuda_kernel_says_so(probe, guard, caplog):
    guard(Gate(CudaStatus("native", "", None, ("sm_90",)), "auto", lambda gpu: (9, 0)))
    with FakeTensorMode():
        assert probe["probe_twin"](torch.empty(3, device="cuda")) == "twin"
    assert "`probe_twin` has no CUDA kernel." in caplog.text


def test_a_tensor_on_the_processor_asks_nobody(guard):
    def capability_of(gpu: int) -> tuple[int, int]:
        raise AssertionError("no GPU has a part in this")

    guard(Gate(CudaStatus("native", "", None, ()), "native", capability_of))
    rows = torch.rand(2, 3)
    assert ops.perturb(rows, rows, rows, norm="linf", step_size=0.1, epsilon=0.1).shape == (2, 3)


# PyTorch's compiler uses parts of PyTorch that PyTorch has deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_question_stays_outside_of_compiled_graphs(guard, caplog):
    graphs = []

    def compiler(graph, inputs):
        graphs.append(graph)
        return graph.forward

    def twice_if_served(rows):
        return 2 * rows if library._serves("perturb", 0) else rows + 1

    guard(asked_for("auto", MISSING))
    torch._dynamo.reset()
    compiled = torch.compile(twice_if_served, fullgraph=True, backend=compiler)
    with caplog.at_level(logging.WARNING, logger="cotrain"):
        for _ in range(2):
            assert torch.equal(compiled(torch.ones(2)), torch.full((2,), 2.0))
    (graph,) = graphs
    assert [node.op for node in graph.graph.nodes] == ["placeholder", "call_function", "output"]
    assert caplog.text.count("The PyTorch twin serves on GPU 0") == 1
