"""A run that was written, opened again to be asked about: its metrics, its tables, one row of them.

Nothing is predicted here and no learner is loaded; everything is read from the files that the run left.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes the functions of `compute` at import; no type checker can see them.)
import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import dataset

from cotrain.bundle.manifest import MANIFEST
from cotrain.errors import BundleError, SettingError, TableError
from cotrain.jobs.measuring import FORMAT, METRICS
from cotrain.jobs.predicting import ROW_ID
from cotrain.table import read_table
from cotrain.table.columns import is_text_type, named, plain

PREDICTIONS = "predictions.parquet"
LEDGER = "ledger.parquet"
SUSPECTS = "suspects.parquet"
OPINIONS = "opinions.parquet"

AT_MOST_KEYS = 20_000
"""So many keys are compared with an unknown one in a fraction of a second; of more, those that begin as it does."""


@dataclass(frozen=True)
class RunFolder:
    """What a run left behind.

    Parameters
    ----------
    path : the folder
    metrics : what metrics.json holds
    """

    path: Path
    metrics: dict[str, Any]

    def tasks(self, wanted: str | None = None) -> list[str]:
        """The names of all tasks, or of the one that is wanted.

        Raises
        ------
        SettingError : for a task that the run does not have
        """
        known = list(self.metrics["tasks"])
        if wanted is None:
            return known
        if wanted not in known:
            raise SettingError("task", wanted, "a task of this run", hint=f"It has {named(known)}.")
        return [wanted]

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """One of its tables.

        Raises
        ------
        BundleError : for one that is not there; TableError for one that is damaged
        """
        return read_table(self._file(name), columns=columns)

    def keys(self) -> pa.Array:
        """[n] what names each row of the run's table."""
        return plain(self.table(PREDICTIONS, [self._key()])[0])

    def lines(self, name: str, row_ids: pa.Array) -> list[dict[str, Any]]:
        """What one of its tables says of some rows, in its order; the table itself is never in memory whole.

        Raises
        ------
        BundleError, TableError : as `table` does
        """
        path = self._file(name)
        column = self._key() if name == PREDICTIONS else ROW_ID
        try:
            wanted = dataset.field(column).isin(row_ids.cast(pq.read_schema(path).field(column).type))
            return dataset.dataset(path, format="parquet").to_table(filter=wanted).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"{path} is damaged ({' '.join(str(error).split())}). Copy the run again.") from error

    def _key(self) -> str:
        """The key column of the predictions, which comes first and has the name that it had in the table."""
        self.table(PREDICTIONS, [])  # says what is wrong with a file that is missing or damaged
        return pq.read_schema(self.path / PREDICTIONS).names[0]

    def _file(self, name: str) -> Path:
        if not (self.path / name).is_file():
            raise BundleError(
                f"{self.path} holds no {name}: an older cotrain wrote it, or a part was lost. "
                f"Run its settings again: cotrain run {self.path / 'settings.json'} --out ..."
            )
        return self.path / name


def open_run(folder: str | PathLike[str]) -> RunFolder:
    """The run in a folder, or in the one above where that folder is the run's bundle.

    Raises
    ------
    BundleError : for a folder that no run wrote
    """
    path = Path(folder)
    if (path / MANIFEST).is_file() and (path.absolute().parent / METRICS).is_file():
        path = path.absolute().parent
    try:
        metrics = json.loads((path / METRICS).read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(
            f"{folder} is not a run: its {METRICS} cannot be read ({error.strerror}). "
            "Name the folder that `cotrain run` wrote."
        ) from error
    except ValueError as error:
        raise BundleError(f"{path / METRICS} is damaged ({error}). Copy the run again, or run it again.") from error
    if not isinstance(metrics, dict) or metrics.get("format") != FORMAT:
        raise BundleError(f"{path / METRICS} is not of a run. Name the folder that `cotrain run` wrote.")
    return RunFolder(path, metrics)


def row_id_of(run: RunFolder, row: str) -> pa.Array:
    """[1] the key that is written as `row`, as the run's tables hold it.

    Raises
    ------
    TableError : for a key that no row has; names close ones where keys are text
    """
    keys = run.keys()
    is_text = is_text_type(keys.type)
    value = pa.scalar(row, keys.type) if is_text else _whole(row, keys.type)
    if value is None or not pc.any(pc.equal(keys, value)).as_py():
        hint = _close(row, keys) if is_text else f"The keys are whole numbers, such as {named(keys[:3].to_pylist())}."
        raise TableError(f"No row of this run has the key {row!r}. {hint}")
    return pa.array([value.as_py()], keys.type)


def _whole(row: str, kind: pa.DataType) -> pa.Scalar | None:
    try:
        return pa.scalar(int(row), kind)
    except (ValueError, OverflowError, pa.ArrowException):
        return None


def _close(row: str, keys: pa.Array) -> str:
    candidates = keys
    for n_same in range(1, len(row) + 1):
        if len(candidates) <= AT_MOST_KEYS:
            break
        candidates = keys.filter(pc.starts_with(keys, row[:n_same]))
    near = get_close_matches(row, candidates.slice(0, AT_MOST_KEYS).to_pylist(), n=3)
    shown = named(keys[:3].to_pylist())
    return f"Close are {named(near)}." if near else f"Keys look like {shown}."
