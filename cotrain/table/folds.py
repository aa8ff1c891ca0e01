"""In which order labelled rows take turns at being held out, so that each is judged by a model that never saw it.

Only labelled rows take part. The classes are dealt out evenly, and no training part ever lacks a
class that has two labels (in two groups, where there are groups). What would break that promise is
never held out: the only row of a class, the only group that holds a class.

Shapes: n = rows, F = folds, g = groups.
"""

import numpy as np
from numpy.typing import NDArray

from cotrain.errors import SettingError, TableError
from cotrain.table.splits import Positions, draw_order, group_counts

NEVER_HELD = -1
_NOWHERE, _SAFE = -1, -2


def label_folds(
    codes: NDArray[np.integer],
    n_folds: int,
    generator: np.random.Generator | None,
    groups: NDArray[np.integer] | None = None,
    row_ids: NDArray[np.generic] | None = None,
) -> list[tuple[Positions, Positions]]:
    """Pairs of training and held-out positions over the labelled rows.

    Parameters
    ----------
    codes : [n] class codes, negative where there is no label
    n_folds : how many pairs; fewer where a fold would hold out less than two rows (with groups: where the smallest
        class has fewer groups), but at least 2
    generator : draws the order in which rows are dealt; None = the order in which they stand
    groups : [n] or None; a group is held out whole. Rows without a label are in neither part: whoever
        adds them to the training part must leave out those of the held-out groups
    row_ids : [n] or None; with them the draw follows the ids and not the order of the rows

    Returns
    -------
    folds : (train_positions, held_positions) each, sorted; no row is held out twice

    Raises
    ------
    TableError : when fewer than two folds can be made
    """
    if n_folds < 2:
        raise SettingError("n_folds", n_folds, "at least 2")
    order = draw_order(len(codes), generator, row_ids)
    fold_of = _deal_rows(codes, n_folds, order) if groups is None else _deal_groups(codes, groups, n_folds, order)
    is_labelled = codes >= 0
    folds = []
    for fold in np.unique(fold_of[is_labelled & (fold_of != NEVER_HELD)]):
        is_held = is_labelled & (fold_of == fold)
        folds.append((np.flatnonzero(is_labelled & ~is_held), np.flatnonzero(is_held)))
    if len(folds) < 2:
        raise TableError(
            f"The {int(is_labelled.sum())} labelled rows cannot be cut into two folds in which every class "
            "can be learnt; label at least two rows of a class, in two groups where there are groups."
        )
    return folds


def _deal_rows(codes: NDArray[np.integer], n_folds: int, order: Positions) -> NDArray[np.int64]:
    """[n] the fold of each row; every class is dealt on from where the last one ended.

    So folds are of one size, and with two labels in each of ten classes a fold can still leave 16 of the 20 for
    training. A class that loses a label where another loses none must not look rarer than it is (models would vote
    against just the rows that were held out): whoever trains gives its other rows the weight of the lost one.
    """
    # Classes in the order in which the draw meets them, so that their names have no say in the folds.
    met, first = np.unique(codes[order], return_index=True)
    members = [order[codes[order] == code] for code in met[np.argsort(first)] if code >= 0]
    dealt = np.concatenate([rows for rows in members if len(rows) > 1] or [np.empty(0, dtype=np.int64)])
    fold_of = np.full(len(codes), NEVER_HELD, dtype=np.int64)
    # At least two rows a fold: a fold of one row asks its own class alone, and that class has just become weaker.
    n_folds = max(2, min(n_folds, len(dealt) // 2))
    fold_of[dealt] = np.arange(len(dealt)) % n_folds
    return fold_of


def _deal_groups(
    codes: NDArray[np.integer], groups: NDArray[np.integer], n_folds: int, order: Positions
) -> NDArray[np.int64]:
    """[n] the fold of each row's group: largest groups first, each to the fold that has least of its classes."""
    names, counts = group_counts(codes, groups, order)
    largest_first = np.argsort(-counts.sum(axis=1), kind="stable")
    names, counts = names[largest_first], counts[largest_first]
    remaining = (counts > 0).sum(axis=0)  # [classes] groups still to come that hold the class
    n_folds = min([n_folds, *remaining[remaining > 1]])
    total = counts.sum(axis=0)
    filled = np.zeros((n_folds, counts.shape[1]))
    where = np.full(counts.shape[1], _NOWHERE)  # the one fold that holds the class so far, or _SAFE
    fold_of_group = np.full(len(names), NEVER_HELD)
    for index, count in enumerate(counts):
        holds = count > 0
        if not holds.any():
            continue
        last = where[holds & (remaining == 1)]
        remaining = remaining - holds
        # The last group of a class must not join the fold that already has all the others.
        allowed = np.setdiff1d(np.arange(n_folds), last)
        if _NOWHERE in last or not len(allowed):
            where[holds] = _SAFE
            continue
        crowding = filled[allowed] @ (count / total**2)
        fold = allowed[np.lexsort((filled[allowed].sum(axis=1), crowding))[0]]
        filled[fold] += count
        fold_of_group[index] = fold
        where[holds] = np.where((where[holds] == _NOWHERE) | (where[holds] == fold), fold, _SAFE)
    by_name = np.argsort(names, kind="stable")
    return fold_of_group[by_name][np.searchsorted(names[by_name], groups)]
