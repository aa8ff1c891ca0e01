"""The whole run on arrays: cross-validate the exchange, choose how far to go, teach on all rows that far.

Shapes: n = training rows, m = members, C = classes of a task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cotrain.engine import each
from cotrain.ensemble import Evidence, Voice
from cotrain.estimators.crossing import Findings, Lecture, Progress, cross, trust_after
from cotrain.estimators.suspecting import suspects_of
from cotrain.rounds import Graduate, Ledger, Opinions, School
from cotrain.tasks import Task
from cotrain.views import Blocks


@dataclass(frozen=True)
class CoTrained:
    """What a run leaves behind.

    Parameters
    ----------
    tasks : in the order of the run
    stages : the students as they stood after round 0, 1, ..., up to the last round that any task ships
    voices : {task: one Voice per stage}
    evidence : {task: the round that is shipped, and why}
    stop_reason : why teaching ended
    ledger : who taught which row what
    suspects : {task: rows whose given label the held-out voice contradicts}
    """

    tasks: tuple[Task, ...]
    stages: tuple[tuple[Graduate, ...], ...]
    voices: Mapping[str, tuple[Voice, ...]]
    evidence: Mapping[str, Evidence]
    stop_reason: str
    ledger: pa.Table
    suspects: Mapping[str, pa.Table]

    def probabilities(self, blocks: Blocks, round: int | None = None) -> dict[str, NDArray[np.floating]]:
        """{task: [n, C]} what the ensemble says; of the shipped round unless another is asked for."""
        return {task: voice.combine(opinions) for task, (voice, opinions) in self.heard(blocks, round).items()}

    def heard(self, blocks: Blocks, round: int | None = None) -> dict[str, tuple[Voice, list[NDArray[np.floating]]]]:
        """{task: the rule by which members become one, and what each of them says, [n, C]}; rounds as above."""
        heard = {}
        asked: dict[int, list[Opinions]] = {}
        for task in self.tasks:
            stage = self.evidence[task.name].shipped if round is None else min(round, len(self.stages) - 1)
            if stage not in asked:
                asked[stage] = [student.opinions(blocks) for student in self.stages[stage]]
            heard[task.name] = self.voices[task.name][stage], [opinion[task.name] for opinion in asked[stage]]
        return heard


def co_train(lecture: Lecture, tasks: Sequence[Task], row_ids: NDArray[np.generic], progress: Progress) -> CoTrained:
    """Run it.

    The main school goes as far as the furthest round that any task ships; each task then speaks with its own round.
    """
    findings = cross(lecture, progress)
    last = max(evidence.shipped for evidence in findings.evidence.values())
    ledger = Ledger(tasks, [member.name for member in lecture.members], row_ids)
    progress("training on all rows, labels only")
    school = lecture.school(0, np.arange(lecture.blocks.n_rows))
    stages = [tuple(each(_begin, [school])[0])]
    for round in range(1, last + 1):
        progress(f"training on all rows, round {round}")
        # The members that teach now are those whose held-out twins were heard after the round before.
        trust = trust_after(round - 1, findings, lecture)
        lessons = each(school.next_round, [trust])[0]
        school.settle(findings.accepted[round - 1])
        ledger.record(round, lessons, findings.accepted[round - 1])
        stages.append(tuple(school.graduates()))
    return CoTrained(
        tuple(tasks),
        tuple(stages),
        _voices(findings, lecture, last),
        findings.evidence,
        findings.stop_reason,
        ledger.table,
        suspects_of(findings, lecture, tasks, row_ids),
    )


def _begin(school: School) -> list[Graduate]:
    school.supervised()
    return school.graduates()


def _voices(findings: Findings, lecture: Lecture, last: int) -> dict[str, tuple[Voice, ...]]:
    return {
        task: tuple(
            Voice.earned(
                findings.of_task(round, task),
                codes,
                lecture.weight,
                untaught=findings.of_task(0, task),
                head_start=lecture.head_start,
            )
            for round in range(last + 1)
        )
        for task, codes in lecture.codes.items()
    }
