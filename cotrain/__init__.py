"""Few labels, many unlabelled rows, several views: networks and scikit-learn models that teach each other.

    table ──> views ──> members ──> rounds: peers teach one another with pseudo-labels
                                       │         │
              held-out labels ──> trust, evidence ──> how far teaching may go
                                                 │
                          ensemble ──> predictions, bundle ──> score new files

As a scikit-learn estimator: `CoTrainingClassifier(members, views=...).fit(X, y)`, where y == -1 is not labelled.
As a job: `run(read_settings("job.toml"))`, or `cotrain run job.toml`. Kept: `freeze(model, folder)`, `load(folder)`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cotrain.bundle import Bundle, freeze, load
    from cotrain.errors import CotrainError
    from cotrain.estimators import CoTrainingClassifier
    from cotrain.jobs import read_settings, run, score
    from cotrain.learners import ClassicalLearner, GraphLearner, NetworkLearner
    from cotrain.model_selection import SemiSupervisedKFold, SemiSupervisedTimeSplit, cross_validate
    from cotrain.views import View

__version__ = "0.1.0"

__all__ = [
    "Bundle",
    "ClassicalLearner",
    "CoTrainingClassifier",
    "CotrainError",
    "GraphLearner",
    "NetworkLearner",
    "SemiSupervisedKFold",
    "SemiSupervisedTimeSplit",
    "View",
    "__version__",
    "cross_validate",
    "freeze",
    "load",
    "read_settings",
    "run",
    "score",
]

_HOMES = {
    "Bundle": "cotrain.bundle",
    "ClassicalLearner": "cotrain.learners",
    "CoTrainingClassifier": "cotrain.estimators",
    "CotrainError": "cotrain.errors",
    "GraphLearner": "cotrain.learners",
    "NetworkLearner": "cotrain.learners",
    "SemiSupervisedKFold": "cotrain.model_selection",
    "SemiSupervisedTimeSplit": "cotrain.model_selection",
    "View": "cotrain.views",
    "cross_validate": "cotrain.model_selection",
    "freeze": "cotrain.bundle",
    "load": "cotrain.bundle",
    "read_settings": "cotrain.jobs",
    "run": "cotrain.jobs",
    "score": "cotrain.jobs",
}


def __getattr__(name: str) -> Any:
    """Imports a name when it is asked for: torch and scikit-learn take seconds, which `cotrain --help` has not."""
    if name not in _HOMES:
        raise AttributeError(f"module 'cotrain' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value  # found once, there for good
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
