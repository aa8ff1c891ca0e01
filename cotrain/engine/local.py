"""Calls one function for many items on this machine.

Every call runs with one BLAS and OpenMP thread, in this process or in a worker, so results are bit-equal whatever
`n_jobs` is and however many cores there are; small fits are faster that way too.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(function: Callable[[Item], Result], items: Iterable[Item], n_jobs: int | None = None) -> list[Result]:
    """[function(item) for item in items], on `n_jobs` processes.

    Parameters
    ----------
    function : with more than one job it and the items must be picklable
    n_jobs : None or 1 = in this process; -1 = one per core; as in scikit-learn
    """
    items = list(items)
    if n_jobs in (None, 1) or len(items) < 2:
        return [_single_threaded(function, item) for item in items]
    calls = (delayed(_single_threaded)(function, item) for item in items)
    return cast("list[Result]", Parallel(n_jobs=n_jobs)(calls))


def _single_threaded(function: Callable[[Item], Result], item: Item) -> Result:
    with threadpool_limits(limits=1):
        return function(item)
