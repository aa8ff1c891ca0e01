"""Whether the core is built is decided without a compiler at hand, and a person is told what to do."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # build_tools is not installed

from build_tools.detect import (
    OLDEST_TORCH,
    TORCH_TARGET,
    compile_flags,
    cxx_standard,
    decide,
    link_flags,
    not_built_message,
    version_of,
)
from build_tools.machine import compiler_fault, pybind11_fault
from build_tools.settings import BuildSettings


def test_torch_a_compiler_and_pybind11_are_all_it_takes():
    decision = decide(BuildSettings(), "", "2.11.0", "", "")
    assert decision.builds
    assert not decision.reason


@pytest.mark.parametrize(
    ("settings", "torch_fault", "torch_version", "compiler", "pybind11", "reason", "way_out"),
    [
        (BuildSettings(skips=True), "", "", "", "", "COTRAIN_NO_EXT=1", "Unset COTRAIN_NO_EXT"),
        (BuildSettings(), "No module named 'torch'", "", "", "", "No module named 'torch'", "Install torch first"),
        (BuildSettings(), "No module named 'pkg_resources'", "", "", "", "no torch", 'pip install "torch>=2.11"'),
        (BuildSettings(), "", "2.10.1+cpu", "", "", "2.11 or later, found 2.10.1+cpu", "torch>=2.11"),
        (BuildSettings(), "", "2.13.0", "c++: not found", "", "c++: not found", "apt install g++"),
        (BuildSettings(), "", "2.13.0", "", "No module named 'pybind11'", "no pybind11", "pip install pybind11"),
    ],
)
def test_what_is_missing_is_named_with_a_way_out(
    settings, torch_fault, torch_version, compiler, pybind11, reason, way_out
):
    decision = decide(settings, torch_fault, torch_version, compiler, pybind11)
    assert not decision.builds
    message = not_built_message(decision)
    assert "NOT built" in message
    assert reason in message
    assert way_out in message


def test_versions_are_read_as_numbers_not_as_text():
    assert version_of("2.9.1") < OLDEST_TORCH <= version_of("2.11.0a0+git123") < version_of("2.100")
    assert version_of("nightly") == (0, 0)


def test_the_target_is_the_oldest_torch_in_hexadecimal():
    number = int(TORCH_TARGET, 16)
    assert (number >> 56, number >> 48 & 0xFF) == OLDEST_TORCH


@pytest.mark.parametrize("settings", [BuildSettings(), BuildSettings(debugs=True), BuildSettings(sanitizes=True)])
@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_no_flag_ties_the_library_to_one_machine_or_one_standard(platform, settings):
    flags = compile_flags(platform, settings)
    assert flags
    assert not [flag for flag in flags if "std" in flag or "march" in flag or "fast-math" in flag]


def test_debugging_takes_the_optimisation_and_symbols_do_not():
    plain = compile_flags("linux", BuildSettings())
    assert {"-O3", "-g0"} <= set(plain)
    assert {"-O0", "-g"} <= set(compile_flags("linux", BuildSettings(debugs=True)))
    assert {"-O3", "-g"} <= set(compile_flags("linux", BuildSettings(with_symbols=True)))
    assert {"/Od", "/Z7"} <= set(compile_flags("win32", BuildSettings(debugs=True)))


def test_the_sanitizers_are_given_to_the_compiler_and_the_linker_alike():
    settings = BuildSettings(sanitizes=True)
    assert "-fsanitize=address,undefined" in link_flags(settings)
    assert set(link_flags(settings)) <= set(compile_flags("linux", settings))
    assert link_flags(BuildSettings()) == []


def test_the_standard_is_the_one_that_torch_compiles_with():
    assert (cxx_standard("2.12.1"), cxx_standard("2.13.0+cpu"), cxx_standard("3.0")) == ("c++17", "c++20", "c++20")


@pytest.mark.skipif(sys.platform == "win32", reason="setuptools finds the compiler there")
@pytest.mark.parametrize("command", ["/bin/false", "/nowhere/c++", "ccache /nowhere/c++"])
def test_a_compiler_that_does_not_work_is_a_sentence_not_an_exception(command):
    assert command.split()[-1] in compiler_fault({"CXX": command})


def test_a_pybind11_that_is_missing_is_a_sentence_not_an_exception(monkeypatch):
    assert pybind11_fault() == ""
    monkeypatch.setitem(sys.modules, "pybind11", None)  # Python's own way to say: there is none
    assert "pybind11" in pybind11_fault()
