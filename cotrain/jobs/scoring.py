"""What a bundle says of new files: one part per file, each written whole, none written twice.

Parquet is read and written batch by batch, so a file may be larger than the memory; CSV is read at once. All files are
looked at before the first is scored. A part notes the bundle and the file that it came from: scoring again skips the
parts that stand, so a job that was killed goes on where it stopped.
"""

import hashlib
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cotrain.bundle import Bundle, load
from cotrain.errors import OutputError, TableError
from cotrain.jobs.predicting import scores_of
from cotrain.jobs.reading import files_named
from cotrain.table import read_table, require_columns

logger = logging.getLogger(__name__)

BATCH = 65_536
"""Rows at a time: enough that a batch costs little, few enough that 5 000 words of each fit the memory."""

Advance = Callable[[int], Any]
"""Told how many more rows are done."""


@dataclass(frozen=True)
class Scored:
    """What scoring has to say for itself; small, and it pickles.

    Parameters
    ----------
    out : the folder of the parts
    parts : names of all parts, in the order of the files
    n_rows : in all files
    n_skipped : how many parts stood there already
    """

    out: str
    parts: tuple[str, ...]
    n_rows: int
    n_skipped: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"status": "done", **asdict(self)}


@dataclass(frozen=True)
class _Input:
    """A file that was looked at."""

    path: Path
    part: Path
    n_rows: int
    columns: tuple[str, ...]
    delimiter: str


def score(
    bundle: Bundle | str | PathLike[str],
    inputs: Sequence[str | PathLike[str]],
    out: str | PathLike[str],
    *,
    delimiter: str = ",",
    begin: Callable[[int], Advance] | None = None,
) -> Scored:
    """Score files.

    Parameters
    ----------
    bundle : one that was loaded, or its folder
    inputs : files and globs, .parquet, .csv or .csv.gz, with the columns that the views read, and the key if there is
        one; others are passed over
    out : the folder for the parts, `<name of the file>.parquet`
    delimiter : of CSV
    begin : called once with how many rows there are; gives what is called as they get done

    Raises
    ------
    BundleError, TableError, ViewError : nothing is written for the file at fault; parts that are complete stay
    OutputError : the folder cannot be written to, a part would replace its file, or two files would share a part
    """
    model = bundle if isinstance(bundle, Bundle) else load(bundle)
    folder = Path(out)
    files = [_looked_at(path, folder, model, delimiter) for path in files_named([str(path) for path in inputs])]
    _check_parts(files)
    n_rows = sum(file.n_rows for file in files)
    if n_rows == 0:
        raise TableError(f"There are 0 rows to score in {len(files)} files. Check what wrote them.")
    advance = begin(n_rows) if begin else lambda count: None
    is_new = _make(folder)
    try:
        n_skipped = sum(_score_file(model, file, advance) for file in files)
    except BaseException:
        if is_new:
            with suppress(OSError):
                folder.rmdir()  # only if nothing was finished
        raise
    return Scored(str(folder), tuple(file.part.name for file in files), n_rows, n_skipped)


