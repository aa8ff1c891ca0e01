"""One round: what every student is to learn next, from the given labels and from its peers.

Each student is taught by all other members, pooled; never by itself. Nothing is carried over: the lesson is drawn
anew from what the members think now, so an error can be taken back.

Shapes: m = members, n = rows, C = classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotrain.predictions import Targets, Trust, most_likely, pool
from cotrain.rounds.member import Opinions
from cotrain.rounds.plan import TeachingPlan
from cotrain.rounds.selection import Admission, admit, agreement


@dataclass(frozen=True)
class Lesson:
    """What one student is to learn for one task.

    Parameters
    ----------
    targets : [n] given labels and pseudo-labels together
    admission : what the teachers thought of every row
    teachers : positions of the members who taught
    """

    targets: Targets
    admission: Admission
    teachers: tuple[int, ...]


def exchange(
    opinions: Sequence[Opinions],
    given: Mapping[str, Targets],
    trust: Mapping[str, Trust],
    plan: TeachingPlan,
    round: int,
    in_reach: Sequence[NDArray[np.bool_]] | None = None,
) -> list[dict[str, Lesson]]:
    """The lessons of round `round` (1 ..), one {task: Lesson} per member.

    Parameters
    ----------
    opinions : m times {task: [n, C]}, what the members think of their training rows now
    given : {task: Targets [n]}, weight 0 where no label was given
    trust : {task: Trust in the m members}
    in_reach : m masks [n] of the rows that a member can read, and so be taught; None = all
    """
    lessons: list[dict[str, Lesson]] = [{} for _ in opinions]
    for task, facts in given.items():
        calibrated = trust[task].calibrated([opinion[task] for opinion in opinions])
        for student, lesson in enumerate(lessons):
            reach = None if in_reach is None else in_reach[student]
            lesson[task] = _lesson(student, calibrated, facts, trust[task], plan, plan.share(round), reach)
    return lessons


def _lesson(
    student: int,
    calibrated: Sequence[NDArray[np.floating]],
    given: Targets,
    trust: Trust,
    plan: TeachingPlan,
    share: float,
    in_reach: NDArray[np.bool_] | None,
) -> Lesson:
    def let_through(pooled: NDArray[np.floating], agreed: NDArray[np.floating]) -> Admission:
        is_given, least = given.is_labelled, plan.least_agreement
        return admit(pooled, agreed, is_given, share=share, least_agreement=least, in_reach=in_reach)

    teachers = _teachers(student, trust.weights)
    if not teachers:
        nothing = np.full(given.probabilities.shape, np.nan)
        return Lesson(given, let_through(nothing, np.zeros(len(nothing))), ())
    told = [calibrated[teacher] for teacher in teachers]
    heard = trust.weights[list(teachers)] / trust.weights[list(teachers)].sum()
    pooled = pool(told, heard, voices=plan.voices, prior=trust.prior)
    agreed = agreement(told, heard, most_likely(pooled))
    admission = let_through(pooled, agreed)
    return Lesson(taught(given, pooled, admission, plan), admission, teachers)


def _teachers(student: int, weights: NDArray[np.floating]) -> tuple[int, ...]:
    """All others who are trusted. Where only the student is, nobody teaches it: the others know less than it does.

    Where nobody is for what it knows, trust is equal and above 0 for all (see predictions.earned_trust), and all teach.
    """
    return tuple(member for member in range(len(weights)) if member != student and weights[member] > 0)


def taught(given: Targets, pooled: NDArray[np.floating], admission: Admission, plan: TeachingPlan) -> Targets:
    """Given labels with the admitted opinions beside them.

    An opinion weighs its margin in average given labels, so that a doubtful row teaches little and the unit of the
    given weights does not matter; together opinions weigh at most `plan.pseudo_mass` times the given labels.
    """
    rows = admission.positions
    probabilities, weight = given.probabilities.copy(), given.weight.copy()
    if len(rows):
        loudness = admission.margin[rows] * given.weight[given.is_labelled].mean()
        weight[rows] = loudness * min(1.0, plan.pseudo_mass * given.weight.sum() / loudness.sum())
    probabilities[rows] = pooled[rows] if plan.soft_labels else np.eye(given.n_classes)[admission.codes[rows]]
    return Targets(probabilities, weight, is_taught=len(rows) > 0)
