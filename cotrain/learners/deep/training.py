"""How a network is trained: shuffled batches, one step each, under a learning rate that warms up and fades out."""

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cotrain.errors import LearnerError
from cotrain.learners.deep.averaging import WeightAverage
from cotrain.learners.deep.batches import Batch, Rows
from cotrain.learners.deep.network import Network
from cotrain.learners.deep.objective import Objective
from cotrain.learners.deep.passes import PassSource, check_wiring
from cotrain.learners.deep.settings import NetworkSettings
from cotrain.learners.deep.step import Joint, take_step
from cotrain.learners.deep.variation import Variation

logger = logging.getLogger(__name__)

WARM_UP = 0.1
"""The share of all steps over which the learning rate rises."""
BETAS = (0.9, 0.99)
"""AdamW's memories. The second is shorter than the usual 0.999, which would outlast a fit of a hundred steps."""


@dataclass(frozen=True)
class Plan:
    """What a training run is made of, besides the network and its rows."""

    settings: NetworkSettings
    objective: Objective
    sources: Mapping[str, PassSource]
    joint: Joint
    variation: Variation


def train(network: Network, rows: Rows, plan: Plan, generator: np.random.Generator) -> list[float]:
    """Train the network in place; what each step's batch lost, all tasks together.

    Raises
    ------
    LearnerError : a term reads a pass that nobody provides; or the loss, or what comes of the last step, is not finite
    """
    check_wiring(plan.objective.terms, plan.sources)
    settings = plan.settings
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=BETAS, fused=True
    )
    n_steps = count_steps(rows.n_rows, settings)
    average = WeightAverage(network, settings.ema)
    history: list[float] = []
    network.train()
    for step, positions in zip(range(n_steps), _shuffled(rows.n_rows, settings.batch_size, generator), strict=False):
        optimizer.param_groups[0]["lr"] = settings.learning_rate * pace(step, n_steps)
        batch = plan.variation.batch(rows, positions)
        losses = take_step(network, batch, plan.objective, plan.sources, plan.joint, optimizer)
        history.append(sum(float(loss.detach()) for loss in losses.values()))
        if not math.isfinite(history[-1]):
            raise _divergence(len(history), f"the loss is {history[-1]}", settings)
        average.update(network)
    average.store(network)
    network.eval()
    # Each loss was seen before its update: no loss has seen the last one.
    if not _is_finite(network, batch):
        raise _divergence(n_steps, "its weights, or what the network says with them, are not finite", settings)
    logger.debug("trained %d steps on %d rows; loss %.3g -> %.3g", n_steps, rows.n_rows, history[0], history[-1])
    return history


def count_steps(n_rows: int, settings: NetworkSettings) -> int:
    """How many steps a fit takes: its epochs, but no fewer than `min_steps` and no more than `max_steps`."""
    per_epoch = math.ceil(n_rows / settings.batch_size)
    return min(max(settings.epochs * per_epoch, settings.min_steps), settings.max_steps)


def pace(step: int, n_steps: int) -> float:
    """The learning rate's share of its peak: a linear rise, then half a cosine down (Loshchilov & Hutter 2017)."""
    rise = min(1.0, (step + 1) / max(1.0, WARM_UP * n_steps))
    return rise * 0.5 * (1 + math.cos(math.pi * step / n_steps))


def _shuffled(n_rows: int, batch_size: int, generator: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Positions, batch after batch, shuffled anew in each epoch, without end; batches of an epoch are of like size."""
    n_batches = math.ceil(n_rows / batch_size)
    while True:
        yield from np.array_split(generator.permutation(n_rows), n_batches)


@torch.no_grad()
def _is_finite(network: Network, batch: Batch) -> bool:
    """Whether all weights are finite, and what they say about the batch: finite weights can still overflow in it."""
    tensors = [*network.parameters(), *network(batch.blocks).values()]
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def _divergence(step: int, what: str, settings: NetworkSettings) -> LearnerError:
    return LearnerError(
        f"Training diverged at step {step}: {what}. "
        f"Lower `learning_rate` (now {settings.learning_rate}), or standardise the blocks."
    )
