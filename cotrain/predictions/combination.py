"""How several opinions on the same rows become one.

Opinions are pooled in the logarithm, so a sure voice counts more than an unsure one and a class that anybody finds
impossible needs good reason elsewhere. What is pooled is their evidence: that most rows are of one class is known to
all of them, and counts once. An opinion of NaN is an abstention (the row lacks every view of that member):
the others' weights then stand for all.

Shapes: m = members, n = rows, C = classes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cotrain.errors import LearnerError
from cotrain.predictions.calibration import evidence, log_prior, normalised


def pool(
    opinions: Sequence[NDArray[np.floating]],
    weights: NDArray[np.floating],
    *,
    voices: float = 1.0,
    prior: NDArray[np.floating] | None = None,
) -> NDArray[np.floating]:
    """[n, C]: the weighted log-linear pool, p proportional to prior * prod (p_j / prior) ^ (voices * w_j).

    Parameters
    ----------
    opinions : m arrays [n, C]; a row of NaN abstains
    weights : [m] >= 0; only their ratios matter, row by row over those who speak
    voices : how many independent voices the pool is worth: 1 is a geometric mean, m would be naive Bayes,
        which takes what the members share for evidence and is far too sure
    prior : [C] class shares, see predictions.class_shares; None = equal shares

    Returns
    -------
    pooled : rows sum to 1; a row on which nobody speaks, or only members of weight 0, is NaN

    References
    ----------
    Genest, Zidek: Combining Probability Distributions, Statistical Science 1986, section 3.2.
    """
    if len(opinions) != len(weights):
        raise LearnerError(
            f"Pooling needs one weight per opinion; got {len(opinions)} opinions, {len(weights)} weights."
        )
    total = np.zeros(opinions[0].shape)
    mass = np.zeros(opinions[0].shape[0])
    for opinion, weight in zip(opinions, weights, strict=True):
        if weight <= 0:
            continue
        speaks = ~np.isnan(opinion).any(axis=1)
        total[speaks] += weight * evidence(opinion[speaks], prior)
        mass[speaks] += weight
    with np.errstate(invalid="ignore"):
        return normalised(log_prior(prior) + voices * total / np.where(mass > 0, mass, np.nan)[:, None])


def most_likely(probabilities: NDArray[np.floating]) -> NDArray[np.intp]:
    """[n] codes of the most likely class, the first of equals; -1 where the row is NaN."""
    spoken = np.asarray(~np.isnan(probabilities).any(axis=1))
    codes = np.full(len(probabilities), -1, dtype=np.intp)
    codes[spoken] = probabilities[spoken].argmax(axis=1)
    return codes


def filled(probabilities: NDArray[np.floating], instead: NDArray[np.floating]) -> NDArray[np.floating]:
    """The probabilities, with `instead` ([C], summing to 1) in the rows on which nobody spoke."""
    silent = np.asarray(np.isnan(probabilities).any(axis=1))
    return np.where(silent[:, None], instead, probabilities)
