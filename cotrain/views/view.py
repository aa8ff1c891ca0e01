"""What a view is: a name, the columns it reads, and how they become features.

A selector is a column name, a glob (`fac__*`, `*_mm`), or a type: `type:numeric`, `type:categorical`,
`type:text`, `type:boolean`. A column that is named in full is taken even if its name holds `*` or `[`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from cotrain.errors import SettingError

Kind = Literal["numeric", "categorical", "text", "boolean"]
Scaling = Literal["standard", "quantile", "none"]

KINDS: tuple[Kind, ...] = get_args(Kind)
TYPE_PREFIX = "type:"
SEPARATOR = "__"


@dataclass(frozen=True)
class View:
    """One group of columns.

    Parameters
    ----------
    name : how members and reports call it
    columns : selectors, see above; arrays have no column names, there it stays at all
    shape : of an image, (height, width) or (channels, height, width); the view's columns, in table
        order, are then its pixels and the block is [n, channels, height, width]
    scaling : "standard" (mean 0, deviation 1), "quantile" (normal scores) or "none"
    kinds : {column or glob: kind} where the kind that `kind_of` finds is not the one that is meant
    max_features : how many words and word pairs the text of this view may have
    min_count : a category in fewer training rows is pooled with the other rare ones
    max_categories : per column, beyond which the rarer categories are pooled too; what keeps an id
        that was taken for a category from filling the memory
    """

    name: str
    columns: tuple[str, ...] = ("*",)
    shape: tuple[int, ...] | None = None
    scaling: Scaling = "standard"
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    max_features: int = 5000
    min_count: int = 2
    max_categories: int = 200

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise SettingError("name", self.name, "a view's name, not empty")
        if isinstance(self.columns, str):
            raise SettingError("columns", self.columns, "a list of selectors", hint=f"Write [{self.columns!r}].")
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "shape", None if self.shape is None else tuple(self.shape))
        if not self.columns:
            raise SettingError("columns", self.columns, f'at least one selector in view "{self.name}"')
        for selector in self.columns:
            if selector.startswith(TYPE_PREFIX):
                _require_one_of("columns", selector, [TYPE_PREFIX + kind for kind in KINDS])
        for kind in self.kinds.values():
            _require_one_of("kinds", kind, KINDS)
        _require_one_of("scaling", self.scaling, get_args(Scaling))
        self._check_numbers()

    def _check_numbers(self) -> None:
        for name in ("max_features", "min_count", "max_categories"):
            if getattr(self, name) < 1:
                raise SettingError(name, getattr(self, name), f'at least 1 in view "{self.name}"')
        if self.shape is None:
            return
        if len(self.shape) not in (2, 3) or min(self.shape) < 1:
            raise SettingError("shape", self.shape, "(height, width) or (channels, height, width)")
        if self.scaling == "quantile":
            raise SettingError(
                "scaling",
                self.scaling,
                f'"standard" or "none" for the image view "{self.name}"',
                hint="Quantiles of single pixels would undo the picture.",
            )

    def settings(self) -> dict[str, Any]:
        """The view in JSON values; `View(**settings)` brings it back."""
        return {
            "name": self.name,
            "columns": list(self.columns),
            "shape": None if self.shape is None else list(self.shape),
            "scaling": self.scaling,
            "kinds": dict(self.kinds),
            "max_features": self.max_features,
            "min_count": self.min_count,
            "max_categories": self.max_categories,
        }


def views_by_prefix(column_names: Sequence[str], exclude: Iterable[str] = ()) -> list[View]:
    """One view per prefix of `<view>__<feature>`, in the order in which the prefixes appear.

    Columns without `__` belong to no view, unless no column has it: then one view "all" reads them all.

    Parameters
    ----------
    column_names : of the table
    exclude : columns with a role (key, targets, group, weight), which no view reads

    Examples
    --------
    >>> [view.name for view in views_by_prefix(["id", "fac__0", "fac__1", "pix__0"], exclude=["id"])]
    ['fac', 'pix']
    """
    left_out = set(exclude)
    names = [name for name in column_names if name not in left_out]
    by_prefix: dict[str, list[str]] = {}
    for name in names:
        prefix, separator, feature = name.partition(SEPARATOR)
        if prefix and separator and feature:
            by_prefix.setdefault(prefix, []).append(name)
    if not by_prefix:
        return [View("all", tuple(names))] if names else []
    # The columns in full and not `prefix__*`: a glob would also take `prefix__*` columns added later.
    return [View(prefix, tuple(columns)) for prefix, columns in by_prefix.items()]


def _require_one_of(name: str, got: str, allowed: Sequence[str]) -> None:
    if got not in allowed:
        raise SettingError(name, got, "one of " + ", ".join(allowed))
