"""What is going to be built, against what: all that is decided before the first file is compiled.

The one place where the pure functions of `settings`, `detect` and `cuda` meet what `machine` finds.
"""

import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path

from build_tools.cuda import Toolkit, Torch, architecture_list, architectures, cuda_sources, decide_cuda
from build_tools.detect import Decision, decide
from build_tools.machine import (
    compiler_fault,
    compiler_name,
    cores,
    find_toolkit,
    find_torch,
    free_memory,
    gpu_capabilities,
    pybind11_fault,
)
from build_tools.settings import NAMES, BuildSettings, jobs_for, read_settings


@dataclass(frozen=True)
class Plan:
    """The decisions, and what they rest on.

    Parameters
    ----------
    settings : what was asked for
    asked : the environment variables that were set, as they were written
    torch, toolkit, compiler : what is built against and with; empty where nobody looked for it
    core, cuda : whether the core and its CUDA kernels are built
    cuda_sources : files of the CUDA library
    architectures : what they are compiled for, as ("sm_80", "compute_80")
    jobs : compilers at work at a time
    """

    settings: BuildSettings
    asked: dict[str, str]
    torch: Torch
    toolkit: Toolkit
    compiler: str
    core: Decision
    cuda: Decision
    cuda_sources: list[str]
    architectures: tuple[str, ...]
    jobs: int


def make_plan(environ: MutableMapping[str, str], cuda_folder: Path) -> Plan:
    """Look around and decide.

    MAX_JOBS and CUDA_HOME are written to `environ`, which must be this process's: torch's builder reads them there,
    CUDA_HOME already when it is imported.

    Raises
    ------
    BuildSettingError : see `read_settings`, `architectures` and `cuda_sources`
    """
    settings = read_settings(environ)
    sources = cuda_sources(cuda_folder)
    codes = architectures(architecture_list(settings.architectures, []))  # tells a fault before the search
    asked = {name: environ[name] for name in NAMES if name in environ}
    jobs = settings.jobs or jobs_for(cores(), free_memory())
    environ["MAX_JOBS"] = str(jobs)
    wants_cuda = bool(sources) and not settings.skips and not settings.only_cpu and not settings.sanitizes
    toolkit = find_toolkit(environ) if wants_cuda else Toolkit()
    if toolkit.home:
        environ["CUDA_HOME"] = toolkit.home
    torch = Torch() if settings.skips else find_torch()
    fault = "" if settings.skips else compiler_fault(environ)
    core = decide(settings, torch.fault, torch.version, fault, pybind11_fault())
    if core.builds:
        cuda = decide_cuda(settings, bool(sources), torch, toolkit)
    else:
        cuda = Decision(False, f"the core itself is not built: {core.reason}", core.advice)
    if cuda.builds:
        codes = architectures(architecture_list(settings.architectures, gpu_capabilities()))
    return Plan(
        settings,
        asked,
        torch,
        toolkit,
        compiler_name(environ) if core.builds else "",
        core,
        cuda,
        [str(source) for source in sources],
        codes if cuda.builds else (),
        jobs,
    )


def plan_message(plan: Plan) -> str:
    """What is printed before the compilers start: the answer to "why did it build that?"."""
    torch = plan.torch
    lines = [
        "",
        "cotrain: building the compiled core.",
        f"  torch     {torch.version}, {f'CUDA {torch.cuda}' if torch.cuda else 'CPU-only'}, at {torch.folder}",
        f"  Python    {sys.version.split()[0]} at {sys.executable}",
        f"  compiler  {plan.compiler}",
        f"  CUDA      {_cuda_line(plan)}",
        f"  jobs      {plan.jobs} at a time (MAX_JOBS)",
        f"  set       {' '.join(f'{name}={value}' for name, value in plan.asked.items()) or 'nothing'}",
        "",
    ]
    return "\n".join(lines)


def _cuda_line(plan: Plan) -> str:
    if not plan.cuda.builds:
        return f"kernels not built: {plan.cuda.reason}"
    note = f"; {plan.cuda.note}" if plan.cuda.note else ""
    return f"{plan.toolkit.version} at {plan.toolkit.home}, for {', '.join(plan.architectures)}{note}"
