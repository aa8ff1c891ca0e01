"""What a run found, in numbers: evidence for every round, and scores on the rows that were locked away.

A number that could not be measured is null.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cotrain.estimators import CoTrainingClassifier
from cotrain.jobs.materials import Materials
from cotrain.predictions import accuracy, log_loss
from cotrain.rounds.stopping import REASONS

METRICS = "metrics.json"
FORMAT = "cotrain run"


def measured(model: CoTrainingClassifier, materials: Materials, seed: int) -> dict[str, Any]:
    """What metrics.json holds, in plain values.

    Returns
    -------
    metrics : for each task of `tasks`: how many labels, and how many of those held out are suspects; `rounds` with
        held-out loss, accuracy and gain of each; which was `shipped`, the `verdict` in words; and `evaluation`, or None
        where no row was locked away
    """
    evaluations = _evaluations(model, materials)
    tasks = {}
    for name, (task, codes) in materials.labels.items():
        evidence = model.evidence_[name]
        known = codes[materials.training]
        tasks[name] = {
            "classes": list(task.classes),
            "n_labelled": int((known >= 0).sum()),
            "n_unlabelled": int((known < 0).sum()),
            "shipped": evidence.shipped,
            "verdict": evidence.verdict,
            "n_held_out": evidence.n_held_out,
            "n_suspects": model.suspects_[name].num_rows,
            "rounds": [asdict(score) for score in evidence.scores],
            "evaluation": evaluations.get(name),
        }
    return {
        "format": FORMAT,
        "version": 1,
        "cotrain": version("cotrain"),
        "seed": seed,
        "n_rows": len(materials.row_ids),
        "n_evaluation": len(materials.evaluation),
        "views": {view: len(one.names) for view, one in zip(model.view_set_.names, model.view_set_.maps_, strict=True)},
        "members": [graduate.member.name for graduate in model.co_trained_.stages[0]],
        "stop_reason": {"code": model.stop_reason_, "words": REASONS.get(model.stop_reason_, model.stop_reason_)},
        "n_ledger": model.ledger_.num_rows,
        "tasks": tasks,
    }


def write_json(path: Path, values: Any) -> None:
    """Plain values as JSON that every reader takes: what is not finite becomes null."""
    path.write_text(json.dumps(_finite(values), indent=2, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def _evaluations(model: CoTrainingClassifier, materials: Materials) -> dict[str, dict[str, Any]]:
    """{task: scores of every member alone on the labels, the supervised committee, the shipped round, all rounds}."""
    rows = materials.evaluation
    if not len(rows):
        return {}
    features = materials.features_at(rows)
    stages = model.staged_predict_proba(features)
    alone = model.member_predict_proba(features)
    weight = None if materials.weight is None else materials.weight[rows]
    found = {}
    for name, (_, codes) in materials.labels.items():
        scores = _scores([stage[name] for stage in stages], codes[rows], weight)
        found[name] = {
            "n_labelled": int((codes[rows] >= 0).sum()),
            "members": {member: _score(told[name], codes[rows], weight) for member, told in alone.items()},
            "supervised": scores[0],
            "shipped": scores[model.n_rounds_[name]],
            "rounds": scores[: model.n_rounds_[name] + 1],
        }
    return found


def _scores(
    stages: Sequence[NDArray[np.floating]], codes: NDArray[np.int64], weight: NDArray[np.float64] | None
) -> list[dict[str, float]]:
    return [{"round": round, **_score(told, codes, weight)} for round, told in enumerate(stages)]


def _score(
    told: NDArray[np.floating], codes: NDArray[np.int64], weight: NDArray[np.float64] | None
) -> dict[str, float]:
    """Rows on which a member abstains do not count."""
    return {"accuracy": accuracy(told, codes, weight), "log_loss": log_loss(told, codes, weight)}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
