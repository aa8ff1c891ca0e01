"""How far each member is trusted: how honest its confidence is, and how much its voice weighs.

Both are learnt from held-out labelled rows only. Nobody's trust is learnt from a row it was taught.

Shapes: m = members, n = rows, C = classes of the task.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from cotrain.predictions.calibration import fit_temperature, temper
from cotrain.predictions.combination import pool
from cotrain.predictions.scores import log_loss, skill
from cotrain.predictions.targets import class_shares

FAINTEST_VOICE = 1e-12
"""Share of the strongest member's weight that everyone who knows anything keeps: where all others abstain, a weak
member is better than nobody."""


@dataclass(frozen=True)
class Trust:
    """Trust in every member, for one task.

    Parameters
    ----------
    temperatures : [m] see predictions.temper
    weights : [m] >= 0, summing to 1
    prior : [C] class shares of the labelled rows, which all members know alike: what one says beyond them is its
        evidence, and only evidence is tempered and weighed
    """

    temperatures: NDArray[np.floating]
    weights: NDArray[np.floating]
    prior: NDArray[np.floating]

    def calibrated(self, opinions: Sequence[NDArray[np.floating]]) -> list[NDArray[np.floating]]:
        """Each member's opinion [n, C] at its own temperature."""
        return [temper(opinion, t, self.prior) for opinion, t in zip(opinions, self.temperatures, strict=True)]

    def pooled(self, opinions: Sequence[NDArray[np.floating]], voices: float) -> NDArray[np.floating]:
        """[n, C] what they say together; NaN where nobody who is trusted speaks."""
        return pool(self.calibrated(opinions), self.weights, voices=voices, prior=self.prior)

    def as_json(self) -> dict[str, Any]:
        """Plain lists, for metrics and manifests."""
        return {
            "temperatures": self.temperatures.tolist(),
            "weights": self.weights.tolist(),
            "prior": self.prior.tolist(),
        }


def earned_trust(
    opinions: Sequence[NDArray[np.floating]],
    codes: NDArray[np.integer],
    weight: NDArray[np.floating] | None = None,
    *,
    prior: NDArray[np.floating] | None = None,
    untaught: Sequence[NDArray[np.floating]] | None = None,
    head_start: NDArray[np.floating] | None = None,
) -> Trust:
    """Trust from out-of-fold opinions on labelled rows.

    A member's weight is proportional to head_start * exp(sharpness * skill), skill in nats a row, as it was before the
    members taught one another. One that knew no more than the class shares has weight 0, or FAINTEST_VOICE if it knows
    more by now. If none knew more (or no row can be used), the head start is all there is: nothing speaks for one.

    Skill from before any teaching, because taught members know the same things: their skills are nearly equal, and the
    differences that are left are luck. What a member can add to the others is the evidence of its own views, and how
    much that is worth was to be seen while it had nothing else.

    Members that learnt from the labels alone differ by how much those few told them. Sharpness n would weigh them by
    the likelihood of the n held-out labels, but members fitted to the same few labels are luckier than they look: it is
    the square root of the bits that the labels hold, n times their entropy. (Labels of ten classes tell members apart
    sooner than labels of two, where weak members with views of their own are worth keeping.)

    Parameters
    ----------
    opinions : m arrays [n, C] that are to be heard; NaN rows (abstentions, rows not held out) do not count
    codes : [n], negative = not labelled
    weight : [n] sample weights
    prior : [C] the class shares that the members learnt from; None = those of `codes`
    untaught : m arrays [n, C] what the same members said before any teaching; None = `opinions` are that
    head_start : [m] above 0, how much each weighs while nothing is known of any; None = all alike

    References
    ----------
    Yao, Vehtari, Simpson, Gelman: Using Stacking to Average Bayesian Predictive Distributions, Bayesian Analysis 2018,
    section 3.3 (pseudo-BMA weights from held-out likelihood; there with all n).
    """
    if prior is None:
        prior = class_shares(codes, opinions[0].shape[1], weight)
    if head_start is None:
        head_start = np.ones(len(opinions))
    temperatures, skills = _honest(opinions, codes, weight, prior)
    if untaught is None:
        return Trust(temperatures, _weights(skills, _sharpness(opinions, codes, weight, prior), head_start), prior)
    _, skills_before = _honest(untaught, codes, weight, prior)
    sharpness = _sharpness(untaught, codes, weight, prior)
    return Trust(temperatures, _weights(skills_before, sharpness, head_start, knows_now=skills > 0), prior)


def _honest(
    opinions: Sequence[NDArray[np.floating]],
    codes: NDArray[np.integer],
    weight: NDArray[np.floating] | None,
    prior: NDArray[np.floating],
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """[m] the temperature that makes each member honest, and [m] the nats a row that it then knows."""
    temperatures = np.array([fit_temperature(opinion, codes, weight, prior) for opinion in opinions])
    calibrated = [temper(opinion, t, prior) for opinion, t in zip(opinions, temperatures, strict=True)]
    return temperatures, np.array([skill(opinion, codes, weight, prior) for opinion in calibrated])


def _sharpness(
    opinions: Sequence[NDArray[np.floating]],
    codes: NDArray[np.integer],
    weight: NDArray[np.floating] | None,
    prior: NDArray[np.floating],
) -> float:
    """The root of the bits in the labels of the rows on which anybody was heard."""
    counts = np.any([~np.isnan(opinion).any(axis=1) for opinion in opinions], axis=0) & (codes >= 0)
    if weight is not None:
        counts &= weight > 0
    bits_a_row = float(entr(prior).sum() / np.log(2))
    return float(np.sqrt(np.count_nonzero(counts) * bits_a_row))


def _weights(
    skills: NDArray[np.floating],
    sharpness: float,
    head_start: NDArray[np.floating],
    knows_now: NDArray[np.bool_] | None = None,
) -> NDArray[np.floating]:
    knows = skills > 0
    if not knows.any():
        return head_start / head_start.sum()
    earned = sharpness * skills + np.log(head_start)
    likelihood = np.where(knows, np.maximum(np.exp(earned - earned[knows].max()), FAINTEST_VOICE), 0.0)
    if knows_now is not None:
        likelihood = np.where(knows_now, np.maximum(likelihood, FAINTEST_VOICE), likelihood)
    return likelihood / likelihood.sum()


def calibrated_loss(
    opinion: NDArray[np.floating],
    codes: NDArray[np.integer],
    weight: NDArray[np.floating] | None = None,
    *,
    prior: NDArray[np.floating] | None = None,
) -> float:
    """Log-loss of one member [n, C] on labelled rows at its best temperature; NaN where it can be heard on none."""
    if prior is None:
        prior = class_shares(codes, opinion.shape[1], weight)
    return log_loss(temper(opinion, fit_temperature(opinion, codes, weight, prior), prior), codes, weight)
