"""How a settings file becomes settings: every fault of it in one message, with its place and the nearest right name.

A file is TOML; the settings.json of an earlier run is read too, and repeats that run.
Paths in it are relative to the folder it lies in, so that a job does the same from wherever it is started.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from cotrain.errors import SettingsFileError
from cotrain.jobs.catalogue import LearnerCatalogue, did_you_mean
from cotrain.settings import (
    JobSettings,
    MemberSettings,
    RunSettings,
    TableSettings,
    TargetSettings,
    TeachingSettings,
    ViewSettings,
)

SECTIONS: dict[str, type] = {
    "table": TableSettings,
    "targets": TargetSettings,
    "views": ViewSettings,
    "members": MemberSettings,
    "teaching": TeachingSettings,
    "run": RunSettings,
}
SHAPES = {
    "bool_type": "true or false",
    "dataclass_type": "a section",
    "dict_type": "a section",
    "float_type": "a number",
    "int_type": "a whole number",
    "mapping_type": "a section",
    "string_too_long": "a single character",
    "string_too_short": "a text that is not empty",
    "string_type": "a text",
    "too_short": "longer",
    "tuple_type": "a list",
}
"""What pydantic's types are called in a settings file."""

ADAPTER = TypeAdapter(JobSettings)


def read_settings(path: str | PathLike[str]) -> JobSettings:
    """The settings in a file, checked, with its paths made absolute.

    Raises
    ------
    SettingsFileError : names every fault of the file
    """
    path = Path(path)
    settings = settings_from(_parsed(path), path.name)
    folder = path.absolute().parent
    table = replace(settings.table, path=tuple(str(folder / one) for one in settings.table.path))
    out = None if settings.run.out is None else str(folder / settings.run.out)
    return replace(settings, table=table, run=replace(settings.run, out=out))


def settings_from(told: Mapping[str, Any], where: str = "the settings") -> JobSettings:
    """Settings from plain values, checked.

    Raises
    ------
    SettingsFileError : names every fault; `where` says what they are faults of
    """
    try:
        return ADAPTER.validate_python(dict(told), context=LearnerCatalogue())
    except ValidationError as error:
        raise SettingsFileError(where, _faults(error.errors(), told, where)) from error


def settings_as_json(settings: JobSettings) -> str:
    """The settings in full; `read_settings` reads them again from a .json file."""
    return json.dumps(ADAPTER.dump_python(settings, mode="json"), indent=2) + "\n"


def _parsed(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        told = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsFileError(str(path), [f"It cannot be read: {reason}. Name the settings of the job."]) from error
    except ValueError as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise SettingsFileError(
            str(path), [f"It is not {kind}: {error}. Text needs quotes, lists brackets."]
        ) from error
    if not isinstance(told, dict):
        raise SettingsFileError(str(path), ["It holds no sections. Write [table] and [targets] at least."])
    return told


def _faults(errors: Sequence[ErrorDetails], told: Mapping[str, Any], where: str) -> list[str]:
    """One sentence per fault; all that a value may be instead is told together."""
    faults: dict[str, None] = {}
    expected: dict[tuple[str, ...], list[str]] = {}
    for error in errors:
        place = _place(error, told)
        if error["type"] in SHAPES or not (sentences := _sentences(error, place, where)):
            if not _is_consequence(error, errors):
                expected.setdefault(place, []).append(_expectation(error))
        else:
            faults.update(dict.fromkeys(sentences))
    for place, wanted in expected.items():
        faults[f"`{'.'.join(place)}` should be {' or '.join(dict.fromkeys(wanted))}; got {_at(told, place)!r}."] = None
    return list(faults)


def _is_consequence(error: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """A list whose entries are all faulty is also found to be too short; the entries say what is wrong."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(one["loc"][: len(loc)] == loc and one is not error for one in errors)


def _place(error: ErrorDetails, told: Any) -> tuple[str, ...]:
    """Where in the file it is; pydantic's path also names the types that it tried, which no file holds."""
    place: list[str] = []
    for part in error["loc"]:
        if (isinstance(told, Mapping) and part in told) or (isinstance(told, (list, tuple)) and isinstance(part, int)):
            told = told[part]  # type: ignore[index]
        elif not (error["type"].startswith("missing") and part == error["loc"][-1]):
            continue
        place.append(str(part))
    return tuple(place)


def _sentences(error: ErrorDetails, place: tuple[str, ...], where: str) -> list[str]:
    """What is wrong where it is more than a value; nothing for a value of the wrong sort."""
    name = ".".join(place)
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return [f"Unknown setting `{name}` in {where}{_instead(place)}"]
    if error["type"].startswith("missing"):
        return [f"`{name}` is missing from {where}; it has to be set."]
    if error["type"] == "value_error":
        told = str(error["msg"]).removeprefix("Value error, ").split("\n")
        return [f"`{name}`: {one}" if name and not one.startswith("`") else one for one in told]
    return []


def _expectation(error: ErrorDetails) -> str:
    """What a value should have been, to follow "should be"."""
    known = SHAPES.get(error["type"])
    said = error["msg"].removeprefix("Input ").removeprefix("should be ")
    return known or (said if error["msg"].startswith("Input should be ") else f"such that: {said}")


def _at(told: Any, place: tuple[str, ...]) -> Any:
    for part in place:
        told = told[int(part)] if isinstance(told, (list, tuple)) else told[part]
    return told


def _instead(place: tuple[str, ...]) -> str:
    """The nearest name that the section does have."""
    kind = JobSettings if len(place) == 1 else SECTIONS.get(place[0])
    known = [field.name for field in fields(kind)] if kind else []
    nearest = did_you_mean(place[-1], known)
    return nearest if nearest != "." else f"; there are {', '.join(known)}."
