"""How accurate each method is with few labels, on any table.

    python -m benchmarks.few_labels --data FILE.parquet --labels-per-class 2 5 10 --seeds 20 --out FILE.json

Columns are `<view>__<feature>`: `<view>__text` is text, any other string column is categorical; the target is `y`.
For every seed the table is split 70/30, stratified; all but n labels per class of the training part are hidden; every
method gets the same rows, the same labels and the same features, fitted on the training part. Accuracy is that on the
other 30 %, which nothing sees before. The ceiling is the supervised committee with all training labels.

Finished seeds are kept in FILE.json.parts until all are done: a run that was stopped goes on where it stopped.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.rivals import RIVALS
from benchmarks.surroundings import surroundings
from cotrain.engine import each
from cotrain.errors import CotrainError, TableError
from cotrain.estimators import CoTrainingClassifier
from cotrain.learners.blocks import as_matrix
from cotrain.table import encode_target, read_table, stratified_split
from cotrain.tasks import NOT_LABELLED
from cotrain.views import ViewSet, views_by_prefix

ORDER = ("logistic_regression", "random_forest", "self_training", "label_spreading")
METHODS = (*ORDER, "supervised_committee", "cotrain", "ceiling")


@dataclass(frozen=True)
class Experiment:
    """One table and one seed; picklable, so that seeds can run side by side."""

    features: pa.Table
    codes: NDArray[np.int64]
    labels_per_class: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class Score:
    """What one method reached in one cell with one seed."""

    labels_per_class: int
    seed: int
    method: str
    accuracy: float
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; exit code 1 if `--at-least` is not reached, 2 if the table cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        features, codes = load(options.data, options.target, options.views, options.rows)
    except CotrainError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{options.data.name}: {features.num_rows} rows, {codes.max() + 1} classes, {features.num_columns} columns")
    scores = measure(features, codes, options)
    cells = [cell(scores, n, method) for n in options.labels_per_class for method in METHODS]
    report = {
        "data": options.data.name,
        "views": options.views,
        "rows": features.num_rows,
        "classes": int(codes.max()) + 1,
        "seeds": options.seeds,
        "cells": cells,
        **surroundings(),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    _parts(options).unlink(missing_ok=True)
    print(as_text(cells, options.labels_per_class))
    return missed(cells, options)


def load(
    path: Path, target: str, views: Sequence[str] | None, n_rows: int | None
) -> tuple[pa.Table, NDArray[np.int64]]:
    """The feature columns and the class codes of the rows that have a label and a class to share it with."""
    table = read_table(path)
    if target not in table.column_names:
        raise TableError(f"{path} has no column {target!r} to predict; name the target with --target.")
    codes = encode_target(table[target], target)[1]
    known = views_by_prefix(table.column_names, exclude=[target])
    chosen = [view for view in known if views is None or view.name in views]
    if views is not None and len(chosen) < len(views):
        raise TableError(f"{path} has the views {[view.name for view in known]}; {list(views)} were asked for.")
    # Three rows of a class let one be tested and two be learnt from; rarer classes are left out, for every method.
    counts = np.bincount(codes[codes >= 0])
    usable = np.flatnonzero((codes >= 0) & (counts[codes] >= 3))
    if n_rows is not None and n_rows < len(usable):
        usable = np.sort(np.random.default_rng(0).permutation(usable)[:n_rows])
        counts = np.bincount(codes[usable], minlength=len(counts))
        usable = usable[counts[codes[usable]] >= 3]
    columns = [column for view in chosen for column in view.columns]
    return table.select(columns).take(pa.array(usable)), np.unique(codes[usable], return_inverse=True)[1]


def measure(features: pa.Table, codes: NDArray[np.int64], options: argparse.Namespace) -> list[Score]:
    """All scores; seeds already in the parts file are not run again."""
    parts = _parts(options)
    signature = json.dumps([str(options.data.name), options.views, options.labels_per_class, features.num_rows])
    done = _read_parts(parts, signature)
    todo = [seed for seed in range(options.seeds) if seed not in {score.seed for score in done}]
    parts.parent.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(todo), options.jobs):
        experiments = [
            Experiment(features, codes, tuple(options.labels_per_class), seed)
            for seed in todo[start : start + options.jobs]
        ]
        for scores in each(run, experiments, n_jobs=options.jobs):
            with parts.open("a") as file:
                file.write(json.dumps({"signature": signature, "scores": [vars(score) for score in scores]}) + "\n")
            done += scores
            ours = {f"{s.labels_per_class}:{s.method}": round(100 * s.accuracy, 1) for s in scores}
            print(f"seed {scores[0].seed}: {ours}", file=sys.stderr, flush=True)
    return done


def run(experiment: Experiment) -> list[Score]:
    """Every method in every cell, with one seed."""
    generator = np.random.default_rng(experiment.seed)
    train, test = stratified_split(experiment.codes, 0.3, generator)
    features, codes = experiment.features.take(pa.array(train)), experiment.codes[train]
    unseen, truth = experiment.features.take(pa.array(test)), experiment.codes[test]
    view_set = ViewSet(views_by_prefix(features.column_names)).fit(features)
    X, X_test = (as_matrix(list(view_set.transform(rows).arrays.values())) for rows in (features, unseen))
    ceiling = _ceiling(features, codes, unseen, truth, experiment.seed)
    scores = []
    for n in experiment.labels_per_class:
        y = hidden(codes, n, generator)
        for method in ORDER:
            started = time.perf_counter()
            predicted = RIVALS[method](experiment.seed)(X, y, X_test)
            seconds = time.perf_counter() - started
            scores.append(Score(n, experiment.seed, method, float(np.mean(predicted == truth)), seconds))
        scores += ours(features, y, unseen, truth, n, experiment.seed)
        scores.append(Score(n, experiment.seed, "ceiling", *ceiling))
    return scores


def hidden(codes: NDArray[np.int64], per_class: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """The codes with all but `per_class` labels of every class hidden; a class with fewer keeps what it has."""
    y = np.full(len(codes), NOT_LABELLED, dtype=np.int64)
    for code in np.unique(codes):
        kept = generator.permutation(np.flatnonzero(codes == code))[:per_class]
        y[kept] = code
    return y


def ours(
    features: pa.Table, y: NDArray[np.int64], unseen: pa.Table, truth: NDArray[np.int64], n: int, seed: int
) -> list[Score]:
    """What is shipped, and the supervised committee inside the same run: `rounds=0` gives the same bits."""
    marks: list[tuple[str, float]] = []
    model = CoTrainingClassifier(random_state=seed)
    model.fit(features, y, progress=lambda stage: marks.append((stage, time.perf_counter())))
    ends = [begin for _, begin in marks[1:]] + [time.perf_counter()]
    lasted = [(stage, end - begin) for (stage, begin), end in zip(marks, ends, strict=True)]
    of_committee = sum(seconds for stage, seconds in lasted if stage.endswith("labels only"))
    committee = model.classes_[model.staged_predict_proba(unseen)[0].argmax(axis=1)]
    shipped = model.predict(unseen)
    return [
        Score(n, seed, "supervised_committee", float(np.mean(committee == truth)), of_committee),
        Score(n, seed, "cotrain", float(np.mean(shipped == truth)), sum(seconds for _, seconds in lasted)),
    ]


def _ceiling(
    features: pa.Table, codes: NDArray[np.int64], unseen: pa.Table, truth: NDArray[np.int64], seed: int
) -> tuple[float, float]:
    started = time.perf_counter()
    model = CoTrainingClassifier(rounds=0, n_folds=2, random_state=seed).fit(features, codes)
    return float(np.mean(model.predict(unseen) == truth)), time.perf_counter() - started


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
    ours_by_n = {e["labels_per_class"]: 100 * e["accuracy_mean"] for e in cells if e["method"] == "cotrain"}
    code = 0
    for n, wanted in zip(options.labels_per_class, options.at_least or [], strict=False):
        if ours_by_n[n] < wanted:
            print(f"{n} labels per class: {ours_by_n[n]:.2f} %, at least {wanted} % was claimed", file=sys.stderr)
            code = 1
    return code


def _parts(options: argparse.Namespace) -> Path:
    return options.out.with_name(options.out.name + ".parts")


def _read_parts(path: Path, signature: str) -> list[Score]:
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return [Score(**score) for line in lines if line["signature"] == signature for score in line["scores"]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a Parquet or CSV file")
    parser.add_argument("--labels-per-class", type=int, nargs="+", default=[2, 5, 10])
    parser.add_argument("--seeds", type=int, default=20, help="how many splits, from seed 0")
    parser.add_argument("--views", nargs="+", help="prefixes of the views to use; all by default")
    parser.add_argument("--target", default="y")
    parser.add_argument("--rows", type=int, default=6000, help="a seeded sample of at most this many rows")
    parser.add_argument("--jobs", type=int, default=2, help="seeds at the same time")
    parser.add_argument("--at-least", type=float, nargs="+", help="accuracies in %% that ours must reach, one a budget")
    parser.add_argument("--out", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
