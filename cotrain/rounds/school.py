"""One run of teaching over one set of training rows: round 0 (labels only), then exchange after exchange.

A School is what cross-validation repeats: the main run has one over all training rows, every fold has one without
its held-out rows. It never sees those rows; it is only asked about them.

Shapes: m = members, n = training rows.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from cotrain.predictions import Targets, Trust
from cotrain.rounds.exchange import Lesson, exchange
from cotrain.rounds.member import Graduate, Member, Opinions, Student
from cotrain.rounds.plan import TeachingPlan
from cotrain.views import Blocks


class School:
    """Students of all members over the same rows.

    Parameters
    ----------
    members : the committee
    blocks : the training rows, labelled or not
    given : {task: Targets [n]}; weight 0 = not labelled
    plan : how to teach
    seed : with the round and the member it seeds every fit, so no fit's randomness depends on another's
    """

    def __init__(
        self,
        members: Sequence[Member],
        blocks: Blocks,
        given: Mapping[str, Targets],
        plan: TeachingPlan,
        seed: Sequence[int],
    ) -> None:
        self.students = [Student(member, blocks) for member in members]
        self.round = 0
        self._given = dict(given)
        self._plan = plan
        self._seed = tuple(seed)
        self._opinions: list[Opinions] = []
        self._before: tuple[list[Graduate], list[Opinions]] = ([], [])

    def supervised(self) -> None:
        """Round 0: everybody learns from the given labels alone."""
        self._teach([self._given] * len(self.students))

    def next_round(self, trust: Mapping[str, Trust]) -> list[dict[str, Lesson]]:
        """Exchange opinions, teach everybody, and return the lessons."""
        self.round += 1
        self._before = (self.graduates(), self._opinions)
        in_reach = [student.can_read for student in self.students]
        lessons = exchange(self._opinions, self._given, trust, self._plan, self.round, in_reach)
        self._teach([{task: lesson.targets for task, lesson in by_task.items()} for by_task in lessons])
        return lessons

    def settle(self, accepted: Sequence[bool]) -> None:
        """Take the last lesson back from every student for whom `accepted` is False.

        A strong member is taught by weaker ones; where that did it harm it goes on as it was, and teaches as it was.
        """
        graduates, opinions = self._before
        for number, (student, keeps) in enumerate(zip(self.students, accepted, strict=True)):
            if not keeps:
                student.go_back_to(graduates[number])
                self._opinions[number] = opinions[number]

    def graduates(self) -> list[Graduate]:
        """Every student as it stands now."""
        return [student.graduate() for student in self.students]

    def ask(self, blocks: Blocks) -> list[Opinions]:
        """What every member thinks now of rows it was not taught."""
        return [graduate.opinions(blocks) for graduate in self.graduates()]

    def _teach(self, targets: Sequence[Mapping[str, Targets]]) -> None:
        for number, (student, lesson) in enumerate(zip(self.students, targets, strict=True)):
            student.learn(lesson, np.random.default_rng([*self._seed, self.round, number]))
        self._opinions = [student.opinions_at_home() for student in self.students]
