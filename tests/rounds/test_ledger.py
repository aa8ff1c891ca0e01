"""The ledger tells the whole story of every pseudo-label, and of nothing else."""

import io

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cotrain.predictions import Targets
from cotrain.rounds import Ledger, Lesson, admit
from cotrain.rounds.hearing import Hearing, choice
from cotrain.tasks import Task

TASK = Task("y", ("no", "yes"))
IDS = np.array(["a", "b", "c", "d", "e"])


def lesson(told: list[list[float]], *, share: float = 1.0, agreed: list[float] | None = None) -> Lesson:
    """Row 0 carries a given label; the others are taught what is told."""
    pooled = np.array(told)
    is_given = np.arange(len(told)) == 0
    agreement = np.ones(len(told)) if agreed is None else np.array(agreed)
    heard = Hearing(*choice(pooled), agreement, pooled.shape[1])
    admission = admit(heard, is_given, share=share, least_agreement=0.5)
    weight = np.where(is_given, 1.0, 0.0)
    weight[admission.positions] = 0.25
    return Lesson(Targets(pooled, weight), admission, (1, 2))


def lines(ledger: Ledger, **wanted: object) -> list[dict[str, object]]:
    return [row for row in ledger.table.to_pylist() if all(row[name] == value for name, value in wanted.items())]


FIRST = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9], [0.6, 0.4]]


def recorded(*told: Lesson, accepted: bool = True) -> Ledger:
    ledger = Ledger([TASK], ["left", "right", "all"], IDS)
    for round, one in enumerate(told, start=1):
        ledger.record(round, [{"y": one}], [accepted])
    return ledger


def test_one_line_says_who_taught_which_row_what_and_how_sure() -> None:
    line = lines(recorded(lesson(FIRST)), row_id="b")[0]
    assert {name: line[name] for name in ("task", "round", "student", "teachers", "label", "status", "why")} == {
        "task": "y",
        "round": 1,
        "student": "left",
        "teachers": "right+all",
        "label": "no",
        "status": "admitted",
        "why": "admitted",
    }
    assert (line["confidence"], line["margin"]) == (np.float32(0.8), np.float32(0.6))
    assert (line["agreement"], line["weight"]) == (1.0, 0.25)


def test_only_unlabelled_rows_are_named() -> None:
    assert [line["row_id"] for line in lines(recorded(lesson(FIRST)))] == ["b", "c", "d", "e"]


def test_every_row_that_is_no_longer_taught_is_revoked_with_its_reason() -> None:
    nan = float("nan")
    later = lesson(
        [[0.9, 0.1], [0.2, 0.8], [nan, nan], [0.1, 0.9], [0.6, 0.4]],  # b turned, c fell silent
        agreed=[1.0, 1.0, 1.0, 0.2, 1.0],  # d is disputed
    )
    revoked = lines(recorded(lesson(FIRST), later), status="revoked")
    assert {line["row_id"]: line["why"] for line in revoked} == {
        "b": "label changed",
        "c": "nobody speaks",
        "d": "teachers disagree",
    }
    assert {line["row_id"]: line["label"] for line in revoked} == {"b": "no", "c": "yes", "d": "yes"}  # as it was
    assert {line["round"] for line in revoked} == {2}


def test_every_unlabelled_row_has_one_line_a_round_and_one_that_is_not_taught_says_why() -> None:
    nan = float("nan")
    told = [[0.9, 0.1], [0.8, 0.2], [nan, nan], [0.1, 0.9], [0.6, 0.4]]
    ledger = recorded(lesson(told, share=0.5, agreed=[1.0, 1.0, 0.0, 0.2, 1.0]))
    left_out = lines(ledger, status="left out")
    assert {line["row_id"]: (line["why"], line["label"]) for line in left_out} == {
        "c": ("nobody speaks", None),
        "d": ("teachers disagree", "yes"),
        "e": ("beyond the quota", "no"),
    }
    assert {line["weight"] for line in left_out} == {0.0}
    assert [line["confidence"] for line in left_out if line["row_id"] == "c"] == [None]
    assert [line["row_id"] for line in lines(ledger, status="admitted")] == ["b"]


def test_a_row_pushed_out_by_surer_ones_says_so() -> None:
    later = lesson([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.1, 0.9], [0.95, 0.05]], share=0.5)
    revoked = lines(recorded(lesson(FIRST), later), status="revoked")
    assert {line["row_id"]: line["why"] for line in revoked} == {"b": "beyond the quota", "d": "beyond the quota"}


def test_a_lesson_taught_again_revokes_nothing() -> None:
    assert lines(recorded(lesson(FIRST), lesson(FIRST)), status="revoked") == []


def test_a_lesson_that_did_harm_is_revoked_at_once_and_forgotten() -> None:
    ledger = recorded(lesson(FIRST), accepted=False)
    assert {line["why"] for line in lines(ledger, status="revoked")} == {"student did better without"}
    assert len(lines(ledger, status="revoked")) == len(lines(ledger, status="admitted")) == 4
    ledger.record(2, [{"y": lesson([FIRST[0], *[[float("nan")] * 2] * 4])}], [True])
    assert lines(ledger, round=2, status="revoked") == []  # nothing stood that could be revoked a second time


def test_an_empty_ledger_has_its_columns() -> None:
    table = Ledger([TASK], ["left"], IDS).table
    assert table.num_rows == 0
    assert table.column_names == recorded(lesson(FIRST)).table.column_names
    assert table.schema.types == recorded(lesson(FIRST)).table.schema.types


def test_rounds_tasks_and_students_share_one_table_that_parquet_and_pandas_can_read() -> None:
    ids: NDArray[np.generic] = np.arange(5)
    ledger = Ledger([TASK, Task("z", (10, 20))], ["left", "right", "all"], ids)
    for round in (1, 2):
        one = lesson(FIRST)
        ledger.record(round, [{"y": one, "z": one}, {"y": one, "z": one}], [True, True])
    frame = ledger.table.to_pandas()
    assert len(frame) == 2 * 2 * 2 * 4
    assert set(frame[frame["task"] == "z"]["label"]) == {"10", "20"}
    assert set(frame["student"]) == {"left", "right"}
    pq.write_table(ledger.table, buffer := io.BytesIO())
    assert pq.read_table(buffer).to_pylist() == ledger.table.to_pylist()
