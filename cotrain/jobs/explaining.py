"""Why a run says what it says of one row: what was known of it, who was taught what, and what is shipped.

All of it is read from the files of the run.
"""

from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

from cotrain.jobs.run_folder import LEDGER, OPINIONS, PREDICTIONS, SUSPECTS, open_run, row_id_of

GIVEN, EVALUATION, OPEN, LOCKED = "given", "evaluation", "open", "locked"
"""What a row was to a task: its label was learnt from; it was kept for the end; there was none, and it could be taught;
there was none, and the row was locked away with those for the end."""


@dataclass(frozen=True)
class RowOfTask:
    """What a run knows of one row for one task.

    Parameters
    ----------
    role : GIVEN, EVALUATION, OPEN or LOCKED
    given : the label in the table, or None
    suspect : what members who never saw the label say instead (suggested, confidence, given_confidence), or None
    lessons : lines of the ledger, by round: student, teachers, label, confidence, margin, agreement, weight, status,
        why
    says : predicted, confidence and the probability of each label, by the ensemble that is shipped
    opinions : what the members say, and how far they disagree; None where the row was not asked about
    shipped : the round that is shipped
    verdict : why that round
    """

    role: str
    given: Any
    suspect: dict[str, Any] | None
    lessons: list[dict[str, Any]]
    says: dict[str, Any]
    opinions: dict[str, Any] | None
    shipped: int
    verdict: str


@dataclass(frozen=True)
class Explanation:
    """What a run knows of one row.

    Parameters
    ----------
    run : its folder
    row : the key
    tasks : {task: what is known}
    """

    run: str
    row: int | str
    tasks: dict[str, RowOfTask]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"status": "done", **asdict(self)}


def why(run: str | PathLike[str], row: str, *, task: str | None = None) -> Explanation:
    """What a run knows of one row.

    Parameters
    ----------
    run : the folder that a run wrote, or the bundle in it
    row : its key, as predictions.parquet shows it
    task : None = all of them

    Raises
    ------
    BundleError : no run stands there, or a part of it is missing
    TableError : no row has that key, or a table is damaged
    SettingError : the run has no such task
    """
    opened = open_run(run)
    wanted = opened.tasks(task)
    key = row_id_of(opened, row)
    by_file = {name: opened.lines(name, key) for name in (PREDICTIONS, LEDGER, SUSPECTS, OPINIONS)}
    told = by_file[PREDICTIONS][0]
    tasks = {}
    for name in wanted:
        ledger, suspects, opinions = (_of_task(by_file[file], name) for file in (LEDGER, SUSPECTS, OPINIONS))
        facts = opened.metrics["tasks"][name]
        tasks[name] = RowOfTask(
            role=_role(told[f"{name}__source"], is_open=bool(opinions)),
            given=told[f"{name}__given"],
            suspect=suspects[0] if suspects else None,
            lessons=sorted(ledger, key=lambda line: line["round"]),
            says=_says(told, name, facts["classes"]),
            opinions=opinions[0] if opinions else None,
            shipped=facts["shipped"],
            verdict=facts["verdict"],
        )
    return Explanation(str(opened.path), key[0].as_py(), tasks)


def _role(source: str, *, is_open: bool) -> str:
    if source == "predicted":
        return OPEN if is_open else LOCKED
    return source


def _says(told: dict[str, Any], task: str, classes: list[Any]) -> dict[str, Any]:
    return {
        "predicted": told[f"{task}__predicted"],
        "confidence": told[f"{task}__confidence"],
        "probabilities": {str(label): told[f"{task}__p_{label}"] for label in classes},
    }


def _of_task(lines: list[dict[str, Any]], task: str) -> list[dict[str, Any]]:
    """The lines of one task, without what names them, and without the sketch, which tells a person nothing."""
    return [
        {name: value for name, value in line.items() if name not in ("row_id", "task", "sketch")}
        for line in lines
        if line["task"] == task
    ]
