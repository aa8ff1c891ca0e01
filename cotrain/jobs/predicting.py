"""How probabilities become columns of a table that people and other programs read.

    <key>                    the key column, or `row_id` where the rows are numbered
    <task>__predicted        the most likely label
    <task>__confidence       its probability
    <task>__given            the label that the table gives, null where there is none
    <task>__source           given | predicted | evaluation (given, but locked away until the end)
    <task>__p_<label>        the probability of each label; they sum to 1

`given` and `source` are there in a run; a new file has no labels, and its parts lack the two.

Shapes: n = rows, C = classes of the task.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cotrain.bundle import Bundle
from cotrain.jobs.materials import Materials
from cotrain.table import decode
from cotrain.tasks import Task

ROW_ID = "row_id"
SOURCES = pa.array(["given", "predicted", "evaluation"])


def predictions_of(bundle: Bundle, materials: Materials, told: Mapping[str, NDArray[np.floating]]) -> pa.Table:
    """[n] what the bundle said of every row of the table, {task: [n, C]}, beside what was given."""
    columns: dict[str, Any] = {materials.roles.key or ROW_ID: pa.array(materials.row_ids)}
    for task in bundle.tasks:
        _, codes = materials.labels[task.name]
        given = {
            f"{task.name}__given": decode(codes, task),
            f"{task.name}__source": _sources(codes, materials.evaluation),
        }
        columns |= _choice(told[task.name], task) | given | _shares(told[task.name], task)
    return pa.table(columns)


def scores_of(bundle: Bundle, rows: pa.Table, first_row: int) -> pa.Table:
    """[n] what the bundle says of the rows of a new file.

    Parameters
    ----------
    rows : with the columns that the views read, and the key where there is one
    first_row : where they stand in their file; numbers them where there is no key
    """
    told = bundle.probabilities(rows)
    key = bundle.roles.key
    ids = pa.array(np.arange(first_row, first_row + rows.num_rows)) if key is None else rows[key]
    columns: dict[str, Any] = {key or ROW_ID: ids}
    for task in bundle.tasks:
        columns |= _choice(told[task.name], task) | _shares(told[task.name], task)
    return pa.table(columns)


def _choice(probabilities: NDArray[np.floating], task: Task) -> dict[str, Any]:
    return {
        f"{task.name}__predicted": decode(probabilities.argmax(axis=1), task),
        f"{task.name}__confidence": pa.array(probabilities.max(axis=1)),
    }


def _shares(probabilities: NDArray[np.floating], task: Task) -> dict[str, Any]:
    return {
        f"{task.name}__p_{label}": pa.array(np.ascontiguousarray(probabilities[:, code]))
        for code, label in enumerate(task.classes)
    }


def _sources(codes: NDArray[np.int64], evaluation: NDArray[np.intp]) -> pa.DictionaryArray:
    """[n] where each row's label comes from."""
    source = np.where(codes >= 0, 0, 1)
    source[evaluation[codes[evaluation] >= 0]] = 2
    return pa.DictionaryArray.from_arrays(pa.array(source.astype(np.int8)), SOURCES)
