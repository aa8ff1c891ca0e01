"""How a bundle is read back: versions first, then every file against its sum, then its parts; no code from it runs."""

from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa

from cotrain.bundle.bundle import Bundle, Head
from cotrain.bundle.kinds import brought_back
from cotrain.bundle.manifest import DAMAGED, SealedFiles
from cotrain.bundle.parts import read_part
from cotrain.ensemble import Voice
from cotrain.errors import BundleError
from cotrain.rounds import Graduate, Member
from cotrain.table import Roles
from cotrain.tasks import Task
from cotrain.views import ViewSet

LABEL_TYPES = {"bool": bool, "int": int, "float": float, "str": str}


def load(folder: str | PathLike[str]) -> Bundle:
    """The model that `freeze` wrote, ready to predict the same bits.

    Raises
    ------
    BundleError : no bundle; a file missing or changed; made by a newer cotrain or another scikit-learn; a part of
        a kind or a type that is not trusted. Each says what to do.
    """
    files = SealedFiles(Path(folder))
    for name in files.manifest["files"]:
        files.read(name)  # all of them before any is used: a damaged bundle fails at once, whatever it is asked
    try:
        return _assembled(files)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{folder} does not fit together ({error!r}). {DAMAGED}") from error


def _assembled(files: SealedFiles) -> Bundle:
    told = files.manifest
    roles = told["roles"]
    return Bundle(
        tasks=tuple(_task(task) for task in told["tasks"]),
        heads={
            task["name"]: Head(int(task["round"]), Voice.from_json(task["voice"]), task["verdict"])
            for task in told["tasks"]
        },
        views=ViewSet.thaw(read_part(files.read, told["views"]["part"], "The views")),
        committee=tuple(told["committee"]),
        graduates={(member["round"], member["position"]): _graduate(files, member) for member in told["members"]},
        is_multi_task=bool(told["is_multi_task"]),
        columns=told["views"]["positions"],
        n_features=told["n_features"],
        schema=pa.schema([pa.field(column["name"], _type(column["type"])) for column in told["columns"]]),
        roles=Roles(roles["key"], roles["targets"], roles["group"], roles["weight"]),
        fingerprint=files.fingerprint,
    )


def _task(told: dict[str, Any]) -> Task:
    kind = LABEL_TYPES[told["label_type"]]
    return Task(told["name"], tuple(kind(label) for label in told["classes"]))


def _graduate(files: SealedFiles, told: dict[str, Any]) -> Graduate:
    owner = f"Member {told['name']!r}"
    learner = brought_back(read_part(files.read, told["part"], owner), owner)
    member = Member(told["name"], learner, tuple(told["views"]))
    return Graduate(member, learner, told["n_classes"], frozenset(told["learnt"]))


def _type(name: str | None) -> pa.DataType:
    return pa.null() if name is None else pa.type_for_alias(name)
