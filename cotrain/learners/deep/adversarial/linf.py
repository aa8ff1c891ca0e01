"""How a batch is perturbed: every input may move by epsilon at most, in the direction that hurts the most.

Only dense blocks move (a word count has no neighbourhood), and only rows that have the view: a row that lacks it
still lacks it afterwards. The attack sees the network as it predicts, without dropout or noise, and leaves no trace:
the modules' modes, the parameters' `.grad` and torch's random state are as before.

Shapes: n = rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from cotrain.learners.deep.batches import Bags, Batch, BlockRows
from cotrain.learners.deep.network import Logits, Network, is_present
from cotrain.learners.deep.objective import cross_entropy
from cotrain.ops import perturb

REACH = 2.5
"""All steps together could go this many epsilons: enough to cross the ball from any start (Madry et al. 2018)."""


@dataclass(frozen=True)
class LinfAdversary:
    """Projected gradient ascent on the weighted loss of all heads, from a random start.

    Parameters
    ----------
    epsilon : how far an input may move, in units of the blocks
    steps : how many gradient steps
    generator : draws the random start
    task_weights : how much each task's loss counts; 1 where not given

    References
    ----------
    Madry et al. 2018, Towards deep learning models resistant to adversarial attacks (arXiv 1706.06083)
    """

    epsilon: float
    steps: int
    generator: torch.Generator
    task_weights: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, network: Network, batch: Batch) -> Logits:
        """The "perturbed" pass: the network on the batch as perturbed, in the mode it is in."""
        return network(self.perturb(network, batch).blocks)

    def perturb(self, network: Network, batch: Batch) -> Batch:
        """The batch with its dense blocks moved."""
        clean = batch.blocks
        may_move = [None if isinstance(block, Bags) else _row_mask(block) for block in clean]
        moved = [self._start(block, mask) for block, mask in zip(clean, may_move, strict=True)]
        with _as_it_predicts(network):
            for _ in range(self.steps):
                gradients = self._gradients(network, moved, batch)
                moved = [self._step(*each) for each in zip(moved, clean, gradients, may_move, strict=True)]
        return replace(batch, blocks=tuple(moved))

    def _start(self, block: BlockRows, mask: Tensor | None) -> BlockRows:
        if isinstance(block, Bags) or mask is None:
            return block
        offset = torch.rand(block.shape, generator=self.generator, dtype=torch.float32) * 2 - 1
        return block + self.epsilon * offset * mask

    def _step(self, moved: BlockRows, clean: BlockRows, gradient: Tensor | None, mask: Tensor | None) -> BlockRows:
        if isinstance(moved, Bags) or isinstance(clean, Bags) or gradient is None or mask is None:
            return moved
        step_size = REACH * self.epsilon / self.steps
        return perturb(moved, clean, gradient * mask, norm="linf", step_size=step_size, epsilon=self.epsilon)

    def _gradients(self, network: Network, blocks: Sequence[BlockRows], batch: Batch) -> list[Tensor | None]:
        """The loss's gradient with respect to each dense block; nothing is added to any parameter's `.grad`."""
        inputs = [None if isinstance(block, Bags) else block.detach().requires_grad_() for block in blocks]
        seen = [block if leaf is None else leaf for block, leaf in zip(blocks, inputs, strict=True)]
        with torch.enable_grad():
            loss = cross_entropy(network(seen), batch, task_weights=self.task_weights).total
            found = iter(torch.autograd.grad(loss, [leaf for leaf in inputs if leaf is not None]))
        return [None if leaf is None else next(found) for leaf in inputs]


@contextmanager
def _as_it_predicts(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode; afterwards each module is back in its own mode."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            # Not `train(mode)`, which would set the children too.
            module.training = mode


def _row_mask(block: Tensor) -> Tensor:
    """[n, 1, ...] mask of the rows that have this view."""
    return is_present(block).view(-1, *[1] * (block.ndim - 1))
