"""How sure an opinion really is: one temperature, fitted on rows whose label the teller has not seen.

A temperature moves an opinion along the line between the class shares (what is said by who knows nothing: less sure of
the row's evidence is more like everybody) and a bare vote. Towards equal probabilities it would take the shares for
evidence too, and where nine rows in ten are of one class every doubtful opinion would end up there.

With few rows a temperature fitted freely is luck, so it is drawn towards 1 by a log-normal prior: with a hundred
rows the data speak, with five the prior does.

Shapes: n = rows, C = classes.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

FAINTEST = 1e-4
"""No probability counts as less than this when opinions are weighed: a forest that never saw a class says 0
and means "rarely", and log 0 would be a veto."""

PRIOR_SPREAD = 1.0
"""Standard deviation of log temperature before any row is seen: most learners lie within a factor of e of honest."""

HOTTEST = 2.5
"""Bound of |log temperature|; beyond e^2.5 = 12 an opinion is a constant or a bare vote anyway."""


def log_opinion(probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
    """Log-probabilities with the faintest ones lifted to FAINTEST; NaN rows (abstentions) stay NaN."""
    return np.log(np.clip(probabilities, FAINTEST, 1.0, dtype=float))


def evidence(probabilities: NDArray[np.floating], prior: NDArray[np.floating] | None) -> NDArray[np.floating]:
    """[n, C] log p less log prior: what an opinion says of a row beyond what holds for all rows."""
    return log_opinion(probabilities) - log_prior(prior)


def log_prior(prior: NDArray[np.floating] | None) -> NDArray[np.floating] | float:
    """[C], clipped as opinions are; 0 where no class is likelier than another."""
    return 0.0 if prior is None else log_opinion(prior)


def temper(
    probabilities: NDArray[np.floating], temperature: float, prior: NDArray[np.floating] | None = None
) -> NDArray[np.floating]:
    """[n, C] softmax(log prior + evidence / temperature): above 1 less sure, below 1 surer.

    Parameters
    ----------
    probabilities : [n, C]; NaN rows (abstentions) stay NaN
    temperature : above 0; towards infinity every opinion becomes the prior
    prior : [C] class shares, see predictions.class_shares; None = equal shares, and then the winner never changes

    References
    ----------
    Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017, section 4.2 (equal shares).
    """
    return normalised(log_prior(prior) + evidence(probabilities, prior) / temperature)


def fit_temperature(
    probabilities: NDArray[np.floating],
    codes: NDArray[np.integer],
    weight: NDArray[np.floating] | None = None,
    prior: NDArray[np.floating] | None = None,
) -> float:
    """The temperature that makes log-loss least on labelled rows, drawn towards 1 where these are few.

    Parameters
    ----------
    probabilities : [n, C]; rows of NaN are abstentions and are left out
    codes : [n] class codes; negative = not labelled, left out
    weight : [n] sample weights, scaled to mean 1 over the rows used; 1 where none are given
    prior : [C] see `temper`

    Returns
    -------
    temperature : 1.0 where no row can be used
    """
    used = (codes >= 0) & ~np.isnan(probabilities).any(axis=1)
    if weight is not None:
        used &= weight > 0
    if not used.any():
        return 1.0
    anchor, told_beyond, right = log_prior(prior), evidence(probabilities[used], prior), codes[used]
    counts = np.ones(len(right)) if weight is None else weight[used] / weight[used].mean()

    def cost(log_temperature: float) -> float:
        told = normalised(anchor + told_beyond / np.exp(log_temperature))[np.arange(len(right)), right]
        return -(counts * np.log(np.maximum(told, 1e-300))).sum() + 0.5 * (log_temperature / PRIOR_SPREAD) ** 2

    found = minimize_scalar(cost, bounds=(-HOTTEST, HOTTEST), method="bounded")
    return float(np.exp(found.x))


def normalised(logs: NDArray[np.floating]) -> NDArray[np.floating]:
    """Softmax over the last axis, safe for large values; NaN rows stay NaN."""
    shifted = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
