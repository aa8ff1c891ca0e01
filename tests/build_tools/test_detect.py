"""Whether the core is built is decided without a compiler at hand, and a person is told what to do."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # build_tools is not installed

from build_tools.detect import (
    OLDEST_TORCH,
    TORCH_TARGET,
    BuildSettingError,
    BuildSettings,
    compile_flags,
    decide,
    not_built_message,
    read_settings,
    version_of,
)
from build_tools.machine import compiler_fault, pybind11_fault


def test_nothing_set_means_build_if_possible():
    assert read_settings({}) == BuildSettings(skips=False, requires=False)
    assert read_settings({"COTRAIN_NO_EXT": "0", "COTRAIN_REQUIRE_EXT": "1"}) == BuildSettings(requires=True)


@pytest.mark.parametrize("value", ["", "yes", "TRUE", "2", " 1"])
@pytest.mark.parametrize("name", ["COTRAIN_NO_EXT", "COTRAIN_REQUIRE_EXT"])
def test_a_switch_is_0_or_1_and_nothing_else(name, value):
    with pytest.raises(BuildSettingError, match=f"{name} must be 0 or 1; got '{value}'"):
        read_settings({name: value})


def test_skipping_and_demanding_the_core_contradict():
    with pytest.raises(BuildSettingError, match="set one of them"):
        read_settings({"COTRAIN_NO_EXT": "1", "COTRAIN_REQUIRE_EXT": "1"})


@pytest.mark.parametrize("jobs", ["0", "-1", "many", "1.5", ""])
def test_jobs_are_a_positive_number(jobs):
    with pytest.raises(BuildSettingError, match="MAX_JOBS"):
        read_settings({"MAX_JOBS": jobs})


def test_torch_a_compiler_and_pybind11_are_all_it_takes():
    decision = decide(BuildSettings(), "", "2.11.0", "", "")
    assert decision.builds
    assert not decision.reason


@pytest.mark.parametrize(
    ("settings", "torch_fault", "torch_version", "compiler", "pybind11", "reason", "way_out"),
    [
        (BuildSettings(skips=True), "", "", "", "", "COTRAIN_NO_EXT=1", "Unset COTRAIN_NO_EXT"),
        (BuildSettings(), "No module named 'torch'", "", "", "", "No module named 'torch'", "Install torch first"),
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


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_no_flag_ties_the_library_to_one_machine_or_one_standard(platform):
    flags = compile_flags(platform)
    assert flags
    assert not [flag for flag in flags if "std" in flag or "march" in flag or "fast-math" in flag]


@pytest.mark.skipif(sys.platform == "win32", reason="setuptools finds the compiler there")
@pytest.mark.parametrize("command", ["/bin/false", "/nowhere/c++", "ccache /nowhere/c++"])
def test_a_compiler_that_does_not_work_is_a_sentence_not_an_exception(command):
    assert command.split()[-1] in compiler_fault({"CXX": command})


def test_a_pybind11_that_is_missing_is_a_sentence_not_an_exception(monkeypatch):
    assert pybind11_fault() == ""
    monkeypatch.setitem(sys.modules, "pybind11", None)  # Python's own way to say: there is none
    assert "pybind11" in pybind11_fault()
