"""The build commands: compile the core or say why not, and write `_build_info.json` either way.

A core that cannot be compiled leaves a pure-Python installation, unless COTRAIN_REQUIRE_EXT=1.
"""

import json
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from setuptools.command.build_py import build_py
from setuptools.errors import BaseError, CompileError, LinkError

from build_tools.detect import BuildSettings, Decision, not_built_message

OPS = Path("cotrain", "ops")


class Finisher:
    """Writes down how the build ended."""

    def __init__(self, settings: BuildSettings, torch_version: str, flags: Sequence[str]) -> None:
        self.settings = settings
        self.facts = {"torch": torch_version, "python": platform.python_version(), "flags": " ".join(flags)}

    def succeed(self, folder: Path) -> None:
        """The core lies in `folder`."""
        self._write(folder, {"is_built": True, "reason": "", **self.facts})

    def give_up(self, folder: Path, decision: Decision) -> None:
        """No core: fail if one was demanded, else say so and leave no old one behind."""
        if self.settings.requires:
            raise SystemExit(f"COTRAIN_REQUIRE_EXT=1, but {decision.reason}\n" + "\n".join(decision.advice))
        for old in [*folder.glob("_core*.so"), *folder.glob("_build*.so"), *folder.glob("_*.pyd")]:
            old.unlink()
        print(not_built_message(decision), flush=True)
        facts = {key: value for key, value in asdict(decision).items() if key != "builds"}
        self._write(folder, {"is_built": False, **facts, **self.facts})

    @staticmethod
    def _write(folder: Path, info: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "_build_info.json").write_text(json.dumps(info, indent=2) + "\n")


def pure_commands(finisher: Finisher, decision: Decision) -> dict[str, type]:
    """Commands for an installation without a core."""

    class BuildPurePython(build_py):
        def run(self) -> None:
            super().run()
            finisher.give_up(OPS if self.editable_mode else Path(self.build_lib) / OPS, decision)

    return {"build_py": BuildPurePython}


def core_commands(finisher: Finisher) -> dict[str, type]:
    """Commands for an installation with a core. Torch can be imported."""
    from torch.utils.cpp_extension import BuildExtension

    class BuildCore(BuildExtension):
        def get_ext_filename(self, ext_name: str) -> str:
            name = super().get_ext_filename(ext_name)
            if not ext_name.endswith("_core"):
                return name
            # A library for the dispatcher, of no particular Python: `_core.so`, without the Python's tag.
            path = Path(name)
            return str(path.with_name(path.name.split(".")[0] + path.suffix))

        def run(self) -> None:
            is_in_place = self.inplace or getattr(self, "editable_mode", False)
            folder = OPS if is_in_place else Path(self.build_lib) / OPS
            try:
                super().run()
            # What setuptools, its compilers (no BaseErrors), ninja (through torch) and a process raise; the compiler's
            # own words stand above.
            except (BaseError, CompileError, LinkError, RuntimeError, OSError, subprocess.SubprocessError) as error:
                advice = ("See the compiler's message above (pip install -v .).",)
                self.extensions = []
                finisher.give_up(folder, Decision(False, f"the compilation failed ({error}).", advice))
            else:
                finisher.succeed(folder)

    return {"build_ext": BuildCore}
