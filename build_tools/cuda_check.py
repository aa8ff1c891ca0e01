"""Does every CUDA file compile? Asked where there is neither a GPU nor a torch with CUDA: `make cuda-check`.

nvcc compiles each file of csrc/cuda against the headers of whatever torch is installed, for the architectures of a
default build (or TORCH_CUDA_ARCH_LIST), and nothing is linked. Without nvcc the check is skipped, and says so;
FORCE_CUDA=1 fails then instead.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from build_tools.cuda import Toolkit, architecture_list, architectures, cuda_sources, nvcc_flags
from build_tools.detect import TORCH_TARGET, cxx_standard
from build_tools.machine import cores, find_toolkit, free_memory
from build_tools.settings import BuildSettingError, BuildSettings, jobs_for, read_settings


def check(folder: Path, settings: BuildSettings, toolkit: Toolkit) -> int:
    """Compile what lies in `folder`; how many files do not compile. nvcc's own words go to stderr."""
    sources = cuda_sources(folder)
    codes = architectures(architecture_list(settings.architectures, []))
    line = [toolkit.nvcc, *_includes(folder), *_torch_flags(), *nvcc_flags(settings, codes)]
    if "CC" in os.environ:
        line += ["-ccbin", os.environ["CC"]]  # as torch's builder does

    def compiles(source: Path) -> bool:
        with tempfile.TemporaryDirectory() as target:
            command = [*line, "-c", str(source), "-o", str(Path(target, "checked.o"))]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        print(f"cuda-check: {source} {'compiles' if done.returncode == 0 else 'DOES NOT COMPILE'}", flush=True)
        print(done.stdout, end="", file=sys.stderr, flush=True)
        return done.returncode == 0

    print(f"cuda-check: {len(sources)} files with nvcc {toolkit.version} for {', '.join(codes)}", flush=True)
    with ThreadPoolExecutor(settings.jobs or jobs_for(cores(), free_memory())) as pool:
        return list(pool.map(compiles, sources)).count(False)


def _includes(folder: Path) -> list[str]:
    from torch.utils.cpp_extension import include_paths

    return [f"-I{path}" for path in (folder.parent, *include_paths())]


def _torch_flags() -> list[str]:
    """What setup.py and torch's builder would give a file of the CUDA library."""
    import torch
    from torch.utils.cpp_extension import COMMON_NVCC_FLAGS

    macros = [f"-DTORCH_TARGET_VERSION={TORCH_TARGET}", "-DUSE_CUDA"]
    return [*COMMON_NVCC_FLAGS, *macros, f"-std={cxx_standard(torch.__version__)}", "-Xcompiler", "-fPIC"]


def main() -> None:
    """Exit code 0: everything compiles, or there was nothing to do; 1: a file does not compile, or a setting is off."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("csrc", "cuda"), help="the folder of .cu files")
    folder = parser.parse_args().folder
    try:
        settings = read_settings(os.environ)
        if not cuda_sources(folder):
            print(f"cuda-check: skipped, {folder} holds no .cu file.")
            return
        toolkit = find_toolkit(os.environ)
        is_asked_for = settings.forces_cuda or os.environ.get("CUDA_HOME")
        if toolkit.fault and is_asked_for:
            raise SystemExit(f"cuda-check: {toolkit.fault}.")
        if toolkit.fault:
            print(f"cuda-check: skipped, {toolkit.fault}.")
            return
        n_faulty = check(folder, settings, toolkit)
    except BuildSettingError as error:
        raise SystemExit(f"cuda-check: {error}") from None
    if n_faulty:
        raise SystemExit(f"cuda-check: {n_faulty} of the CUDA files do not compile; nvcc's words stand above.")


if __name__ == "__main__":
    main()
