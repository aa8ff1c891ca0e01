"""How a table reaches the disk whole or not at all: Parquet and CSV by suffix.

The rows go to a hidden file in the same folder, are forced to the disk, and take the final name in one
step. A reader sees the old file or the new one, never half of one; a killed job leaves only the hidden file.
"""

import gzip
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from cotrain.errors import OutputError
from cotrain.table.convert import require_distinct


def write_table(table: pa.Table, path: str | PathLike[str]) -> None:
    """Writes the table to .parquet, .csv or .csv.gz, replacing what was there.

    In CSV a null is an empty field, and reading it back gives null for an empty string too.

    Raises
    ------
    OutputError : for a folder that is missing or cannot be written to, a full disk, an unknown suffix,
        or a column that CSV cannot hold; what was at `path` before is then still there
    TableError : for two columns of one name
    """
    path = Path(path)
    name = path.name.lower()
    require_distinct(table, f"The table for {path}")
    if not name.endswith((".parquet", ".csv", ".csv.gz")):
        raise OutputError(f"{path} has an unknown suffix; a table is written to .parquet, .csv or .csv.gz.")
    with _replacing(path) as file:
        if name.endswith(".parquet"):
            pq.write_table(table, file)
        elif name.endswith(".csv"):
            csv.write_csv(_csv_ready(table), file)
        else:
            # No name and no time in its header: the same rows give the same bytes.
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                csv.write_csv(_csv_ready(table), packed)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which becomes `path` at the end and is removed on any failure."""
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        # "x" and not a tempfile: the result gets the permissions that any new file gets.
        with open(hidden, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(hidden, path)
        _sync_folder(path.parent)
    except pa.ArrowException as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise OutputError(f"{path} cannot hold this table: {reason}. Parquet holds every type.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path} cannot be written: {reason}. The folder must exist and be writable, and the disk have room."
        ) from error
    finally:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Forces the new name itself to the disk, where the system can open a folder (not on Windows)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _csv_ready(table: pa.Table) -> pa.Table:
    """Halves as floats and dictionaries decoded: the CSV writer knows neither in every release."""
    schema = pa.schema([pa.field(field.name, _csv_type(field.type)) for field in table.schema])
    return table.cast(schema)


def _csv_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _csv_type(kind.value_type)
    return pa.float32() if pa.types.is_float16(kind) else kind
