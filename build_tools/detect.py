"""Is the compiled core to be built, with which flags, and what is a person told if not?

Pure functions: what the machine has is passed in, so every case is tested without a compiler or another torch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

OLDEST_TORCH = (2, 11)
"""The oldest torch that the core runs on: the oldest whose stable ABI has all that it calls."""

TORCH_TARGET = "0x020b000000000000"
"""OLDEST_TORCH for TORCH_TARGET_VERSION: one byte each for major and minor, in hexadecimal (11 = 0b)."""


class BuildSettingError(ValueError):
    """An environment variable of the build has a value it cannot have."""


@dataclass(frozen=True)
class BuildSettings:
    """What the person who installs has asked for.

    Parameters
    ----------
    skips : COTRAIN_NO_EXT=1, pure Python
    requires : COTRAIN_REQUIRE_EXT=1, a core or a failed installation
    """

    skips: bool = False
    requires: bool = False


@dataclass(frozen=True)
class Decision:
    """Whether to build, and why not. `reason` is "" where the core is to be built; `advice` are ways out."""

    builds: bool
    reason: str = ""
    advice: tuple[str, ...] = ()


def read_settings(environ: Mapping[str, str]) -> BuildSettings:
    """COTRAIN_NO_EXT and COTRAIN_REQUIRE_EXT.

    Raises
    ------
    BuildSettingError : a value other than 0 and 1, both switched on, or MAX_JOBS that is no positive number
    """
    settings = BuildSettings(_switch(environ, "COTRAIN_NO_EXT"), _switch(environ, "COTRAIN_REQUIRE_EXT"))
    if settings.skips and settings.requires:
        raise BuildSettingError(
            "COTRAIN_NO_EXT=1 skips the core and COTRAIN_REQUIRE_EXT=1 demands it; set one of them."
        )
    jobs = environ.get("MAX_JOBS", "1")
    if not jobs.isdecimal() or int(jobs) < 1:
        raise BuildSettingError(f"MAX_JOBS must be a number of compiler processes, 1 or more; got {jobs!r}.")
    return settings


def decide(
    settings: BuildSettings, torch_fault: str, torch_version: str, compiler_fault: str, pybind11_fault: str
) -> Decision:
    """Whether the core can and shall be built.

    Parameters
    ----------
    settings : from `read_settings`
    torch_fault : why torch cannot be imported; "" = it can
    torch_version : of the torch that is installed, as `torch.__version__`
    compiler_fault : why the C++ compiler cannot be used; "" = it can
    pybind11_fault : why pybind11 cannot be imported; "" = it can
    """
    if settings.skips:
        return Decision(False, "COTRAIN_NO_EXT=1 asks for pure Python.", ("Unset COTRAIN_NO_EXT to build it.",))
    if torch_fault:
        return Decision(
            False,
            f"no torch to build against ({torch_fault}).",
            ("Install torch first, then: pip install --no-build-isolation .",),
        )
    if version_of(torch_version) < OLDEST_TORCH:
        oldest = ".".join(map(str, OLDEST_TORCH))
        return Decision(
            False,
            f"the core needs torch {oldest} or later, found {torch_version}.",
            (f'pip install "torch>={oldest}", then install cotrain again.',),
        )
    if compiler_fault:
        return Decision(
            False,
            f"no working C++ compiler ({compiler_fault}).",
            ("Install one (Debian and Ubuntu: apt install g++), or name one: CXX=/path/to/g++ pip install .",),
        )
    if pybind11_fault:
        return Decision(
            False,
            f"no pybind11 to build with ({pybind11_fault}).",
            ("pip install pybind11, then install cotrain again.",),
        )
    return Decision(True)


def version_of(text: str) -> tuple[int, int]:
    """(major, minor) of a version such as "2.13.0+cpu" or "2.14.0a0+git1234"; (0, 0) for what is none."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def compile_flags(platform: str) -> list[str]:
    """Flags of every C++ file. No -std: torch adds its own; no -march: instruction sets are chosen at run time.

    Parameters
    ----------
    platform : as `sys.platform`
    """
    if platform == "win32":
        return ["/O2", "/permissive-"]
    return [
        "-O3",
        "-g0",  # Python asks for debug symbols by default: ten times the size
        "-fvisibility=hidden",
        "-fopenmp-simd",  # the loops' vector hints, without OpenMP's run time
        "-fno-math-errno",  # nobody reads errno or the trap flags, and keeping them
        "-fno-trapping-math",  # forbids vector instructions; NaN and inf still mean what they mean
        "-ffp-contract=fast",  # a * b + c in one instruction where there is one
    ]


def not_built_message(decision: Decision) -> str:
    """What is printed when cotrain is installed without its core."""
    lines = [
        "",
        "cotrain: the compiled core is NOT built.",
        f"  Why: {decision.reason}",
        "  cotrain works without it: a PyTorch twin gives the same results, slower.",
        *(f"  To have it: {way}" for way in decision.advice),
        "",
    ]
    return "\n".join(lines)


def _switch(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "0")
    if value not in ("0", "1"):
        raise BuildSettingError(f"{name} must be 0 or 1; got {value!r}.")
    return value == "1"
