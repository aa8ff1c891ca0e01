"""One fit on the rows that it may see, and its test on rows whose labels were hidden.

Shapes: n = rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from cotrain.estimators.inputs import rows_of
from cotrain.model_selection.k_fold import labelled_anywhere
from cotrain.model_selection.scoring import OneTask, Scorer
from cotrain.model_selection.unlabelled import final_step, written
from cotrain.tasks import NOT_LABELLED, Task


@dataclass(frozen=True)
class Exam:
    """What is the same in every sitting.

    Parameters
    ----------
    estimator : cloned for each
    X : n rows
    codes : {task: [n] class codes, -1 = not labelled}
    is_multi_task : whether y and what the estimator says are mappings by task
    scorers : {metric: scorer}; "" for the only one
    weight, groups : [n], or None
    keeps_unlabelled : whether fits are given unlabelled rows
    """

    estimator: Any
    X: Any
    tasks: Sequence[Task]
    codes: dict[str, NDArray[np.int64]]
    is_multi_task: bool
    scorers: dict[str, Scorer]
    weight: NDArray[np.float64] | None
    groups: NDArray[np.int64] | None
    keeps_unlabelled: bool

    def labels(self, codes: dict[str, NDArray[np.int64]]) -> Any:
        """The labels behind the codes as estimators read them: one column, or {task: column}."""
        by_task = {task.name: written(codes[task.name], task) for task in self.tasks}
        return by_task if self.is_multi_task else by_task[self.tasks[0].name]


@dataclass(frozen=True)
class Sitting:
    """One fit and its test.

    Parameters
    ----------
    name : which fold, seen or unseen, for whoever reads what went wrong in it
    rows : positions of the rows that may be learnt from
    tested : positions of the rows that are tested, whose labels nobody is told
    """

    name: str
    rows: NDArray[np.intp]
    tested: NDArray[np.intp]


@dataclass(frozen=True)
class Outcome:
    """What one sitting came to.

    Parameters
    ----------
    model : as fitted
    scores : {"", "_<task>", "_<metric>" or "_<task>_<metric>": score}
    """

    model: Any
    scores: dict[str, float]
    fit_seconds: float
    score_seconds: float


def sit(exam: Exam, sitting: Sitting) -> Outcome:
    """Learn and be tested."""
    hidden = {name: codes.copy() for name, codes in exam.codes.items()}
    for codes in hidden.values():
        codes[sitting.tested] = NOT_LABELLED
    rows = sitting.rows if exam.keeps_unlabelled else sitting.rows[labelled_anywhere(hidden)[sitting.rows]]
    y = exam.labels({name: codes[rows] for name, codes in hidden.items()})
    X, beside = rows_of(exam.X, rows), _beside(exam, rows)
    model: Any = clone(exam.estimator)
    start = perf_counter()
    try:
        model.fit(X, y, **beside)
    except Exception as error:
        error.add_note(f"This was {sitting.name}, on {len(rows)} rows.")
        raise
    fitted = perf_counter()
    scores = {}
    for task in exam.tasks:
        speaker = OneTask(model, task.name) if exam.is_multi_task else model
        scores |= _scores(exam, task, speaker, sitting.tested)
    return Outcome(model, scores, fitted - start, perf_counter() - fitted)


def _beside(exam: Exam, rows: NDArray[np.intp]) -> dict[str, Any]:
    """What stands beside X and y in a fit on the rows."""
    final, prefix = final_step(exam.estimator)
    beside: dict[str, Any] = {}
    if exam.weight is not None:
        beside[f"{prefix}sample_weight"] = exam.weight[rows]
    if exam.groups is not None and has_fit_parameter(final, "groups"):
        beside[f"{prefix}groups"] = exam.groups[rows]
    return beside


def _scores(exam: Exam, task: Task, speaker: Any, tested: NDArray[np.intp]) -> dict[str, float]:
    """{suffix: score} over the tested rows that the task labels; NaN where there is none."""
    rows = tested[exam.codes[task.name][tested] >= 0]
    X, labels = rows_of(exam.X, rows), written(exam.codes[task.name][rows], task)
    beside = {} if exam.weight is None else {"sample_weight": exam.weight[rows]}
    scores = {}
    for metric, scorer in exam.scorers.items():
        suffix = "".join(f"_{part}" for part in (task.name if exam.is_multi_task else "", metric) if part)
        scores[suffix] = float(scorer(speaker, X, labels, **beside)) if len(rows) else float("nan")
    return scores
