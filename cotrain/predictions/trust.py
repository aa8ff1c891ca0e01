"""How far each member is trusted: how honest its confidence is, and how much its voice weighs.

Both are learnt from held-out labelled rows only. Nobody's trust is learnt from a row it was taught.

Shapes: m = members, n = rows, C = classes of the task.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cotrain.predictions.calibration import fit_temperature, temper
from cotrain.predictions.combination import pool
from cotrain.predictions.scores import log_loss, skill


@dataclass(frozen=True)
class Trust:
    """Trust in every member, for one task.

    Parameters
    ----------
    temperatures : [m] see predictions.temper
    weights : [m] >= 0, summing to 1
    """

    temperatures: NDArray[np.floating]
    weights: NDArray[np.floating]

    def calibrated(self, opinions: Sequence[NDArray[np.floating]]) -> list[NDArray[np.floating]]:
        """Each member's opinion [n, C] at its own temperature."""
        return [temper(opinion, t) for opinion, t in zip(opinions, self.temperatures, strict=True)]

    def pooled(self, opinions: Sequence[NDArray[np.floating]], voices: float) -> NDArray[np.floating]:
        """[n, C] what they say together; NaN where nobody who is trusted speaks."""
        return pool(self.calibrated(opinions), self.weights, voices=voices)

    def as_json(self) -> dict[str, Any]:
        """Plain lists, for metrics and manifests."""
        return {"temperatures": self.temperatures.tolist(), "weights": self.weights.tolist()}


def earned_trust(
    opinions: Sequence[NDArray[np.floating]],
    codes: NDArray[np.integer],
    weight: NDArray[np.floating] | None = None,
) -> Trust:
    """Trust from out-of-fold opinions on labelled rows.

    A member's weight is proportional to exp(sqrt(n) * skill), skill in nats a row: the likelihood of the held-out
    labels with n rows counted as sqrt(n), because members that were fitted to the same few labels are luckier than
    they look. A member that knows no more than a guess has weight 0. If none knows more (or no row can be used), all
    are trusted alike: nothing speaks for one of them.

    Parameters
    ----------
    opinions : m arrays [n, C]; NaN rows (abstentions, rows not held out) do not count
    codes : [n], negative = not labelled
    weight : [n] sample weights

    References
    ----------
    Yao, Vehtari, Simpson, Gelman: Using Stacking to Average Bayesian Predictive Distributions, Bayesian Analysis 2018,
    section 3.3 (pseudo-BMA weights from held-out likelihood; there with all n).
    """
    temperatures = np.array([fit_temperature(opinion, codes, weight) for opinion in opinions])
    skills = np.array(
        [skill(temper(opinion, t), codes, weight) for opinion, t in zip(opinions, temperatures, strict=True)]
    )
    return Trust(temperatures, _weights(skills, int((codes >= 0).sum())))


def _weights(skills: NDArray[np.floating], n_rows: int) -> NDArray[np.floating]:
    knows = skills > 0
    if not knows.any():
        return np.full(len(skills), 1.0 / len(skills))
    likelihood = np.where(knows, np.exp(np.sqrt(n_rows) * (skills - skills.max())), 0.0)
    return likelihood / likelihood.sum()


def calibrated_loss(
    opinion: NDArray[np.floating], codes: NDArray[np.integer], weight: NDArray[np.floating] | None = None
) -> float:
    """Log-loss of one member [n, C] on labelled rows at its best temperature; NaN where it can be heard on none."""
    return log_loss(temper(opinion, fit_temperature(opinion, codes, weight)), codes, weight)
