"""Which unlabelled rows the teachers may label in one round.

Within each class the surest rows come first, and the same share of every class is taken: a share of the rows that
the teachers put there, not a fixed number, so a rare class is neither starved nor stuffed. Sure is a row with a wide
margin on which the teachers agree. Ties keep table order, so that a round gives the same rows on every machine.

Shapes: n = rows, C = classes, k = rows let through.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotrain import ops
from cotrain.rounds.hearing import TIE, Hearing

REASONS = ("admitted", "given", "nobody speaks", "teachers disagree", "beyond the quota", "out of reach")
"""Why a row was let through or not; the ledger holds the position in this list."""
ADMITTED, GIVEN, SILENT, DISPUTED, BEYOND_QUOTA, OUT_OF_REACH = range(len(REASONS))


@dataclass(frozen=True)
class Admission:
    """What the teachers think of every row, and which rows they may teach.

    Parameters
    ----------
    codes : [n] the pooled label; -1 where nobody speaks
    confidence : [n] pooled probability of that label; NaN where nobody speaks
    margin : [n] confidence less the probability of the next class
    agreement : [n] share of the speaking teachers' weight whose own first choice is that label
    verdict : [n] position in REASONS
    """

    codes: NDArray[np.intp]
    confidence: NDArray[np.floating]
    margin: NDArray[np.floating]
    agreement: NDArray[np.floating]
    verdict: NDArray[np.int8]

    @property
    def positions(self) -> NDArray[np.intp]:
        """[k] rows let through, in table order."""
        return np.flatnonzero(self.verdict == ADMITTED)


def admit(
    heard: Hearing,
    is_given: NDArray[np.bool_],
    *,
    share: float,
    least_agreement: float,
    in_reach: NDArray[np.bool_] | None = None,
) -> Admission:
    """Let the surest `share` of each class's rows through.

    Parameters
    ----------
    heard : what the teachers say together about n rows, and how far they agree
    is_given : [n] rows that carry a given label: they are never relabelled
    share : in (0, 1]; of the rows put in a class, the share (rounded up) that is let through
    least_agreement : rows with less are left out, whatever their margin
    in_reach : [n] rows that the student can read; it lacks every view of the others. None = all
    """
    verdict = np.full(len(heard.codes), BEYOND_QUOTA, dtype=np.int8)
    verdict[heard.agreement < least_agreement - TIE] = DISPUTED
    # Between two classes that are told alike the order of their names would decide; nothing was said.
    verdict[(heard.codes < 0) | (heard.margin < TIE)] = SILENT
    if in_reach is not None:
        verdict[~in_reach] = OUT_OF_REACH
    verdict[is_given] = GIVEN
    surest = admit_by_core if ops.status().host_backend == "native" else admit_by_numpy
    return Admission(heard.codes, heard.confidence, heard.margin, heard.agreement, surest(heard, verdict, share))


def admit_by_core(heard: Hearing, verdict: NDArray[np.int8], share: float) -> NDArray[np.int8]:
    """[n] the verdicts, with ADMITTED in place of BEYOND_QUOTA where the quota of the row's class reaches."""
    kind = ops.Verdicts(open=BEYOND_QUOTA, disputed=DISPUTED, admitted=ADMITTED)
    told = heard.codes, heard.margin, heard.agreement
    return ops.admit_surest(*told, verdict, kind, n_classes=heard.n_classes, share=share, tie=TIE)


def admit_by_numpy(heard: Hearing, verdict: NDArray[np.int8], share: float) -> NDArray[np.int8]:
    """The same, class by class."""
    decided = verdict.copy()
    # In steps of TIE, so that rows that differ by rounding come in table order on every machine.
    sureness = np.rint(heard.margin * heard.agreement / TIE)
    open_rows = verdict == BEYOND_QUOTA
    in_class = open_rows | (verdict == DISPUTED)
    for code in range(heard.n_classes):
        candidates = np.flatnonzero(open_rows & (heard.codes == code))
        # Less a hair, so that a product such as 0.07 * 100, a little above 7 in floats, is not rounded up to 8.
        quota = int(np.ceil(share * np.count_nonzero(in_class & (heard.codes == code)) - 1e-9))
        surest_first = candidates[np.argsort(-sureness[candidates], kind="stable")]
        decided[surest_first[:quota]] = ADMITTED
    return decided
