"""What a run keeps of its members' opinions, so that it can be asked later without its table or its learners.

One line for each task and row that a person could label: of training, without a label for the task.

    row_id, task
    predicted, confidence    of the ensemble; labels are text
    disagreement, entropy    see ensemble.Doubt; null where no member speaks
    sketch                   WIDTH small integers, between which near-copies are near, see views.sketch
    <member>__says           its first choice, null where it abstains
    <member>__confidence     the probability of that, calibrated

However many classes and columns there are, a line takes WIDTH bytes, 5 for each member and some 20 beside its key.

Shapes: n = rows of the table, o = rows that are open.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cotrain.bundle import Bundle
from cotrain.engine import each
from cotrain.ensemble import doubt
from cotrain.jobs.materials import Materials
from cotrain.jobs.predicting import ROW_ID
from cotrain.predictions import most_likely
from cotrain.table import decode_as_text
from cotrain.table.columns import repeated, small
from cotrain.tasks import Task
from cotrain.views import Blocks, sketch

BATCH = 65_536
"""Rows at a time: what is computed on the way is as large as all opinions on them."""

FINEST = 127
"""A sketch is kept in bytes: a step is less than a hundredth of the largest number in it."""


def opinions_of(
    bundle: Bundle, materials: Materials, blocks: Blocks, opinions: Mapping[str, Sequence[NDArray[np.floating]]]
) -> pa.Table:
    """[o of all tasks] what is kept.

    Parameters
    ----------
    blocks : of all n rows
    opinions : {task: what each of the committee says of them, [n, C]}
    """
    sketched = _in_bytes(each(partial(sketch, generator=np.random.default_rng(0)), [blocks])[0])
    is_training = np.zeros(len(materials.row_ids), dtype=bool)
    is_training[materials.training] = True
    pages = []
    for task in bundle.tasks:
        _, codes = materials.labels[task.name]
        is_open = np.flatnonzero(is_training & (codes < 0))
        for start in range(0, max(len(is_open), 1), BATCH):
            rows = is_open[start : start + BATCH]
            page = _page(bundle, task, [opinion[rows] for opinion in opinions[task.name]])
            ids = {ROW_ID: pa.array(materials.row_ids[rows]), "task": repeated(task.name, len(rows))}
            kept = pa.FixedSizeListArray.from_arrays(pa.array(sketched[rows].ravel()), sketched.shape[1])
            pages.append(pa.table({**ids, **page, "sketch": kept}))
    return pa.concat_tables(pages).unify_dictionaries()


def _page(bundle: Bundle, task: Task, opinions: Sequence[NDArray[np.floating]]) -> dict[str, Any]:
    voice = bundle.heads[task.name].voice
    told, doubts = voice.combine(opinions), doubt(voice, opinions)
    columns: dict[str, Any] = {
        "predicted": decode_as_text(told.argmax(axis=1), task),
        "confidence": small(told.max(axis=1)),
        "disagreement": small(np.where(doubts.is_heard, doubts.disagreement, np.nan)),
        "entropy": small(np.where(doubts.is_heard, doubts.entropy, np.nan)),
    }
    for member, opinion in zip(bundle.committee, voice.trust.calibrated(opinions), strict=True):
        columns[f"{member}__says"] = decode_as_text(most_likely(opinion), task)
        columns[f"{member}__confidence"] = small(opinion.max(axis=1))
    return columns


def _in_bytes(sketched: NDArray[np.float32]) -> NDArray[np.int8]:
    largest = float(np.abs(sketched).max(initial=0.0))
    return np.rint(sketched * (FINEST / largest if largest > 0 else 0.0)).astype(np.int8)
