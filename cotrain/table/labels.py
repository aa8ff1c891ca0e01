"""What the labels of a target column mean: classes in a fixed order, and one code per row.

Integers sort as numbers, strings by code point, False before True. A null, and NaN in a float
column, is a row without a label and has code -1. Floats that are all whole numbers are integers
(pandas turns integers with gaps into floats) and their classes are integers.

Shapes: n = rows.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cotrain.errors import TableError
from cotrain.table.columns import Column, is_text_type, named, numbers, plain, rows
from cotrain.tasks import NOT_LABELLED, Task

Label: TypeAlias = int | str | float | bool

# 2**53: the largest range in which a float64 still tells neighbouring integers apart.
_EXACT_IN_FLOAT = 2.0**53


def encode_target(column: Column, name: str, classes: Sequence[Label] | None = None) -> tuple[Task, NDArray[np.int64]]:
    """The task behind a column of labels, and the code of each row's label.

    Parameters
    ----------
    column : [n] booleans, integers, strings, or floats that are whole numbers
    name : of the task
    classes : in the order of the codes; None = those that occur, sorted

    Returns
    -------
    task, codes : codes [n], positions in `task.classes`, -1 where there is no label

    Raises
    ------
    TableError : for another type, for labels that differ in surrounding blanks only, for an empty
        string, and for a label that is not among the given classes
    """
    labels = _labels(column, name)
    encoded = labels.dictionary_encode()
    found = encoded.dictionary.to_pylist()
    indices = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    _check_blanks(found, name)
    task = Task(name, tuple(sorted(found) if classes is None else classes))
    code_of = {label: code for code, label in enumerate(task.classes)}
    unknown = [position for position, label in enumerate(found) if label not in code_of]
    if unknown:
        n_rows = int(np.isin(indices, unknown).sum())
        raise TableError(
            f'Task "{name}" has the classes {named(task.classes)}, but the labels of {rows(n_rows)} are '
            f"{named(found[position] for position in unknown)}. "
            "Correct the labels, set them to null, or add the class and train again."
        )
    # The last entry serves index -1: a null is a row without a label.
    lookup = np.array([*(code_of[label] for label in found), NOT_LABELLED], dtype=np.int64)
    return task, lookup[indices]


def decode(codes: NDArray[np.integer], task: Task, kind: pa.DataType | None = None) -> pa.Array:
    """[n] the labels behind the codes; a negative code becomes null.

    Parameters
    ----------
    kind : the type of the target column; None = bool, int64 (uint64 where needed), or string, after the classes

    Raises
    ------
    TableError : for a code beyond the last class
    """
    codes = np.asarray(codes, dtype=np.int64)
    if len(codes) and codes.max() >= len(task.classes):
        raise TableError(f'Task "{task.name}" has {len(task.classes)} classes; got code {codes.max()}.')
    is_large = any(type(label) is int and label > np.iinfo(np.int64).max for label in task.classes)
    values = pa.array(list(task.classes), type=pa.uint64() if is_large else None)
    labels = values.take(pa.array(codes, mask=codes < 0))
    return labels if kind is None else labels.cast(kind)


def decode_as_text(codes: NDArray[np.integer], task: Task) -> pa.DictionaryArray:
    """[n] the labels behind the codes as text, for a column that several tasks share; a negative code becomes null."""
    classes = pa.array([str(label) for label in task.classes], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(np.asarray(codes, dtype=np.int32), mask=codes < 0), classes)


def check_labels(codes: NDArray[np.integer], task: Task, at_least: int = 2) -> None:
    """Checks that there is something to learn from.

    Raises
    ------
    TableError : for no labelled row, one class only, or a class with fewer than `at_least` labels
    """
    labelled = codes[codes >= 0]
    counts = np.bincount(labelled, minlength=len(task.classes))
    if not len(labelled):
        raise TableError(
            f'Task "{task.name}" has no label in any of {len(codes)} rows; label some rows of every class, '
            "and check that the target column is the right one."
        )
    present = [label for label, count in zip(task.classes, counts, strict=True) if count]
    if len(present) < 2:
        raise TableError(
            f'Task "{task.name}" has one class only, {present[0]!r} in {rows(len(labelled))}; '
            "label rows of at least one other class."
        )
    few = [f"{label!r} has {count}" for label, count in zip(task.classes, counts, strict=True) if count < at_least]
    if few:
        raise TableError(
            f'Task "{task.name}" needs at least {at_least} labels of every class, to learn from and to check with; '
            f"class {', '.join(few[:5])}{', ...' if len(few) > 5 else ''} of {len(labelled)} labels in all. "
            "Label more rows of it, or set its labels to null."
        )


def _labels(column: Column, name: str) -> pa.Array:
    """The labels as booleans, integers or large strings, null where there is none."""
    labels = plain(column)
    kind = labels.type
    if pa.types.is_floating(kind):
        return _whole(numbers(labels), name)
    if pa.types.is_null(kind):
        return labels.cast(pa.int64())
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or is_text_type(kind):
        return labels
    raise TableError(
        f'Target column "{name}" is of type {kind}; a class target needs integers, strings or booleans. '
        "Cast it, or turn it into classes first."
    )


def _whole(values: NDArray[np.float64], name: str) -> pa.Array:
    is_missing = np.isnan(values)
    known = values[~is_missing]
    broken = known[~(np.abs(known) <= _EXACT_IN_FLOAT) | (known != np.floor(known))]
    if len(broken):
        raise TableError(
            f'Target column "{name}" holds numbers that are not whole in {rows(len(broken))}, such as {broken[0]:g}; '
            "a class target needs integers, strings or booleans. Cut the numbers into classes first."
        )
    return pa.array(np.where(is_missing, 0, values).astype(np.int64), mask=is_missing)


def _check_blanks(found: Sequence[Any], name: str) -> None:
    stripped: dict[str, str] = {}
    for label in found:
        if not isinstance(label, str):
            return
        bare = label.strip()
        if not bare:
            raise TableError(f'Target column "{name}" has the empty string as a label; write null for no label.')
        if bare in stripped:
            raise TableError(
                f'Target column "{name}" has the labels {stripped[bare]!r} and {label!r}, which differ in blanks '
                "only. Strip the labels first."
            )
        stripped[bare] = label
