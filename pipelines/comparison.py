"""What a pipeline shows: every member alone on the labels, the committee, after co-training, and the ceiling.

A pipeline gives a function that lays out its table for one seed: some labels left, the others null, some rows marked
for evaluation. The job itself is `cotrain.jobs.run` on the pipeline's settings.toml, as from the command line; the
ceiling is the same job with every training label and no teaching.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from cotrain.jobs import read_settings, run
from cotrain.settings import JobSettings, TeachingSettings
from cotrain.table import write_table

Layout = Callable[[int, bool], pa.Table]
"""(seed, whether all labels are left) -> the table."""


def main(name: str, layout: Layout, settings_file: Path, words: str | None = None) -> None:
    """The command line of a pipeline: `--seeds N` repeats it and tells mean and standard deviation."""
    parser = argparse.ArgumentParser(description=words)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs") / name)
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1 = one per core")
    options = parser.parse_args()
    settings = read_settings(settings_file)
    trials = []
    for seed in range(options.seeds):
        trials.append(trial(layout, settings, seed, options.out, options.jobs))
        print(table_of(trials[-1:]) if options.seeds == 1 else f"seed {seed}: {one_line(trials[-1])}", flush=True)
    if options.seeds > 1:
        print(table_of(trials))
        print(verdict(trials))
    (options.out / "comparison.json").write_text(json.dumps(trials, indent=1) + "\n")
    print(f"Predictions, ledger, metrics and bundle of the last run: {options.out / 'run'}")


def trial(layout: Layout, settings: JobSettings, seed: int, out: Path, n_jobs: int) -> dict[str, dict[str, float]]:
    """{task: {who: accuracy on the evaluation rows}}, the shipped ensemble under "after co-training"."""
    hidden = _job(settings, layout(seed, False), out, "run", seed, n_jobs)
    full = replace(settings, teaching=TeachingSettings(rounds=0, n_folds=2))
    ceiling = _job(full, layout(seed, True), out, "ceiling", seed, n_jobs)
    found = {}
    for task, facts in hidden["tasks"].items():
        scores = facts["evaluation"]
        found[task] = {f"{member} alone": score["accuracy"] for member, score in scores["members"].items()}
        found[task]["supervised committee"] = scores["supervised"]["accuracy"]
        found[task]["after co-training"] = scores["shipped"]["accuracy"]
        found[task]["all labels (ceiling)"] = ceiling["tasks"][task]["evaluation"]["shipped"]["accuracy"]
        found[task]["shipped round"] = facts["shipped"]
    return found


def _job(settings: JobSettings, table: pa.Table, out: Path, folder: str, seed: int, n_jobs: int) -> dict[str, Any]:
    path = out / f"{folder}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(table, path)
    job = replace(
        settings,
        table=replace(settings.table, path=(str(path),)),
        run=replace(settings.run, seed=seed, n_jobs=n_jobs),
    )
    run(job, out / folder)
    return json.loads((out / folder / "metrics.json").read_text())


def table_of(trials: list[dict[str, dict[str, float]]]) -> str:
    """One line per member and stage, one column per task: accuracy in percent, mean ± sd over trials."""
    tasks = list(trials[0])
    lines = [f"{'accuracy in %':26}" + "".join(f"{task:>16}" for task in tasks)]
    for who in [name for name in trials[0][tasks[0]] if name != "shipped round"]:
        told = [_mean_and_sd([100 * trial[task][who] for trial in trials]) for task in tasks]
        lines.append(f"{who:26}" + "".join(f"{entry:>16}" for entry in told))
    return "\n".join(lines)


def one_line(trial: dict[str, dict[str, float]]) -> str:
    """The committee, what was shipped and the ceiling, for each task."""
    return "; ".join(
        f"{task} {100 * scores['supervised committee']:.1f} -> {100 * scores['after co-training']:.1f} "
        f"(round {scores['shipped round']:.0f}, ceiling {100 * scores['all labels (ceiling)']:.1f})"
        for task, scores in trial.items()
    )


def verdict(trials: list[dict[str, dict[str, float]]]) -> str:
    """For each task the mean paired gain over the committee, and how often each won."""
    lines = []
    for task in trials[0]:
        gains = [100 * (trial[task]["after co-training"] - trial[task]["supervised committee"]) for trial in trials]
        won, lost = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
        lines.append(
            f"{task}: {statistics.mean(gains):+.2f} points over the supervised committee "
            f"(better {won}, equal {len(gains) - won - lost}, worse {lost} of {len(gains)})"
        )
    return "\n".join(lines)


def _mean_and_sd(values: list[float]) -> str:
    mean = statistics.mean(values)
    return f"{mean:.1f}" if len(values) == 1 else f"{mean:.1f} ± {statistics.stdev(values):.1f}"
