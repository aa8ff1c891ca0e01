"""What a fitted part is made of once it stands still: plain settings, arrays, scikit-learn estimators.

A learner or a view freezes itself into a `Frozen` and is thawed from one; the bundle writes the
three kinds of content in three kinds of file (JSON, safetensors, skops), none of which runs code on loading.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frozen:
    """One part at rest.

    Parameters
    ----------
    kind : which class thaws it, by its short name: "network", "classical", "graph", "text"
    settings : JSON values only (str, int, float, bool, None, list, dict)
    arrays : named NumPy arrays, C-contiguous, of plain number types (no object arrays)
    estimators : named fitted scikit-learn estimators
    """

    kind: str
    settings: Mapping[str, Any]
    arrays: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    estimators: Mapping[str, Any] = field(default_factory=dict)
