"""Are the CUDA kernels to be built, for which GPUs, and what is a person told if not?

Pure functions, like those of `detect`. Whether a GPU is in this machine decides nothing: images are built on machines
without one. What counts is the CUDA that torch was built with, and the toolkit that was found.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from build_tools.detect import Decision
from build_tools.settings import BuildSettingError, BuildSettings

DEFAULT_ARCHITECTURES = "8.0;9.0+PTX"
"""A100 and H100 as they are; PTX, which a driver compiles when it loads it, for what comes after them."""

# What torch's own builds understand in place of numbers. Older ones than these no supported nvcc compiles for.
_NAMED = {
    "Turing": "7.5+PTX",
    "Ampere": "8.0;8.6+PTX",
    "Ada": "8.9+PTX",
    "Hopper": "9.0+PTX",
    "Blackwell": "10.0;10.3;12.0;12.1+PTX",
}


@dataclass(frozen=True)
class Torch:
    """The torch that is built against. `cuda` is "" where it was built without; `fault` says why there is none."""

    version: str = ""
    cuda: str = ""
    folder: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Toolkit:
    """The CUDA toolkit: its folder, and the version of its nvcc. `fault` says why there is none."""

    home: str = ""
    version: str = ""
    fault: str = ""

    @property
    def nvcc(self) -> str:
        return str(Path(self.home, "bin", "nvcc"))


def cuda_sources(folder: Path) -> list[Path]:
    """The files of the CUDA library, none where there is no .cu among them.

    Raises
    ------
    BuildSettingError : two files that would be compiled into one object file
    """
    kernels = sorted(folder.glob("*.cu"))
    sources = sorted([*kernels, *folder.glob("*.cpp")]) if kernels else []
    for one, other in itertools.pairwise(sources):
        if one.stem == other.stem:
            raise BuildSettingError(f"{one} and {other.name} would become one object file; rename one of them.")
    return sources


def decide_cuda(settings: BuildSettings, has_sources: bool, torch: Torch, toolkit: Toolkit) -> Decision:
    """Whether the CUDA kernels can and shall be built, given that the core is.

    A difference in CUDA's major version cannot be linked safely and stops; one in the minor version is a note.
    """
    if settings.only_cpu:
        return Decision(False, "FORCE_ONLY_CPU=1 asks for the processor's kernels alone.")
    if settings.sanitizes:
        return Decision(False, "COTRAIN_SANITIZE=1 asks for the processor's kernels alone.")
    if not has_sources:
        return Decision(False, "csrc/cuda holds no .cu file.")
    if not torch.cuda:
        where = f"{torch.version} at {torch.folder}"
        return Decision(False, f"this torch is CPU-only ({where}); for GPUs install one with CUDA, then cotrain again.")
    major = torch.cuda.split(".")[0]
    if toolkit.fault:
        return Decision(
            False,
            f"no CUDA toolkit to compile with ({toolkit.fault}).",
            (f"Install the toolkit of CUDA {major}, then: CUDA_HOME=/path/to/cuda-{major} pip install -v .",),
        )
    here = toolkit.version.split(".")[0]
    if here != major:
        return Decision(
            False,
            f"nvcc is of CUDA {toolkit.version} ({toolkit.nvcc}), torch {torch.version} was built with CUDA "
            f"{torch.cuda}. A different CUDA major version cannot be linked safely.",
            (
                f"CUDA_HOME=/path/to/cuda-{major} pip install --no-build-isolation -v .",
                f"install the torch that was built for CUDA {here}, then install cotrain again",
                "FORCE_ONLY_CPU=1 pip install . (the processor's kernels, and the PyTorch twin on GPUs)",
            ),
        )
    if toolkit.version != torch.cuda:
        note = f"nvcc is of CUDA {toolkit.version}, torch was built with CUDA {torch.cuda}: a minor difference is fine."
        return Decision(True, note=note)
    return Decision(True)


def architecture_list(asked: str, capabilities: Sequence[tuple[int, int]]) -> str:
    """What to compile for, in the language of TORCH_CUDA_ARCH_LIST.

    Parameters
    ----------
    asked : TORCH_CUDA_ARCH_LIST; "" or "native" = the GPUs that are here
    capabilities : of the GPUs that are here. The newest is compiled to PTX too; none = DEFAULT_ARCHITECTURES
    """
    if asked not in ("", "native"):
        return asked
    here = [f"{major}.{minor}" for major, minor in sorted(set(capabilities))]
    return ";".join(here) + "+PTX" if here else DEFAULT_ARCHITECTURES


def architectures(text: str) -> tuple[str, ...]:
    """ "8.0;9.0+PTX" as ("sm_80", "sm_90", "compute_90"): machine code, and PTX that later GPUs can be given.

    Raises
    ------
    BuildSettingError : a word that names no architecture
    """
    codes: list[str] = []
    for name in re.split(r"[;,\s]+", text.strip("; ,")):
        for word in _NAMED.get(name, name).split(";"):
            found = re.fullmatch(r"(\d+)\.(\d)([af]?)(\+PTX)?", word)
            if found is None:
                raise BuildSettingError(
                    f"TORCH_CUDA_ARCH_LIST must be compute capabilities such as {DEFAULT_ARCHITECTURES!r}, or of "
                    f"{', '.join(_NAMED)}; got {name!r}."
                )
            number = found[1] + found[2] + found[3]
            codes += [f"sm_{number}"] + ([f"compute_{number}"] if found[4] else [])
    return tuple(dict.fromkeys(codes))


def nvcc_flags(settings: BuildSettings, codes: Sequence[str]) -> list[str]:
    """Flags of every .cu file. torch asks no GPU for its architecture where -gencode names them.

    No -use_fast_math: its logarithm is wrong near 1, where a sure network's loss lies.
    """
    targets = [f"-gencode=arch={code.replace('sm', 'compute')},code={code}" for code in codes]
    symbols = ["-G", "-g"] if settings.debugs else ["-lineinfo", "-g"] if settings.with_symbols else []
    threads = [] if settings.nvcc_threads is None else ["--threads", str(settings.nvcc_threads)]
    optimisation = "-O0" if settings.debugs else "-O3"
    return [optimisation, *symbols, *targets, "-Xcompiler", "-fvisibility=hidden", *threads, *settings.nvcc_flags]


def cuda_not_built_message(decision: Decision) -> str:
    """What is printed where the core is built without CUDA kernels: one line where nothing is wrong with that."""
    if not decision.advice:
        return f"cotrain: CUDA kernels not built: {decision.reason}"
    lines = ["", "cotrain: CUDA kernels NOT built.", f"  Why: {decision.reason}"]
    lines.append("  The processor's kernels are. On a GPU the PyTorch twin gives the same results, slower.")
    if len(decision.advice) == 1:
        return "\n".join([*lines, f"  To have them: {decision.advice[0]}", ""])
    ways = [f"    {number}. {way}" for number, way in enumerate(decision.advice, 1)]
    return "\n".join([*lines, "  Do one of:", *ways, ""])
