"""What is found on this machine, told from folders and programs that each test makes for itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # build_tools is not installed

from build_tools.machine import compiler_name, cores, find_toolkit, free_memory

PROJECT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not Path("/bin/sh").exists(), reason="the compilers of these tests are shell scripts")

RELEASE = "Cuda compilation tools, release 13.0, V13.0.88"


def script(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", ["CUDA_HOME", "CUDA_PATH"])
def test_the_toolkit_that_is_named_comes_before_the_one_on_the_path(tmp_path, name):
    script(tmp_path / "named" / "bin" / "nvcc", f"echo '{RELEASE}'")
    script(tmp_path / "other" / "bin" / "nvcc", "echo 'release 12.1, V12.1.0'")
    environ = {name: str(tmp_path / "named"), "PATH": str(tmp_path / "other" / "bin")}
    toolkit = find_toolkit(environ)
    assert (toolkit.home, toolkit.version, toolkit.fault) == (str(tmp_path / "named"), "13.0", "")


def test_a_named_folder_without_nvcc_is_a_fault_even_if_another_has_one(tmp_path):
    script(tmp_path / "bin" / "nvcc", f"echo '{RELEASE}'")
    toolkit = find_toolkit({"CUDA_HOME": str(tmp_path / "typo"), "PATH": str(tmp_path / "bin")})
    assert toolkit.fault == f"CUDA_HOME is {tmp_path}/typo, which has no bin/nvcc"


def test_a_script_on_the_path_is_traced_to_the_toolkit_it_starts(tmp_path):
    real = script(
        tmp_path / "cuda-13.0" / "bin" / "nvcc",
        f'[ "$1" = --version ] && echo "{RELEASE}"',
        f'[ "$1" = --dryrun ] && echo "#\\$ _HERE_={tmp_path}/cuda-13.0/bin" >&2',
        "exit 0",
    )
    script(tmp_path / "bin" / "nvcc", f'exec {real} "$@"')
    toolkit = find_toolkit({"PATH": str(tmp_path / "bin")})
    assert toolkit.home == str(tmp_path / "cuda-13.0")
    assert toolkit.nvcc == str(real)


def test_the_usual_folder_is_looked_at_last(tmp_path):
    script(tmp_path / "cuda" / "bin" / "nvcc", f"echo '{RELEASE}'")
    assert find_toolkit({"PATH": "/nowhere"}, usual=tmp_path / "cuda").home == str(tmp_path / "cuda")
    nothing = find_toolkit({"PATH": "/nowhere"}, usual=tmp_path / "none")
    assert nothing.fault == "no nvcc on PATH, and CUDA_HOME is not set"


def test_an_nvcc_that_does_not_work_is_a_sentence_not_an_exception(tmp_path):
    script(tmp_path / "bin" / "nvcc", "echo 'no driver, no fun' >&2", "exit 3")
    assert "no driver, no fun" in find_toolkit({"CUDA_HOME": str(tmp_path)}).fault
    script(tmp_path / "bin" / "nvcc", "echo something else")
    assert "names no release" in find_toolkit({"CUDA_HOME": str(tmp_path)}).fault


def test_a_compiler_is_called_what_it_calls_itself(tmp_path):
    compiler = script(tmp_path / "c++", "echo 'our compiler 12.2'", "echo 'no warranty'")
    assert compiler_name({"CXX": str(compiler)}) == "our compiler 12.2"
    assert compiler_name({"CXX": "/nowhere/c++"}) == ""


def test_free_memory_is_what_both_the_machine_and_the_container_have_left(tmp_path):
    assert free_memory(tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    4000 kB\n")
    assert free_memory(tmp_path) == 4000 * 1024
    group = tmp_path / "sys" / "fs" / "cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    assert free_memory(tmp_path) == 4000 * 1024
    (group / "memory.max").write_text("1000000\n")
    (group / "memory.current").write_text("400000\n")
    assert free_memory(tmp_path) == 600000


def test_there_is_a_core_to_compile_on():
    assert cores() >= 1


def test_torch_is_found_from_inside_pips_isolated_build():
    program = (
        "import sys, sysconfig; folder = sysconfig.get_paths()['purelib'];"
        "import setuptools; sys.path = [place for place in sys.path if place != folder];"
        "from build_tools.machine import find_torch;"
        "found = find_torch(); print(found.version, found.folder, found.fault)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, env=os.environ, capture_output=True, text=True, check=True
    )
    import torch

    assert done.stdout.split() == [torch.__version__, str(Path(torch.__file__).parent)]


def test_nothing_is_ever_compiled_when_cotrain_is_imported():
    words = ("cpp_extension", "load_inline")
    guilty = [path for path in (PROJECT / "cotrain").rglob("*.py") if any(word in path.read_text() for word in words)]
    assert guilty == []
