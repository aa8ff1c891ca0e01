"""What views make of a table: one block of float32 per view, and which rows have that view.

Shapes: n = rows. A dense block is [n, d], or [n, channels, height, width] for images; a block
with text in it is a CSR matrix [n, d]. A row that lacks a view is exactly 0 there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cotrain.errors import ViewError
from cotrain.table.columns import named

Block: TypeAlias = NDArray[np.float32] | csr_matrix


@dataclass(frozen=True)
class Blocks:
    """The same n rows, once per view.

    Parameters
    ----------
    arrays : {view: block}
    is_present : {view: [n] mask of the rows that have the view}
    names : {view: what each column of its block stands for}
    """

    arrays: Mapping[str, Block]
    is_present: Mapping[str, NDArray[np.bool_]]
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """How many rows every block has."""
        return next((len(mask) for mask in self.is_present.values()), 0)

    def take(self, positions: NDArray[Any]) -> "Blocks":
        """The rows at these positions, in that order; a mask works too."""
        return Blocks(
            {view: block[positions] for view, block in self.arrays.items()},
            {view: mask[positions] for view, mask in self.is_present.items()},
            self.names,
        )

    def of(self, views: Iterable[str]) -> list[Block]:
        """The blocks of these views, in that order: what a learner is given.

        Raises
        ------
        ViewError : for a view that is not there
        """
        wanted = list(views)
        missing = [view for view in wanted if view not in self.arrays]
        if missing:
            raise ViewError(f"There is no view {named(missing)}; the views are {named(self.arrays)}.")
        return [self.arrays[view] for view in wanted]

    def columns_of(self, view: str) -> tuple[str, ...]:
        """What each column of the view's block stands for: a column, `column=category`, or a word.

        An image names its pixels, channel by channel, row by row.
        """
        self.of([view])
        return self.names.get(view, ())
