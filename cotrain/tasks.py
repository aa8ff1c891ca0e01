"""What is to be predicted: a task is a name and its classes.

A class is known inside by its code, its position in `classes`; labels of any kind
(integers, strings) are turned into codes at the border and back again on the way out,
so that no part in between can mix up a label and a column.
"""

from dataclasses import dataclass

from cotrain.errors import SettingError

NOT_LABELLED = -1
"""The code of a row that carries no label, as everywhere in scikit-learn."""


@dataclass(frozen=True)
class Task:
    """One classification task.

    Parameters
    ----------
    name : the target column, or the head's name
    classes : every label that occurs, in the order of the probability columns
    """

    name: str
    classes: tuple[int | str | float | bool, ...]

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes):
            raise SettingError("classes", self.classes, f"distinct labels in task {self.name!r}")

    @property
    def n_classes(self) -> int:
        """How many columns the probabilities of this task have."""
        return len(self.classes)
