"""How an installation ends where the core is not wanted, cannot be built, or is demanded.

Each test runs setup.py on a copy of the project, with a shell script for a compiler: nothing is compiled.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/bin/sh").exists(), reason="the compilers of these tests are shell scripts")

PROJECT = Path(__file__).parents[2]

# The three pass or fail the probe that setup.py makes before it decides, and then the stages of the build.
NEVER = 'echo "no licence to work" >&2; exit 1'
NOT_COMPILING = """
case " $* " in
    *probe.cpp*) ;;
    *" -c "*) echo "no licence to compile" >&2; exit 1 ;;
esac
"""
NOT_LINKING = """
case " $* " in
    *probe.cpp*) ;;
    *" -c "*) while [ "$1" != -o ]; do shift; done; : > "$2" ;;
    *.o*) echo "no licence to link" >&2; exit 1 ;;
esac
"""


COMPILING = 'while [ "$#" -gt 0 ]; do [ "$1" = -o ] && : > "$2"; shift; done'
NOT_COMPILING_KERNELS = 'echo "no licence for kernels" >&2; exit 1'


class Installer:
    """A copy of the project: what setup.py, the operators and their twin need."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.tools = folder / "tools"
        self.tools.mkdir()
        for name in ("build_tools", "csrc"):
            shutil.copytree(PROJECT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
            shutil.copy(PROJECT / name, self.folder)
        leave_out = shutil.ignore_patterns("*.so", "*.pyd", "_build*", "__pycache__")
        shutil.copytree(PROJECT / "cotrain" / "ops", self.ops, ignore=leave_out)
        shutil.copy(PROJECT / "cotrain" / "errors.py", self.ops.parent)
        (self.ops.parent / "__init__.py").touch()

    @property
    def ops(self) -> Path:
        return self.folder / "cotrain" / "ops"

    def tool(self, name: str, script: str) -> str:
        """A program found before the machine's own."""
        path = self.tools / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    def without_ninja(self) -> None:
        self.tool("ninja", "exit 1")

    def without_pybind11(self) -> None:
        (self.tools / "pybind11.py").write_text("raise ImportError(\"No module named 'pybind11'\")\n")

    def with_kernels_and_cuda_torch(self) -> None:
        """A .cu file, and a torch that says it was built with CUDA 13.0, as far as the builder asks it."""
        (self.folder / "csrc" / "cuda").mkdir(exist_ok=True)
        for kernel in (self.folder / "csrc" / "cuda").iterdir():
            kernel.unlink()
        (self.folder / "csrc" / "cuda" / "kernel.cu").touch()
        (self.tools / "sitecustomize.py").write_text(
            "import torch\ntorch.version.cuda = '13.0'\ntorch._C._cuda_getDeviceCount = lambda: 0\n"
        )

    def toolkit(self, release: str, script: str) -> str:
        """CUDA_HOME of a toolkit whose nvcc is of this release, and compiles as the script does."""
        home = self.tools.parent / f"cuda-{release}"
        (home / "bin").mkdir(parents=True)
        nvcc = home / "bin" / "nvcc"
        nvcc.write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && echo "release {release}, V{release}.1" && exit\n{script}\n'
        )
        nvcc.chmod(0o755)
        return str(home)

    def run(self, *command: str, compiler: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """setup.py, with the scripts of this test before everything else."""
        foreign = ("COTRAIN_", "CUDA_", "FORCE_", "TORCH_", "NVCC_")
        outside = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        tools = {
            "CXX": self.tool("compiler", compiler),
            "PATH": f"{self.tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONPATH": str(self.tools),
            "MAX_JOBS": "1",
            "TORCH_DONT_CHECK_COMPILER_ABI": "1",  # a script is no gcc of a version that suits nvcc
        }
        return subprocess.run(
            [sys.executable, "setup.py", *command],
            cwd=self.folder,
            env={**outside, **tools, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def leave_an_old_core(self, ops: Path) -> None:
        """As an earlier, successful installation does; older than the sources, or setuptools finds nothing to do."""
        ops.mkdir(parents=True, exist_ok=True)
        tag = "cpython-311-x86_64-linux-gnu"
        for name in ("_core.so", "_core_cuda.so", f"_build.{tag}.so", f"_host.{tag}.so"):
            (ops / name).write_bytes(b"an old library")
            os.utime(ops / name, (1e9, 1e9))  # in 2001
        (ops / "_build_info.json").write_text(json.dumps({"is_built": True, "reason": ""}))

    def unpack_wheel(self) -> Path:
        """The folder that holds what the one wheel of `run` installs."""
        (wheel,) = self.wheels()
        target = self.folder.parent / "installed"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)
        return target

    def wheels(self) -> list[Path]:
        return list(self.folder.glob("dist/*.whl"))


@pytest.fixture
def installer(tmp_path) -> Installer:
    return Installer(tmp_path)


def is_pure(ops: Path, reason: str) -> bool:
    """No library lies in `ops`, and its note says why."""
    info = json.loads((ops / "_build_info.json").read_text())
    return not [*ops.rglob("*.so"), *ops.rglob("*.pyd")] and info["is_built"] is False and reason in info["reason"]


def test_no_ext_installs_the_twin_and_asks_for_no_compiler(installer):
    installer.leave_an_old_core(installer.ops)
    done = installer.run("bdist_wheel", compiler='touch "$0.was_called"', COTRAIN_NO_EXT="1")
    assert done.returncode == 0, done.stdout
    assert not (installer.tools / "compiler.was_called").exists()
    installed = installer.unpack_wheel()
    assert is_pure(installed / "cotrain" / "ops", "COTRAIN_NO_EXT=1 asks for pure Python.")
    twins = {path.name for path in (PROJECT / "cotrain" / "ops" / "reference").glob("*.py")}
    assert {path.name for path in (installed / "cotrain" / "ops" / "reference").iterdir()} == twins


@pytest.mark.parametrize(
    ("compiler", "has_ninja", "said", "reason"),
    [
        (NEVER, True, "no licence to work", "no working C++ compiler"),
        (NOT_COMPILING, True, "no licence to compile", "the compilation failed"),
        (NOT_COMPILING, False, "no licence to compile", "the compilation failed"),
        (NOT_LINKING, True, "no licence to link", "the compilation failed"),
    ],
    ids=["no compiler", "not compiled by ninja", "not compiled by setuptools", "not linked"],
)
class TestACoreThatCannotBeBuilt:
    def test_leaves_a_pure_python_installation(self, installer, compiler, has_ninja, said, reason):
        if not has_ninja:
            installer.without_ninja()
        installer.leave_an_old_core(installer.folder / "built" / "cotrain" / "ops")
        done = installer.run("build", "--build-lib", "built", "bdist_wheel", compiler=compiler)
        assert done.returncode == 0, done.stdout
        assert said in done.stdout
        assert "the compiled core is NOT built" in done.stdout
        assert is_pure(installer.unpack_wheel() / "cotrain" / "ops", reason)

    def test_leaves_no_old_core_behind(self, installer, compiler, has_ninja, said, reason):
        if not has_ninja:
            installer.without_ninja()
        installer.leave_an_old_core(installer.ops)
        done = installer.run("editable_wheel", compiler=compiler)
        assert done.returncode == 0, done.stdout
        assert said in done.stdout
        assert len(installer.wheels()) == 1
        assert is_pure(installer.ops, reason)


@pytest.mark.parametrize(
    ("command", "compiler", "reason"),
    [
        ("bdist_wheel", NEVER, "no working C++ compiler"),
        ("editable_wheel", NEVER, "no working C++ compiler"),
        ("bdist_wheel", NOT_LINKING, "the compilation failed"),
        ("editable_wheel", NOT_LINKING, "the compilation failed"),
    ],
    ids=["no compiler", "no compiler, editable", "not linked", "not linked, editable"],
)
def test_require_ext_fails_rather_than_installing_without_the_core(installer, command, compiler, reason):
    done = installer.run(command, compiler=compiler, COTRAIN_REQUIRE_EXT="1")
    assert done.returncode == 1, done.stdout
    assert f"COTRAIN_REQUIRE_EXT=1, but {reason}" in done.stdout
    assert "Traceback" not in done.stdout
    assert not installer.wheels()


def test_without_pybind11_the_twin_is_installed(installer):
    installer.without_pybind11()
    done = installer.run("bdist_wheel", compiler=NOT_LINKING)
    assert done.returncode == 0, done.stdout
    assert "pip install pybind11" in done.stdout
    assert is_pure(installer.unpack_wheel() / "cotrain" / "ops", "no pybind11 to build with")


def test_require_ext_fails_without_pybind11(installer):
    installer.without_pybind11()
    done = installer.run("bdist_wheel", compiler=NOT_LINKING, COTRAIN_REQUIRE_EXT="1")
    assert done.returncode == 1, done.stdout
    assert "COTRAIN_REQUIRE_EXT=1, but no pybind11 to build with (No module named 'pybind11')." in done.stdout
    assert "Traceback" not in done.stdout
    assert not installer.wheels()


def libraries(ops: Path) -> set[str]:
    return {path.name.split(".")[0] for path in ops.glob("*.so")}


def told_of(ops: Path) -> dict:
    return json.loads((ops / "_build_info.json").read_text())


def test_all_faults_of_the_settings_are_told_before_anything_is_done(installer):
    done = installer.run("bdist_wheel", compiler=NEVER, FORCE_CUDA="yes", DEBUG="2", MAX_JOBS="0")
    assert done.returncode == 1
    for name in ("FORCE_CUDA", "DEBUG", "MAX_JOBS"):
        assert f"{name} must be" in done.stdout
    assert "Traceback" not in done.stdout


def test_what_is_built_against_what_is_said_before_the_compilers_start(installer):
    done = installer.run("bdist_wheel", compiler=COMPILING, CFLAGS="-DASKED_BY_CFLAGS", WITH_SYMBOLS="1")
    assert done.returncode == 0, done.stdout
    plan, compilation = done.stdout.split("building 'cotrain.ops._core'", 1)
    assert "torch     2." in plan
    assert "CFLAGS=-DASKED_BY_CFLAGS" in plan
    assert "WITH_SYMBOLS=1" in plan
    assert "-DASKED_BY_CFLAGS" in compilation


class TestKernelsForCuda:
    @pytest.fixture(autouse=True)
    def _with_kernels(self, installer):
        installer.with_kernels_and_cuda_torch()

    def test_are_a_library_of_their_own_for_the_architectures_that_were_asked_for(self, installer):
        home = installer.toolkit("13.1", f'echo "nvcc got $*"; {COMPILING}')
        asked = {"CUDA_HOME": home, "FORCE_CUDA": "1", "TORCH_CUDA_ARCH_LIST": "9.0 12.0+PTX", "NVCC_FLAGS": "-v"}
        done = installer.run("bdist_wheel", compiler=COMPILING, **asked)
        assert done.returncode == 0, done.stdout
        ops = installer.unpack_wheel() / "cotrain" / "ops"
        assert libraries(ops) == {"_core", "_core_cuda", "_build", "_host"}
        cuda = told_of(ops)["cuda"]
        assert (cuda["is_built"], cuda["version"], cuda["torch_cuda"]) == (True, "13.1", "13.0")
        assert cuda["architectures"] == ["sm_90", "sm_120", "compute_120"]
        assert "a minor difference is fine" in done.stdout
        assert "-gencode=arch=compute_120,code=compute_120" in done.stdout

    @pytest.mark.parametrize("command", ["bdist_wheel", "editable_wheel"])
    def test_that_do_not_compile_cost_nothing_but_themselves(self, installer, command):
        ops = installer.ops if command == "editable_wheel" else installer.folder / "built" / "cotrain" / "ops"
        installer.leave_an_old_core(ops)
        home = installer.toolkit("13.0", NOT_COMPILING_KERNELS)
        done = installer.run("build", "--build-lib", "built", command, compiler=COMPILING, CUDA_HOME=home)
        assert done.returncode == 0, done.stdout
        assert "no licence for kernels" in done.stdout
        assert "CUDA kernels NOT built" in done.stdout
        ops = ops if command == "editable_wheel" else installer.unpack_wheel() / "cotrain" / "ops"
        assert libraries(ops) == {"_core", "_build", "_host"}
        assert told_of(ops)["is_built"]
        assert "the compilation failed" in told_of(ops)["cuda"]["reason"]

    def test_that_were_demanded_and_do_not_compile_fail_the_installation(self, installer):
        home = installer.toolkit("13.0", NOT_COMPILING_KERNELS)
        done = installer.run("bdist_wheel", compiler=COMPILING, CUDA_HOME=home, FORCE_CUDA="1")
        assert done.returncode == 1
        assert "FORCE_CUDA=1, but the compilation failed" in done.stdout
        assert "Traceback" not in done.stdout
        assert not installer.wheels()

    def test_of_another_major_version_are_not_tried(self, installer):
        home = installer.toolkit("12.4", f'touch "$0.was_called"; {COMPILING}')
        done = installer.run("bdist_wheel", compiler=COMPILING, CUDA_HOME=home)
        assert done.returncode == 0, done.stdout
        assert "A different CUDA major version cannot be linked safely" in done.stdout
        assert "3. FORCE_ONLY_CPU=1 pip install" in done.stdout
        assert libraries(installer.unpack_wheel() / "cotrain" / "ops") == {"_core", "_build", "_host"}
        assert not Path(home, "bin", "nvcc.was_called").exists()

    def test_that_were_demanded_of_a_torch_without_cuda_fail_before_anything_is_compiled(self, installer):
        (installer.tools / "sitecustomize.py").write_text("import torch\ntorch.version.cuda = None\n")
        home = installer.toolkit("13.0", COMPILING)
        done = installer.run("bdist_wheel", compiler=COMPILING, CUDA_HOME=home, FORCE_CUDA="1")
        assert done.returncode == 1
        assert "FORCE_CUDA=1, but this torch is CPU-only" in done.stdout
        assert "building 'cotrain" not in done.stdout
