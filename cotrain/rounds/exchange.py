"""One round: what every student is to learn next, from the given labels and from its peers.

Each student is taught by all other members, pooled; never by itself. Nothing is carried over: the lesson is drawn
anew from what the members think now, so an error can be taken back.

Shapes: m = members, n = rows, C = classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotrain.predictions import Targets, Trust
from cotrain.rounds.hearing import TIE, Hearing, hear, loudness
from cotrain.rounds.member import Opinions
from cotrain.rounds.plan import TeachingPlan
from cotrain.rounds.selection import Admission, admit


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
        told = [opinion[task] for opinion in opinions]
        heard = hear(told, trust[task], voices=plan.voices, keeps_probabilities=plan.soft_labels)
        hears = loudness(trust[task].weights) > 0
        for student, (lesson, hearing) in enumerate(zip(lessons, heard, strict=True)):
            reach = None if in_reach is None else in_reach[student]
            admission = admit(
                hearing,
                facts.is_labelled,
                share=plan.share(round),
                least_agreement=plan.least_agreement,
                in_reach=reach,
            )
            teachers = tuple(np.flatnonzero(hears[student]).tolist())
            lesson[task] = Lesson(taught(facts, hearing, admission, plan), admission, teachers)
    return lessons


def taught(given: Targets, heard: Hearing, admission: Admission, plan: TeachingPlan) -> Targets:
    """Given labels with the admitted opinions beside them; the given labels themselves where none is admitted.

    An opinion weighs its margin in average given labels, so that a doubtful row teaches little and the unit of the
    given weights does not matter; together opinions weigh at most `plan.pseudo_mass` times the given labels.
    """
    rows = admission.positions
    if not len(rows):
        return given
    probabilities, weight = given.probabilities.copy(), given.weight.copy()
    # To the nearest TIE: a training makes much of a last bit, and that differs between machines and kernels.
    margin = np.rint(admission.margin[rows] / TIE) * TIE
    loud = margin * given.weight[given.is_labelled].mean()
    weight[rows] = loud * min(1.0, plan.pseudo_mass * given.weight.sum() / loud.sum())
    told = heard.probabilities
    probabilities[rows] = np.eye(given.n_classes)[admission.codes[rows]] if told is None else told[rows]
    return Targets(probabilities, weight, is_taught=True)
