"""The build commands: compile the core or say why not, and write `_build_info.json` either way.

A core that cannot be compiled leaves a pure-Python installation, and CUDA kernels that cannot be compiled leave the
processor's, unless COTRAIN_REQUIRE_EXT=1 or FORCE_CUDA=1.
"""

import json
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from setuptools.command.build_py import build_py
from setuptools.errors import BaseError, CompileError, LinkError

from build_tools.cuda import cuda_not_built_message
from build_tools.detect import Decision, not_built_message
from build_tools.plan import Plan, plan_message

OPS = Path("cotrain", "ops")

# What setuptools, its compilers (no BaseErrors), ninja (through torch) and a process raise.
FAILURES = (BaseError, CompileError, LinkError, RuntimeError, OSError, subprocess.SubprocessError)


class Finisher:
    """Writes down how the build ended."""

    def __init__(self, plan: Plan, flags: Sequence[str]) -> None:
        self.plan = plan
        self.facts = {"torch": plan.torch.version, "python": platform.python_version(), "flags": " ".join(flags)}

    def succeed(self, folder: Path, cuda: Decision) -> None:
        """The core lies in `folder`, and its CUDA kernels do if `cuda.builds`."""
        if not cuda.builds:
            self.refuse_if_forced(cuda)
            _remove(folder, "_core_cuda*")
            print(cuda_not_built_message(cuda), flush=True)
        self._write(folder, {"is_built": True, "reason": "", **self.facts, "cuda": self._cuda_facts(cuda)})

    def give_up(self, folder: Path, core: Decision) -> None:
        """No core: fail if one was demanded, else say so and leave no old one behind."""
        if self.plan.settings.requires:
            raise SystemExit(f"COTRAIN_REQUIRE_EXT=1, but {core.reason}\n" + "\n".join(core.advice))
        self.refuse_if_forced(core)
        _remove(folder, "_core*", "_build*", "_host*")
        print(not_built_message(core), flush=True)
        cuda = Decision(False, "the core itself is not built.")
        facts = {"is_built": False, "reason": core.reason, "advice": core.advice}
        self._write(folder, {**facts, **self.facts, "cuda": self._cuda_facts(cuda)})

    def refuse_if_forced(self, why: Decision) -> None:
        """FORCE_CUDA=1 is a promise: with CUDA kernels, or not at all."""
        if self.plan.settings.forces_cuda:
            raise SystemExit(f"FORCE_CUDA=1, but {why.reason}\n" + "\n".join(why.advice))

    def _cuda_facts(self, cuda: Decision) -> dict[str, Any]:
        facts: dict[str, Any] = {"is_built": cuda.builds, "reason": cuda.reason, "advice": cuda.advice}
        if cuda.builds:
            facts |= {
                "version": self.plan.toolkit.version,
                "toolkit": self.plan.toolkit.home,
                "torch_cuda": self.plan.torch.cuda,
                "architectures": self.plan.architectures,
            }
        return facts

    @staticmethod
    def _write(folder: Path, info: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "_build_info.json").write_text(json.dumps(info, indent=2) + "\n")


def _remove(folder: Path, *names: str) -> None:
    """Libraries that an earlier build left in `folder`."""
    for name in names:
        for old in [*folder.glob(f"{name}.so"), *folder.glob(f"{name}.pyd")]:
            old.unlink()


def pure_commands(plan: Plan, flags: Sequence[str]) -> dict[str, type]:
    """Commands for an installation without a core."""
    finisher = Finisher(plan, flags)

    class BuildPurePython(build_py):
        def run(self) -> None:
            super().run()
            finisher.give_up(OPS if self.editable_mode else Path(self.build_lib) / OPS, plan.core)

    return {"build_py": BuildPurePython}


def core_commands(plan: Plan, flags: Sequence[str]) -> dict[str, type]:
    """Commands for an installation with a core. Torch can be imported."""
    from torch.utils.cpp_extension import BuildExtension

    finisher = Finisher(plan, flags)

    class BuildCore(BuildExtension):
        def get_ext_filename(self, ext_name: str) -> str:
            name = super().get_ext_filename(ext_name)
            if not ext_name.endswith(("_core", "_core_cuda")):
                return name
            # A library for the dispatcher, of no particular Python: `_core.so`, without the Python's tag.
            path = Path(name)
            return str(path.with_name(path.name.split(".")[0] + path.suffix))

        def run(self) -> None:
            is_in_place = self.inplace or getattr(self, "editable_mode", False)
            folder = OPS if is_in_place else Path(self.build_lib) / OPS
            if not plan.cuda.builds:
                finisher.refuse_if_forced(plan.cuda)  # before minutes are spent on the rest
            print(plan_message(plan), flush=True)
            everything = list(self.extensions)
            kernels = [extension for extension in everything if extension.name.endswith("_core_cuda")]
            core = [extension for extension in everything if extension not in kernels]
            if fault := self._fault_of(core):
                advice = ("See the compiler's message above (pip install -v .).",)
                self.extensions = []
                finisher.give_up(folder, Decision(False, f"the compilation failed ({fault}).", advice))
                return
            cuda = plan.cuda
            # Apart and after the core, which stands whatever becomes of them.
            if kernels and (fault := self._fault_of(kernels)):
                cuda = _not_compiled(plan, fault)
            self.extensions = everything if cuda.builds else core
            finisher.succeed(folder, cuda)

        def _fault_of(self, extensions: list[Any]) -> str:
            """Build these alone; "", or what went wrong. The compiler's own words have been printed then."""
            self.extensions = extensions
            asked = self.compiler, self.inplace  # a run leaves other things in them
            try:
                super().run()
            except FAILURES as error:
                return str(error)
            finally:
                self.compiler, self.inplace = asked
            return ""

    return {"build_ext": BuildCore}


def _not_compiled(plan: Plan, fault: str) -> Decision:
    """CUDA kernels that were to be built and could not be."""
    pair = f"nvcc {plan.toolkit.version} with {plan.compiler or 'the C++ compiler'}"
    advice = (
        "See nvcc's message above (pip install -v .).",
        f"If it finds the C++ compiler too new ({pair}), name an older one: CC=gcc-12 CXX=g++-12 pip install -v .",
        "FORCE_ONLY_CPU=1 pip install . (the processor's kernels, and the PyTorch twin on GPUs)",
    )
    return Decision(False, f"the compilation failed ({fault}).", advice)
