"""How the members' opinions become the one probability that is shipped.

Members are tempered, pooled by trust, and the pool is tempered once more: pooling changes how sure it sounds.

Shapes: m = members, n = rows, C = classes of the task.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cotrain.predictions import Trust, earned_trust, filled, fit_temperature, temper


@dataclass(frozen=True)
class Voice:
    """The ensemble's rule for one task.

    Parameters
    ----------
    trust : in the m members
    temperature : of the pool
    prior : [C] what is said of a row on which nobody speaks: the class shares of the labelled rows
    """

    trust: Trust
    temperature: float
    prior: NDArray[np.floating]

    def combine(self, opinions: Sequence[NDArray[np.floating]]) -> NDArray[np.floating]:
        """[n, C] probabilities, rows summing to 1, from m opinions [n, C] (NaN = abstains)."""
        pooled = self.trust.pooled(opinions, voices=1.0)
        return filled(temper(pooled, self.temperature), self.prior)

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the bundle's manifest."""
        return {**self.trust.as_json(), "temperature": self.temperature, "prior": self.prior.tolist()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The voice that `as_json` wrote down."""
        trust = Trust(np.array(values["temperatures"]), np.array(values["weights"]))
        return cls(trust, float(values["temperature"]), np.array(values["prior"]))

    @classmethod
    def earned(
        cls,
        opinions: Sequence[NDArray[np.floating]],
        codes: NDArray[np.integer],
        weight: NDArray[np.floating] | None = None,
        *,
        untaught: Sequence[NDArray[np.floating]] | None = None,
    ) -> Self:
        """The rule learnt from held-out opinions on labelled rows (negative codes do not count).

        `untaught` is what the members said before they taught one another, see predictions.earned_trust.
        """
        trust = earned_trust(opinions, codes, weight, untaught=untaught)
        temperature = fit_temperature(trust.pooled(opinions, voices=1.0), codes, weight)
        return cls(trust, temperature, _class_shares(codes, opinions[0].shape[1], weight))


def held_out_voice(
    opinions: Sequence[NDArray[np.floating]],
    codes: NDArray[np.integer],
    folds: NDArray[np.integer],
    weight: NDArray[np.floating] | None = None,
    *,
    untaught: Sequence[NDArray[np.floating]] | None = None,
) -> NDArray[np.floating]:
    """[n, C] what the ensemble would say of every held-out row, its rule learnt without that row's fold.

    Parameters
    ----------
    opinions : m arrays [n, C], each row told by a member that was not taught it
    codes : [n] class codes
    folds : [n] the fold that a row was held out in; negative = never, and NaN in the result
    untaught : what the members said before they taught one another; None = `opinions` are that
    """
    told = np.full(opinions[0].shape, np.nan)
    for fold in np.unique(folds[folds >= 0]):
        inside = folds == fold
        elsewhere = np.where(inside, -1, codes)
        voice = Voice.earned(opinions, elsewhere, weight, untaught=untaught)
        told[inside] = voice.combine([opinion[inside] for opinion in opinions])
    return told


def _class_shares(
    codes: NDArray[np.integer], n_classes: int, weight: NDArray[np.floating] | None
) -> NDArray[np.floating]:
    labelled = codes >= 0
    counts = np.bincount(
        codes[labelled], weights=None if weight is None else weight[labelled], minlength=n_classes
    ).astype(float)
    # One row spread over all classes keeps a class that has no label here from being impossible.
    return (counts + 1.0 / n_classes) / (counts.sum() + 1.0)
