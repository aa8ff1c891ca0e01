"""Folds that learn from the past and are tested on the future, for partly labelled rows.

Shapes: n = rows.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator

from cotrain.errors import TableError
from cotrain.estimators.beside import groups_of, moments_of
from cotrain.estimators.inputs import n_rows_of
from cotrain.estimators.labels import tasks_of
from cotrain.model_selection.k_fold import Fold, checked_n_splits, labelled_anywhere
from cotrain.tasks import Task


class SemiSupervisedTimeSplit(BaseCrossValidator):
    """The labelled rows cut into n_splits + 1 spans of time; each but the first is tested by a model of all before it.

    Spans hold as nearly as may be the same number of labels; rows of one moment are never parted, so all that is
    tested is later than all that is learnt from. An unlabelled row is in the training part if it is earlier than every
    tested row.

    Parameters
    ----------
    n_splits : how many folds, at least 2
    future_unlabelled : unlabelled rows of any time are in every training part: for tables whose unlabelled rows are
        all known on the day of learning

    Examples
    --------
    >>> y = [0, 1, -1, 0, -1, 1, -1]
    >>> for train, test in SemiSupervisedTimeSplit(2, future_unlabelled=True).split(y, y, times=[1, 1, 1, 2, 2, 3, 3]):
    ...     print(train, test)
    [0 1 2 4 6] [3]
    [0 1 2 3 4 6] [5]
    """

    # Where scikit-learn routes metadata, the splitter asks for both without being told to.
    __metadata_request__split: ClassVar = {"groups": True, "times": True}

    def __init__(self, n_splits: int = 5, *, future_unlabelled: bool = False) -> None:
        self.n_splits = n_splits
        self.future_unlabelled = future_unlabelled

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """How many folds `split` yields, whatever the data are."""
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None, times: Any = None) -> Iterator[Fold]:
        """Training and test positions of each fold, sorted, earliest fold first; no row is tested twice.

        Parameters
        ----------
        X, y : as in `SemiSupervisedKFold`
        groups : [n]; no row of a group that is tested is in the training part, however early it is
        times : [n] numbers, dates, times, or strings that sort as time does; None = the rows stand in order of time,
            each at a moment of its own. scikit-learn's searches pass none unless metadata are routed: sort the rows

        Raises
        ------
        TableError : no label, one class only, fewer moments with labels than spans, or before a fold's tested rows
            no two classes to learn
        SettingError : `n_splits` below 2
        """
        n_splits = checked_n_splits(self.n_splits)
        n_rows = n_rows_of(X)
        tasks, codes = tasks_of(y, n_rows)
        is_labelled, moments = labelled_anywhere(codes), moments_of(times, n_rows)
        numbers = groups_of(groups, n_rows)
        starts = _starts(moments[is_labelled], n_splits)
        for number, (start, end) in enumerate(pairwise([*starts, n_rows]), start=1):
            is_tested = is_labelled & (moments >= start) & (moments < end)
            trains = moments < start
            if self.future_unlabelled:
                trains |= ~is_labelled
            if numbers is not None:
                trains &= ~np.isin(numbers, numbers[is_tested])
            for task in tasks:
                _check_two_classes(task, codes[task.name][trains], f"{number} of {n_splits}")
            yield np.flatnonzero(trains), np.flatnonzero(is_tested)


def _starts(moments: NDArray[np.integer], n_splits: int) -> list[int]:
    """The first moment of every span but the first, so that spans are as even as whole moments allow.

    Parameters
    ----------
    moments : of the labelled rows
    """
    values, counts = np.unique(moments, return_counts=True)
    n_spans = n_splits + 1
    if len(values) < n_spans:
        raise TableError(
            f"{n_splits} folds in time need labels at {n_spans} different moments; there are {len(values)}. "
            "Lower `n_splits`, or give finer times."
        )
    before = np.concatenate([[0], np.cumsum(counts)[:-1]])  # labels before each moment
    cuts: list[int] = []
    for number in range(1, n_spans):
        nearest = int(np.abs(before - len(moments) * number / n_spans).argmin())
        # At least one moment for each span before this cut and for each after it.
        earliest, latest = (cuts[-1] if cuts else 0) + 1, len(values) - n_spans + number
        cuts.append(min(max(nearest, earliest), latest))
    return values[cuts].tolist()


def _check_two_classes(task: Task, codes: NDArray[np.integer], fold: str) -> None:
    found: Sequence[int] = np.unique(codes[codes >= 0]).tolist()
    if len(found) < 2:
        all_there_is = f"one class only, {task.classes[found[0]]!r}" if found else "no label"
        raise TableError(
            f"Fold {fold} would learn task {task.name!r} from {all_there_is}: there is no more before its tested rows "
            "and outside their groups. Lower `n_splits`, so that the first span is longer, or label earlier rows."
        )
