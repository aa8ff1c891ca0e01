"""Which estimators learn from rows without a label, and how labels are written for them.

Shapes: n = rows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.semi_supervised import LabelPropagation, LabelSpreading, SelfTrainingClassifier

from cotrain.errors import SettingError
from cotrain.estimators import CoTrainingClassifier
from cotrain.tasks import NOT_LABELLED, Task

SEMI_SUPERVISED = (CoTrainingClassifier, LabelPropagation, LabelSpreading, SelfTrainingClassifier)


def trains_on_unlabelled(estimator: Any, unlabelled: str) -> bool:
    """Whether unlabelled rows go into the estimator's fit.

    Parameters
    ----------
    unlabelled : "train", "drop", or "auto": where the estimator is known to learn from them
    """
    if unlabelled not in ("auto", "train", "drop"):
        raise SettingError("unlabelled", unlabelled, '"auto", "train" or "drop"')
    return unlabelled == "train" or (unlabelled == "auto" and _is_semi_supervised(estimator))


def final_step(estimator: Any) -> tuple[Any, str]:
    """The estimator at the end of a Pipeline, or itself, and what leads its fit's arguments: "" or "<step>__"."""
    if not isinstance(estimator, Pipeline):
        return estimator, ""
    name, step = estimator.steps[-1]
    final, prefix = final_step(step)
    return final, f"{name}__{prefix}"


def written(codes: NDArray[np.integer], task: Task) -> NDArray[Any]:
    """[n] the labels behind the codes, -1 where there is none: what scikit-learn's own semi-supervised estimators read.

    Numbers stay numbers. Strings are objects, for which alone `SelfTrainingClassifier` has a -1; so are booleans where
    a label is missing.
    """
    labels = np.array(task.classes)[codes]  # a code of -1 takes the last class, which is written over below
    if labels.dtype.kind == "U" or (labels.dtype.kind == "b" and (codes < 0).any()):
        labels = labels.astype(object)
    labels[codes < 0] = NOT_LABELLED
    return labels


def _is_semi_supervised(estimator: Any) -> bool:
    """Looks into a Pipeline, and into what wraps an `estimator`, such as a search."""
    final, _ = final_step(estimator)
    if isinstance(final, SEMI_SUPERVISED):
        return True
    wrapped = getattr(final, "estimator", None)
    return wrapped is not None and _is_semi_supervised(wrapped)
