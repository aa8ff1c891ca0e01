"""How far teaching may go: what held-out labels say of every round, round 0 (the supervised committee) included.

The measure is the Brier score of the calibrated ensemble. It moves long before accuracy does, and one row told wrong
with certainty, perhaps a label that is itself wrong, costs at most 2: by log-loss it would outweigh all others where
there are twenty.

With few labels most rounds tell all held-out rows right and differ by thousandths, which is luck. So differences are
judged by summed scores, not by means, and the more leniently the more classes there are: ten labels of two classes
tell more of a round than ten of ten. Where no taught round was found better than round 0, one that is worse by no more
than A_TIE a class may be shipped; else those that were not found worse may. Of them the last is shipped that is as good
as the best, to THE_SAME: every round lets the unlabelled rows speak once more. With many labels that comes down to the
lowest score.

Shapes: n = labelled rows that were held out, r = rounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotrain.predictions import accuracy, row_squares

A_TIE = 0.05
"""For each class, summed over the held-out rows (a row counts up to 2): Brier scores of a taught round and of round 0
that differ by no more are no evidence. Tables of ten classes with two labels each gain the more the larger it is, from
0 to 0.05; tables of two classes with five labels each lose at 0.25."""

THE_SAME = 0.1
"""For each class: taught rounds whose summed Brier scores differ by no more are not told apart."""


@dataclass(frozen=True)
class RoundScore:
    """How the ensemble did on held-out labelled rows after one round.

    Parameters
    ----------
    round : 0 = no teaching
    loss : Brier score, 0 to 2; NaN where nothing was held out
    accuracy : share of right rows
    gain : loss of round 0 less this round's; above 0 teaching helped
    gain_error : standard error of `gain`, from the paired differences row by row
    """

    round: int
    loss: float
    accuracy: float
    gain: float
    gain_error: float


@dataclass(frozen=True)
class Evidence:
    """What was shipped for one task, and why.

    Parameters
    ----------
    shipped : the round
    scores : one per round that was held, from round 0
    n_held_out : how many labelled rows the scores rest on
    """

    shipped: int
    scores: tuple[RoundScore, ...]
    n_held_out: int

    @property
    def gain(self) -> float:
        """How much lower the held-out loss of the shipped round is than that of the supervised committee."""
        return self.scores[self.shipped].gain

    @property
    def verdict(self) -> str:
        """One sentence for a person."""
        first, best = self.scores[0], self.scores[self.shipped]
        if self.n_held_out == 0:
            return "No label could be held out, so nothing speaks for teaching: the supervised committee is shipped."
        if len(self.scores) == 1:
            return f"Nothing was taught: the supervised committee is shipped (Brier score {first.loss:.3f})."
        told = f"on {self.n_held_out} held-out labels"
        if self.shipped == 0:
            return f"Teaching did harm {told}: the supervised committee is shipped (Brier score {first.loss:.3f})."
        found = f"gain {best.gain:.3f} ± {best.gain_error:.3f}" if best.gain > 0 else "too few to tell them apart"
        return (
            f"Round {self.shipped} is shipped: Brier score {best.loss:.3f} against {first.loss:.3f} of the "
            f"supervised committee {told} ({found})."
        )


def judge(
    told: Sequence[NDArray[np.floating]], codes: NDArray[np.integer], weight: NDArray[np.floating] | None = None
) -> Evidence:
    """Choose a round from what the ensemble said of held-out rows after each.

    Parameters
    ----------
    told : r arrays [n, C], from `held_out_voice`, round 0 first; NaN rows were not held out
    codes : [n], negative = not labelled
    weight : [n] sample weights

    Returns
    -------
    evidence : what was measured, and the round to ship; round 0 where teaching did harm or nothing can be measured
    """
    losses = np.array([row_squares(opinion, codes) for opinion in told])
    used = ~np.isnan(losses).any(axis=0)
    counts = np.ones(int(used.sum())) if weight is None else weight[used]
    scores = []
    for round, opinion in enumerate(told):
        saved = losses[0, used] - losses[round, used]
        scores.append(
            RoundScore(
                round=round,
                loss=_mean(losses[round, used], counts),
                accuracy=accuracy(opinion[used], codes[used], counts),
                gain=_mean(saved, counts),
                gain_error=float(np.std(saved, ddof=1) / np.sqrt(len(saved))) if len(saved) > 1 else float("nan"),
            )
        )
    n_rows = int(np.count_nonzero(counts))
    a_row = told[0].shape[1] / max(1, n_rows)
    shipped = _choice([score.loss for score in scores], a_tie=A_TIE * a_row, the_same=THE_SAME * a_row)
    return Evidence(shipped, tuple(scores), int(used.sum()))


def _choice(losses: Sequence[float], *, a_tie: float, the_same: float) -> int:
    """The round to ship by its mean loss, and by which differences in it are none."""
    best = min(losses[1:], default=np.nan)
    bound = min(losses[0] if best < losses[0] - a_tie else losses[0] + a_tie, best + the_same)
    # A NaN, where nothing was measured, is not below anything: then no taught round is shipped.
    return max((round for round in range(1, len(losses)) if losses[round] <= bound), default=0)


def _mean(values: NDArray[np.floating], counts: NDArray[np.floating]) -> float:
    return float(np.average(values, weights=counts)) if counts.sum() > 0 else float("nan")
