"""What several members say together, for several listeners in one sweep over the rows.

For every listener the log-linear pool of the members that it hears, around the class shares that all of them know, and
what is read off it: the likeliest class, its lead, and whether the members agree. The formulas, and the NumPy twin, are
those of `predictions.temper`, `predictions.pool` and `rounds.hearing`.

Shapes: m = members, s = listeners, n = rows, C = classes.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from cotrain.errors import SettingError
from cotrain.ops import host

SHARD_ROWS = 4096
"""Rows handed to a thread at a time: with ten classes and eight members some three milliseconds of work."""


class Pooled(NamedTuple):
    """What one listener hears.

    codes : [n] the likeliest class, the first of equals; -1 where nobody speaks
    confidence : [n] its probability; NaN where nobody speaks
    margin : [n] confidence less the probability of the next class; NaN where nobody speaks
    agreement : [n] share of the speaking members' loudness whose own first choice it is; 0 where nobody speaks
    probabilities : [n, C], NaN where nobody speaks; None where they were not to be kept
    """

    codes: NDArray[np.int64]
    confidence: NDArray[np.float64]
    margin: NDArray[np.float64]
    agreement: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None


def pool_opinions(
    opinions: Sequence[NDArray[np.floating]],
    temperatures: NDArray[np.floating],
    loudness: NDArray[np.floating],
    prior: NDArray[np.floating],
    *,
    voices: float,
    faintest: float,
    tie: float,
    keeps_probabilities: bool = False,
    shard_rows: int = SHARD_ROWS,
    n_threads: int | None = None,
) -> list[Pooled]:
    """What each listener hears; computed in float64, without a copy of any opinion in float32 or float64.

    Beside the opinions and what is returned (32 bytes a row and listener, or 8 C more) each thread holds about
    144 m C bytes, whatever n. Results are the same bits for any `shard_rows` and `n_threads`.

    Parameters
    ----------
    opinions : m arrays [n, C] of float16, float32 or float64, in any layout; a row that holds a NaN abstains
    temperatures : [m], above 0
    loudness : [s, m] >= 0; only ratios within a row matter. Of a member at 0 the listener hears nothing
    prior : [C] class shares, above 0
    voices : above 0; how many independent voices a pool is worth
    faintest : in (0, 1); no probability counts as less
    tie : in (0, 1); probabilities closer than this are equal
    keeps_probabilities : whether the pools themselves are wanted
    shard_rows : rows handed to a thread at a time
    n_threads : at most so many; None = as many as torch is set to

    Raises
    ------
    SettingError : shapes, types or values that do not fit
    CoreError : the host kernels are not built, see `cotrain.ops.status`
    """
    told = [_readable(number, opinion, opinions[0]) for number, opinion in enumerate(opinions)]
    if not told:
        raise SettingError("opinions", [], "one array [n, C] per member, and one member at least")
    n_classes = told[0].shape[1]
    temperatures = _numbers("temperatures", temperatures, (len(told),), above_0=True)
    loudness = _numbers("loudness", loudness, (*np.shape(loudness)[:1], len(told)))
    loudest = loudness.max(axis=1, keepdims=True)
    # At most 1, so that no sum of them overflows.
    loudness = np.divide(loudness, loudest, out=np.zeros_like(loudness), where=loudest > 0)
    prior = _numbers("prior", prior, (n_classes,), above_0=True)
    for name, value, ceiling in (("voices", voices, np.inf), ("faintest", faintest, 1), ("tie", tie, 1)):
        if not 0 < value < ceiling:
            raise SettingError(name, value, f"above 0 and below {ceiling}")
    n_threads = torch.get_num_threads() if n_threads is None else n_threads
    for name, count in (("shard_rows", shard_rows), ("n_threads", n_threads)):
        if count < 1:
            raise SettingError(name, count, "1 or more")
    results = host.kernels().pool_opinions(
        told,
        temperatures.tolist(),
        loudness,
        np.log(np.clip(prior, faintest, 1.0)),
        voices=voices,
        faintest=faintest,
        tie=tie,
        keeps_probabilities=keeps_probabilities,
        shard_rows=shard_rows,
        n_threads=n_threads,
    )
    return [Pooled(*result) for result in results]


def _readable(number: int, opinion: Any, first: Any) -> NDArray[np.floating]:
    """The opinion as the kernel reads it: itself, but for float16, which is copied to float32."""
    name = f"opinions[{number}]"
    if not isinstance(opinion, np.ndarray) or opinion.dtype.kind != "f" or opinion.dtype.itemsize > 8:
        given = opinion.dtype if isinstance(opinion, np.ndarray) else type(opinion).__name__
        raise SettingError(name, str(given), "an array of float16, float32 or float64")
    if opinion.ndim != 2 or opinion.shape[1] < 1 or opinion.shape != first.shape:
        expected = f"{list(first.shape)} as the first one is" if number and first.ndim == 2 else "[n, C], C at least 1"
        raise SettingError(name, list(opinion.shape), expected)
    native = opinion.dtype.newbyteorder("=")
    return opinion.astype(np.float32 if native.itemsize == 2 else native, copy=False)


def _numbers(name: str, given: Any, shape: tuple[int, ...], *, above_0: bool = False) -> NDArray[np.float64]:
    """A contiguous float64 array of this shape, all of it finite and at least (or above) 0."""
    numbers = np.ascontiguousarray(given, dtype=np.float64)
    if numbers.shape != shape:
        raise SettingError(name, list(numbers.shape), f"of shape {list(shape)}")
    if not np.isfinite(numbers).all() or (numbers < 0).any() or (above_0 and (numbers == 0).any()):
        raise SettingError(name, numbers.tolist(), "finite numbers " + ("above 0" if above_0 else "of 0 or more"))
    return numbers
