"""Which rows of a run a person should label next, from what the run kept of its members' opinions."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes the functions of `compute` at import; no type checker can see them.)
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cotrain.ensemble import ask
from cotrain.jobs.predicting import ROW_ID
from cotrain.jobs.run_folder import LEDGER, OPINIONS, RunFolder, open_run
from cotrain.rounds.ledger import REVOKED
from cotrain.table import write_table
from cotrain.table.columns import plain


@dataclass(frozen=True)
class Questions:
    """Rows to label.

    Parameters
    ----------
    run : its folder
    rows : row_id, task, predicted, confidence, disagreement, entropy, revoked (how many pseudo-labels of it were taken
        back during the rounds), and what each member says; for each task the most doubtful first
    out : the file that they were written to, or None
    """

    run: str
    rows: pa.Table
    out: str | None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"status": "done", "run": self.run, "out": self.out, "questions": self.rows.to_pylist()}

    def in_words(self) -> Iterator[str]:
        """A line for each, and where they were written."""
        for row in self.rows.to_pylist():
            says = {name.removesuffix("__says"): said for name, said in row.items() if name.endswith("__says")}
            told = ", ".join(f'{member} "{said}"' for member, said in says.items() if said is not None)
            yield f'{row[ROW_ID]} ({row["task"]}): "{row["predicted"]}" with {row["confidence"]:.2f}; {told}'
        yield f"{self.rows.num_rows} rows to label" + ("" if self.out is None else f", written to {self.out}")


def questions(
    run: str | PathLike[str], k: int = 20, *, task: str | None = None, out: str | PathLike[str] | None = None
) -> Questions:
    """The rows whose label, given by a person, should help most: `k` for each task; see ensemble.ask.

    Parameters
    ----------
    run : the folder that a run wrote, or the bundle in it
    task : None = all of them
    out : .csv, .csv.gz or .parquet to write them to, with an empty column `label` to fill in

    Raises
    ------
    BundleError : no run stands there, or it kept no opinions
    SettingError : the run has no such task, k is below 1
    TableError : the opinions are damaged
    OutputError : the file cannot be written
    """
    opened = open_run(run)
    wanted = opened.tasks(task)
    opinions = opened.table(OPINIONS)
    pages = [_of_task(opinions.filter(pc.equal(pc.cast(opinions["task"], pa.string()), name)), k) for name in wanted]
    rows = _with_revoked(opened, pa.concat_tables(pages).drop_columns("sketch"))
    if out is not None:
        write_table(rows.append_column("label", pa.nulls(rows.num_rows, pa.string())), out)
    return Questions(str(opened.path), rows, None if out is None else str(out))


def _of_task(opinions: pa.Table, k: int) -> pa.Table:
    disagreement, entropy = (
        pc.fill_null(opinions[name], 0.0).to_numpy() for name in ("disagreement", "entropy")
    )  # null where no member speaks
    labels = plain(opinions["predicted"]).dictionary_encode()
    codes = labels.indices.to_numpy(zero_copy_only=False)
    sketches = plain(opinions["sketch"])
    sketched = sketches.flatten().to_numpy().reshape(len(sketches), -1)
    return opinions.take(pa.array(ask(disagreement + entropy, codes, sketched, k)))


def _with_revoked(run: RunFolder, rows: pa.Table) -> pa.Table:
    """The rows with how many of their pseudo-labels were taken back; a label that flips is a sign of doubt too."""
    lines = run.lines(LEDGER, plain(rows[ROW_ID]))
    counts = Counter((line[ROW_ID], line["task"]) for line in lines if line["status"] == REVOKED)
    keys = zip(rows[ROW_ID].to_pylist(), rows["task"].to_pylist(), strict=True)
    position = rows.column_names.index("entropy") + 1
    return rows.add_column(position, "revoked", pa.array([counts[key] for key in keys], pa.int32()))
