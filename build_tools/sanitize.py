"""Do the processor's kernels read or write what is not theirs? `make sanitize` runs their tests under gcc's sanitizers.

A copy of the package with a core under -fsanitize=address,undefined is built in build/sanitized; the one that is
installed is not touched. Python itself is not instrumented, so the sanitizer's library is loaded before it.
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path("build", "sanitized").resolve()
REPORTS = Path("build", "sanitizer_reports").resolve()

# pytest swallows what a dying process says, so the sanitizers write files. Leaks are not looked for: Python and torch
# leave at exit what they took at start, none of it through our kernels.
_COMMON = f"log_path={REPORTS}/report:halt_on_error=1:print_stacktrace=1"
OPTIONS = {"ASAN_OPTIONS": f"{_COMMON}:detect_leaks=0", "UBSAN_OPTIONS": _COMMON}


def build() -> None:
    """The package, whole, in FOLDER."""
    environ = {**os.environ, "COTRAIN_SANITIZE": "1", "COTRAIN_REQUIRE_EXT": "1"}
    line = [sys.executable, "setup.py", "build", "--build-lib", str(FOLDER), "--build-base", f"{FOLDER}.parts"]
    if subprocess.run(line, env=environ, check=False).returncode != 0:
        raise SystemExit("sanitize: the core does not compile under the sanitizers; see above.")


def environment() -> dict[str, str]:
    """In which Python takes `cotrain` from FOLDER, here and in the processes that tests start."""
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    libraries = []
    for name in ("libasan.so", "libubsan.so"):
        said = subprocess.run([*compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True)
        library = Path(said.stdout.strip())
        if not library.is_absolute():  # the bare name comes back where the compiler has none
            raise SystemExit(
                f"sanitize: {shlex.join(compiler)} has no {name}. Use gcc on Linux: CXX=g++ make sanitize."
            )
        libraries.append(str(library.resolve()))
    # Without the working folder on the path, in which the installed package lies.
    paths = {"PYTHONPATH": str(FOLDER), "PYTHONSAFEPATH": "1", "COTRAIN_BACKEND": "native"}
    return {**os.environ, **OPTIONS, **paths, "LD_PRELOAD": " ".join(libraries)}


def main() -> None:
    """Arguments go to pytest; without any, all tests of the operators run. Exit code 1: a test or a sanitizer fails."""
    build()
    environ = environment()
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    show = "from cotrain import ops; print(ops.status().library)"
    said = subprocess.run([sys.executable, "-c", show], env=environ, stdout=subprocess.PIPE, text=True, check=True)
    library = Path(said.stdout.strip())
    if not library.is_relative_to(FOLDER):
        raise SystemExit(f"sanitize: the tests would run on {library}, not on what lies in {FOLDER}.")
    print(f"sanitize: the tests run on {library}", flush=True)
    tests = sys.argv[1:] or ["tests/ops"]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *tests], env=environ, check=False)
    for report in sorted(REPORTS.iterdir()):
        print(f"\nsanitize: {report}\n{report.read_text()}", flush=True)
    if done.returncode != 0 or any(REPORTS.iterdir()):
        raise SystemExit(f"sanitize: FAILED (pytest exited with {done.returncode}).")
    print("sanitize: clean.")


if __name__ == "__main__":
    main()
