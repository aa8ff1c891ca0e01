"""The given labels of a run that members who never saw them contradict, as it told them when it was written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import pyarrow as pa

from cotrain.jobs.run_folder import SUSPECTS, open_run
from cotrain.table.columns import repeated


@dataclass(frozen=True)
class Suspected:
    """Suspects of a run.

    Parameters
    ----------
    run : its folder
    tasks : {task: how many labels were held out (n_held_out), and its suspects, most plainly contradicted first}
    """

    run: str
    tasks: dict[str, dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"status": "done", "run": self.run, "tasks": self.tasks}

    def in_words(self) -> Iterator[str]:
        """A line for each."""
        for task, facts in self.tasks.items():
            yield f"{task}: {len(facts['suspects'])} of {facts['n_held_out']} held-out labels are suspects"
            for one in facts["suspects"]:
                yield (
                    f'  {one["row_id"]}: given "{one["given"]}" ({one["given_confidence"]:.2f}), '
                    f'"{one["suggested"]}" is likelier ({one["confidence"]:.2f})'
                )


def suspected(run: str | PathLike[str], *, task: str | None = None) -> Suspected:
    """The suspects of one task or of all.

    Raises
    ------
    BundleError : no run stands there, or it kept no suspects
    SettingError : the run has no such task
    TableError : the table of suspects is damaged
    """
    opened = open_run(run)
    by_task: dict[str, dict[str, Any]] = {
        name: {"n_held_out": opened.metrics["tasks"][name]["n_held_out"], "suspects": []} for name in opened.tasks(task)
    }
    for line in opened.table(SUSPECTS).to_pylist():
        name = line.pop("task")
        if name in by_task:
            by_task[name]["suspects"].append(line)
    return Suspected(str(opened.path), by_task)


def stacked(suspects: Mapping[str, pa.Table]) -> pa.Table:
    """{task: its suspects} as one table, with a column `task` after the row's key."""
    pages = []
    for task, table in suspects.items():
        pages.append(table.add_column(1, "task", repeated(task, table.num_rows)))
    return pa.concat_tables(pages).unify_dictionaries()
