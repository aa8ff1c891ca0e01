"""How numbers become comparable: gaps filled with the median, then scaled by facts of the training rows.

Columns come in through a `read(start, stop)` that gives a stripe of them as [columns, n] float64 with
NaN where a value is missing; so a wide table never stands in memory twice.

Sums run over sorted values: the same rows in another order give the same bits.

Shapes: n = rows, d = columns, q = quantiles.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from cotrain.errors import TableError
from cotrain.table.columns import named, rows
from cotrain.views.view import Scaling

Numbers = NDArray[np.float64]
Read = Callable[[int, int], Numbers]

CLIP_SD = 10.0  # one mistyped value must not outshout a view; real ones rarely pass 10 deviations
MAX_QUANTILES = 1000  # as scikit-learn's QuantileTransformer
STRIPE = 64  # columns at a time: 64 x 100 000 rows are 51 MB


@dataclass(frozen=True)
class Scaler:
    """What was learnt about d columns.

    Parameters
    ----------
    scaling : "standard", "quantile" or "none"
    median : [d] what fills a gap
    centre : [d] the mean of the filled column
    scale : [d] its standard deviation; 0 for a constant column, which becomes 0
    quantiles : [q, d] for "quantile", else [0, d]
    edge : probability of the lowest rank, 1 / 2n; keeps normal scores finite
    """

    scaling: Scaling
    median: Numbers
    centre: Numbers
    scale: Numbers
    quantiles: Numbers
    edge: float

    def apply(self, read: Read, out: NDArray[np.float32]) -> None:
        """Writes the scaled columns into `out` [n, d]."""
        for start, stop in _stripes(len(self.median)):
            values = read(start, stop)
            filled = np.where(np.isnan(values), self.median[start:stop, None], values)
            if self.scaling == "quantile":
                scaled = np.stack([self._score(row, start + i) for i, row in enumerate(filled)])
            elif self.scaling == "standard":
                scaled = self._standardise(filled, start, stop)
            else:
                scaled = filled
            out[:, start:stop] = _as_float32(scaled).T

    def pooled(self, n_channels: int) -> "Scaler":
        """One centre and one scale per channel of an image instead of one per pixel.

        A pixel that hardly ever differs (a border) would otherwise be blown up to deviation 1.
        Gaps are still filled pixel by pixel.
        """
        if self.scaling == "none":
            return self
        by_channel = (n_channels, -1)
        centre = self.centre.reshape(by_channel)
        mean = centre.mean(axis=1, keepdims=True)
        variance = (self.scale.reshape(by_channel) ** 2 + (centre - mean) ** 2).mean(axis=1, keepdims=True)
        ones = np.ones_like(centre)
        return Scaler(
            self.scaling,
            self.median,
            (mean * ones).ravel(),
            (np.sqrt(variance) * ones).ravel(),
            self.quantiles,
            self.edge,
        )

    def settings(self) -> dict[str, Any]:
        """The part of it that is JSON."""
        return {"scaling": self.scaling, "edge": self.edge}

    def arrays(self) -> dict[str, Numbers]:
        """The part of it that is arrays; `Scaler(**settings, **arrays)` brings it back."""
        named = {"median": self.median, "centre": self.centre, "scale": self.scale, "quantiles": self.quantiles}
        return {name: np.ascontiguousarray(array) for name, array in named.items()}

    def _standardise(self, filled: Numbers, start: int, stop: int) -> Numbers:
        scale = self.scale[start:stop, None]
        with np.errstate(over="ignore"):  # too large becomes infinite, and then CLIP_SD
            away = filled - self.centre[start:stop, None]
            scaled = np.divide(away, scale, out=np.zeros_like(away), where=scale > 0)
        return np.clip(scaled, -CLIP_SD, CLIP_SD)

    def _score(self, values: Numbers, column: int) -> Numbers:
        """Normal scores of one column: its rank among the training rows, as a deviate of the normal distribution."""
        known = self.quantiles[:, column]
        if known[0] == known[-1]:
            return np.zeros_like(values)
        grid = np.linspace(0.0, 1.0, len(known))
        # From both ends and averaged, so that equal values get their middle rank.
        rank = 0.5 * (np.interp(values, known, grid) - np.interp(-values, -known[::-1], -grid[::-1]))
        return ndtri(np.clip(rank, self.edge, 1.0 - self.edge))


def fit_scaler(read: Read, names: Sequence[str], scaling: Scaling) -> Scaler:
    """Learns median, mean, deviation and, if asked for, quantiles of every column.

    Parameters
    ----------
    read : gives the training rows that have the view, [columns, n] with n >= 1
    names : [d] of the columns, for messages

    Raises
    ------
    TableError : for a column in which every value is missing
    """
    stripes = [_fit_stripe(read(start, stop), names[start:stop], scaling) for start, stop in _stripes(len(names))]
    median, centre, scale, quantiles, edges = zip(*stripes, strict=True)
    return Scaler(
        scaling,
        np.concatenate(median),
        np.concatenate(centre),
        np.concatenate(scale),
        np.concatenate(quantiles, axis=1),
        edges[0],
    )


def check_finite(column: str, values: Numbers, positions: NDArray[np.integer] | None = None) -> None:
    """Raises TableError with the first rows in which the column is infinite; NaN is missing, not infinite."""
    wrong = np.flatnonzero(np.isinf(values))
    if len(wrong):
        where = wrong if positions is None else np.sort(positions[wrong])
        raise TableError(
            f'Column "{column}" is infinite in {rows(len(wrong))}: {named(where.tolist())}. '
            "Set such values to null, or to the largest one that is meant."
        )


def _fit_stripe(
    values: Numbers, names: Sequence[str], scaling: Scaling
) -> tuple[Numbers, Numbers, Numbers, Numbers, float]:
    n_rows = values.shape[1]
    ordered = np.sort(values, axis=1)  # NaN last
    n_known = n_rows - np.isnan(ordered).sum(axis=1)
    if not n_known.all():
        empty = [name for name, count in zip(names, n_known, strict=True) if not count]
        raise TableError(
            f'Column "{empty[0]}" has no value in any of {n_rows} training rows'
            + (f", nor have {len(empty) - 1} more" if len(empty) > 1 else "")
            + ". Fill it, or leave it out of the view."
        )
    rows = np.arange(len(ordered))
    median = 0.5 * ordered[rows, (n_known - 1) // 2] + 0.5 * ordered[rows, n_known // 2]
    is_constant = ordered[:, 0] == ordered[rows, n_known - 1]
    filled = np.where(np.isnan(ordered), median[:, None], ordered)
    # Divided by the largest value, so that squares of very large and very small numbers stay finite.
    largest = np.abs(filled).max(axis=1)
    unit = np.where(largest > 0, largest, 1.0)
    centre = (filled / unit[:, None]).mean(axis=1) * unit
    scale = np.where(is_constant, 0.0, (filled / unit[:, None]).std(axis=1) * unit)
    if scaling == "quantile":
        grid = np.linspace(0.0, 1.0, min(MAX_QUANTILES, max(n_rows, 2)))
        quantiles = np.quantile(filled, grid, axis=1)
    else:
        quantiles = np.empty((0, len(values)))
    return median, centre, scale, quantiles, 0.5 / n_rows


def _as_float32(scaled: Numbers) -> NDArray[np.float32]:
    if scaled.size and np.abs(scaled).max() > np.finfo(np.float32).max:
        raise TableError('A number is too large for float32. Use scaling "standard" or "quantile" for its view.')
    return scaled.astype(np.float32)


def _stripes(n_columns: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n_columns, STRIPE):
        yield start, min(start + STRIPE, n_columns)
