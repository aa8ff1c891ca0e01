"""How far teaching may go: the round with the lowest held-out loss is shipped, and round 0 is a candidate.

Round 0 is the supervised committee, so what is shipped was never found worse than plain supervised training on
rows that it had not seen. The measure is cautious log-loss: log-loss after calibration, every opinion with a SLIP of
doubt. With few labels it moves long before accuracy does.

Shapes: n = labelled rows that were held out, r = rounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotrain.predictions import accuracy, row_losses

SLIP = 0.3
"""Share of every opinion that is spread over all classes before its log-loss is taken. Without it one row told wrong
with certainty, perhaps a label that is itself wrong, outweighs all others where there are twenty. With two labels per
class 0.3 chose clearly better rounds than 0.1; with ten per class the two chose alike."""


@dataclass(frozen=True)
class RoundScore:
    """How the ensemble did on held-out labelled rows after one round.

    Parameters
    ----------
    round : 0 = no teaching
    loss : mean log-loss in nats, each opinion with a SLIP of doubt; NaN where nothing was held out
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
        """How much lower the held-out loss of the shipped round is than that of the supervised committee, in nats."""
        return self.scores[self.shipped].gain

    @property
    def verdict(self) -> str:
        """One sentence for a person."""
        first, best = self.scores[0], self.scores[self.shipped]
        if self.n_held_out == 0:
            return "No label could be held out, so nothing speaks for teaching: the supervised committee is shipped."
        if len(self.scores) == 1:
            return f"Nothing was taught: the supervised committee is shipped (cautious log-loss {first.loss:.3f})."
        told = f"on {self.n_held_out} held-out labels"
        if self.shipped == 0:
            lost = f"cautious log-loss {first.loss:.3f}"
            return f"Teaching did not help {told}: the supervised committee is shipped ({lost})."
        return (
            f"Round {self.shipped} is shipped: cautious log-loss {best.loss:.3f} against {first.loss:.3f} of the "
            f"supervised committee {told} (gain {best.gain:.3f} ± {best.gain_error:.3f})."
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
    evidence : the round of lowest mean loss, the earliest of equals; round 0 where nothing can be measured
    """
    losses = np.array([row_losses(cautious(opinion), codes) for opinion in told])
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
    measured = [score.loss if np.isfinite(score.loss) else np.inf for score in scores]
    return Evidence(int(np.argmin(measured)), tuple(scores), int(used.sum()))


def cautious(opinion: NDArray[np.floating]) -> NDArray[np.floating]:
    """The opinion with SLIP of it spread over all classes."""
    return (1.0 - SLIP) * opinion + SLIP / opinion.shape[1]


def _mean(values: NDArray[np.floating], counts: NDArray[np.floating]) -> float:
    return float(np.average(values, weights=counts)) if counts.sum() > 0 else float("nan")
