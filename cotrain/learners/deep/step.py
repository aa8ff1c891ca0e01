"""THE step: passes, losses, backward, update. Joint and adversarial training are both this one step."""

from collections.abc import Mapping
from typing import Protocol

import torch

from cotrain.learners.deep.batches import Batch
from cotrain.learners.deep.network import Network
from cotrain.learners.deep.objective import Losses, Objective
from cotrain.learners.deep.passes import PassSource, run_passes


class Joint(Protocol):
    """How task losses share the trunk."""

    def backward(self, losses: Losses, network: Network) -> None:
        """Leave the gradient that the trunk and the heads are to follow in every parameter's `.grad`."""
        ...


def take_step(
    network: Network,
    batch: Batch,
    objective: Objective,
    sources: Mapping[str, PassSource],
    joint: Joint,
    optimizer: torch.optim.Optimizer,
) -> Losses:
    """One update of the network on one batch; what each task lost before it."""
    optimizer.zero_grad()
    passes = run_passes(network, batch, objective.reads, sources)
    losses = objective(passes, batch)
    joint.backward(losses, network)
    optimizer.step()
    return losses
