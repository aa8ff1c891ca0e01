"""What a batch costs: an objective is a sum of terms, and a term gives one loss per task.

Given labels and pseudo-labels are one thing here: soft targets with a weight per row.

Shapes: k = copies, n = rows, C = classes of a task.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from cotrain.learners.deep.batches import Batch
from cotrain.learners.deep.network import Logits
from cotrain.learners.deep.passes import Passes
from cotrain.learners.deep.rounding import widened
from cotrain.ops import MultiHeadLoss, multi_head_loss

Losses = dict[str, Tensor]
"""{task: scalar}"""


class Term(Protocol):
    """One part of the objective."""

    @property
    def name(self) -> str:
        """How errors call it."""
        ...

    @property
    def reads(self) -> Collection[str]:
        """The names of the passes it looks at."""
        ...

    def __call__(self, passes: Passes, batch: Batch) -> Losses:
        """One loss per task."""
        ...


@dataclass(frozen=True)
class Objective:
    """The sum of its terms, task by task."""

    terms: Sequence[Term]

    @property
    def reads(self) -> frozenset[str]:
        """The passes that any term reads."""
        return frozenset(name for term in self.terms for name in term.reads)

    def __call__(self, passes: Passes, batch: Batch) -> Losses:
        """{task: scalar}"""
        total: Losses = {}
        for term in self.terms:
            for task, loss in term(passes, batch).items():
                total[task] = total[task] + loss if task in total else loss
        return total


@dataclass(frozen=True)
class Supervised:
    """Cross-entropy of the clean pass with what is known of the rows.

    Parameters
    ----------
    label_smoothing : the share of each target that is spread evenly over the classes
    """

    label_smoothing: float = 0.0
    name: str = "supervised"
    reads: tuple[str, ...] = ("clean",)

    def __call__(self, passes: Passes, batch: Batch) -> Losses:
        return task_losses(passes["clean"], batch, self.label_smoothing)


def task_losses(logits: Logits, batch: Batch, label_smoothing: float = 0.0) -> Losses:
    """The weighted mean loss of each task, times the batch's share of the task's weight; all heads in one call."""
    per_head = cross_entropy(logits, batch, label_smoothing).per_head
    return {task: per_head[head] * batch.shares[task] for head, task in enumerate(logits)}


def cross_entropy(
    logits: Logits,
    batch: Batch,
    label_smoothing: float = 0.0,
    task_weights: Mapping[str, float] | None = None,
) -> MultiHeadLoss:
    """What every head loses, over the rows of all copies.

    Parameters
    ----------
    logits : {task: [k, n, C]}
    batch : its targets and weights; a row of weight 0 costs nothing
    label_smoothing : the share of each target that is spread evenly over the classes
    task_weights : how much each task counts in `total`; 1 where not given
    """
    targets = []
    for task, said in logits.items():
        target = batch.targets[task]
        if label_smoothing > 0:
            target = target * (1 - label_smoothing) + label_smoothing / target.shape[1]
        targets.append(target.repeat(said.shape[0], 1).double())
    # In float64, because the core and its twin differ in the last bits of what they compute in: a double's are rounded
    # off (see rounding.py), a float's are too many.
    return multi_head_loss(
        [widened(said.flatten(0, 1)) for said in logits.values()],
        targets,
        sample_weights=[batch.weights[task].repeat(said.shape[0]).double() for task, said in logits.items()],
        head_weights=None if task_weights is None else [float(task_weights.get(task, 1.0)) for task in logits],
    )
