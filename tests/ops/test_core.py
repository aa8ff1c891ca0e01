"""Which kernels serve: what COTRAIN_BACKEND asks for, what is said where the core is missing, that both train alike."""

import json
import shutil
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
import torch

from cotrain import ops
from cotrain.errors import CoreError, SettingError
from cotrain.ops import core, host
from cotrain.ops.cuda import REBUILD

PERTURBATIONS = ("test_perturbation.py", "test_perturbation_laws.py", "test_random_start.py")

TRAINING = """
import sys, torch
from cotrain import ops
torch.manual_seed(0)
rows = torch.randn(400, 12)
targets = [(rows[:, :3].sum(1) > 0).long(), rows[:, 3:8].argmax(1)]
targets[0][::5] = -100
weights = [torch.rand(400), None]
trunk = torch.nn.Sequential(torch.nn.Linear(12, 24), torch.nn.Tanh())
heads = torch.nn.ModuleList([torch.nn.Linear(24, 2), torch.nn.Linear(24, 5)])
optimizer = torch.optim.SGD([*trunk.parameters(), *heads.parameters()], lr=0.2, momentum=0.9)
for _ in range(40):
    perturbed = rows.clone().requires_grad_()
    for _ in range(2):
        loss = ops.multi_head_loss([head(trunk(perturbed)) for head in heads], targets, sample_weights=weights)
        (gradient,) = torch.autograd.grad(loss.total, [perturbed])
        for norm in ("linf", "l2", "l1"):
            ops.perturb_(perturbed, rows, gradient, norm=norm, step_size=0.01, epsilon=0.02)
    loss = ops.multi_head_loss(
        [head(trunk(perturbed)) for head in heads], targets, sample_weights=weights, head_weights=[1.0, 0.5])
    optimizer.zero_grad(); loss.total.backward(); optimizer.step()
with torch.no_grad():
    torch.save([head(trunk(rows)).softmax(1) for head in heads], sys.argv[1])
print(ops.backend(), loss.total.item())
"""


@pytest.mark.slow
def test_a_network_trained_on_the_twin_predicts_what_one_trained_on_the_core_does(in_new_process, tmp_path):
    predictions = []
    for backend in ("auto", "reference"):
        path = tmp_path / f"{backend}.pt"
        done = in_new_process(TRAINING, str(path), COTRAIN_BACKEND=backend)
        assert done.returncode == 0, done.stderr
        predictions.append(torch.load(path))
    assert done.stdout.startswith("reference")
    assert float(done.stdout.split()[1]) < 0.5  # it has learnt something
    for one, other in zip(*predictions, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.slow
def test_every_public_promise_holds_on_the_twin(in_new_process):
    here = Path(__file__).parent
    program = (
        "import pytest, sys; from cotrain import ops; assert ops.backend() == 'reference';"
        " sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', *sys.argv[1:]]))"
    )
    files = [
        str(here / name)
        for name in (
            "loss/test_face.py",
            "loss/test_gradients.py",
            "test_perturbation.py",
            "test_perturbation_laws.py",
            "test_random_start.py",
        )
    ]
    done = in_new_process(program, *files, COTRAIN_BACKEND="reference")
    assert done.returncode == 0, done.stdout


# What the core calls a level, and what ATEN_CPU_CAPABILITY does. From the one that runs everywhere upwards.
LEVELS = {"baseline": "default", "avx2": "avx2", "avx512": "avx512"}


def why_not_here(level: str) -> str:
    """Why the kernels of this level cannot run here; "" where they can."""
    if ops.backend() != "native":
        return f"the core does not serve: {ops.status().reason}"
    if level not in ops.build_info()["instruction_sets"]:
        return f"this core was not compiled for {level}"
    # PyTorch's word for the processor rather than the core's: a core that overlooks a level must not skip its test.
    capability = torch.backends.cpu.get_cpu_capability().lower()
    best = capability if capability in LEVELS else "baseline"
    is_beyond = list(LEVELS).index(level) > list(LEVELS).index(best)
    return f"this processor, or ATEN_CPU_CAPABILITY, ends at {best}" if is_beyond else ""


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_every_promise_of_the_kernels_holds_on_every_instruction_set(in_new_process, level):
    if reason := why_not_here(level):
        pytest.skip(reason)
    here = Path(__file__).parent
    program = (
        "import pytest, sys, torch; from cotrain import ops; print(torch.ops.cotrain.instruction_set());"
        " others = 'not reference and not emulated';"
        " sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '-k', others, *sys.argv[1:]]))"
    )
    of_loss = ("loss/test_kernels.py", "loss/test_kinds.py", "loss/test_layouts.py")
    names = (*of_loss, *PERTURBATIONS, "test_pooling.py", "test_quotas.py")
    files = [str(here / name) for name in names]
    done = in_new_process(program, *files, COTRAIN_BACKEND="native", ATEN_CPU_CAPABILITY=LEVELS[level])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0] == level


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted the Linux way")
@pytest.mark.parametrize("name", ["loss", "linf", "l2", "l1", "start"])
def test_the_kernels_take_the_threads_they_are_given(in_new_process, name):
    program = (
        "import os, torch; from cotrain import ops; torch.set_num_threads(1);"
        "rows, codes = torch.randn(4096, 100), torch.randint(0, 100, (4096,));"
        "step = lambda norm: ops.perturb(rows, rows, rows, norm=norm, step_size=0.1, epsilon=0.1);"
        "linf, l2, l1 = (lambda: step('linf')), (lambda: step('l2')), (lambda: step('l1'));"
        "start = lambda: torch.ops.cotrain.random_start(rows, rows, 'l2', 0.1, None, -9.0, 9.0, None, None, None);"
        "loss = lambda: ops.multi_head_loss([rows], [codes]);"
        "count = lambda: len(os.listdir('/proc/self/task'));"
        "before = count(); NAME(); alone = count() - before; torch.set_num_threads(3); NAME();"
        "print(alone, count() - before)"
    )
    done = in_new_process(program.replace("NAME", name))
    assert done.stdout.split() == ["0", "2"], done.stderr


