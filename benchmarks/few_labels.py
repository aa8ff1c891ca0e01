"""How accurate each method is with few labels, on any table.

    python -m benchmarks.few_labels --data FILE.parquet --labels-per-class 2 5 10 --seeds 20 --out FILE.json

Columns are `<view>__<feature>`: `<view>__text`, `__title` and `__review` are text, any other string column is
categorical; the target is `y`. For every seed the table is split 70/30, stratified; all but n labels per class of the
training part are hidden; every method gets the same rows, the same labels and the same features, fitted on the
training part. Accuracy is that on the other 30 %, which nothing sees before. The ceiling is the supervised committee
with all training labels.

Finished seeds are kept in FILE.json.parts until all are done: a run that was stopped goes on where it stopped, if
the table, the options and the commit are still the same.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.convention import load
from benchmarks.surroundings import surroundings
from benchmarks.trial import METHODS, Experiment, Score, run
from cotrain.engine import each
from cotrain.errors import CotrainError, SettingError


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; exit code 1 if `--at-least` is not reached, 2 if the options or the table cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        check(options)
        features, codes = load(options.data, options.target, options.views, options.rows)
        n_classes = int(codes.max()) + 1
        print(f"{options.data.name}: {features.num_rows} rows, {n_classes} classes, {features.num_columns} columns")
        around = surroundings()  # before the work: a commit made meanwhile is not the one that was measured
        scores = measure(features, codes, options, around["commit"])
    except CotrainError as error:
        print(error, file=sys.stderr)
        return 2
    cells = [cell(scores, n, method) for n in options.labels_per_class for method in METHODS]
    report = {
        "data": options.data.name,
        "views": options.views,
        "rows": features.num_rows,
        "classes": n_classes,
        "seeds": options.seeds,
        "first_seed": options.first_seed,
        "cells": cells,
        **around,
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    _parts(options).unlink(missing_ok=True)
    print(as_text(cells, options.labels_per_class))
    return missed(cells, options)


def check(options: argparse.Namespace) -> None:
    """Refuses options that would measure nothing, or something else than was meant.

    Raises
    ------
    SettingError : for the first of them
    """
    budgets, claims = options.labels_per_class, options.at_least
    if min(budgets) < 2:
        raise SettingError("--labels-per-class", min(budgets), "at least 2, one to learn from and one to check with")
    if len(set(budgets)) < len(budgets):
        raise SettingError("--labels-per-class", budgets, "numbers that differ")
    if options.seeds < 1:
        raise SettingError("--seeds", options.seeds, "at least 1")
    if options.first_seed < 0:
        raise SettingError("--first-seed", options.first_seed, "0 or more")
    if options.rows < 1:
        raise SettingError("--rows", options.rows, "at least 1")
    if options.jobs < 1 and options.jobs != -1:
        raise SettingError("--jobs", options.jobs, "at least 1, or -1 for one per core")
    if claims is not None and len(claims) != len(budgets):
        raise SettingError("--at-least", claims, f"one accuracy for each of the {len(budgets)} --labels-per-class")


def measure(features: pa.Table, codes: NDArray[np.int64], options: argparse.Namespace, commit: str) -> list[Score]:
    """All scores; seeds that the parts file has for this very experiment are not run again."""
    parts, signature = _parts(options), signature_of(options, commit)
    wanted = range(options.first_seed, options.first_seed + options.seeds)
    finished = _read_parts(parts, signature, wanted)
    done = [score for scores in finished.values() for score in scores]
    todo = [seed for seed in wanted if seed not in finished]
    n_jobs = (os.cpu_count() or 1) if options.jobs == -1 else options.jobs
    parts.parent.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(todo), n_jobs):
        seeds = todo[start : start + n_jobs]
        experiments = [Experiment(features, codes, tuple(options.labels_per_class), seed) for seed in seeds]
        for scores in each(run, experiments, n_jobs=n_jobs):
            _append(parts, json.dumps({"signature": signature, "scores": [vars(score) for score in scores]}))
            done += scores
            told = {f"{s.labels_per_class}:{s.method}": round(100 * s.accuracy, 1) for s in scores}
            print(f"seed {scores[0].seed}: {told}", file=sys.stderr, flush=True)
    return done


def cell(scores: Sequence[Score], n: int, method: str) -> dict[str, Any]:
    """One entry of `cells`: mean, sd and every seed."""
    mine = sorted((s for s in scores if s.labels_per_class == n and s.method == method), key=lambda s: s.seed)
    accuracy = [score.accuracy for score in mine]
    return {
        "labels_per_class": n,
        "method": method,
        "accuracy_mean": float(np.mean(accuracy)),
        "accuracy_sd": float(np.std(accuracy, ddof=1)) if len(accuracy) > 1 else 0.0,
        "accuracy": accuracy,
        "seconds_mean": float(np.mean([score.seconds for score in mine])),
    }


def as_text(cells: Sequence[dict[str, Any]], labels_per_class: Sequence[int]) -> str:
    """The table that is printed: one line a method, one column a budget, accuracy in percent, mean ± sd."""
    by_key = {(entry["labels_per_class"], entry["method"]): entry for entry in cells}
    lines = [f"{'accuracy in %':22}" + "".join(f"{f'{n} labels/class':>18}" for n in labels_per_class) + "   seconds"]
    for method in METHODS:
        row = [by_key[n, method] for n in labels_per_class]
        told = "".join(f"{100 * e['accuracy_mean']:11.1f} ± {100 * e['accuracy_sd']:4.1f}" for e in row)
        lines.append(f"{method:22}{told}{np.mean([e['seconds_mean'] for e in row]):10.1f}")
    return "\n".join(lines)


def missed(cells: Sequence[dict[str, Any]], options: argparse.Namespace) -> int:
    """1 and a line on stderr for every budget where ours stays under `--at-least`."""
    if options.at_least is None:
        return 0
    ours_by_n = {e["labels_per_class"]: 100 * e["accuracy_mean"] for e in cells if e["method"] == "cotrain"}
    code = 0
    for n, wanted in zip(options.labels_per_class, options.at_least, strict=True):
        if not ours_by_n[n] >= wanted:  # so written, a NaN has missed too
            print(f"{n} labels per class: {ours_by_n[n]:.2f} %, at least {wanted} % was claimed", file=sys.stderr)
            code = 1
    return code


def _parts(options: argparse.Namespace) -> Path:
    return options.out.with_name(options.out.name + ".parts")


def signature_of(options: argparse.Namespace, commit: str) -> str:
    """All that a seed's scores depend on besides the seed."""
    data = options.data.resolve()
    status = data.stat()
    experiment = [options.target, options.views, options.labels_per_class, options.rows]
    return json.dumps([str(data), status.st_size, status.st_mtime_ns, *experiment, commit])


