"""Which rows are held out, and which labels are hidden, without a leak.

All draws come from the generator. With `row_ids` they follow the ids and not the order of the
rows: a shuffled table then gives the same rows. Positions come back sorted.

A row of a group goes where its group goes. No class with at least two labels (in at least two
groups, where groups are given) is ever missing from the training part.

Shapes: n = rows. Codes are class codes, negative where there is no label.
"""

import numpy as np
from numpy.typing import NDArray

from cotrain.errors import SettingError, TableError

Positions = NDArray[np.intp]


def stratified_split(
    codes: NDArray[np.integer],
    share: float,
    generator: np.random.Generator,
    groups: NDArray[np.integer] | None = None,
    row_ids: NDArray[np.generic] | None = None,
) -> tuple[Positions, Positions]:
    """Holds out a share of the labelled rows of every class.

    A row without a label stays in training, unless its group is held out. Every class with at
    least two labels has at least one row on either side where no groups are given.

    Parameters
    ----------
    codes : [n]
    share : of the labelled rows, between 0 and 1, both left out
    groups : [n] or None

    Returns
    -------
    train_positions, held_out_positions : together all n rows, none twice

    Raises
    ------
    TableError : when no row can be held out without taking a class from training
    """
    if not 0.0 < share < 1.0:
        raise SettingError("share", share, "between 0 and 1, both left out", hint="For 20 % write 0.2.")
    order = draw_order(len(codes), generator, row_ids)
    wanted = {code: _held_count(int((codes == code).sum()), share) for code in labelled_classes(codes)}
    if groups is None:
        is_held = np.zeros(len(codes), dtype=bool)
        for code, count in wanted.items():
            is_held[order[codes[order] == code][:count]] = True
    else:
        is_held = np.isin(groups, _held_groups(codes, groups, wanted, order))
    if not is_held.any():
        raise TableError(
            f"Of {int((codes >= 0).sum())} labelled rows none can be held out without taking a class from training; "
            "label at least two rows of a class, in two groups where there are groups."
        )
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def hide_labels(
    codes: NDArray[np.integer],
    per_class: int,
    generator: np.random.Generator,
    row_ids: NDArray[np.generic] | None = None,
) -> Positions:
    """The rows that stay labelled when all but `per_class` labels of every class are hidden.

    Raises
    ------
    TableError : for a class with fewer labels than that
    """
    if per_class < 1:
        raise SettingError("per_class", per_class, "at least 1")
    order = draw_order(len(codes), generator, row_ids)
    kept = []
    for code in labelled_classes(codes):
        members = order[codes[order] == code]
        if len(members) < per_class:
            raise TableError(
                f"Class code {code} has {len(members)} labels, {per_class} were asked for; "
                "lower `per_class` or label more."
            )
        kept.append(members[:per_class])
    if not kept:
        raise TableError(f"None of {len(codes)} rows is labelled; there is nothing to hide.")
    return np.sort(np.concatenate(kept))


def draw_order(
    n_rows: int, generator: np.random.Generator | None, row_ids: NDArray[np.generic] | None = None
) -> Positions:
    """[n] all positions in a random order, which belongs to the ids and not to the rows where ids are given.

    Without a generator the order is that of the ids, or of the rows.
    """
    drawn = np.arange(n_rows) if generator is None else generator.permutation(n_rows)
    return drawn if row_ids is None else np.argsort(row_ids, kind="stable")[drawn]


def labelled_classes(codes: NDArray[np.integer]) -> list[int]:
    """The codes that occur, in order."""
    return np.unique(codes[codes >= 0]).tolist()


def group_counts(
    codes: NDArray[np.integer], groups: NDArray[np.integer], order: Positions
) -> tuple[NDArray[np.integer], NDArray[np.int64]]:
    """The groups in the order in which `order` meets them, and how many labels of each class each holds.

    Returns
    -------
    names, counts : [g] and [g, classes that occur]
    """
    names, first, inverse = np.unique(groups[order], return_index=True, return_inverse=True)
    classes = labelled_classes(codes)
    counts = np.zeros((len(names), len(classes)), dtype=np.int64)
    is_labelled = codes[order] >= 0
    np.add.at(counts, (inverse[is_labelled], np.searchsorted(classes, codes[order][is_labelled])), 1)
    met = np.argsort(first, kind="stable")
    return names[met], counts[met]


def _held_count(n_labels: int, share: float) -> int:
    """At least 1 and at most all but 1, where there are two."""
    return 0 if n_labels < 2 else int(np.clip(round(share * n_labels), 1, n_labels - 1))


def _held_groups(
    codes: NDArray[np.integer], groups: NDArray[np.integer], wanted: dict[int, int], order: Positions
) -> NDArray[np.integer]:
    """The groups to hold out: in drawn order, each that brings the counts nearer to what is wanted."""
    names, counts = group_counts(codes, groups, order)
    target = np.array([wanted[code] for code in labelled_classes(codes)])
    total = counts.sum(axis=0)
    held = np.zeros_like(total)
    chosen = []
    for name, count in zip(names, counts, strict=True):
        leaves_all_classes = np.all((held + count < total) | (count == 0))
        if leaves_all_classes and np.abs(held + count - target).sum() < np.abs(held - target).sum():
            held = held + count
            chosen.append(name)
    if not chosen:  # every group is larger than the share: the one that misses it least
        miss = np.abs(counts - target).sum(axis=1)
        may = np.all((counts < total) | (counts == 0), axis=1) & (counts.sum(axis=1) > 0)
        chosen = list(names[may][np.argsort(miss[may], kind="stable")][:1])
    return np.array(chosen, dtype=groups.dtype)
