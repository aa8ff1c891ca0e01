"""What every learner can do. A learner takes arrays and knows no views.

Blocks: one array per view the learner reads, all with the same n rows: dense float32 `[n, d]` or
`[n, ...]` (images), or a SciPy CSR matrix `[n, d]`. A row that lacks a view has zeros there
(views put the mean at zero), so a learner needs no special case for it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cotrain.frozen import Frozen
from cotrain.predictions.targets import Targets

Block: TypeAlias = Any
"""NDArray[np.float32] or csr_matrix; the type checker is not told, because SciPy's types know no shape."""

Probabilities = dict[str, NDArray[np.floating]]


@runtime_checkable
class Learner(Protocol):
    """Fits on rows of which some are labelled, predicts class probabilities for any rows.

    `fit` sees every training row: the unlabelled ones have weight 0 in `targets`. A supervised
    learner leaves them out; a graph needs them. It never changes what it is given, draws all its
    randomness from `generator`, and gives the same result for the same inputs and generator state.
    """

    def fit(self, blocks: Sequence[Block], targets: Mapping[str, Targets], generator: np.random.Generator) -> Self:
        """Learn from the rows of `blocks`; `targets` holds one entry per task."""
        ...

    def predict(self, blocks: Sequence[Block]) -> Probabilities:
        """{task: [n, C] probabilities}, rows summing to 1, one column per class of the task even if never seen."""
        ...

    def freeze(self) -> Frozen:
        """The fitted learner at rest; the class method `thaw(frozen)` brings it back, predicting the same bits."""
        ...
