"""How long one exchange takes: all leave-one-out pools, margins, agreement and quotas, by the core and by NumPy.

Asserts that the core needs less than two seconds for a million rows, ten classes and eight members, that its memory
does not grow with the rows beyond what it returns, and that both admit the same rows.

    python -m benchmarks.exchange --out runs/exchange.json     # 3 GB and two minutes, most of both for NumPy
"""

import argparse
import ctypes
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.surroundings import surroundings
from cotrain.predictions import Trust
from cotrain.rounds.hearing import TIE, Hearing, hear_by_core, hear_by_numpy
from cotrain.rounds.selection import BEYOND_QUOTA, DISPUTED, GIVEN, SILENT, admit_by_core, admit_by_numpy

N_CLASSES, N_MEMBERS = 10, 8
SHARE, LEAST = 0.8, 0.5
SECONDS, MEGABYTES = 2.0, 64.0
"""What the core may take: of time for a million rows, of memory beyond its results for any number."""

Lessons = list[tuple[Hearing, NDArray[np.int8]]]
Road = tuple[Callable[..., Iterator[Hearing]], Callable[[Hearing, NDArray[np.int8], float], NDArray[np.int8]]]
ROADS: dict[str, Road] = {"core": (hear_by_core, admit_by_core), "numpy": (hear_by_numpy, admit_by_numpy)}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    measure(options.out, options.rows, options.repeats)


def measure(out: Path, n_rows: int, repeats: int) -> None:
    """Measure both roads by turns in one process; write the figures, print a table, fail if a claim does not hold."""
    told, trust, is_given = committee(n_rows)
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in ROADS}
    lessons: dict[str, Lessons] = {}
    for turn in range(repeats):
        # NumPy once, between two turns of the core: it takes half a minute.
        for name in ROADS if turn == 0 else ("core",):
            lessons.pop(name, None)
            lessons[name], figure = measured(ROADS[name], told, trust, is_given)
            figures[name].append(figure)
            print(f"{name:>6}: {figure['seconds']:6.2f} s, {figure['megabytes_beyond_results']:6.0f} MB beyond results")
    best = {name: min(figure["seconds"] for figure in each) for name, each in figures.items()}
    print(f"   NumPy takes {best['numpy'] / best['core']:.0f} times as long.")
    out.parent.mkdir(parents=True, exist_ok=True)
    sizes = {"rows": n_rows, "classes": N_CLASSES, "members": N_MEMBERS, "threads": torch.get_num_threads()}
    out.write_text(json.dumps({**surroundings(), **sizes, "figures": figures}, indent=2) + "\n")
    for (one, admitted), (other, also) in zip(lessons["core"], lessons["numpy"], strict=True):
        assert np.array_equal(one.codes, other.codes)
        assert np.array_equal(admitted, also)
    assert best["core"] < SECONDS * n_rows / 1e6, best
    assert min(figure["megabytes_beyond_results"] for figure in figures["core"]) < MEGABYTES, figures["core"]


def committee(n_rows: int) -> tuple[list[NDArray[np.float64]], Trust, NDArray[np.bool_]]:
    """What eight members say who mostly agree and abstain on every tenth row, and which rows carry a label."""
    rng = np.random.default_rng(0)
    lean = rng.integers(0, N_CLASSES, n_rows)
    told = []
    for _ in range(N_MEMBERS):
        one = np.exp(rng.normal(size=(n_rows, N_CLASSES)))
        one[np.arange(n_rows), lean] *= np.exp(2)
        one /= one.sum(axis=1, keepdims=True)
        one[rng.random(n_rows) < 0.1] = np.nan
        told.append(one)
    prior = rng.dirichlet(np.full(N_CLASSES, 3.0))
    trust = Trust(np.exp(rng.normal(0, 0.5, N_MEMBERS)), rng.dirichlet(np.ones(N_MEMBERS)), prior)
    return told, trust, rng.random(n_rows) < 0.01


def measured(
    road: Road, told: list[NDArray[np.float64]], trust: Trust, is_given: NDArray[np.bool_]
) -> tuple[Lessons, dict[str, float]]:
    """The lessons of all students, the seconds they took, the megabytes needed beyond them (Linux with glibc)."""
    hear, admit = road
    ctypes.CDLL(None).malloc_trim(0)  # or what was freed before would be used again, and nothing seem to be needed
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, start = _memory("VmRSS"), time.perf_counter()
    lessons = [(heard, admit(heard, _verdict(heard, is_given), SHARE)) for heard in hear(told, trust, voices=3.0)]
    seconds = time.perf_counter() - start
    peak = _memory("VmHWM") - before
    results = sum(
        column.nbytes
        for heard, verdict in lessons
        for column in (heard.codes, heard.confidence, heard.margin, heard.agreement, verdict)
    )
    return lessons, {"seconds": seconds, "megabytes_beyond_results": peak - results / 1e6}


def _verdict(heard: Hearing, is_given: NDArray[np.bool_]) -> NDArray[np.int8]:
    verdict = np.full(len(is_given), BEYOND_QUOTA, dtype=np.int8)
    verdict[heard.agreement < LEAST - TIE] = DISPUTED
    verdict[(heard.codes < 0) | (heard.margin < TIE)] = SILENT
    verdict[is_given] = GIVEN
    return verdict


def _memory(name: str) -> float:
    """A line of this process's status, in megabytes."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    words: list[Any] = lines[name].split()
    return int(words[0]) * 1024 / 1e6


if __name__ == "__main__":
    main()
