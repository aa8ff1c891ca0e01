"""Handwritten digits: 5 labels per class of 1,258 rows, three views, an image network among the members.

    python -m pipelines.digits.run              # one run, about a minute on two cores
    python -m pipelines.digits.run --seeds 20   # the figures of the README

The images are scikit-learn's 1,797 digits of 8 x 8 pixels (UCI optdigits). Fourier: sizes of the low frequencies, which
a shift does not change. Profile: sums and centres of rows and columns. 30 % of the rows are locked away for evaluation.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
from sklearn.datasets import load_digits

from cotrain.table import hide_labels, stratified_split
from pipelines.comparison import main

LABELS_PER_CLASS = 5


def layout(seed: int, all_labels: bool) -> pa.Table:
    """The digits as a table of three views, most labels taken away."""
    pixels, labels = (np.asarray(values) for values in load_digits(return_X_y=True))
    images = pixels.reshape(-1, 8, 8)
    generator = np.random.default_rng(seed)
    training, evaluation = stratified_split(labels, 0.3, generator)
    keeps = np.ones(len(labels), dtype=bool)
    if not all_labels:
        keeps[training] = False
        keeps[training[hide_labels(labels[training], LABELS_PER_CLASS, generator)]] = True
    is_evaluation = np.zeros(len(labels), dtype=bool)
    is_evaluation[evaluation] = True
    columns = {"row": np.arange(len(labels)), "digit": pa.array(labels, mask=~keeps), "is_evaluation": is_evaluation}
    views = {"pixel": images.reshape(len(labels), -1), "fourier": fourier(images), "profile": profile(images)}
    for view, values in views.items():
        columns |= {f"{view}__{number:02d}": values[:, number] for number in range(values.shape[1])}
    return pa.table(columns)


def fourier(images: np.ndarray) -> np.ndarray:
    """[n, 40] moduli of the two-dimensional Fourier transform; the other half mirrors them."""
    return np.abs(np.fft.fft2(images))[:, :, :5].reshape(len(images), -1)


def profile(images: np.ndarray) -> np.ndarray:
    """[n, 32] ink in every row and column, and where its centre lies."""
    place = np.arange(8)
    sums = [images.sum(axis=axis) for axis in (1, 2)]
    centres = [np.tensordot(images, place, axes=([axis], [0])) / (images.sum(axis=axis) + 1.0) for axis in (1, 2)]
    return np.hstack([*sums, *centres])


if __name__ == "__main__":
    main("digits", layout, Path(__file__).parent / "settings.toml", __doc__)
