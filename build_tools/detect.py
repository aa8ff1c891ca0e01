"""Is the compiled core to be built, with which flags, and what is a person told if not?

Pure functions: what the machine has is passed in, so every case is tested without a compiler or another torch.
"""

import re
from dataclasses import dataclass

from build_tools.settings import BuildSettings

OLDEST_TORCH = (2, 11)
"""The oldest torch that the core runs on: the oldest whose stable ABI has all that it calls."""

TORCH_TARGET = "0x020b000000000000"
"""OLDEST_TORCH for TORCH_TARGET_VERSION: one byte each for major and minor, in hexadecimal (11 = 0b)."""


@dataclass(frozen=True)
class Decision:
    """Whether to build, and why not.

    Parameters
    ----------
    builds : whether
    reason : why not; "" where it is built
    advice : ways out
    note : what one should know where it is built all the same
    """

    builds: bool
    reason: str = ""
    advice: tuple[str, ...] = ()
    note: str = ""


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
        return Decision(False, f"no torch to build against ({torch_fault}).", (_way_to_torch(torch_fault),))
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


_SANITIZED = (
    "-fno-omit-frame-pointer",  # whole stacks in what the sanitizers say
    "-fno-wrapv",  # Python asks for numbers that wrap around silently
    "-D_GLIBCXX_ASSERTIONS",  # every index of a vector is looked at
)


def cxx_standard(torch_version: str) -> str:
    """The C++ standard that torch's builder asks for, where a file is compiled without that builder."""
    return "c++20" if version_of(torch_version) >= (2, 13) else "c++17"


def compile_flags(platform: str, settings: BuildSettings) -> list[str]:
    """Flags of every C++ file. No -std: torch adds its own; no -march: instruction sets are chosen at run time.

    Parameters
    ----------
    platform : as `sys.platform`
    settings : DEBUG, WITH_SYMBOLS and COTRAIN_SANITIZE
    """
    if platform == "win32":
        symbols = ["/Z7"] if settings.debugs or settings.with_symbols else []
        return ["/Od" if settings.debugs else "/O2", "/permissive-", *symbols]
    has_symbols = settings.debugs or settings.with_symbols or settings.sanitizes
    return [
        "-O0" if settings.debugs else "-O1" if settings.sanitizes else "-O3",
        "-g" if has_symbols else "-g0",  # Python asks for debug symbols by default: ten times the size
        *link_flags(settings),
        *(_SANITIZED if settings.sanitizes else []),
        "-fvisibility=hidden",
        "-fopenmp-simd",  # the loops' vector hints, without OpenMP's run time
        "-fno-math-errno",  # nobody reads errno or the trap flags, and keeping them
        "-fno-trapping-math",  # forbids vector instructions; NaN and inf still mean what they mean
        "-ffp-contract=fast",  # a * b + c in one instruction where there is one
    ]


def link_flags(settings: BuildSettings) -> list[str]:
    """Flags that the linker must be given too."""
    return ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"] if settings.sanitizes else []


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


def _way_to_torch(fault: str) -> str:
    if "pkg_resources" in fault or "distutils" in fault:
        oldest = ".".join(map(str, OLDEST_TORCH))
        return f'Old torches need what setuptools 82 and Python 3.12 dropped: pip install "torch>={oldest}".'
    return "Install torch first, then: pip install --no-build-isolation ."
