"""What a job learns from: the table with its roles, labels and views, checked, and which rows are locked away.

All that can be found wrong before training is found here.

Shapes: n = rows of the table.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes the functions of `compute` at import; no type checker can see them.)
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cotrain.errors import TableError
from cotrain.jobs.reading import read, rows_at
from cotrain.settings import JobSettings, TargetSettings, ViewSettings
from cotrain.table import (
    EvaluationLock,
    Roles,
    check_labels,
    encode_target,
    groups,
    require_columns,
    require_rows,
    row_ids,
    stratified_split,
    weights,
)
from cotrain.table.columns import is_boolean_type, is_missing, is_text_type, numbers, plain
from cotrain.tasks import NOT_LABELLED, Task
from cotrain.views import View, views_by_prefix
from cotrain.views.select import select


@dataclass(frozen=True)
class Materials:
    """What a job learns from.

    Parameters
    ----------
    features : [n] the columns that the views read
    views : as they were asked for
    roles : of the other columns
    row_ids : [n]
    labels : {task: (its classes, [n] codes, -1 = no label)}, locked ones too
    weight, groups : [n], or None
    training : positions of the rows that may be learnt from
    evaluation : positions of the others, none of which is in `training`
    """

    features: pa.Table
    views: Sequence[View]
    roles: Roles
    row_ids: NDArray[np.generic]
    labels: Mapping[str, tuple[Task, NDArray[np.int64]]]
    weight: NDArray[np.float64] | None
    groups: NDArray[np.int64] | None
    training: NDArray[np.intp]
    evaluation: NDArray[np.intp]

    def features_at(self, positions: NDArray[np.intp]) -> pa.Table:
        """The features of some rows, given in table order."""
        return rows_at(self.features, positions)

    def training_labels(self) -> dict[str, NDArray[np.object_]]:
        """{task: labels of the training rows}, None where there is none."""
        return {name: _labels(task, codes[self.training]) for name, (task, codes) in self.labels.items()}


def gather(settings: JobSettings) -> Materials:
    """Read the table and check it.

    Raises
    ------
    TableError, ViewError : the data cannot be used as they are
    SettingError : a view cannot be as it is set
    """
    table = require_rows(read(settings.table), "The table")
    roles = Roles(
        settings.table.key,
        {task: target.column for task, target in settings.targets.items()},
        settings.table.group,
        settings.table.weight,
    )
    roles.check(table)
    ids = row_ids(table, roles.key)
    weight = None if roles.weight is None else weights(table, roles.weight)
    labels = {name: _encoded(table, name, target, weight) for name, target in settings.targets.items()}
    group = groups(table, roles.group)
    training, evaluation = _split(settings, table, labels, group, ids)
    EvaluationLock(ids[evaluation]).check(ids[training], doing="training")
    _check_training(labels, training, evaluation)
    views, features = _views(settings, table, roles, training)
    return Materials(
        features=features,
        views=views,
        roles=roles,
        row_ids=ids,
        labels=labels,
        weight=weight,
        groups=group,
        training=training,
        evaluation=evaluation,
    )


def _encoded(
    table: pa.Table, name: str, target: TargetSettings, weight: NDArray[np.float64] | None
) -> tuple[Task, NDArray[np.int64]]:
    """The labels of one target; -1, as a number or as text, or a weight of 0 is no label, as the classifier has it."""
    # Sorted, as the classifier sorts them: its codes and these are then the same.
    classes = None if target.classes is None else sorted(target.classes)
    task, codes = encode_target(_without_minus_one(table[target.column]), name, classes)
    if weight is not None:
        codes = np.where(weight > 0, codes, NOT_LABELLED)
    check_labels(codes, task)
    return task, codes


def _without_minus_one(column: pa.ChunkedArray) -> pa.Array:
    labels = plain(column)
    if is_text_type(labels.type):
        says_nothing = pc.equal(labels, str(NOT_LABELLED))
    elif pa.types.is_signed_integer(labels.type) or pa.types.is_floating(labels.type):
        says_nothing = pa.array(numbers(labels) == NOT_LABELLED)
    else:
        return labels
    return pc.if_else(says_nothing, pa.scalar(None, labels.type), labels)


def _labels(task: Task, codes: NDArray[np.int64]) -> NDArray[np.object_]:
    return np.array([*task.classes, None], dtype=object)[codes]  # code -1 picks the last


def _split(
    settings: JobSettings,
    table: pa.Table,
    labels: Mapping[str, tuple[Task, NDArray[np.int64]]],
    group: NDArray[np.int64] | None,
    ids: NDArray[np.generic],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions to learn from, and positions that are locked away."""
    wanted = settings.table.evaluation
    if wanted is None:
        return np.arange(table.num_rows), np.zeros(0, dtype=np.intp)
    if isinstance(wanted, str):
        is_locked = _locked(table, wanted)
        return np.flatnonzero(~is_locked), np.flatnonzero(is_locked)
    # A draw of its own, so that what is held out does not hang on how much training draws.
    generator = np.random.default_rng([settings.run.seed, 1])
    return stratified_split(_joint(labels), wanted, generator, group, ids)


