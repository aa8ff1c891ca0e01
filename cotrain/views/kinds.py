"""What kind of feature a column is: numeric, categorical, text or boolean.

The rule, first match wins:

1. `View.kinds` names the column: that kind, if its type allows it.
2. booleans are boolean; integers and floats are numeric, whatever they may mean.
3. a string column whose name ends, after the last `__`, in `text`, `title` or `review` (any case) is text.
4. a string column with at least 3 words on average, more than half of its values distinct, is text.
5. any other string column is categorical.

A dictionary-encoded column is what it holds. Times, lists, decimals, bytes are none of these.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes the functions of `compute` at import; no type checker can see them.)
from fnmatch import fnmatchcase

import pyarrow as pa
import pyarrow.compute as pc

from cotrain.errors import ViewError
from cotrain.table.columns import Column, is_boolean_type, is_number_type, is_text_type, plain
from cotrain.views.view import SEPARATOR, Kind, View

TEXT_NAMES = frozenset({"text", "title", "review"})
TEXT_WORDS = 3.0  # a category is a word or two; a sentence has more
TEXT_DISTINCT = 0.5  # a category comes back; a text does not


def kind_of(column_name: str, column: Column) -> Kind:
    """The kind of a column by its type, its name and its values, see the rule above.

    Raises
    ------
    ViewError : for a type that no view can read, and for a column without a type or value
    """
    kind = column.type
    if pa.types.is_null(kind):
        raise ViewError(f'Column "{column_name}" holds no value at all, so its kind is unknown. Drop it.')
    if is_boolean_type(kind):
        return "boolean"
    if is_number_type(kind):
        return "numeric"
    if is_text_type(kind):
        return "text" if _is_text(column_name, column) else "categorical"
    raise ViewError(
        f'Column "{column_name}" is of type {kind}; a view reads numbers, strings and booleans. {_what_to_do(kind)}'
    )


def kind_in(view: View, column_name: str, column: Column) -> Kind:
    """The kind of a column in this view: the one that the view asks for, or else `kind_of`.

    Raises
    ------
    ViewError : also where the type does not allow the kind that is asked for
    """
    for pattern, kind in view.kinds.items():
        if pattern == column_name or fnmatchcase(column_name, pattern):
            if not fits(kind, column.type):
                raise ViewError(
                    f'View "{view.name}" wants column "{column_name}" to be {kind}, but its type is {column.type}. '
                    "Cast the column, or leave it out of `kinds`."
                )
            return kind
    return kind_of(column_name, column)


def fits(kind: Kind, found: pa.DataType) -> bool:
    """Whether a column of that type can be read as that kind; one without any value (null type) always can."""
    if pa.types.is_null(found):
        return True
    if kind == "categorical":
        return is_text_type(found) or is_number_type(found) or is_boolean_type(found)
    if kind == "text":
        return is_text_type(found)
    # A boolean and a number 0 or 1 are the same feature; CSV and Parquet tell them apart, people do not.
    return is_number_type(found) or is_boolean_type(found)


def _is_text(name: str, column: Column) -> bool:
    if name.rsplit(SEPARATOR, 1)[-1].lower() in TEXT_NAMES:
        return True
    values = plain(column).drop_null()
    if not len(values):
        return False
    n_words = pc.sum(pc.count_substring_regex(values, r"\S+")).as_py()
    n_distinct = len(values.unique())
    return n_words >= TEXT_WORDS * len(values) and n_distinct > TEXT_DISTINCT * len(values)


def _what_to_do(kind: pa.DataType) -> str:
    if pa.types.is_temporal(kind):
        return "Turn the time into numbers first (seconds since a date, hour, weekday), or leave it out."
    if pa.types.is_nested(kind):
        return "Spread it over one column per entry, or leave it out."
    if pa.types.is_decimal(kind):
        return "Cast it to double."
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return "Decode the bytes into strings or pixels first, or leave it out."
    return "Cast it, or leave it out."
