"""The ledger: who taught which row what, when, how sure, why other rows were not taught, and what was taken back.

One line per (round, student, task, unlabelled row): `admitted`, or `left out` with the reason. One more, `revoked` with
the reason, per row that the lesson before had admitted for the same student and this one did not, or admits under
another label; and per row of a lesson that the student did better without.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cotrain.rounds.exchange import Lesson
from cotrain.rounds.selection import ADMITTED, GIVEN
from cotrain.rounds.selection import REASONS as VERDICTS
from cotrain.table import decode_as_text
from cotrain.table.columns import repeated, small
from cotrain.tasks import Task

TAUGHT, LEFT_OUT, REVOKED = "admitted", "left out", "revoked"
"""What a line says was done with the row."""

LABEL_CHANGED = "label changed"
ROLLED_BACK = "student did better without"


class Ledger:
    """Collects rounds; `table` gives them as Arrow.

    Parameters
    ----------
    tasks : in the order of the run
    members : names, in the order of the run
    row_ids : [n] ids of the training rows
    """

    def __init__(self, tasks: Sequence[Task], members: Sequence[str], row_ids: NDArray[np.generic]) -> None:
        self._tasks = {task.name: task for task in tasks}
        self._members = tuple(members)
        self._row_ids = row_ids
        self._before: dict[tuple[int, str], Lesson] = {}
        self._pages: list[pa.Table] = []

    def record(self, round: int, lessons: Sequence[dict[str, Lesson]], accepted: Sequence[bool]) -> None:
        """Write one round down.

        Parameters
        ----------
        accepted : one per student; False = it did better without this lesson, which is revoked at once
        """
        for student, lesson_by_task in enumerate(lessons):
            for task, lesson in lesson_by_task.items():
                self._pages.append(self._admitted(round, student, task, lesson))
                self._pages.append(self._left_out(round, student, task, lesson))
                if not accepted[student]:
                    rows = lesson.admission.positions
                    why = [ROLLED_BACK] * len(rows)
                    self._pages.append(self._page(round, student, task, rows, lesson, REVOKED, why))
                    continue
                before = self._before.get((student, task))
                if before is not None:
                    self._pages.append(self._revoked(round, student, task, before, lesson))
                self._before[student, task] = lesson

    @property
    def table(self) -> pa.Table:
        """row_id, task, round, student, teachers, label (as text), confidence, margin (null where nobody speaks),
        agreement, weight (0 where the row was left out), status, why.
        """
        if not self._pages:
            nothing = np.zeros(0, dtype=np.intp)
            return self._page(0, 0, next(iter(self._tasks)), nothing, None, TAUGHT, [])
        return pa.concat_tables(self._pages)

    def _admitted(self, round: int, student: int, task: str, lesson: Lesson) -> pa.Table:
        rows = lesson.admission.positions
        return self._page(round, student, task, rows, lesson, TAUGHT, [VERDICTS[ADMITTED]] * len(rows))

    def _left_out(self, round: int, student: int, task: str, lesson: Lesson) -> pa.Table:
        """Rows with a given label are not in question, and not in the ledger."""
        verdict = lesson.admission.verdict
        rows = np.flatnonzero((verdict != ADMITTED) & (verdict != GIVEN))
        return self._page(round, student, task, rows, lesson, LEFT_OUT, [VERDICTS[one] for one in verdict[rows]])

    def _revoked(self, round: int, student: int, task: str, before: Lesson, now: Lesson) -> pa.Table:
        was = before.admission.positions
        still = now.admission.verdict[was] == ADMITTED
        same = now.admission.codes[was] == before.admission.codes[was]
        gone = ~(still & same)
        why = [
            LABEL_CHANGED if here else VERDICTS[verdict]
            for here, verdict in zip(still[gone], now.admission.verdict[was[gone]], strict=True)
        ]
        return self._page(round, student, task, was[gone], before, REVOKED, why)

    def _page(
        self,
        round: int,
        student: int,
        task: str,
        rows: NDArray[np.intp],
        lesson: Lesson | None,
        status: str,
        why: Sequence[str],
    ) -> pa.Table:
        zeros = np.zeros(0)
        admission = lesson.admission if lesson else None
        codes = admission.codes[rows] if admission else rows
        teachers = "+".join(self._members[teacher] for teacher in lesson.teachers) if lesson else ""
        return pa.table(
            {
                "row_id": pa.array(self._row_ids[rows]),
                "task": repeated(task, len(rows)),
                "round": pa.array(np.full(len(rows), round, dtype=np.int32)),
                "student": repeated(self._members[student] if self._members else "", len(rows)),
                "teachers": repeated(teachers, len(rows)),
                "label": decode_as_text(codes, self._tasks[task]),
                "confidence": small(admission.confidence[rows] if admission else zeros),
                "margin": small(admission.margin[rows] if admission else zeros),
                "agreement": small(admission.agreement[rows] if admission else zeros),
                "weight": small(lesson.targets.weight[rows] if lesson else zeros),
                "status": repeated(status, len(rows)),
                "why": pa.array(why, pa.string()).dictionary_encode(),
            }
        ).unify_dictionaries()
