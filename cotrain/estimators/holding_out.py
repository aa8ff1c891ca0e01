"""Which labelled rows each fold holds out, for one task or several.

Shapes: n = rows.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cotrain.table import label_folds
from cotrain.tasks import NOT_LABELLED


def folds_of(
    codes: Mapping[str, NDArray[np.integer]],
    n_folds: int,
    generator: np.random.Generator | None,
    groups: NDArray[np.generic] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The fold that holds each row out.

    Parameters
    ----------
    codes : {task: [n] class codes, -1 = not labelled}
    generator : draws who is held out when; None = rows are dealt in the order in which they stand
    groups : [n]; rows of one group are held out together, and its unlabelled rows stay out of that fold's school

    Returns
    -------
    folds : [n] the fold that scores the row, -1 = none
    kept_out : [n] the fold whose school must not see the row though it is not scored on it, -1 = none
    """
    strata = _strata(codes)
    numbers = None if groups is None else np.unique(groups, return_inverse=True)[1]
    folds = np.full(len(strata), -1, dtype=np.int64)
    for number, (_, held) in enumerate(label_folds(strata, n_folds, generator, numbers)):
        folds[held] = number
    for task in codes.values():
        _leave_one_to_learn_from(task, folds, numbers)
    kept_out = np.full(len(strata), -1, dtype=np.int64)
    if numbers is not None:
        fold_of_group = np.full(numbers.max() + 1, -1, dtype=np.int64)
        fold_of_group[numbers[folds >= 0]] = folds[folds >= 0]
        kept_out = np.where(folds < 0, fold_of_group[numbers], -1)
    return folds, kept_out


def _leave_one_to_learn_from(
    codes: NDArray[np.integer], folds: NDArray[np.int64], groups: NDArray[np.intp] | None
) -> None:
    """Take a row (with its group) out of `folds` where all labels of a class would be held out at once.

    Rows are dealt by one label each, so a class of another task may end up in one fold whole; it could not be learnt
    there, and its rows would be told wrong however good the members are.
    """
    for code in np.unique(codes[codes >= 0]):
        rows = np.flatnonzero(codes == code)
        if folds[rows[0]] >= 0 and (folds[rows] == folds[rows[0]]).all():
            folds[rows[:1] if groups is None else groups == groups[rows[0]]] = -1


def _strata(codes: Mapping[str, NDArray[np.integer]]) -> NDArray[np.int64]:
    """[n] one class per row to deal out evenly: the label of the task with the most classes that the row has.

    Tasks share their labelled rows as a rule; the finest task then spreads the coarser ones as well.
    """
    finest_first = sorted(codes.values(), key=lambda task: -int(task.max(initial=-1)))
    strata = np.full(len(finest_first[0]), NOT_LABELLED, dtype=np.int64)
    offset = 0
    for task in finest_first:
        fill = (strata == NOT_LABELLED) & (task >= 0)
        strata[fill] = task[fill] + offset
        offset += int(task.max(initial=-1)) + 1
    return strata
