"""Which rows a file, or several files, hold: Parquet and CSV by suffix.

Several files are stacked in the order given. They must have the same columns, in any order.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cotrain.errors import TableError
from cotrain.table.columns import named
from cotrain.table.convert import require_columns, require_distinct, without_index
from cotrain.table.csv_text import inferred, read_text

logger = logging.getLogger(__name__)

CSV_SUFFIXES = (".csv", ".csv.gz")


def read_table(
    path: str | PathLike[str] | Iterable[str | PathLike[str]],
    *,
    columns: Sequence[str] | None = None,
    types: Mapping[str, pa.DataType] | None = None,
    delimiter: str = ",",
) -> pa.Table:
    """The rows of one file, or of several files stacked.

    Parameters
    ----------
    path : one or more of .parquet, .csv, .csv.gz; all of one kind
    columns : which ones to keep, in this order; None = all
    types : Arrow types that overrule those found in the file; for CSV, those that `csv_text` infers
    delimiter : for CSV only

    Returns
    -------
    table : may have 0 rows; ask `require_rows` where rows are needed

    Raises
    ------
    TableError : for a file that is missing, empty, truncated, not UTF-8 or ragged, for two columns of
        one name, for columns that are not there, and for files that do not fit together
    """
    paths = [Path(path)] if isinstance(path, (str, PathLike)) else [Path(one) for one in path]
    if not paths:
        raise TableError("No file was named; give at least one .parquet or .csv file.")
    kinds = {_kind(one) for one in paths}
    if len(kinds) > 1:
        raise TableError(f"All files must be of one kind; got {named(map(str, paths))}. Convert them to Parquet.")
    for one in paths:
        _require_file(one)
    if kinds == {"csv"}:
        # Types come after stacking: a code with a leading zero may occur in the last file only.
        table = _select(_stack([read_text(one, delimiter) for one in paths], paths), columns, paths)
        table = inferred(table, given=types or {})
    else:
        table = _select(_stack([_read_parquet(one, columns) for one in paths], paths), columns, paths)
    table = _cast(table, types or {}, paths)
    logger.debug("read %d rows, %d columns from %d files", table.num_rows, table.num_columns, len(paths))
    return table


def _kind(path: Path) -> str:
    name = path.name.lower()
    if name.endswith(CSV_SUFFIXES):
        return "csv"
    if name.endswith(".parquet"):
        return "parquet"
    raise TableError(f"{path} has an unknown suffix; a table is read from .parquet, .csv or .csv.gz.")


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise TableError(f"{path} is a folder; name the files in it.")
    if not path.exists():
        raise TableError(f"{path} does not exist. Check the path; it is relative to {Path.cwd()}.")
    if path.stat().st_size == 0:
        raise TableError(f"{path} is empty (0 bytes). It may still be being written; run again when it is complete.")


def _read_parquet(path: Path, columns: Sequence[str] | None) -> pa.Table:
    try:
        # Not pq.read_table: that would add columns from folder names like `year=2026`.
        with pq.ParquetFile(path) as file:
            require_distinct(file.schema_arrow.empty_table(), str(path))
            if columns is not None:
                require_columns(file.schema_arrow.names, columns, f"The settings for {path}")
            # A column name with a dot in it also selects by prefix; `_select` drops what was not asked for.
            table = file.read(columns=None if columns is None else list(columns))
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise TableError(f"{path} is not a complete Parquet file: {reason}. Write or copy it again.") from error
    return without_index(table)


def _stack(tables: Sequence[pa.Table], paths: Sequence[Path]) -> pa.Table:
    first = tables[0]
    for table, path in zip(tables[1:], paths[1:], strict=True):
        missing = [name for name in first.column_names if name not in table.column_names]
        added = [name for name in table.column_names if name not in first.column_names]
        if missing or added:
            raise TableError(
                f"{path} does not have the columns of {paths[0]}; missing: {named(missing) or 'none'}, "
                f"added: {named(added) or 'none'}. Read them one by one, or write them alike."
            )
    if len(tables) == 1:
        return first
    alike = [table.select(first.column_names) for table in tables]
    try:
        return pa.concat_tables(alike, promote_options="permissive")
    except pa.ArrowException as error:
        raise TableError(f"The files do not fit together: {_clash(alike, paths)}. Store it as one type.") from error


def _clash(tables: Sequence[pa.Table], paths: Sequence[Path]) -> str:
    """The first column whose types cannot be brought together, and where they differ."""
    for name in tables[0].column_names:
        first = tables[0].schema.field(name)
        for table, path in zip(tables[1:], paths[1:], strict=True):
            field = table.schema.field(name)
            try:
                pa.unify_schemas([pa.schema([first]), pa.schema([field])], promote_options="permissive")
            except pa.ArrowException:
                return f'column "{name}" is {first.type} in {paths[0]} and {field.type} in {path}'
    return "their columns have different types"


def _cast(table: pa.Table, types: Mapping[str, pa.DataType], paths: Sequence[Path]) -> pa.Table:
    require_columns(table.column_names, types, f"The types for {paths[0]}")
    for name, kind in types.items():
        try:
            column = table[name].cast(kind)
        except pa.ArrowException as error:
            raise TableError(
                f'Column "{name}" cannot be read as {kind}: {error}. Change `types` or the file.'
            ) from error
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def _select(table: pa.Table, columns: Sequence[str] | None, paths: Sequence[Path]) -> pa.Table:
    if columns is None:
        return table
    require_columns(table.column_names, columns, f"The settings for {paths[0]}")
    return table.select(list(columns))
