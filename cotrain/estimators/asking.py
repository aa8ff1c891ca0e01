"""Which rows a fitted model would have a person label.

Shapes: n = rows, k = rows asked.
"""

import numpy as np
from numpy.typing import NDArray

from cotrain.ensemble import ask, doubt
from cotrain.estimators.co_training import CoTrained
from cotrain.views import Blocks, sketch


def asked(trained: CoTrained, blocks: Blocks, k: int) -> dict[str, NDArray[np.intp]]:
    """{task: [k] positions among the n rows of `blocks`, the most doubtful first}; see ensemble.ask."""
    sketched = sketch(blocks, np.random.default_rng(0))  # it is compared with itself only
    positions = {}
    for task, (voice, opinions) in trained.heard(blocks).items():
        codes = voice.combine(opinions).argmax(axis=1)
        positions[task] = ask(doubt(voice, opinions).worth, codes, sketched, k)
    return positions
