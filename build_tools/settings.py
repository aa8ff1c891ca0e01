"""What has the person who installs asked for? The environment variables of the build.

Switches are 0 or 1. All faults are told at once, so that nobody mends them one installation at a time.

    FORCE_CUDA=1            the CUDA kernels, or a failed installation
    FORCE_ONLY_CPU=1        the processor's kernels alone
    COTRAIN_NO_EXT=1        pure Python
    COTRAIN_REQUIRE_EXT=1   the core, or a failed installation
    COTRAIN_SANITIZE=1      the core under the address and undefined-behaviour sanitizers, for `make sanitize`
    DEBUG=1                 no optimisation, debug symbols
    WITH_SYMBOLS=1          debug symbols, optimised as ever
    TORCH_CUDA_ARCH_LIST    GPUs to compile for, such as "8.0;9.0+PTX"
    CUDA_HOME               the CUDA toolkit (else CUDA_PATH, nvcc on PATH, /usr/local/cuda)
    NVCC_FLAGS              more flags for nvcc
    NVCC_THREADS            GPUs that one nvcc compiles for at a time
    MAX_JOBS                compilers at work at a time (else as many as cores and free memory allow)

CC, CXX, CFLAGS, CXXFLAGS and LDFLAGS mean what they mean to setuptools, which reads them itself.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

NAMES = (
    "FORCE_CUDA",
    "FORCE_ONLY_CPU",
    "COTRAIN_NO_EXT",
    "COTRAIN_REQUIRE_EXT",
    "COTRAIN_SANITIZE",
    "DEBUG",
    "WITH_SYMBOLS",
    "TORCH_CUDA_ARCH_LIST",
    "CUDA_HOME",
    "CUDA_PATH",
    "NVCC_FLAGS",
    "NVCC_THREADS",
    "MAX_JOBS",
    "CC",
    "CXX",
    "CFLAGS",
    "CXXFLAGS",
    "LDFLAGS",
)
"""All that the build looks at; what is set of them is printed, since a Dockerfile may have set less than it seems."""

# Each asks for the opposite of the other.
_OPPOSITES = (
    ("COTRAIN_NO_EXT", "skips the core", "COTRAIN_REQUIRE_EXT", "demands it"),
    ("COTRAIN_NO_EXT", "skips the core", "FORCE_CUDA", "demands its CUDA kernels"),
    ("COTRAIN_NO_EXT", "skips the core", "COTRAIN_SANITIZE", "compiles it"),
    ("FORCE_ONLY_CPU", "leaves the CUDA kernels out", "FORCE_CUDA", "demands them"),
    ("COTRAIN_SANITIZE", "builds the processor's kernels alone", "FORCE_CUDA", "demands those of CUDA"),
)


class BuildSettingError(ValueError):
    """Environment variables of the build have values they cannot have: one sentence for each."""


@dataclass(frozen=True)
class BuildSettings:
    """What was asked for.

    Parameters
    ----------
    skips, requires : no core; a core or a failed installation
    forces_cuda, only_cpu : CUDA kernels or a failed installation; never CUDA kernels
    debugs, with_symbols, sanitizes : what the compilers are told
    architectures : TORCH_CUDA_ARCH_LIST as it was written; "" = not given
    nvcc_flags : more flags for nvcc
    nvcc_threads, jobs : None = not given
    """

    skips: bool = False
    requires: bool = False
    forces_cuda: bool = False
    only_cpu: bool = False
    debugs: bool = False
    with_symbols: bool = False
    sanitizes: bool = False
    architectures: str = ""
    nvcc_flags: tuple[str, ...] = ()
    nvcc_threads: int | None = None
    jobs: int | None = None


def read_settings(environ: Mapping[str, str]) -> BuildSettings:
    """The settings that the environment holds.

    Raises
    ------
    BuildSettingError : a switch that is not 0 or 1, a count that is no positive number, flags with an open quote,
        switches that contradict each other; every fault in one message
    """
    faults: list[str] = []

    def switch(name: str) -> bool:
        value = environ.get(name, "0")
        if value not in ("0", "1"):
            faults.append(f"{name} must be 0 or 1; got {value!r}.")
        return value == "1"

    def count(name: str, of_what: str) -> int | None:
        value = environ.get(name)
        if value is None:
            return None
        if not value.isdecimal() or int(value) < 1:
            faults.append(f"{name} must be a number of {of_what}, 1 or more; got {value!r}.")
            return None
        return int(value)

    def flags(name: str) -> tuple[str, ...]:
        try:
            return tuple(shlex.split(environ.get(name, "")))
        except ValueError as error:
            faults.append(f"{name} must be flags as one writes them in a shell; got {environ[name]!r} ({error}).")
            return ()

    settings = BuildSettings(
        skips=switch("COTRAIN_NO_EXT"),
        requires=switch("COTRAIN_REQUIRE_EXT"),
        forces_cuda=switch("FORCE_CUDA"),
        only_cpu=switch("FORCE_ONLY_CPU"),
        debugs=switch("DEBUG"),
        with_symbols=switch("WITH_SYMBOLS"),
        sanitizes=switch("COTRAIN_SANITIZE"),
        architectures=environ.get("TORCH_CUDA_ARCH_LIST", "").strip(),
        nvcc_flags=flags("NVCC_FLAGS"),
        nvcc_threads=count("NVCC_THREADS", "threads"),
        jobs=count("MAX_JOBS", "compiler processes"),
    )
    faults += [
        f"{one}=1 {does} and {other}=1 {undoes}; set one of them."
        for one, does, other, undoes in _OPPOSITES
        if environ.get(one) == environ.get(other) == "1"
    ]
    if faults:
        raise BuildSettingError("\n".join(faults))
    return settings


def jobs_for(cores: int, free_bytes: int | None) -> int:
    """How many compilers may work at a time: one a core, and 1 GiB of free memory for each.

    The largest file takes 0.4 GiB of gcc, a small one 0.45 GiB of nvcc; the rest is for the linker and for templates
    to come.

    Parameters
    ----------
    cores : that this process may use
    free_bytes : of memory; None = not known
    """
    affordable = cores if free_bytes is None else free_bytes // 2**30
    return max(1, min(cores, affordable))
