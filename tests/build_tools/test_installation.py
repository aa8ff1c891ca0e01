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

    def run(self, *command: str, compiler: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """setup.py, with the scripts of this test before everything else."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("COTRAIN_")}
        tools = {
            "CXX": self.tool("compiler", compiler),
            "PATH": f"{self.tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONPATH": str(self.tools),
            "MAX_JOBS": "1",
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
        for name in ("_core.so", "_build.cpython-311-x86_64-linux-gnu.so"):
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
