"""How CSV text becomes typed columns, without losing what the text said.

Every column is read as text first and given a type afterwards, by looking at all of its values:

- an empty field is null;
- a column in which any value has a leading zero (`007`, `00.5`) stays text: it is a code, not a number;
- whole numbers are int64; where one is too long for that, the column stays text (such a number is an id);
- other numbers are float64; there, and among whole numbers, `NA`, `N/A`, `#N/A`, `NULL`, `null` are null,
  while in a column of text they stay what they are (Namibia is `NA`);
- `true` and `false` in any case are booleans; ISO dates and times are timestamps;
- everything else stays text.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes the functions of `compute` at import; no type checker can see them.)
from collections.abc import Container, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from cotrain.errors import TableError
from cotrain.table.columns import named

SERIAL = csv.ReadOptions(use_threads=False)
"""Only then does an error tell its row, whether it is met while the header is read or later."""

NO_VALUE = pa.array(["NA", "N/A", "#N/A", "NULL", "null"])
LEADING_ZERO = r"^\s*[+-]?0\d"
WHOLE = r"^\s*[+-]?\d+\s*$"
ISO_DATE = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$"


def read_text(path: Path, delimiter: str) -> pa.Table:
    """One CSV file with every column as text; empty fields are null.

    Raises
    ------
    TableError : for text that is not UTF-8, rows of different lengths, a wrong delimiter, or no header
    """
    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    try:
        names = _header(path, parse)
        return csv.read_csv(
            path,
            read_options=SERIAL,
            parse_options=parse,
            convert_options=csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except UnicodeDecodeError as error:
        raise TableError(_not_utf8(path)) from error
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        if "UTF8" in reason.upper().replace("-", ""):
            raise TableError(_not_utf8(path)) from error
        raise TableError(
            f"{path} cannot be read as CSV: {reason}. Every row needs as many fields as the header, "
            f"separated by {delimiter!r}, and text that holds a separator needs double quotes."
        ) from error


def inferred(table: pa.Table, given: Container[str] = ()) -> pa.Table:
    """The columns of text under the types that they show, except the `given` ones, which stay text."""
    return pa.table({name: table[name] if name in given else _inferred(table[name]) for name in table.column_names})


def _header(path: Path, parse: csv.ParseOptions) -> Sequence[str]:
    with csv.open_csv(path, read_options=SERIAL, parse_options=parse) as reader:
        names = reader.schema.names
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        raise TableError(
            f"{path} has a single column, {names[0]!r}: it is not separated by {parse.delimiter!r}. "
            "Pass the `delimiter` it was written with."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TableError(f"{path} has several columns of one name: {named(twice)}. Rename or drop the copies.")
    if "" in names:
        raise TableError(
            f"Column {names.index('') + 1} of {path} has no name. Name it in the header; "
            "pandas writes such a column for its index unless told `index=False`."
        )
    return names


def _inferred(text: pa.ChunkedArray) -> pa.ChunkedArray:
    if text.null_count == len(text):
        return pa.chunked_array([pa.nulls(len(text))])
    if _any(pc.match_substring_regex(text, LEADING_ZERO)):
        return text
    numbers = pc.if_else(pc.is_in(text, NO_VALUE), pa.scalar(None, pa.string()), text)
    if numbers.null_count < len(numbers):
        if not _any(pc.invert(pc.match_substring_regex(numbers, WHOLE))):
            cast = _cast(pc.utf8_trim_whitespace(numbers), pa.int64())
            return text if cast is None else cast
        cast = _cast(pc.utf8_trim_whitespace(numbers), pa.float64())
        if cast is not None:
            return cast
    if not _any(pc.invert(pc.match_substring_regex(text, "^(true|false)$", ignore_case=True))):
        return text.cast(pa.bool_())
    if not _any(pc.invert(pc.match_substring_regex(text, ISO_DATE))):
        cast = _cast(text, pa.timestamp("us"))
        return text if cast is None else cast
    return text


def _cast(text: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    try:
        return text.cast(kind)
    except pa.ArrowException:
        return None


def _any(mask: pa.ChunkedArray) -> bool:
    return bool(pc.any(mask).as_py())  # null, no value at all, is no


def _not_utf8(path: Path) -> str:
    return f"{path} is not UTF-8 text. Save it as UTF-8, for example: iconv -f latin1 -t utf-8 old.csv > new.csv"
