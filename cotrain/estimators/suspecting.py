"""Which given labels the held-out voice contradicts, as a table for people.

Shapes: n = training rows, s = suspects.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cotrain.ensemble import held_out_voice
from cotrain.estimators.crossing import Findings, Lecture
from cotrain.predictions import suspects
from cotrain.table import decode_as_text
from cotrain.tasks import Task


def suspects_of(
    findings: Findings, lecture: Lecture, tasks: Sequence[Task], row_ids: NDArray[np.generic]
) -> dict[str, pa.Table]:
    """{task: [s] rows whose given label is contradicted by the voice of the shipped round, most plainly first}.

    Columns: row_id, given and suggested (labels as text), confidence (in the suggested one), given_confidence. A row
    that no fold held out has no voice that did not see it, and is never among them.
    """
    return {task.name: _table(findings, lecture, task, row_ids) for task in tasks}


def _table(findings: Findings, lecture: Lecture, task: Task, row_ids: NDArray[np.generic]) -> pa.Table:
    codes = lecture.codes[task.name]
    told = held_out_voice(
        findings.of_task(findings.evidence[task.name].shipped, task.name),
        codes,
        lecture.folds,
        lecture.weight,
        untaught=findings.of_task(0, task.name),
    )
    found = suspects(told, codes, lecture.weight)
    return pa.table(
        {
            "row_id": pa.array(row_ids[found.positions]),
            "given": decode_as_text(found.given, task),
            "suggested": decode_as_text(found.suggested, task),
            "confidence": pa.array(found.confidence.astype(np.float32)),
            "given_confidence": pa.array(found.given_confidence.astype(np.float32)),
        }
    )
