"""How training rows are varied, so that few labels go a longer way: rows are mixed, images are shifted.

Nothing here changes the rows themselves; each batch is varied anew.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotrain.learners.deep.batches import Batch, Rows


@dataclass(frozen=True)
class Variation:
    """What is done to each batch.

    Parameters
    ----------
    mixup : shape of the Beta(a, a) distribution that mixing shares are drawn from; 0 = rows are not mixed
    shifted : positions of the image blocks that are shifted by up to one pixel
    generator : all draws come from it
    """

    mixup: float
    shifted: tuple[int, ...]
    generator: np.random.Generator

    def batch(self, rows: Rows, positions: NDArray[np.intp]) -> Batch:
        """The rows at `positions`, varied."""
        if self.mixup > 0:
            share = self.generator.beta(self.mixup, self.mixup, len(positions)).astype(np.float32)
            batch = rows.mix(positions, self._partners(rows, positions), share)
        else:
            batch = rows.take(positions)
        if not self.shifted:
            return batch
        blocks = [
            self._shift(block) if at in self.shifted and isinstance(block, Tensor) else block
            for at, block in enumerate(batch.blocks)
        ]
        return replace(batch, blocks=tuple(blocks))

    def _partners(self, rows: Rows, positions: NDArray[np.intp]) -> NDArray[np.intp]:
        """Whom each row is mixed with: a row of the batch that has the same views.

        Otherwise a row that lacks a view would nearly always borrow a shadow of it, and the network
        would never see in training what it is shown in prediction.
        """
        partners = positions.copy()
        views_had = rows.views_had[positions]
        for views in np.unique(views_had):
            alike = np.flatnonzero(views_had == views)
            partners[alike] = positions[self.generator.permutation(alike)]
        return partners

    def _shift(self, images: Tensor) -> Tensor:
        """Each image moved by -1, 0 or 1 pixel along both sides; what comes in from outside repeats the border."""
        n_rows, _, height, width = images.shape
        down = self.generator.integers(-1, 2, size=n_rows)
        right = self.generator.integers(-1, 2, size=n_rows)
        from_row = torch.from_numpy(np.clip(np.arange(height) - down[:, None], 0, height - 1))
        from_column = torch.from_numpy(np.clip(np.arange(width) - right[:, None], 0, width - 1))
        row = torch.arange(n_rows)[:, None, None]
        # The channels' slice moves to the end when indexed around: [n, h, w, c].
        return images[row, :, from_row[:, :, None], from_column[:, None, :]].permute(0, 3, 1, 2)
