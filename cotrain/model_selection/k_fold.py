"""Folds of which only labelled rows are ever tested.

Shapes: n = rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state

from cotrain.errors import SettingError, TableError
from cotrain.estimators.beside import groups_of
from cotrain.estimators.holding_out import folds_of
from cotrain.estimators.inputs import n_rows_of
from cotrain.estimators.labels import tasks_of
from cotrain.table.columns import named
from cotrain.tasks import Task

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


class SemiSupervisedKFold(BaseCrossValidator):
    """K folds of the labelled rows, stratified by class; every unlabelled row is in every training part.

    Works wherever scikit-learn takes a splitter, with labels such as its own semi-supervised classifiers read.

    Parameters
    ----------
    n_splits : how many folds, at least 2; every class needs as many labels (with groups: labels in as many groups)
    shuffle : deal the rows in a drawn order; False = in the order in which they stand
    random_state : int for the same folds in every call; as in scikit-learn

    Examples
    --------
    >>> y = [0, 0, -1, 1, 1, -1]
    >>> for train, test in SemiSupervisedKFold(2, shuffle=False).split(y, y):
    ...     print(train, test)
    [1 2 4 5] [0 3]
    [0 2 3 5] [1 4]
    """

    # Where scikit-learn routes metadata, the splitter asks for groups without being told to.
    __metadata_request__split: ClassVar = {"groups": True}

    def __init__(
        self,
        n_splits: int = 5,
        *,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """How many folds `split` yields, whatever the data are."""
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Fold]:
        """Training and test positions of each fold, sorted; no row is tested twice.

        Parameters
        ----------
        X : anything with n rows that `CoTrainingClassifier` takes
        y : [n] labels, unlabelled rows -1, NaN or None; or {task: labels}, where a row that any task labels is tested
        groups : [n] integers, strings or booleans; a group is tested whole, and while it is tested its unlabelled rows
            are in neither part. A group is never tested where all that it would leave to learn of a class is gone

        Raises
        ------
        TableError : no label, one class only, a class with fewer labels (or groups) than folds
        SettingError : `n_splits` below 2, a `random_state` that cannot matter
        """
        n_splits = checked_n_splits(self.n_splits)
        n_rows = n_rows_of(X)
        tasks, codes = tasks_of(y, n_rows)
        numbers = groups_of(groups, n_rows)
        for task in tasks:
            _check_counts(task, codes[task.name], n_splits, numbers)
        folds, kept_out = folds_of(codes, n_splits, self._generator(), numbers)
        n_dealt = len(np.unique(folds[folds >= 0]))
        if n_dealt < n_splits:  # rows that only another task labels are dealt by that task, and may be few
            raise TableError(
                f"The labels of the tasks {named(codes)} can be dealt into {n_dealt} folds only, {n_splits} were "
                "asked for; lower `n_splits`, or label more rows for all tasks at once."
            )
        for fold in range(n_splits):
            yield np.flatnonzero((folds != fold) & (kept_out != fold)), np.flatnonzero(folds == fold)

    def _generator(self) -> np.random.Generator | None:
        if self.shuffle:
            return np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        if self.random_state is not None:
            raise SettingError(
                "random_state", self.random_state, "None where `shuffle` is False", hint="Nothing is drawn."
            )
        return None


def checked_n_splits(n_splits: Any) -> int:
    """`n_splits` itself if it is a whole number of at least 2."""
    if not isinstance(n_splits, (int, np.integer)) or isinstance(n_splits, bool) or n_splits < 2:
        raise SettingError("n_splits", n_splits, "a whole number of at least 2")
    return int(n_splits)


def labelled_anywhere(codes: Mapping[str, NDArray[np.integer]]) -> NDArray[np.bool_]:
    """[n] whether any task labels the row."""
    return np.any([task >= 0 for task in codes.values()], axis=0)


def _check_counts(task: Task, codes: NDArray[np.integer], n_splits: int, groups: NDArray[np.integer] | None) -> None:
    """Every fold is to test every class, as far as groups allow; fewer labels than folds would leave some out."""
    carriers = np.arange(len(codes)) if groups is None else groups
    counts = [len(np.unique(carriers[codes == code])) for code in range(task.n_classes)]
    few = [f"{label!r} has {count}" for label, count in zip(task.classes, counts, strict=True) if count < n_splits]
    if few:
        what, more = ("labels", "rows") if groups is None else ("groups with labels", "groups")
        raise TableError(
            f"{n_splits} folds need {n_splits} {what} of every class; in task {task.name!r} class {_first(few)}. "
            f"Lower `n_splits`, label it in more {more}, or set its labels to -1."
        )


def _first(parts: Sequence[str], at_most: int = 5) -> str:
    return ", ".join(parts[:at_most]) + (", ..." if len(parts) > at_most else "")
