"""Which columns of a table a view reads.

Selectors are followed in order, a glob in table order, and a column is read once.
"""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

import pyarrow as pa

from cotrain.errors import ViewError
from cotrain.table.columns import named
from cotrain.table.convert import did_you_mean
from cotrain.views.kinds import kind_in
from cotrain.views.view import TYPE_PREFIX, View


def select(view: View, table: pa.Table, exclude: Collection[str]) -> tuple[str, ...]:
    """The names of the columns that the view reads, in the order of its features.

    Parameters
    ----------
    table : training rows only; a type selector looks at the values too
    exclude : columns that have a role; globs and types pass them over

    Raises
    ------
    ViewError : for a selector that finds nothing, and a column with a role that is named in full
    """
    names = table.column_names
    is_column = frozenset(names)
    chosen: dict[str, None] = {}
    for selector in view.columns:
        if selector in is_column:
            found = [_unless_excluded(view, selector, exclude)]
        else:
            found = _matches(view, selector, table, [name for name in names if name not in exclude])
        if not found:
            raise ViewError(
                f'View "{view.name}" asks for "{selector}", which finds no column among '
                f"{named(names)}.{did_you_mean(selector, names)}"
            )
        chosen.update(dict.fromkeys(found))
    unused = [pattern for pattern in view.kinds if not any(_is_match(name, pattern) for name in chosen)]
    if unused:
        raise ViewError(
            f'View "{view.name}" sets `kinds` for {named(unused)}, which it does not read; it reads {named(chosen)}.'
        )
    return tuple(chosen)


def _unless_excluded(view: View, column: str, exclude: Collection[str]) -> str:
    if column in exclude:
        raise ViewError(
            f'View "{view.name}" names column "{column}", which is a key, target, group or weight. '
            "A view that reads it would leak; leave it out."
        )
    return column


def _matches(view: View, selector: str, table: pa.Table, free: Sequence[str]) -> list[str]:
    if selector.startswith(TYPE_PREFIX):
        return [name for name in free if TYPE_PREFIX + _kind_or_none(view, name, table) == selector]
    return [name for name in free if fnmatchcase(name, selector)]


def _kind_or_none(view: View, name: str, table: pa.Table) -> str:
    """The kind; "none" for a column that no view can read, which a type selector passes over."""
    try:
        return kind_in(view, name, table[name])
    except ViewError:
        return "none"


def _is_match(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)
