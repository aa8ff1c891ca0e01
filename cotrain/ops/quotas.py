"""The surest share of every class, without sorting the rows.

Shapes: n = rows, C = classes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cotrain.errors import SettingError
from cotrain.ops import host


class Verdicts(NamedTuple):
    """The numbers by which a verdict says that a row may be admitted, is disputed, or is admitted."""

    open: int
    disputed: int
    admitted: int


def admit_surest(
    codes: NDArray[np.integer],
    margin: NDArray[np.floating],
    agreement: NDArray[np.floating],
    verdict: NDArray[np.int8],
    kind: Verdicts,
    *,
    n_classes: int,
    share: float,
    tie: float,
) -> NDArray[np.int8]:
    """[n] the verdicts, with the surest share of each class's rows turned from open to admitted.

    Of the rows of a class that are open or disputed the share, rounded up, is admitted: open ones, by margin times
    agreement (to the nearest `tie`), surest first, ties in table order. Beside the arrays it holds 8 C KB, whatever n.
    The twin is in `rounds.selection`.

    Parameters
    ----------
    codes : [n], 0 .. C - 1 where the verdict is open or disputed
    margin, agreement : [n], from 0 to 1 where the verdict is open
    verdict : [n] int8; not changed
    kind : which verdict is which
    n_classes : C
    share : in (0, 1]
    tie : from 1e-9 to 1; steps in which sureness is told apart

    Raises
    ------
    SettingError : shapes, types or values that do not fit
    ValueError : a row that may be admitted and lacks a class, a margin or an agreement; it is named
    CoreError : the host kernels are not built, see `cotrain.ops.status`
    """
    for name, column, dtype in (("margin", margin, "f"), ("agreement", agreement, "f"), ("codes", codes, "i")):
        if column.shape != verdict.shape or column.ndim != 1 or column.dtype.kind != dtype:
            expected = f"[n] {'numbers' if dtype == 'f' else 'integers'}, n = {len(verdict)} as in `verdict`"
            raise SettingError(name, f"{column.dtype} {list(column.shape)}", expected)
    if verdict.dtype != np.int8:
        raise SettingError("verdict", str(verdict.dtype), "int8")
    if not 0 < share <= 1:
        raise SettingError("share", share, "above 0 and at most 1", hint="For 50 % write 0.5.")
    if not 1e-9 <= tie <= 1:  # sureness is counted in 30 bits
        raise SettingError("tie", tie, "from 1e-9 to 1")
    if n_classes < 1:
        raise SettingError("n_classes", n_classes, "1 or more")
    decided = verdict.copy()  # contiguous, which a view need not be
    host.kernels().admit_surest(
        np.ascontiguousarray(codes, dtype=np.int64),
        np.ascontiguousarray(margin, dtype=np.float64),
        np.ascontiguousarray(agreement, dtype=np.float64),
        decided,
        **kind._asdict(),
        n_classes=n_classes,
        share=share,
        tie=tie,
    )
    return decided
