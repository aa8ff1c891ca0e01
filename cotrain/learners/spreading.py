"""How labels flow along the edges of a graph.

Shapes: n = rows in the graph, C = classes.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cotrain.learners.neighbors import FAINT


def seeds_of(probabilities: NDArray[np.floating], weight: NDArray[np.floating]) -> NDArray[np.floating]:
    """[n, C] what flows from each row: its label times its weight."""
    # An unlabelled row's probabilities are never read: whatever they are, even NaN, 0 flows from it.
    return np.where(weight[:, None] > 0, probabilities, 0.0) * weight[:, None]


def spread(S: csr_matrix, Y: NDArray[np.floating], alpha: float) -> NDArray[np.floating]:
    """F = (1 - alpha)(I - alpha S)^-1 Y by iteration, until a step moves nothing that could turn a label."""
    F = Y.copy()
    # The error shrinks by alpha a step: ln(1000) / (1 - alpha) steps leave a thousandth of it.
    for _ in range(min(300, int(np.ceil(7 / (1 - alpha))))):
        previous, F = F, alpha * (S @ F) + (1 - alpha) * Y
        if np.abs(F - previous).max() < 1e-5 * max(F.max(), FAINT):
            break
    # With alpha near 1 far rows hear little more than how many labels each class has, and in which part of the graph
    # they happen to lie; the largest class would flood it. So each class is given a share of the whole by the root of
    # its labels' mass: by the mass itself it still floods, and in equal shares a rare class would be everywhere.
    reach = F.sum(axis=0)
    F = F * np.divide(np.sqrt(Y.sum(axis=0)), reach, out=np.zeros_like(reach), where=reach > 0)
    mass = F.sum(axis=1, keepdims=True)
    reached = mass[:, 0] > 0
    scores = np.full_like(F, 1.0 / F.shape[1])
    scores[reached] = F[reached] / mass[reached]
    return scores
