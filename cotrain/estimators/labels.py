"""How the y that users pass in becomes tasks and codes, and how probabilities become labels again.

Not labelled is -1, NaN, None and null everywhere, and "-1" among strings (what np.array(["yes", -1]) makes of it).
All of these end here; inside there is one code for it.

Shapes: n = rows, C = classes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.validation import column_or_1d

from cotrain.errors import TableError
from cotrain.estimators.inputs import is_tabular
from cotrain.table import as_table, check_labels
from cotrain.tasks import NOT_LABELLED, Task

TASK = "y"
"""The name of the only task where `y` is a single column without a name."""


def is_multi_task(y: Any) -> bool:
    """Whether y holds labels by task: a mapping, or a table of label columns (not a Series)."""
    return isinstance(y, Mapping) or (is_tabular(y) and len(getattr(y, "shape", ())) == 2)


def columns_of(y: Any) -> dict[str, Any]:
    """{task: its column of labels}."""
    if isinstance(y, Mapping):
        if not y:
            raise TableError("y holds no task; got an empty mapping. Give it one entry {task: labels} or more.")
        return {str(name): column for name, column in y.items()}
    if is_multi_task(y):
        table = as_table(y)
        return {name: table[name] for name in table.column_names}
    return {TASK: y}


def tasks_of(
    y: Any, n_rows: int, weight: NDArray[np.floating] | None = None
) -> tuple[list[Task], dict[str, NDArray[np.int64]]]:
    """The tasks that y poses, and {task: [n] class codes, -1 = not labelled}; a label of weight 0 says nothing.

    Raises
    ------
    TableError : for labels of another number of rows, no label, one class only, a class with one label
    """
    if y is None:
        raise TableError("Learning from labels requires y to be passed, but the target y is None.")
    tasks, codes = [], {}
    for name, column in columns_of(y).items():
        task, codes[name] = encode(column, name)
        if len(codes[name]) != n_rows:
            raise TableError(
                f"Found input variables with inconsistent numbers of samples: X has {n_rows} rows, "
                f"y of task {name!r} has {len(codes[name])}."
            )
        if weight is not None:
            codes[name] = np.where(weight > 0, codes[name], NOT_LABELLED)
        check_labels(codes[name], task)
        tasks.append(task)
    return tasks, codes


def share_right(y: Any, predicted: Mapping[str, NDArray[Any]], weight: NDArray[np.floating] | None) -> float:
    """Accuracy over the labelled rows of y, the mean over the tasks that were predicted."""
    given = columns_of(y)
    missing = [name for name in predicted if name not in given]
    if missing:
        raise TableError(f"y must hold the labels of every task that was learnt; it lacks {missing}.")
    shares = []
    for name, labels in predicted.items():
        task, codes = encode(given[name], name)
        if len(codes) != len(labels):
            raise TableError(f"y of task {name!r} has {len(codes)} labels for {len(labels)} rows of X.")
        known = (codes >= 0) & (True if weight is None else weight > 0)
        if not known.any():
            raise TableError(f"Task {name!r} has no label among {len(codes)} rows, so there is nothing to score with.")
        right = np.array(task.classes)[codes[known]] == labels[known]
        shares.append(np.average(right, weights=None if weight is None else weight[known]))
    return float(np.mean(shares))


def labels_of(probabilities: NDArray[np.floating], task: Task) -> NDArray[Any]:
    """[n] the most likely label of each row."""
    return np.array(task.classes)[probabilities.argmax(axis=1)]


def encode(y: Any, name: str = TASK) -> tuple[Task, NDArray[np.int64]]:
    """The task that y poses, and the code of each row's label.

    Classes are sorted as scikit-learn sorts them, so that a renaming that keeps the order changes nothing else.

    Raises
    ------
    TableError : for values that are no class labels (continuous numbers, lists, mixed kinds)
    """
    labels = _as_column(y)
    if labels.dtype.kind == "f":
        return _encode_floats(labels, name)
    if labels.dtype.kind in "iub":
        is_labelled = labels != NOT_LABELLED if labels.dtype.kind == "i" else np.ones(len(labels), dtype=bool)
    elif labels.dtype.kind == "U":
        # np.array(["yes", -1]) turns the -1 into text; nobody names a class "-1" by accident.
        is_labelled = labels != str(NOT_LABELLED)
    else:
        is_labelled = np.array([not _says_nothing(value) for value in labels], dtype=bool)
    return _coded(labels, is_labelled, name)


def _as_column(y: Any) -> NDArray[Any]:
    if isinstance(y, (pa.Array, pa.ChunkedArray)):
        y = np.array(y.to_pylist(), dtype=object)
    elif hasattr(y, "dtype") and not isinstance(y.dtype, np.dtype) and len(getattr(y, "shape", ())) == 1:
        # A Series with a type of its own (Int64, boolean, category): NumPy would turn integers with gaps into floats.
        y = np.array(list(y), dtype=object)
    elif not hasattr(y, "shape"):
        plain = np.asarray(y)
        y = np.array(y, dtype=object) if plain.dtype.kind == "U" else plain  # ["yes", NaN] would become "yes", "nan"
    shape = y.shape
    if issparse(y) or len(shape) == 0 or (len(shape) > 1 and shape[1:] != (1,)):
        raise TableError(
            f"y must be one column of labels; got shape {shape}. For several tasks pass a mapping {{task: labels}}."
        )
    labels = column_or_1d(y, warn=True)
    return labels.astype(str) if labels.dtype.kind == "T" else labels


def _encode_floats(labels: NDArray[np.floating], name: str) -> tuple[Task, NDArray[np.int64]]:
    """Floats are labels where they are whole numbers, as after a join that left gaps."""
    is_labelled = np.isfinite(labels) & (labels != NOT_LABELLED)
    known = labels[is_labelled]
    if np.isinf(labels).any():
        raise TableError(
            f"Task {name!r} has infinite labels in {int(np.isinf(labels).sum())} rows. Write NaN for no label."
        )
    if (known != np.floor(known)).any():
        odd = known[known != np.floor(known)][0]
        raise TableError(
            f"Unknown label type: continuous. Task {name!r} holds {odd:g}, which is not a class. "
            "A classifier needs classes; for numbers cut them into ranges first."
        )
    return _coded(labels, is_labelled, name)


def _says_nothing(value: Any) -> bool:
    if value is None or (isinstance(value, float) and np.isnan(value)) or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    if isinstance(value, str):
        return value == str(NOT_LABELLED)
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and value == NOT_LABELLED


def _coded(labels: NDArray[Any], is_labelled: NDArray[np.bool_], name: str) -> tuple[Task, NDArray[np.int64]]:
    codes = np.full(len(labels), NOT_LABELLED, dtype=np.int64)
    try:
        found, codes[is_labelled] = np.unique(labels[is_labelled], return_inverse=True)
    except TypeError as error:
        kinds = sorted({type(value).__name__ for value in labels[is_labelled]})
        raise TableError(f"Task {name!r} mixes labels of several kinds ({', '.join(kinds)}). Use one kind.") from error
    # Out of objects come NumPy's own scalars too; a class is a plain value, which JSON can hold.
    classes = (label.item() if isinstance(label, np.generic) else label for label in found.tolist())
    return Task(name, tuple(classes)), codes