def test_a_wrong_backend_is_refused():
    with pytest.raises(SettingError, match="`COTRAIN_BACKEND` must be one of auto, native, reference; got 'fast'"):
        core.load_core("fast")


def test_the_twin_serves_where_it_is_asked_for(in_new_process):
    program = "from cotrain import ops; print(ops.backend(), ops.status().host_backend)"
    done = in_new_process(program, COTRAIN_BACKEND="reference")
    assert (done.stdout, done.stderr) == ("reference reference\n", "")


def test_status_and_build_info_agree():
    status = ops.status()
    assert status.backend == ops.backend()
    assert (status.library is not None) == (status.backend == "native")
    assert {"is_built", "reason"} <= set(ops.build_info())
    if status.backend == "native":
        assert status.instruction_set in ops.build_info()["instruction_sets"]
        assert status.instruction_set == torch.ops.cotrain.instruction_set()
        assert status.host_backend == "native"
        assert status.instruction_set == host.kernels().instruction_set()
    else:
        assert status.instruction_set == ""


@pytest.fixture
def bare_copy(tmp_path) -> Path:
    """A copy of the package without its core, as a pure-Python installation leaves it."""
    package = Path(core.__file__).parents[1]
    (tmp_path / "cotrain").mkdir()
    shutil.copy(package / "errors.py", tmp_path / "cotrain")
    (tmp_path / "cotrain" / "__init__.py").touch()
    shutil.copytree(
        package / "ops", tmp_path / "cotrain" / "ops", ignore=shutil.ignore_patterns("*.so", "*.pyd", "_build*")
    )
    return tmp_path


def run_in(folder: Path, in_new_process, program: str, **environ: str):
    return in_new_process(f"import sys; sys.path.insert(0, {str(folder)!r})\n" + program, **environ)


SHOW = "from cotrain import ops; from cotrain import ops; print(ops.backend()); print(ops.status().reason)"


def test_without_a_core_the_twin_serves_and_says_why_once(bare_copy, in_new_process):
    reason = "no working C++ compiler (c++ fails)."
    info = bare_copy / "cotrain" / "ops" / "_build_info.json"
    info.write_text(json.dumps({"is_built": False, "reason": reason}))
    done = run_in(bare_copy, in_new_process, SHOW, COTRAIN_BACKEND="auto")
    assert done.stdout.splitlines()[0] == "reference"
    assert reason in done.stdout
    assert done.stderr.count("The PyTorch twin serves in place of the compiled core") == 1
    assert reason in done.stderr


