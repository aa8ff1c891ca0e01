"""What can go wrong, as one tree; every message says what, what was given, what to do.

    CotrainError
    ├── SettingError        ValueError    one setting has a value it cannot have
    ├── SettingsFileError   ValueError    all faults of one settings file, together
    ├── TableError          ValueError    the data cannot be used as they are
    │   └── ViewError                     a view does not fit the table at hand
    ├── LearnerError        ValueError    a learner cannot do what it is asked to do
    ├── BundleError         ValueError    a bundle or a run cannot be trusted or read
    ├── OutputError         OSError       a result cannot be written where it should go
    └── CoreError           RuntimeError  the compiled core was demanded and is not there

Each derives from the built-in that a caller would expect to catch.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any


class CotrainError(Exception):
    """The root: catch this to catch everything that cotrain raises on purpose."""


class SettingError(CotrainError, ValueError):
    """One setting has a value it cannot have.

    >>> raise SettingError("floor", 95, "a confidence between 0 and 1", hint="For 95 % write 0.95.")
    Traceback (most recent call last):
    cotrain.errors.SettingError: `floor` must be a confidence between 0 and 1; got 95. For 95 % write 0.95.
    """

    def __init__(self, name: str, got: object, expected: str, *, hint: str = "") -> None:
        self.name = name
        self._parts = (name, got, expected, hint)
        super().__init__(f"`{name}` must be {expected}; got {got!r}." + (f" {hint}" if hint else ""))

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is pickled as its class and message, which this constructor does not take; workers raise too.
        name, got, expected, hint = self._parts
        return partial(type(self), hint=hint), (name, got, expected)


class SettingsFileError(CotrainError, ValueError):
    """All faults of one settings file in one message, so that it is mended in one go."""

    def __init__(self, where: str, faults: Sequence[str]) -> None:
        self.where, self.faults = where, tuple(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__(f"{where} has {count}:\n" + "\n".join(f"  - {fault}" for fault in self.faults))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.where, self.faults)


class TableError(CotrainError, ValueError):
    """The data cannot be used as they are: says which column or rows, what was found, how to mend it."""


class ViewError(TableError):
    """A view does not fit the table at hand."""


class LearnerError(CotrainError, ValueError):
    """A learner cannot do what it is asked to do."""


class BundleError(CotrainError, ValueError):
    """A bundle, or a run that is asked about, cannot be trusted or read."""


class OutputError(CotrainError, OSError):
    """A result cannot be written where it should go."""


class CoreError(CotrainError, RuntimeError):
    """The compiled core was demanded and is not there."""
