"""How the members' opinions become the one probability that is shipped.

Members are tempered, pooled by trust, and the pool is tempered once more: pooling changes how sure it sounds.

Shapes: m = members, n = rows, C = classes of the task.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cotrain.predictions import Trust, class_shares, earned_trust, filled, fit_temperature, temper


@dataclass(frozen=True)
class Voice:
    """The ensemble's rule for one task.

    Parameters
    ----------
    trust : in the m members
    temperature : of the pool
    """

    trust: Trust
    temperature: float

    def combine(self, opinions: Sequence[NDArray[np.floating]]) -> NDArray[np.floating]:
        """[n, C] probabilities, rows summing to 1, from m opinions [n, C] (NaN = abstains).

        A row on which nobody speaks gets the class shares of the labelled rows.
        """
        pooled = self.trust.pooled(opinions, voices=1.0)
        return filled(temper(pooled, self.temperature, self.trust.prior), self.trust.prior)

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the bundle's manifest."""
        return {**self.trust.as_json(), "temperature": self.temperature}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The voice that `as_json` wrote down."""
        trust = Trust(np.array(values["temperatures"]), np.array(values["weights"]), np.array(values["prior"]))
        return cls(trust, float(values["temperature"]))

    @classmethod
    def earned(
        cls,
        opinions: Sequence[NDArray[np.floating]],
        codes: NDArray[np.integer],
        weight: NDArray[np.floating] | None = None,
        *,
        prior: NDArray[np.floating] | None = None,
        untaught: Sequence[NDArray[np.floating]] | None = None,
        head_start: NDArray[np.floating] | None = None,
    ) -> Self:
        """The rule learnt from held-out opinions on labelled rows (negative codes do not count).

        `prior` are the class shares that the members learnt from, `untaught` what they said before they taught one
        another, `head_start` what they weigh before they are heard, see predictions.earned_trust.
        """
        trust = earned_trust(opinions, codes, weight, prior=prior, untaught=untaught, head_start=head_start)
        pooled = trust.pooled(opinions, voices=1.0)
        return cls(trust, fit_temperature(pooled, codes, weight, trust.prior))


def held_out_voice(
    opinions: Sequence[NDArray[np.floating]],
    codes: NDArray[np.integer],
    folds: NDArray[np.integer],
    weight: NDArray[np.floating] | None = None,
    *,
    untaught: Sequence[NDArray[np.floating]] | None = None,
    head_start: NDArray[np.floating] | None = None,
) -> NDArray[np.floating]:
    """[n, C] what the ensemble would say of every held-out row, its rule learnt without that row's fold.

    Only how common the classes are is known from all labelled rows, as it was to the members.

    Parameters
    ----------
    opinions : m arrays [n, C], each row told by a member that was not taught it
    codes : [n] class codes
    folds : [n] the fold that a row was held out in; negative = never, and NaN in the result
    untaught : what the members said before they taught one another; None = `opinions` are that
    head_start : [m] what they weigh before they are heard; None = all alike
    """
    told = np.full(opinions[0].shape, np.nan)
    prior = class_shares(codes, opinions[0].shape[1], weight)
    for fold in np.unique(folds[folds >= 0]):
        inside = folds == fold
        elsewhere = np.where(inside, -1, codes)
        voice = Voice.earned(opinions, elsewhere, weight, prior=prior, untaught=untaught, head_start=head_start)
        told[inside] = voice.combine([opinion[inside] for opinion in opinions])
    return told