def test_the_kernels_of_gpus_are_never_taken_for_the_core(bare_copy, in_new_process):
    (bare_copy / "cotrain" / "ops" / "_core_cuda.so").write_bytes(b"not a library")
    done = run_in(bare_copy, in_new_process, SHOW, COTRAIN_BACKEND="auto")
    assert "the core was not built" in done.stdout
    assert "does not load" not in done.stdout


def test_a_core_that_is_demanded_and_not_there_is_an_error(bare_copy, in_new_process):
    done = run_in(bare_copy, in_new_process, SHOW, COTRAIN_BACKEND="native")
    assert done.returncode == 1
    assert f"{CoreError.__name__}: COTRAIN_BACKEND=native, but the core was not built" in done.stderr


@pytest.mark.parametrize(
    ("built", "said"),
    [
        ({"torch": "2.13.0+cpu", "python": "3.11.7"}, []),
        ({"torch": "2.13.0+cu130", "python": "3.11.9"}, []),
        ({}, []),
        (
            {"torch": "2.12.1", "python": "3.11.7"},
            ["It was built for torch 2.12.1, and torch 2.13.0 runs it through the stable ABI."],
        ),
        (
            {"torch": "2.13.0", "python": "3.12.1"},
            ["Its Python modules were built for Python 3.12, and you run 3.11: " + REBUILD],
        ),
    ],
    ids=["the same", "another flavour", "not known", "another torch", "another Python"],
)
def test_what_the_core_was_built_for_is_compared_with_what_runs(built, said):
    assert core.differences(built, "2.13.0+cpu", "3.11.7") == said


def test_a_core_that_does_not_load_is_named_and_the_twin_serves(bare_copy, in_new_process):
    folder = bare_copy / "cotrain" / "ops"
    (folder / "_core.so").write_bytes(b"not a library")
    facts = {"is_built": True, "reason": "", "torch": "2.12.1", "python": "3.10.2"}
    (folder / "_build_info.json").write_text(json.dumps(facts))
    done = run_in(bare_copy, in_new_process, SHOW, COTRAIN_BACKEND="auto")
    assert done.stdout.splitlines()[0] == "reference"
    assert "does not load" in done.stdout
    assert "built for torch 2.12.1 and Python 3.10.2; you run torch " in done.stdout
    assert "pip install --no-build-isolation" in done.stdout
    assert run_in(bare_copy, in_new_process, SHOW, COTRAIN_BACKEND="native").returncode == 1


# What the NumPy side of the core can be like while the rest of it serves; and what is then said.
HOST_FAULTS = {
    "missing": (None, "the host kernels were not built for this Python"),
    "no library": (("_host" + EXTENSION_SUFFIXES[0], "not a library"), "the host kernels do not load"),
    "stale": (("_host.py", "INTERFACE = 0"), "the host kernels were built from another version of cotrain"),
}
SHOW_HOST = "from cotrain import ops; print(ops.backend(), ops.status().host_backend); print(ops.status().host_reason)"


@pytest.mark.skipif(ops.backend() != "native", reason=ops.status().reason)
@pytest.mark.parametrize("fault", HOST_FAULTS)
def test_host_kernels_that_cannot_be_used_are_named_and_numpy_serves(bare_copy, in_new_process, fault):
    file, said = HOST_FAULTS[fault]
    folder = bare_copy / "cotrain" / "ops"
    shutil.copy(ops.status().library, folder)
    if file is not None:
        (folder / file[0]).write_text(file[1])
    done = run_in(bare_copy, in_new_process, SHOW_HOST, COTRAIN_BACKEND="auto")
    assert done.stdout.splitlines()[0] == "native reference", done.stderr
    assert said in done.stdout
    assert done.stderr.count("NumPy serves in place of the host kernels") == 1
    demanded = run_in(bare_copy, in_new_process, SHOW_HOST, COTRAIN_BACKEND="native")
    assert f"{CoreError.__name__}: COTRAIN_BACKEND=native, but {said}" in demanded.stderr


def test_a_host_kernel_that_is_called_and_not_there_is_an_error(bare_copy, in_new_process):
    call = (
        "import numpy as np; from cotrain import ops; one = np.ones(1);"
        "ops.pool_opinions([np.ones((2, 1))], one, np.ones((1, 1)), one, voices=1.0, faintest=1e-4, tie=1e-9)"
    )
    done = run_in(bare_copy, in_new_process, call, COTRAIN_BACKEND="auto")
    assert done.returncode == 1
    assert f"{CoreError.__name__}: There is no kernel over NumPy arrays here: the host kernels were not" in done.stderr