def _looked_at(path: Path, folder: Path, model: Bundle, delimiter: str) -> _Input:
    """Reads as much of a file as is needed to know that it can be scored."""
    name = path.name
    for suffix in (".parquet", ".csv", ".csv.gz"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    columns = [field.name for field in model.schema]
    if model.roles.key is not None:
        columns.append(model.roles.key)
    if path.name.lower().endswith(".parquet"):
        names, n_rows = _footer(path)
        require_columns(names, columns, f"The bundle's views, for {path},")
    else:
        with _named(path):
            n_rows = _read_csv(path, columns, model, delimiter).num_rows
    return _Input(path, folder / f"{name}.parquet", n_rows, tuple(columns), delimiter)


def _footer(path: Path) -> tuple[list[str], int]:
    read_table(path, columns=[])  # says what is wrong with a file that is missing, empty or truncated
    with pq.ParquetFile(path) as file:
        return file.schema_arrow.names, file.metadata.num_rows


def _check_parts(files: Sequence[_Input]) -> None:
    by_part: dict[Path, Path] = {}
    for file in files:
        if file.part.exists() and any(file.part.samefile(other.path) for other in files):
            raise OutputError(f"The part {file.part} would replace a file that is to be scored. Choose another folder.")
        if file.part in by_part:
            raise OutputError(
                f"{by_part[file.part]} and {file.path} would share the part {file.part}. Score them into two folders."
            )
        by_part[file.part] = file.path


def _make(folder: Path) -> bool:
    """Makes the folder; whether it was not there."""
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{secrets.token_hex(4)}.tmp"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"{folder} cannot be written to: {error.strerror}. Choose another folder.") from error
    return is_new


def _score_file(model: Bundle, file: _Input, advance: Advance) -> bool:
    """Write the part of one file; whether it stood there already."""
    origin = {b"cotrain.bundle": model.fingerprint.encode(), b"cotrain.input": _sha256(file.path)}
    if _origin(file.part) == origin:
        logger.info("%s stands already, from this bundle and %s", file.part, file.path)
        advance(file.n_rows)
        return True
    hidden = file.part.with_name(f".{file.part.name}.{secrets.token_hex(4)}.tmp")
    try:
        with _named(file.path):
            _write_part(model, file, hidden, origin, advance)
        os.replace(hidden, file.part)
    except OSError as error:
        raise OutputError(
            f"{file.part} cannot be written: {error.strerror or error}. Make room, or choose another folder."
        ) from error
    finally:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)
    logger.info("%s written: %d rows", file.part, file.n_rows)
    return False


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What is wrong with the rows of a file is told with its name."""
    try:
        yield
    except TableError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error


def _write_part(model: Bundle, file: _Input, hidden: Path, origin: dict[bytes, bytes], advance: Advance) -> None:
    batches = _batches(model, file)
    told = scores_of(model, next(batches), 0)  # there is always a first; its rows may be 0
    with open(hidden, "xb") as stream:
        with pq.ParquetWriter(stream, told.schema.with_metadata(origin)) as writer:
            writer.write_table(told)
            n_done = told.num_rows
            advance(n_done)
            for batch in batches:
                writer.write_table(scores_of(model, batch, n_done))
                n_done += batch.num_rows
                advance(batch.num_rows)
        stream.flush()
        os.fsync(stream.fileno())


def _batches(model: Bundle, file: _Input) -> Iterator[pa.Table]:
    """The columns that are needed, some rows at a time; one batch of 0 rows for a file without any."""
    if not file.path.name.lower().endswith(".parquet"):
        table = _read_csv(file.path, file.columns, model, file.delimiter)
        for start in range(0, max(table.num_rows, 1), BATCH):
            yield table.slice(start, BATCH)
        return
    columns = list(file.columns)
    with pq.ParquetFile(file.path) as source:
        if file.n_rows == 0:
            yield source.schema_arrow.empty_table().select(columns)
        try:
            for batch in source.iter_batches(BATCH, columns=columns):
                # A name with a dot in it also selects by prefix.
                yield pa.Table.from_batches([batch]).select(columns)
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"it is damaged ({' '.join(str(error).split())}). Write or copy it again.") from error


def _read_csv(path: Path, columns: Sequence[str], model: Bundle, delimiter: str) -> pa.Table:
    """A CSV with the types that its columns had in training; a code such as 007 stays one."""
    types = {field.name: field.type for field in model.schema if not pa.types.is_null(field.type)}
    return read_table(path, columns=list(columns), types=types, delimiter=delimiter)


def _origin(part: Path) -> dict[bytes, bytes]:
    """What a part says it came from; nothing where there is no whole part."""
    try:
        metadata = pq.read_schema(part).metadata or {}
    except (OSError, pa.ArrowException):
        return {}
    return {name: metadata[name] for name in (b"cotrain.bundle", b"cotrain.input") if name in metadata}


def _sha256(path: Path) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().encode()