def _read_parts(path: Path, signature: str, wanted: range) -> dict[int, list[Score]]:
    """{seed: its scores} of the lines that belong to this experiment."""
    finished: dict[int, list[Score]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            part = json.loads(line)
        except json.JSONDecodeError:  # the run was stopped while it wrote this line
            continue
        scores = [Score(**score) for score in part["scores"]] if part["signature"] == signature else []
        if scores and scores[0].seed in wanted:
            finished[scores[0].seed] = scores
    return finished


def _append(path: Path, line: str) -> None:
    """Adds a line, on a line of its own even where the last one was never finished."""
    is_open = path.exists() and not path.read_text().endswith("\n")
    with path.open("a") as file:
        file.write(("\n" if is_open else "") + line + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a Parquet or CSV file")
    parser.add_argument("--labels-per-class", type=int, nargs="+", default=[2, 5, 10])
    parser.add_argument("--seeds", type=int, default=20, help="how many splits")
    parser.add_argument("--first-seed", type=int, default=0, help="of the splits; others than were looked at before")
    parser.add_argument("--views", nargs="+", help="prefixes of the views to use; all by default")
    parser.add_argument("--target", default="y")
    parser.add_argument("--rows", type=int, default=6000, help="a seeded sample of at most this many rows")
    parser.add_argument("--jobs", type=int, default=2, help="seeds at the same time; -1 = one per core")
    parser.add_argument("--at-least", type=float, nargs="+", help="accuracies in %% that ours must reach, one a budget")
    parser.add_argument("--out", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
