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
from cotrain.predictions.scores import skill


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

    If no member has any skill (or no row can be used), all are trusted alike: nothing speaks for one of them.

    Parameters
    ----------
    opinions : m arrays [n, C]; NaN rows (abstentions, rows not held out) do not count
    codes : [n], negative = not labelled
    weight : [n] sample weights
    """
    temperatures = np.array([fit_temperature(opinion, codes, weight) for opinion in opinions])
    skills = np.array(
        [skill(temper(opinion, t), codes, weight) for opinion, t in zip(opinions, temperatures, strict=True)]
    )
    weights = skills / skills.sum() if skills.sum() > 0 else np.full(len(opinions), 1.0 / len(opinions))
    return Trust(temperatures, weights)
