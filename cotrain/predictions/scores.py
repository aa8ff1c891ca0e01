"""How good opinions are, on rows whose label the teller has not seen.

Rows that are not labelled (negative code) or on which the teller abstains (NaN) do not count, nor do those of weight 0.

Shapes: n = rows, C = classes.
"""

import numpy as np
from numpy.typing import NDArray

from cotrain.predictions.combination import most_likely


def counted(probabilities: NDArray[np.floating], codes: NDArray[np.integer]) -> NDArray[np.bool_]:
    """[n] mask of the rows that a score may use."""
    return (codes >= 0) & ~np.isnan(probabilities).any(axis=1)


def row_losses(probabilities: NDArray[np.floating], codes: NDArray[np.integer]) -> NDArray[np.floating]:
    """[n] -log p of the right class; NaN on rows that do not count."""
    used = counted(probabilities, codes)
    losses = np.full(len(codes), np.nan)
    told = probabilities[used, codes[used]]
    losses[used] = -np.log(np.maximum(told, 1e-15))  # a finite price for a certain error, as in scikit-learn
    return losses


def log_loss(
    probabilities: NDArray[np.floating], codes: NDArray[np.integer], weight: NDArray[np.floating] | None = None
) -> float:
    """Weighted mean of -log p of the right class, in nats; NaN where no row counts."""
    losses = row_losses(probabilities, codes)
    used = ~np.isnan(losses)
    return _mean(losses[used], None if weight is None else weight[used])


def row_squares(probabilities: NDArray[np.floating], codes: NDArray[np.integer]) -> NDArray[np.floating]:
    """[n] squared distance to the truth, sum_c (p_c - [c is right])^2, from 0 to 2; NaN on rows that do not count.

    References
    ----------
    Brier: Verification of Forecasts Expressed in Terms of Probability, Monthly Weather Review 1950, equation 2
    (its mean over rows is the Brier score).
    """
    used = counted(probabilities, codes)
    squares = np.full(len(codes), np.nan)
    squares[used] = ((probabilities[used] - np.eye(probabilities.shape[1])[codes[used]]) ** 2).sum(axis=1)
    return squares


def accuracy(
    probabilities: NDArray[np.floating], codes: NDArray[np.integer], weight: NDArray[np.floating] | None = None
) -> float:
    """Weighted share of rows whose most likely class is right; NaN where no row counts."""
    used = counted(probabilities, codes)
    if not used.any():
        return float("nan")
    right = most_likely(probabilities[used]) == codes[used]
    return _mean(right, None if weight is None else weight[used])


def skill(
    probabilities: NDArray[np.floating],
    codes: NDArray[np.integer],
    weight: NDArray[np.floating] | None = None,
    prior: NDArray[np.floating] | None = None,
) -> float:
    """How many nats a row a member knows: the log-loss of `prior` ([C], None = equal shares) less its own; 0 for
    guessing, below 0 for worse.

    The probabilities should be calibrated: skill is what is taken from the uncertainty, not how loudly it is denied.
    A member that abstained on every labelled row has skill 0: nothing is known of it.
    """
    n_classes = probabilities.shape[1]
    guess = np.full(n_classes, 1.0 / n_classes) if prior is None else prior
    guessed = np.where(np.isnan(probabilities), np.nan, guess)
    saved = log_loss(guessed, codes, weight) - log_loss(probabilities, codes, weight)
    return 0.0 if np.isnan(saved) else saved


def _mean(values: NDArray[np.floating] | NDArray[np.bool_], weight: NDArray[np.floating] | None) -> float:
    """Weighted mean; NaN where there is no value, or none that weighs anything."""
    if not (len(values) if weight is None else weight.any()):
        return float("nan")
    return float(np.average(values, weights=weight))
