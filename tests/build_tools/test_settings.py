"""What the environment of an installation may hold, and that all that is wrong with it is told at once."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # build_tools is not installed

from build_tools.settings import BuildSettingError, BuildSettings, jobs_for, read_settings

SWITCHES = {
    "FORCE_CUDA": "forces_cuda",
    "FORCE_ONLY_CPU": "only_cpu",
    "COTRAIN_NO_EXT": "skips",
    "COTRAIN_REQUIRE_EXT": "requires",
    "COTRAIN_SANITIZE": "sanitizes",
    "DEBUG": "debugs",
    "WITH_SYMBOLS": "with_symbols",
}


def test_nothing_set_means_build_if_possible():
    assert read_settings({}) == BuildSettings()


@pytest.mark.parametrize(("name", "field"), SWITCHES.items())
def test_a_switch_is_on_with_1_and_off_with_0(name, field):
    assert read_settings({name: "1"}) == BuildSettings(**{field: True})
    assert read_settings({name: "0"}) == BuildSettings()


@pytest.mark.parametrize("value", ["", "yes", "TRUE", "2", " 1"])
@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_is_0_or_1_and_nothing_else(name, value):
    with pytest.raises(BuildSettingError, match=f"^{name} must be 0 or 1; got '{value}'.$"):
        read_settings({name: value})


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "", "²"])
@pytest.mark.parametrize("name", ["MAX_JOBS", "NVCC_THREADS"])
def test_counts_are_positive_numbers(name, value):
    with pytest.raises(BuildSettingError, match=f"{name} must be a number of .*, 1 or more; got '{value}'"):
        read_settings({name: value})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("COTRAIN_NO_EXT", "COTRAIN_REQUIRE_EXT"),
        ("COTRAIN_NO_EXT", "FORCE_CUDA"),
        ("COTRAIN_NO_EXT", "COTRAIN_SANITIZE"),
        ("FORCE_ONLY_CPU", "FORCE_CUDA"),
        ("COTRAIN_SANITIZE", "FORCE_CUDA"),
    ],
)
def test_switches_that_undo_each_other_are_refused(one, other):
    with pytest.raises(BuildSettingError, match=f"{one}=1 .* and {other}=1 .*; set one of them"):
        read_settings({one: "1", other: "1"})
    read_settings({one: "1", other: "0"})


def test_all_faults_are_told_at_once():
    environ = {"FORCE_CUDA": "1", "FORCE_ONLY_CPU": "1", "DEBUG": "on", "MAX_JOBS": "all", "NVCC_FLAGS": "'-open"}
    with pytest.raises(BuildSettingError) as caught:
        read_settings(environ)
    told = str(caught.value).splitlines()
    assert len(told) == 4
    for name in ("FORCE_ONLY_CPU", "DEBUG", "MAX_JOBS", "NVCC_FLAGS"):
        assert sum(name in line for line in told) == 1


def test_flags_are_split_as_a_shell_would():
    assert read_settings({"NVCC_FLAGS": "-v -Xcompiler '-Wall -Wextra'"}).nvcc_flags == (
        "-v",
        "-Xcompiler",
        "-Wall -Wextra",
    )


GIB = 2**30


@pytest.mark.parametrize(
    ("cores", "free", "jobs"),
    [(8, 64 * GIB, 8), (8, 3 * GIB, 3), (2, GIB // 2, 1), (64, 0, 1), (4, None, 4)],
    ids=["cores bind", "memory binds", "less than one", "nothing free", "nobody knows"],
)
def test_jobs_are_bounded_by_cores_and_by_free_memory(cores, free, jobs):
    assert jobs_for(cores, free) == jobs
