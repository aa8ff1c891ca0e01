"""Which unlabelled rows the teachers may label in one round.

Within each class the surest rows come first, and the same share of every class is taken: a share of the rows that
the teachers put there, not a fixed number, so a rare class is neither starved nor stuffed. Sure is a row with a wide
margin on which the teachers agree. Ties keep table order, so that a round gives the same rows on every machine.

Shapes: m = teachers, n = rows, C = classes, k = rows let through.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotrain.predictions import most_likely

REASONS = ("admitted", "given", "nobody speaks", "teachers disagree", "beyond the quota", "out of reach")
"""Why a row was let through or not; the ledger holds the position in this list."""
ADMITTED, GIVEN, SILENT, DISPUTED, BEYOND_QUOTA, OUT_OF_REACH = range(len(REASONS))

TIE = 1e-9
"""Probabilities closer than this are equal: what sets them apart is rounding."""


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


def agreement(
    opinions: Sequence[NDArray[np.floating]], weights: NDArray[np.floating], codes: NDArray[np.integer]
) -> NDArray[np.floating]:
    """[n] share of the weight of the teachers who speak on the row that votes for `codes`; 0 if none speaks.

    A teacher who is torn between several classes votes for each of them: which comes first is no evidence.
    """
    rows = np.arange(len(codes))
    speaks = np.array([~np.isnan(opinion).any(axis=1) for opinion in opinions])
    # NaN compares false: an abstention votes for nothing.
    votes = np.array([opinion[rows, codes] >= opinion.max(axis=1) - TIE for opinion in opinions])
    with_it = weights @ (votes & (codes >= 0))
    voices = weights @ speaks
    return np.divide(with_it, voices, out=np.zeros(len(codes)), where=voices > 0)


def admit(
    pooled: NDArray[np.floating],
    agreed: NDArray[np.floating],
    is_given: NDArray[np.bool_],
    *,
    share: float,
    least_agreement: float,
    in_reach: NDArray[np.bool_] | None = None,
) -> Admission:
    """Let the surest `share` of each class's rows through.

    Parameters
    ----------
    pooled : [n, C] what the teachers say together; NaN where nobody speaks
    agreed : [n] from `agreement`
    is_given : [n] rows that carry a given label: they are never relabelled
    share : in (0, 1]; of the rows put in a class, the share (rounded up) that is let through
    least_agreement : rows with less are left out, whatever their margin
    in_reach : [n] rows that the student can read; it lacks every view of the others. None = all
    """
    codes = most_likely(pooled)
    ordered = np.sort(pooled, axis=1)
    confidence = ordered[:, -1]
    margin = confidence - (ordered[:, -2] if pooled.shape[1] > 1 else 0.0)

    verdict = np.full(len(codes), BEYOND_QUOTA, dtype=np.int8)
    verdict[agreed < least_agreement] = DISPUTED
    # Between two classes that are told alike the order of their names would decide; nothing was said.
    verdict[(codes < 0) | (margin < TIE)] = SILENT
    if in_reach is not None:
        verdict[~in_reach] = OUT_OF_REACH
    verdict[is_given] = GIVEN
    sureness = margin * agreed
    open_rows = verdict == BEYOND_QUOTA
    in_class = (verdict == BEYOND_QUOTA) | (verdict == DISPUTED)
    for code in range(pooled.shape[1]):
        candidates = np.flatnonzero(open_rows & (codes == code))
        # Less a hair, so that a product such as 0.07 * 100, a little above 7 in floats, is not rounded up to 8.
        quota = int(np.ceil(share * np.count_nonzero(in_class & (codes == code)) - 1e-9))
        surest_first = candidates[np.argsort(-sureness[candidates], kind="stable")]
        verdict[surest_first[:quota]] = ADMITTED
    return Admission(codes, confidence, margin, agreed, verdict)
