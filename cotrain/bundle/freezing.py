"""How a fitted model is written down: what speaks in a shipped round, and nothing else."""

import re
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa
from sklearn.exceptions import NotFittedError

from cotrain.bundle.folders import whole_folder
from cotrain.bundle.kinds import put_to_rest
from cotrain.bundle.manifest import MANIFEST, write_manifest
from cotrain.bundle.parts import write_part
from cotrain.errors import BundleError
from cotrain.estimators import CoTrainingClassifier
from cotrain.rounds import Graduate
from cotrain.table import Roles
from cotrain.table.columns import is_boolean_type, is_number_type, is_text_type
from cotrain.tasks import Task

VIEWS = "views"


def freeze(
    model: CoTrainingClassifier,
    folder: str | PathLike[str],
    *,
    roles: Roles | None = None,
    schema: pa.Schema | None = None,
) -> Path:
    """Write a fitted model to a folder, whole or not at all; a bundle that stands there is replaced.

    Parameters
    ----------
    roles : columns of the table that were no features; scoring copies the key
    schema : of the table it was fitted on, so that a CSV can be read with the same types

    Returns
    -------
    folder

    Raises
    ------
    BundleError : a learner or an estimator could not be loaded again; says which and what to do
    OutputError : the folder cannot be written, or holds something else
    """
    if not model.__sklearn_is_fitted__():
        raise NotFittedError("This CoTrainingClassifier is not fitted yet; call `fit` before freezing it.")
    with whole_folder(folder, MANIFEST) as draft:
        write_part(draft, VIEWS, model.view_set_.freeze(), "The views")
        written = _write_members(draft, model)
        write_manifest(draft, _facts(model, roles or Roles(), schema) | {"members": written})
    return Path(folder)


def _write_members(draft: Path, model: CoTrainingClassifier) -> list[dict[str, Any]]:
    """Write every graduate whose voice counts for a task in the round that this task ships; once each."""
    written = []
    for round, position in sorted(_speakers(model)):
        graduate = model.co_trained_.stages[round][position]
        name = graduate.member.name
        stem = f"members/{len(written):02d}-{re.sub(r'[^A-Za-z0-9_-]+', '-', name)[:40]}"
        write_part(draft, stem, put_to_rest(graduate.learner, f"Member {name!r}"), f"Member {name!r}")
        written.append({"round": round, "position": position, "part": stem, **_describe(graduate)})
    return written


def _describe(graduate: Graduate) -> dict[str, Any]:
    return {
        "name": graduate.member.name,
        "views": list(graduate.member.views),
        "n_classes": dict(graduate.n_classes),
        "learnt": sorted(graduate.learnt),
    }


def _speakers(model: CoTrainingClassifier) -> set[tuple[int, int]]:
    """(round, position in the committee) of everybody who is heard for some task.

    A member of weight 0 is not, nor one that never had a label within its reach: it abstains everywhere.
    """
    trained = model.co_trained_
    speakers = set()
    for task, round in model.n_rounds_.items():
        for position, weight in enumerate(trained.voices[task][round].trust.weights):
            if weight > 0 and task in trained.stages[round][position].learnt:
                speakers.add((round, position))
    return speakers


def _facts(model: CoTrainingClassifier, roles: Roles, schema: pa.Schema | None) -> dict[str, Any]:
    trained = model.co_trained_
    return {
        "tasks": [
            {
                "name": task.name,
                "classes": list(task.classes),
                "label_type": _label_type(task),
                "round": model.n_rounds_[task.name],
                "verdict": model.evidence_[task.name].verdict,
                "voice": trained.voices[task.name][model.n_rounds_[task.name]].as_json(),
            }
            for task in trained.tasks
        ],
        "is_multi_task": model.is_multi_task_,
        "stop_reason": model.stop_reason_,
        "committee": [graduate.member.name for graduate in trained.stages[0]],
        "views": {"part": VIEWS, "names": list(model.view_set_.names), "positions": model.columns_},
        "n_features": None if model.columns_ is None else getattr(model, "n_features_in_", None),
        "columns": _columns(model, schema),
        "roles": {"key": roles.key, "targets": dict(roles.targets), "group": roles.group, "weight": roles.weight},
    }


def _columns(model: CoTrainingClassifier, schema: pa.Schema | None) -> list[dict[str, Any]]:
    """The columns that views of a table read, in the order in which they first do."""
    types = {} if schema is None else {field.name: _plain_type(field.type) for field in schema}
    columns: dict[str, dict[str, Any]] = {}
    for one in model.view_set_.maps_:
        for column, kind in getattr(one, "kinds", {}).items():  # the view of an array has no columns with names
            columns.setdefault(column, {"name": column, "type": types.get(column), "views": {}})
            columns[column]["views"][one.view.name] = kind
    return list(columns.values())


def _plain_type(kind: pa.DataType) -> str | None:
    """The name of a type that Arrow knows by name: what a dictionary holds, and text as `large_string`."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if is_text_type(kind):
        return "large_string"
    return str(kind) if is_number_type(kind) or is_boolean_type(kind) else None


def _label_type(task: Task) -> str:
    kinds = {type(label) for label in task.classes}
    if len(kinds) != 1 or not kinds <= {bool, int, float, str}:
        raise BundleError(
            f"Task {task.name!r} has labels of type {sorted(kind.__name__ for kind in kinds)}, which a bundle cannot "
            "hold. Use integers, strings or booleans."
        )
    return kinds.pop().__name__
