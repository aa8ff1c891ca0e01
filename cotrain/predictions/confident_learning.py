"""Which given labels are probably wrong: confident learning over what was said of rows by members that never saw them.

A label is suspect where the voice prefers another, and is as sure of that one as it is on average of the rows that
carry it. Thresholds are learnt for each class, so a class of which the voice is never very sure is neither accused
wholesale nor let off. Where classes shade into each other, right labels on the border are accused too: a suspect is to
be looked at, the plainest first, never dropped or changed.

Shapes: n = rows, C = classes, s = suspects.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotrain.predictions.scores import counted

A_HAIR = 1e-9
"""Rows that are all told alike reach their own mean, however it was rounded."""


@dataclass(frozen=True)
class Suspects:
    """Rows whose given label is contradicted, most plainly first.

    Parameters
    ----------
    positions : [s] of the rows; those contradicted alike in the order of the table
    given : [s] code of the given label
    suggested : [s] code of the label that the voice prefers
    confidence : [s] probability of the suggested label
    given_confidence : [s] probability of the given label, always less
    """

    positions: NDArray[np.intp]
    given: NDArray[np.intp]
    suggested: NDArray[np.intp]
    confidence: NDArray[np.floating]
    given_confidence: NDArray[np.floating]


def suspects(
    told: NDArray[np.floating], codes: NDArray[np.integer], weight: NDArray[np.floating] | None = None
) -> Suspects:
    """The rows off the diagonal of the confident joint, as far as the voice prefers that class to all others.

    The joint counts a row under the likeliest class that reaches its threshold. Where one is rarely told with more than
    0.1, that may be a class which the voice finds unlikely: it is then no contradiction, and left out here.

    Parameters
    ----------
    told : [n, C] calibrated probabilities from who was not taught the row; NaN where there is no such voice, and such a
        row is no suspect
    codes : [n] given labels; negative = not labelled, and no suspect
    weight : [n] sample weights

    References
    ----------
    Northcutt, Jiang, Chuang: Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 70, 2021, section 3.1
    (equations 1 and 2) and 3.2 (the off-diagonal counts; ordered by the margin).
    """
    rows = np.flatnonzero(counted(told, codes))
    said, given = told[rows], codes[rows].astype(np.intp)
    thresholds = self_confidence(said, given, None if weight is None else weight[rows])
    suggested, confidence = said.argmax(axis=1), said.max(axis=1)
    own = said[np.arange(len(rows)), given]
    accused = np.flatnonzero((confidence > own) & (confidence >= thresholds[suggested] - A_HAIR))
    plainest_first = accused[np.argsort(own[accused] - confidence[accused], kind="stable")]
    return Suspects(
        rows[plainest_first],
        given[plainest_first],
        suggested[plainest_first],
        confidence[plainest_first],
        own[plainest_first],
    )


def self_confidence(
    told: NDArray[np.floating], codes: NDArray[np.integer], weight: NDArray[np.floating] | None = None
) -> NDArray[np.floating]:
    """[C] the mean probability of each class over the rows that carry its label; infinite where none does."""
    counts = np.ones(len(codes)) if weight is None else weight
    own = told[np.arange(len(codes)), codes]
    mass = np.bincount(codes, counts, minlength=told.shape[1])
    sums = np.bincount(codes, counts * own, minlength=told.shape[1])
    return np.divide(sums, mass, out=np.full(told.shape[1], np.inf), where=mass > 0)
