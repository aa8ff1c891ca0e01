"""What a learner is told about its rows, and what teachers say: probabilities and weights.

A given label and a teacher's opinion travel the same road. A row that carries no label for a
task has weight 0 there; its probabilities are then never read.

Shapes: n = rows, C = classes of the task.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotrain.errors import LearnerError


@dataclass(frozen=True)
class Targets:
    """What one learner is to learn for one task.

    Parameters
    ----------
    probabilities : [n, C] float; one-hot where a label was given, soft where a teacher speaks
    weight : [n] float >= 0; 0 = this row says nothing about this task
    is_taught : whether teachers' opinions are among them; False = labels that were given, and nothing else
    """

    probabilities: NDArray[np.floating]
    weight: NDArray[np.floating]
    is_taught: bool = False

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 2 or self.weight.shape != self.probabilities.shape[:1]:
            raise LearnerError(
                f"Targets need probabilities [n, classes] and weight [n]; "
                f"got {self.probabilities.shape} and {self.weight.shape}."
            )

    @property
    def n_classes(self) -> int:
        """C, how many classes the task has (rows of weight 0 count too)."""
        return self.probabilities.shape[1]

    @property
    def is_labelled(self) -> NDArray[np.bool_]:
        """[n] mask of the rows that say something."""
        return self.weight > 0


def from_codes(codes: NDArray[np.integer], n_classes: int, weight: NDArray[np.floating] | None = None) -> Targets:
    """Given labels as targets: one-hot rows; rows with a negative code get weight 0.

    Parameters
    ----------
    codes : [n], class codes; negative = not labelled
    n_classes : C
    weight : [n], the user's sample weights; 1 where none are given
    """
    is_labelled = codes >= 0
    probabilities = np.zeros((len(codes), n_classes))
    probabilities[np.flatnonzero(is_labelled), codes[is_labelled]] = 1.0
    given = np.ones(len(codes)) if weight is None else np.asarray(weight, dtype=float)
    return Targets(probabilities, np.where(is_labelled, given, 0.0))


def class_masses(targets: Targets) -> NDArray[np.floating]:
    """[C] the weight that each class carries over all rows."""
    return (targets.probabilities * targets.weight[:, None])[targets.is_labelled].sum(axis=0)


def class_shares(
    codes: NDArray[np.integer], n_classes: int, weight: NDArray[np.floating] | None = None
) -> NDArray[np.floating]:
    """[C] the share of each class among the labelled rows, above 0 and summing to 1: what is said by who knows nothing.

    One row spread over all classes is added to them, so that a class without a label is not impossible.

    Parameters
    ----------
    codes : [n] class codes; negative = not labelled
    n_classes : C
    weight : [n] sample weights, scaled to mean 1 over the labelled rows that have any; 1 where none are given
    """
    counts = class_masses(from_codes(codes, n_classes, weight))
    if weight is not None and counts.any():
        counts *= np.count_nonzero(weight[codes >= 0]) / counts.sum()
    return (counts + 1.0 / n_classes) / (counts.sum() + 1.0)


def with_class_masses(targets: Targets, masses: NDArray[np.floating]) -> Targets:
    """The same given labels (one-hot), their weights scaled class by class so that they sum to `masses` [C].

    For a part of the labels that is to stand for all of them: with two labels of a class and one held out, the other
    weighs double. A class without a label here keeps its 0.
    """
    present = class_masses(targets)
    factors = np.divide(masses, present, out=np.zeros_like(present), where=present > 0)
    codes = targets.probabilities.argmax(axis=1)
    return Targets(targets.probabilities, targets.weight * factors[codes])
