"""Which rows only the final measurement may see: a lock that raises when anything else touches them.

Whatever learns a fact from rows (a scale, a threshold, a weight, a stopping round) shows the lock
their ids first. A leak then is an error with a name, not a good result.
"""

import numpy as np
from numpy.typing import NDArray

from cotrain.errors import TableError
from cotrain.table.columns import named, rows


class EvaluationLock:
    """The ids of the rows that are kept for evaluation.

    Parameters
    ----------
    row_ids : [m] stable ids, see `roles.row_ids`; none = nothing is locked

    Examples
    --------
    >>> lock = EvaluationLock(np.array([3, 4]))
    >>> lock.check(np.array([0, 1]), doing="scaling")
    >>> lock.is_locked(np.array([1, 3])).tolist()
    [False, True]
    """

    def __init__(self, row_ids: NDArray[np.generic]) -> None:
        self.row_ids = np.unique(row_ids)

    def __len__(self) -> int:
        """How many rows are locked."""
        return len(self.row_ids)

    def is_locked(self, row_ids: NDArray[np.generic]) -> NDArray[np.bool_]:
        """[n] mask of the given rows that are kept for evaluation.

        Raises
        ------
        TableError : when one side has strings and the other numbers; they would never meet
        """
        row_ids = np.asarray(row_ids)
        if len(row_ids) and len(self) and (row_ids.dtype.kind in "iu") != (self.row_ids.dtype.kind in "iu"):
            raise TableError(
                f"Row ids of type {row_ids.dtype} cannot be compared with locked ids of type {self.row_ids.dtype}; "
                "use one key column throughout."
            )
        return np.isin(row_ids, self.row_ids)

    def check(self, row_ids: NDArray[np.generic], doing: str) -> None:
        """Lets the rows pass if none of them is kept for evaluation.

        Parameters
        ----------
        doing : what the rows are about to be used for, as in "scaling"

        Raises
        ------
        TableError : names the first five locked rows
        """
        leaked = np.asarray(row_ids)[self.is_locked(row_ids)]
        if len(leaked):
            raise TableError(
                f"{doing[:1].upper()}{doing[1:]} would see {rows(len(leaked))} kept for evaluation: "
                f"{named(leaked[:5].tolist())}. Pass the training rows only."
            )
