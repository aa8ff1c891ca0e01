"""What the network is: one encoder per block, a shared trunk, one head per task.

A row's embeddings are averaged over the views it has: a view that is all zeros (the row lacks it) or that view-dropout
hides has no say, and the others speak louder. A row without any view gets what the heads say about nothing.

Shapes: k = copies, n = rows, V = blocks, e = embedding, C = classes of a task.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from cotrain.learners.deep.batches import Bags, BlockRows
from cotrain.learners.deep.copies import CopiedLinear, Dropout
from cotrain.learners.deep.encoders import ColumnEncoder, ImageEncoder, Preparation

Logits = dict[str, Tensor]
"""{task: [k, n, C]}, what each copy says."""


@dataclass(frozen=True)
class NetworkShape:
    """Everything that decides which layers there are and what they do; JSON-able through `to_json`, `from_json`.

    Parameters
    ----------
    blocks : the shape of one row of each block
    encoders : "mlp" or "image", one per block
    heads : {task: how many classes}
    hidden, embedding, depth, copies : sizes of the layers, and how many networks run as one
    dropout, input_dropout, view_dropout, noise, clip : see `NetworkLearner`
    """

    blocks: tuple[tuple[int, ...], ...]
    encoders: tuple[str, ...]
    heads: Mapping[str, int]
    hidden: int
    embedding: int
    depth: int
    copies: int
    dropout: float
    input_dropout: float
    view_dropout: float
    noise: float
    clip: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; infinity becomes None, which JSON knows."""
        return {
            **vars(self),
            "blocks": [list(block) for block in self.blocks],
            "encoders": list(self.encoders),
            "heads": dict(self.heads),
            "clip": self.clip if math.isfinite(self.clip) else None,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The shape that `to_json` wrote."""
        return cls(
            **{
                **values,
                "blocks": tuple(tuple(block) for block in values["blocks"]),
                "encoders": tuple(values["encoders"]),
                "heads": dict(values["heads"]),
                "clip": math.inf if values["clip"] is None else values["clip"],
            }
        )


class Network(nn.Module):
    """Blocks in, {task: logits} out. All that is random, first weights and dropout, is drawn from `generator`."""

    def __init__(self, shape: NetworkShape, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        self.generator = generator
        self.encoders = nn.ModuleList(
            _encoder(kind, block, shape, generator) for kind, block in zip(shape.encoders, shape.blocks, strict=True)
        )
        self.preparations = nn.ModuleList(_preparation(kind, shape, generator) for kind in shape.encoders)
        size = shape.embedding
        self.trunk = nn.ModuleList(CopiedLinear(shape.copies, size, size, generator) for _ in range(shape.depth))
        self.dropout = Dropout(shape.dropout, generator)
        # Heads start at zero: the first prediction is uniform, and stays so for a task that nobody labelled.
        self.heads = nn.ModuleList(
            CopiedLinear(shape.copies, size, n_classes, generator, gain=0.0) for n_classes in shape.heads.values()
        )

    def forward(self, blocks: Sequence[BlockRows]) -> Logits:
        """{task: [k, n, C]}"""
        shared = self.embed(blocks)
        return {task: head(shared) for task, head in zip(self.shape.heads, self.heads, strict=True)}

    def embed(self, blocks: Sequence[BlockRows]) -> Tensor:
        """[k, n, e], what the heads read."""
        say = self._say(torch.stack([is_present(block) for block in blocks], dim=1))
        prepared = [prepare(block) for prepare, block in zip(self.preparations, blocks, strict=True)]
        views = [encode(block) for encode, block in zip(self.encoders, prepared, strict=True)]
        shared = functional.gelu(torch.stack([view * say[:, [at]] for at, view in enumerate(views)]).sum(dim=0))
        for layer in self.trunk:
            shared = shared + self.dropout(functional.gelu(layer(shared)))
        return shared

    def scale_blocks(self, scales: Sequence[float]) -> None:
        """Set the factor that brings each block to one scale."""
        for preparation, scale in zip(self.preparations, scales, strict=True):
            preparation.get_buffer("scale").fill_(scale)

    def _say(self, has_view: Tensor) -> Tensor:
        """[n, V] -> how much each view counts: rows sum to the square root of V, or to 0 for a row without views."""
        if self.training and self.shape.view_dropout > 0:
            has_view = self._hide_views(has_view)
        n_views = has_view.shape[1]
        n_had = has_view.sum(dim=1, keepdim=True, dtype=torch.float32)
        return has_view * (math.sqrt(n_views) / n_had.clamp_min(1))

    def _hide_views(self, has_view: Tensor) -> Tensor:
        """Some rows lose views: a row is drawn with probability `view_dropout`, then each of its views with 1/2.

        One of the views that a row has, drawn at random, always stays.
        """
        draw = torch.rand(has_view.shape, generator=self.generator, dtype=torch.float32)
        row_draw = torch.rand(len(has_view), 1, generator=self.generator, dtype=torch.float32)
        stays = draw == draw.masked_fill(~has_view, -1.0).amax(dim=1, keepdim=True)
        return has_view & (stays | (draw < 0.5) | (row_draw >= self.shape.view_dropout))


def is_present(block: BlockRows) -> Tensor:
    """[n] mask of the rows that have this view: those with any value that is not zero."""
    if isinstance(block, Bags):
        return block.is_present()
    return (block != 0).flatten(1).any(dim=1)


def _encoder(kind: str, block: tuple[int, ...], shape: NetworkShape, generator: torch.Generator) -> nn.Module:
    sizes: dict[str, Any] = {
        "n_copies": shape.copies,
        "hidden": shape.hidden,
        "embedding": shape.embedding,
        "dropout": shape.dropout,
        "generator": generator,
    }
    if kind == "image":
        return ImageEncoder(block, **sizes)
    return ColumnEncoder(math.prod(block), **sizes)


def _preparation(kind: str, shape: NetworkShape, generator: torch.Generator) -> Preparation:
    if kind == "image":
        # Neighbouring pixels say nearly the same: noise and hiding only slow the convolutions down.
        return Preparation(shape.clip, 0.0, 0.0, generator)
    return Preparation(shape.clip, shape.noise, shape.input_dropout, generator)
