"""A few numbers for each row, between which distances are about those between the rows: enough to see near-copies.

Shapes: n = rows.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cotrain.views.blocks import Blocks

WIDTH = 64
"""Distances are then kept to an eighth or so. Half as many cost a fifth of what clusters of rows gain over random ones
(digits, 20 rows asked); all columns gain no more."""


def sketch(blocks: Blocks, generator: np.random.Generator) -> NDArray[np.float32]:
    """[n, WIDTH] random projections of all views, each scaled to a mean squared length of 1; a lacking view is 0.

    References
    ----------
    Johnson, Lindenstrauss: Extensions of Lipschitz mappings into a Hilbert space, 1984; Dasgupta, Gupta: An Elementary
    Proof of a Theorem of Johnson and Lindenstrauss, Random Structures and Algorithms 2003.
    """
    sketched = np.zeros((blocks.n_rows, WIDTH), dtype=np.float32)
    for view, block in blocks.arrays.items():
        flat = block if isinstance(block, csr_matrix) else block.reshape(len(block), math.prod(block.shape[1:]))
        values = flat.data if isinstance(flat, csr_matrix) else flat.ravel()
        length = np.sqrt(np.vdot(values, values) / max(int(blocks.is_present[view].sum()), 1))
        directions = generator.normal(size=(flat.shape[1], WIDTH)).astype(np.float32)  # type: ignore[index]
        if length > 0:
            sketched += np.asarray(flat @ directions) / np.float32(length * np.sqrt(WIDTH))
    return sketched
