"""Who takes part: a member binds a learner to views; a student is a member with rows in front of it.

A row that lacks every view of a member is not taught to it and gets no opinion from it (NaN): it abstains.

Shapes: n = rows, C = classes of the task.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from cotrain.errors import ViewError
from cotrain.learners import Block, Learner
from cotrain.predictions import Targets
from cotrain.views import Blocks

Opinions = dict[str, NDArray[np.floating]]
"""{task: [n, C]}, NaN rows where the member abstains."""

JOINT = 2.0
"""In nats. Of ten tables with five labels per class the committee tells half a point more rows than at 0 (four points
more of spambase, where a single column of signs misleads); from 2 to 5 it hardly changes, with 25 labels not at all."""


@dataclass(frozen=True)
class Member:
    """A learner and the views it reads.

    Parameters
    ----------
    name : unique in the committee; what the ledger and the report call it
    learner : unfitted; every student works on a clone of it
    views : names of views, in the order in which the learner gets their blocks
    """

    name: str
    learner: Learner
    views: tuple[str, ...]

    def read(self, blocks: Blocks) -> list[Block]:
        """The arrays of this member's views; ViewError if one is not there."""
        missing = [view for view in self.views if view not in blocks.arrays]
        if missing:
            raise ViewError(
                f"Member {self.name!r} reads the views {missing}, which this table does not give; "
                f"it gives {sorted(blocks.arrays)}."
            )
        return [blocks.arrays[view] for view in self.views]

    def can_speak(self, blocks: Blocks) -> NDArray[np.bool_]:
        """[n] mask of the rows that have at least one of this member's views."""
        return np.any([blocks.is_present[view] for view in self.views], axis=0)


def head_start(members: Sequence[Member], n_views: int) -> NDArray[np.floating]:
    """[m] how much each member of the default committee weighs while nothing is known of any: what reads all views
    weighs e^JOINT times as much as what reads one.

    Whoever sees more of a row knows more of it, as a rule; ten labels are too few to find that out, and a lucky view
    would lead the committee.
    """
    shares = np.array([(len(set(member.views)) - 1) / max(n_views - 1, 1) for member in members])
    return np.exp(JOINT * shares)


@dataclass(frozen=True)
class Graduate:
    """A member that has learnt: it is asked, never taught again.

    Parameters
    ----------
    member : who it is
    learner : fitted
    n_classes : {task: C}
    learnt : the tasks that it had a labelled row for; of any other it says nothing
    """

    member: Member
    learner: Learner
    n_classes: Mapping[str, int]
    learnt: frozenset[str]

    def opinions(self, blocks: Blocks) -> Opinions:
        """{task: [n, C]} what it thinks of any rows; NaN where it abstains."""
        is_here = self.member.can_speak(blocks)
        arrays = self.member.read(blocks)
        return self.on_arrays(arrays if is_here.all() else [array[is_here] for array in arrays], is_here)

    def on_arrays(self, arrays: list[Block], is_here: NDArray[np.bool_]) -> Opinions:
        """The same for rows already at hand; `arrays` hold those that `is_here` marks."""
        told = self.learner.predict(arrays) if self.learnt else {}
        opinions = {}
        for task, n_classes in self.n_classes.items():
            opinions[task] = np.full((len(is_here), n_classes), np.nan)
            if task in self.learnt:
                opinions[task][is_here] = told[task]
        return opinions


class Student:
    """A member with training rows in front of it; it can be taught again and again.

    Parameters
    ----------
    member : its learner is cloned
    blocks : the training rows, labelled or not

    Attributes
    ----------
    can_read : [n] mask of the training rows that have at least one of its views; it is taught no others
    """

    def __init__(self, member: Member, blocks: Blocks) -> None:
        self.member = member
        # Not safe: a learner that is no scikit-learn estimator is copied.
        self._learner: Learner = clone(member.learner, safe=False)  # type: ignore
        self.can_read = member.can_speak(blocks)
        arrays = member.read(blocks)
        # Kept, so that a learner that builds something from the rows alone (a graph) meets the same arrays each round.
        self._arrays = arrays if self.can_read.all() else [array[self.can_read] for array in arrays]
        self._graduate = Graduate(member, self._learner, {}, frozenset())

    def learn(self, targets: Mapping[str, Targets], generator: np.random.Generator) -> Self:
        """Forget, then learn from `targets` [n]; a task without one labelled row within reach is not learnt."""
        here = {
            task: Targets(target.probabilities[self.can_read], target.weight[self.can_read], target.is_taught)
            for task, target in targets.items()
        }
        within_reach = {task: target for task, target in here.items() if target.is_labelled.any()}
        # A shallow copy: what was learnt before stays as it was for whoever kept it, and a graph keeps its edges.
        self._learner = copy(self._learner)
        if within_reach:
            self._learner.fit(self._arrays, within_reach, generator)
        n_classes = {task: target.n_classes for task, target in targets.items()}
        self._graduate = Graduate(self.member, self._learner, n_classes, frozenset(within_reach))
        return self

    def graduate(self) -> Graduate:
        """The student as it stands; teaching it further does not change what is returned."""
        return self._graduate

    def go_back_to(self, graduate: Graduate) -> None:
        """Take back what was learnt since: the student stands as `graduate` does."""
        self._graduate = graduate
        self._learner = graduate.learner

    def opinions_at_home(self) -> Opinions:
        """What it thinks of its own training rows."""
        return self._graduate.on_arrays(self._arrays, self.can_read)
