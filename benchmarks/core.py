"""How fast the core is: against eager PyTorch, torch.compile with static shapes, and the memory's own speed.

Rivals take turns in one process; the figures are medians. The limit is the bytes that must move over the copy
bandwidth, measured in the same turns. Exits with 1 where a claim does not hold, after the table that shows which.

    python -m benchmarks.core --out runs/core.json     # a few minutes, on a machine that does nothing else
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.core_cases import Case, cases
from benchmarks.surroundings import surroundings
from cotrain.ops import backend, status


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu"], default="cpu", help="the loss has no CUDA kernels yet")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each case")
    options = parser.parse_args()
    if backend() != "native":
        sys.exit(f"There is no core to measure: {status().reason}")
    torch.set_num_threads(options.threads)
    found = []
    print(f"{'':72}{'ours':>10}{'x eager':>9}{'x compiled':>12}{'of limit':>10}")
    for case in cases():
        found.append(measured(case, options.seconds))
        print(line(found[-1]), flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    facts = {"device": options.device, "threads": options.threads, "instruction_set": status().instruction_set}
    options.out.write_text(json.dumps({**surroundings(), **facts, "cases": found}, indent=2) + "\n")
    missed = [f"{one['name']}: {claim}" for one in found for claim in one["missed"]]
    if missed:
        sys.exit("Claims that do not hold:\n  " + "\n  ".join(missed))


def measured(case: Case, seconds: float) -> dict[str, Any]:
    """Medians in microseconds, ratios, and which claims were missed."""
    torch.compiler.reset()
    compiled = torch.compile(case.eager, dynamic=False)
    source = torch.zeros(max(1, case.n_bytes // 8))  # a copy reads and writes: half the bytes each way, in float32
    into = torch.zeros_like(source)
    rivals: dict[str, Callable[[], object]] = {
        "eager": lambda: case.run(case.eager),
        "compiled": lambda: case.run(compiled),
        "ours": lambda: case.run(case.ours),
        "copy": lambda: into.copy_(source),
    }
    medians = by_turns(rivals, seconds)
    ratios = {rival: medians[rival] / medians["ours"] for rival in ("eager", "compiled")}
    ratios["limit"] = medians["copy"] / medians["ours"]
    missed = [
        f"{name} {ratios[name]:.2f}, claimed {least}" for name, least in case.claims.items() if ratios[name] < least
    ]
    return {"name": case.name, "microseconds": medians, "ratios": ratios, "claims": case.claims, "missed": missed}


def by_turns(rivals: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """{rival: median microseconds a call}, one call of each after the other until the time is over."""
    for rival in rivals.values():
        for _ in range(3):
            rival()
    times: dict[str, list[float]] = {name: [] for name in rivals}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times["ours"]) < 15:
        for name, rival in rivals.items():
            start = time.perf_counter()
            rival()
            times[name].append(1e6 * (time.perf_counter() - start))
    return {name: statistics.median(each) for name, each in times.items()}


def line(one: dict[str, Any]) -> str:
    """A row of the table; a figure that misses its claim has a star."""

    def told(name: str) -> str:
        least = one["claims"].get(name)
        return f"{one['ratios'][name]:.2f}{'*' if least is not None and one['ratios'][name] < least else ' '}"

    ours = f"{one['microseconds']['ours']:.0f} us"
    return f"{one['name']:72}{ours:>10}{told('eager'):>9}{told('compiled'):>12}{told('limit'):>10}"


if __name__ == "__main__":
    main()
