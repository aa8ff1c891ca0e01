"""Which unlabelled rows a person should label next: doubtful ones, unlike one another, where the doubtful rows lie.

A row is worth a question as far as the shipped ensemble is unsure of it and its members contradict one another. The
surest sign of either is often a whole cluster of like rows; so of the most doubtful rows one is asked for each
cluster, the one nearest its middle: k near-copies are one question, and where many doubtful rows are alike the answer
serves all of them. No class may fill the questions alone: each enters as its rows share in all doubt.

Shapes: m = members, n = rows, C = classes, k = rows asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr
from sklearn.cluster import KMeans

from cotrain.engine import each
from cotrain.ensemble.voice import Voice
from cotrain.errors import SettingError

SHORTLIST = 20
"""So many rows for each question are looked at: enough that clusters show, few enough that all are doubtful."""


@dataclass(frozen=True)
class Doubt:
    """What is unsure about each row, as shares of the most there can be: 0 = nothing, 1 = everything.

    Parameters
    ----------
    disagreement : [n] Jensen-Shannon divergence between the calibrated opinions of the members that are heard, each
        counting alike, over log C; 0 where less than two speak
    entropy : [n] of the ensemble's probabilities, over log C
    is_heard : [n] whether any member speaks of the row
    """

    disagreement: NDArray[np.floating]
    entropy: NDArray[np.floating]
    is_heard: NDArray[np.bool_]

    @property
    def worth(self) -> NDArray[np.floating]:
        """[n] what a label is worth: both together; 0 where no member could learn from it."""
        return np.where(self.is_heard, self.disagreement + self.entropy, 0.0)


def doubt(voice: Voice, opinions: Sequence[NDArray[np.floating]]) -> Doubt:
    """How unsure the ensemble is of each row.

    Members whose voice weighs anything count alike: trust is so sharp that, weighed by it, the strongest member would
    only disagree with itself.

    Parameters
    ----------
    opinions : m arrays [n, C] as the members told them; NaN = abstains

    References
    ----------
    Freund, Seung, Shamir, Tishby: Selective Sampling Using the Query by Committee Algorithm, Machine Learning 28, 1997;
    McCallum, Nigam: Employing EM and Pool-Based Active Learning for Text Classification, ICML 1998, section 3
    (disagreement as the mean divergence from the mean opinion).
    """
    n_rows, n_classes = opinions[0].shape
    total, own, n_voices = np.zeros((n_rows, n_classes)), np.zeros(n_rows), np.zeros(n_rows)
    for opinion, weight in zip(voice.trust.calibrated(opinions), voice.trust.weights, strict=True):
        if weight > 0:
            speaks = ~np.isnan(opinion).any(axis=1)
            total[speaks] += opinion[speaks]
            own[speaks] += entr(opinion[speaks]).sum(axis=1)
            n_voices += speaks
    voices = np.maximum(n_voices, 1.0)
    # A hair below 0 is rounding.
    divergence = np.maximum(entr(total / voices[:, None]).sum(axis=1) - own / voices, 0.0)
    most = np.log(n_classes)
    return Doubt(divergence / most, entr(voice.combine(opinions)).sum(axis=1) / most, n_voices > 0)


def ask(
    worth: NDArray[np.floating], codes: NDArray[np.integer], sketch: NDArray[np.floating], k: int
) -> NDArray[np.intp]:
    """The rows to ask a person about, the most doubtful first.

    Parameters
    ----------
    worth : [n] what a label would be worth, see Doubt; rows of 0 are never asked
    codes : [n] the ensemble's label
    sketch : [n, d] between which near-copies are near, see views.sketch
    k : how many, at least 1

    Returns
    -------
    positions : [k], or fewer where fewer rows are in any doubt

    References
    ----------
    Zhdanov: Diverse mini-batch Active Learning, arXiv:1901.05954, 2019, section 3 (k-means over the most informative
    rows, weighted by what they are worth; the row nearest each centre).
    """
    if k < 1:
        raise SettingError("k", k, "at least 1")
    listed = shortlist(worth, codes, SHORTLIST * k)
    if len(listed) <= k:
        return listed
    chosen = each(_central, [(sketch[listed].astype(np.float64), worth[listed], k)])[0]
    if len(chosen) < k:
        # There are fewer than k different rows: copies are asked after all, the most doubtful first.
        rest = np.setdiff1d(np.arange(len(listed)), chosen)
        chosen = np.concatenate([chosen, rest[: k - len(chosen)]])
    return listed[np.sort(chosen)]


def shortlist(worth: NDArray[np.floating], codes: NDArray[np.integer], n_rows: int) -> NDArray[np.intp]:
    """The most doubtful rows, the most doubtful first; of each class as many as its share in the worth of all rows.

    Rounded up, so a few more than `n_rows`; all that are worth anything where those are no more.
    """
    order = np.argsort(-worth, kind="stable")
    order = order[worth[order] > 0]
    if len(order) <= n_rows:
        return order
    shares = np.bincount(codes, worth) / worth.sum()
    quota = np.ceil(shares * n_rows - 1e-9)  # less a hair: 12 is 12, however the shares were rounded
    listed = np.concatenate([order[codes[order] == code][: int(quota[code])] for code in range(len(quota))])
    return listed[np.lexsort((listed, -worth[listed]))]


def _central(job: tuple[NDArray[np.floating], NDArray[np.floating], int]) -> NDArray[np.intp]:
    """Positions of the rows nearest the middle of each of k clusters; the first of equals."""
    sketch, worth, k = job
    n_different = len(np.unique(sketch, axis=0))
    clusters = KMeans(min(k, n_different), n_init=1, random_state=0)  # type: ignore[arg-type]
    distances = clusters.fit(sketch, sample_weight=worth).transform(sketch)
    own = distances.argmin(axis=1)
    nearest_first = np.argsort(distances.min(axis=1), kind="stable")
    return nearest_first[np.unique(own[nearest_first], return_index=True)[1]]
