"""Where the rows come from: the files that settings name, read as one table, and some of its rows.

Shapes: n = rows of the table.
"""

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cotrain.errors import SettingError, TableError
from cotrain.settings import TableSettings
from cotrain.table import read_table


def read(settings: TableSettings) -> pa.Table:
    """All files as one table.

    Raises
    ------
    TableError : for a file that is not there or cannot be read, and files that do not fit together
    SettingError : for a type that Arrow does not know
    """
    return read_table(files_named(settings.path), types=types_named(settings.types), delimiter=settings.delimiter)


def rows_at(table: pa.Table, positions: NDArray[np.intp]) -> pa.Table:
    """The rows at some positions, in table order whatever the order of the positions."""
    if len(positions) == table.num_rows:
        return table
    # Not `take`: that joins the chunks of a text column first, and 32-bit offsets end at 2 GiB.
    is_wanted = np.zeros(table.num_rows, dtype=bool)
    is_wanted[positions] = True
    return table.filter(pa.array(is_wanted))


def files_named(patterns: Sequence[str]) -> list[Path]:
    """The files that paths and globs name, those of a glob by name.

    Raises
    ------
    TableError : for a glob that finds nothing
    """
    found: list[Path] = []
    for pattern in patterns:
        is_glob = glob.has_magic(pattern) and not Path(pattern).exists()
        files = sorted(glob.glob(pattern, recursive=True)) if is_glob else [pattern]
        if not files:
            raise TableError(f"No file is named {pattern}. Check the folder and the pattern.")
        found += [Path(file) for file in files]
    return found


def types_named(types: Mapping[str, str]) -> dict[str, pa.DataType]:
    """Arrow types by their names.

    Raises
    ------
    SettingError : for a name that Arrow does not know
    """
    named = {}
    for column, name in types.items():
        try:
            named[column] = pa.type_for_alias(name)
        except ValueError as error:
            raise SettingError(
                f"table.types.{column}", name, "an Arrow type", hint='Such as "string", "int64", "double" or "bool".'
            ) from error
    return named
