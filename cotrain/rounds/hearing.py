"""What every student hears from its peers: their opinions pooled, and how far they agree.

Each student hears all other members that are trusted, never itself. The compiled core does it for all students in one
sweep over the rows; without it plain NumPy does, student by student, and that is the truth in tests.

Shapes: m = members, n = rows, C = classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotrain import ops
from cotrain.predictions import Trust, pool
from cotrain.predictions.calibration import FAINTEST

TIE = 1e-9
"""Probabilities closer than this are equal: what sets them apart is rounding, which differs between machines."""


@dataclass(frozen=True)
class Hearing:
    """What one student hears about every row.

    Parameters
    ----------
    codes : [n] the pooled label, the first of equals; -1 where nobody speaks
    confidence : [n] pooled probability of that label; NaN where nobody speaks
    margin : [n] confidence less the probability of the next class
    agreement : [n] share of the speaking teachers' weight whose own first choice is that label
    n_classes : C
    probabilities : [n, C] the pool itself; None where nobody asked for it
    """

    codes: NDArray[np.intp]
    confidence: NDArray[np.floating]
    margin: NDArray[np.floating]
    agreement: NDArray[np.floating]
    n_classes: int
    probabilities: NDArray[np.floating] | None = None


def loudness(weights: NDArray[np.floating]) -> NDArray[np.floating]:
    """[m, m] how loudly a student (row) hears a member (column): as it is trusted, and itself not at all.

    Rows sum to 1. Where only the student is trusted, its row is 0 and nobody teaches it: the others know less than it
    does. Where nobody is for what it knows, trust is equal and above 0 for all (see predictions.earned_trust).
    """
    heard = np.where(np.eye(len(weights), dtype=bool), 0.0, weights)
    total = heard.sum(axis=1, keepdims=True)
    return np.divide(heard, total, out=np.zeros_like(heard), where=total > 0)


def hear(
    opinions: Sequence[NDArray[np.floating]], trust: Trust, *, voices: float, keeps_probabilities: bool = False
) -> Iterator[Hearing]:
    """What each of the m students hears, in their order.

    Parameters
    ----------
    opinions : m arrays [n, C], as the members told them; NaN rows abstain
    trust : in the m members
    voices : see predictions.pool
    keeps_probabilities : whether the pools themselves are wanted; they are as large as the opinions
    """
    road = hear_by_core if ops.status().host_backend == "native" else hear_by_numpy
    return road(opinions, trust, voices=voices, keeps_probabilities=keeps_probabilities)


def hear_by_core(
    opinions: Sequence[NDArray[np.floating]], trust: Trust, *, voices: float, keeps_probabilities: bool = False
) -> Iterator[Hearing]:
    """`hear`, all students in one sweep over the rows."""
    n_classes = opinions[0].shape[1]
    for heard in ops.pool_opinions(
        opinions,
        trust.temperatures,
        loudness(trust.weights),
        trust.prior,
        voices=voices,
        faintest=FAINTEST,
        tie=TIE,
        keeps_probabilities=keeps_probabilities,
    ):
        yield Hearing(heard.codes, heard.confidence, heard.margin, heard.agreement, n_classes, heard.probabilities)


def hear_by_numpy(
    opinions: Sequence[NDArray[np.floating]], trust: Trust, *, voices: float, keeps_probabilities: bool = False
) -> Iterator[Hearing]:
    """`hear`, student by student."""
    calibrated, n_classes = trust.calibrated(opinions), opinions[0].shape[1]
    matrix = loudness(trust.weights)
    for student in range(len(matrix)):
        teachers = np.flatnonzero(matrix[student])
        told, weights = [calibrated[teacher] for teacher in teachers], matrix[student, teachers]
        pooled = np.full(opinions[0].shape, np.nan)
        if told:
            pooled = pool(told, weights, voices=voices, prior=trust.prior)
        codes, confidence, margin = choice(pooled)
        agreed = agreement(told, weights, codes)
        kept = pooled if keeps_probabilities else None
        yield Hearing(codes, confidence, margin, agreed, n_classes, kept)


def choice(
    pooled: NDArray[np.floating],
) -> tuple[NDArray[np.intp], NDArray[np.floating], NDArray[np.floating]]:
    """What is read off a pool [n, C]: codes, confidence and margin, each [n] and as in Hearing."""
    ordered = np.sort(pooled, axis=1)
    confidence = ordered[:, -1]
    margin = confidence - (ordered[:, -2] if pooled.shape[1] > 1 else 0.0)
    # NaN compares false: where nobody speaks no class is likeliest.
    likeliest = pooled >= confidence[:, None] - TIE
    return np.where(likeliest.any(axis=1), likeliest.argmax(axis=1), -1), confidence, margin


def agreement(
    opinions: Sequence[NDArray[np.floating]], weights: NDArray[np.floating], codes: NDArray[np.integer]
) -> NDArray[np.floating]:
    """[n] share of the weight of the teachers who speak on the row that votes for `codes`; 0 if none speaks.

    A teacher who is torn between several classes votes for each of them: which comes first is no evidence.
    """
    if not opinions:
        return np.zeros(len(codes))
    rows = np.arange(len(codes))
    speaks = np.array([~np.isnan(opinion).any(axis=1) for opinion in opinions])
    # NaN compares false: an abstention votes for nothing.
    votes = np.array([opinion[rows, codes] >= opinion.max(axis=1) - TIE for opinion in opinions])
    with_it = weights @ (votes & (codes >= 0))
    voices = weights @ speaks
    return np.divide(with_it, voices, out=np.zeros(len(codes)), where=voices > 0)