def _locked(table: pa.Table, column: str) -> NDArray[np.bool_]:
    require_columns(table.column_names, [column], "The settings for evaluation")
    kind = plain(table[column]).type
    is_flag = is_boolean_type(kind) or pa.types.is_integer(kind)
    if not is_flag or is_missing(table[column]).any() or not np.isin(numbers(table[column]), (0, 1)).all():
        raise TableError(
            f'Evaluation column "{column}" must hold true or false (or 1 and 0) in every row; it is of type {kind}. '
            "Fill its gaps, or give a share such as 0.2."
        )
    is_locked = numbers(table[column]) == 1
    if is_locked.all() or not is_locked.any():
        raise TableError(
            f'Evaluation column "{column}" is {"true" if is_locked.all() else "false"} in all {len(is_locked)} rows. '
            "Mark some rows and not all, or leave the setting out."
        )
    return is_locked


def _joint(labels: Mapping[str, tuple[Task, NDArray[np.int64]]]) -> NDArray[np.int64]:
    """[n] one code for each combination of labels that occurs, so that every task is split evenly."""
    codes = np.column_stack([codes for _, codes in labels.values()])
    joint = np.unique(codes, axis=0, return_inverse=True)[1].astype(np.int64).ravel()
    return np.where((codes >= 0).any(axis=1), joint, NOT_LABELLED)


def _check_training(
    labels: Mapping[str, tuple[Task, NDArray[np.int64]]], training: NDArray[np.intp], evaluation: NDArray[np.intp]
) -> None:
    if not len(evaluation):
        return  # the whole table was checked already
    for task, codes in labels.values():
        try:
            check_labels(codes[training], task)
        except TableError as error:
            raise TableError(f"Without the {len(evaluation)} rows that are kept for evaluation: {error}") from error


def _views(
    settings: JobSettings, table: pa.Table, roles: Roles, training: NDArray[np.intp]
) -> tuple[list[View], pa.Table]:
    """The views, and the columns that any of them reads, in table order; locked rows have no say in which."""
    wanted = settings.table.evaluation
    exclude = [*roles.columns, *([wanted] if isinstance(wanted, str) else [])]
    if settings.views is None:
        views = views_by_prefix(table.column_names, exclude)
    else:
        views = [_view(name, view) for name, view in settings.views.items()]
    if not views:
        raise TableError(f"The table has no column but those with a role ({', '.join(exclude)}). Add features.")
    seen = rows_at(table, training)
    wanted_by_any = {column for view in views for column in select(view, seen, exclude)}
    return views, table.select([column for column in table.column_names if column in wanted_by_any])


def _view(name: str, settings: ViewSettings) -> View:
    told = {field: getattr(settings, field) for field in settings.__dataclass_fields__}
    return View(name, **{field: value for field, value in told.items() if value is not None})
