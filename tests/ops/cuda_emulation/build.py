"""Compiles the CUDA kernels for the processor, to run in an emulated grid: see grid.h.

Under gcc's sanitizers where the whole process is (`make sanitize`), else for speed.
"""

import hashlib
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CSRC = ROOT / "csrc"


def emulated_library() -> Path:
    """The library, compiled anew where a source or the compiler's flags have changed.

    Raises
    ------
    RuntimeError : it does not compile
    """
    sources = [*sorted((CSRC / "cuda").glob("*.cu")), HERE / "operators.cpp"]
    command = [*shlex.split(os.environ.get("CXX", "c++")), *_flags()]
    library = ROOT / "build" / "emulated" / _digest(command) / "emulated.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(2) as pool:
            objects = list(pool.map(lambda source: _compiled(command, source, library.parent), sources))
        # Under another name first: a library that is there is whole.
        unfinished = library.with_suffix(f".{os.getpid()}")
        _run([*command, "-shared", *map(str, objects), *_libraries(), "-o", str(unfinished)])
        unfinished.rename(library)
    return library


def _flags() -> list[str]:
    import torch
    from torch.utils.cpp_extension import include_paths

    sys.path.append(str(ROOT))
    from build_tools.detect import TORCH_TARGET, cxx_standard

    folders = [HERE, CSRC, *include_paths()]
    is_sanitized = "libasan" in os.environ.get("LD_PRELOAD", "")
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"] if is_sanitized else []
    return [
        *(f"-I{folder}" for folder in folders),
        f"-std={cxx_standard(torch.__version__)}",
        f"-DTORCH_TARGET_VERSION={TORCH_TARGET}",
        # Pragmas of nvcc's are none of gcc's; what is inlined into a fiber is slow to compile, and no faster.
        *("-O1", "-fPIC", "-fvisibility=hidden", "-Wno-unknown-pragmas", *sanitizers),
    ]


def _libraries() -> list[str]:
    from torch.utils.cpp_extension import library_paths

    return [*(f"-L{folder}" for folder in library_paths()), "-ltorch", "-ltorch_cpu", "-lc10"]


def _digest(command: list[str]) -> str:
    digest = hashlib.sha256("\0".join(command).encode())
    for path in sorted(path for folder in (CSRC, HERE) for path in folder.rglob("*") if path.is_file()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _compiled(command: list[str], source: Path, folder: Path) -> Path:
    compiled = folder / f"{source.stem}.{os.getpid()}.o"
    _run([*command, "-x", "c++", "-c", str(source), "-o", str(compiled)])
    return compiled


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)}\n{done.stderr}")
