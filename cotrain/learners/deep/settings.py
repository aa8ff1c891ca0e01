"""What may be set about a network, and which values are legal.

All faults are found before any work is done and named in one error.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

from cotrain.errors import SettingError

ENCODERS = ("auto", "image", "mlp")
AUGMENTS = (None, "shift")


@dataclass(frozen=True)
class NetworkSettings:
    """The settings of one network; `NetworkLearner` says what each does and why its default is what it is."""

    hidden: int
    embedding: int
    depth: int
    copies: int
    encoder: str | Sequence[str]
    epochs: int
    min_steps: int
    max_steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    dropout: float
    input_dropout: float
    view_dropout: float
    noise: float
    mixup: float
    clip: float
    label_smoothing: float
    ema: float
    augment: str | None
    task_weights: Mapping[str, float] | None
    epsilon: float
    attack_steps: int
    robust_weight: float

    def __post_init__(self) -> None:
        raise_faults({field.name: getattr(self, field.name) for field in fields(self)})


def raise_faults(settings: Mapping[str, Any]) -> None:
    """SettingError that names every setting with an illegal value; nothing where all are legal."""
    faults = {name: expected for name, value in settings.items() if (expected := _fault(name, value))}
    if len(faults) == 1:
        ((name, expected),) = faults.items()
        raise SettingError(name, settings[name], expected)
    if faults:
        expected = ", and ".join(f"{expected} (`{name}`)" for name, expected in faults.items())
        raise SettingError("`, `".join(faults), {name: settings[name] for name in faults}, expected)


def _fault(name: str, value: Any) -> str | None:
    """What `value` should be, if it is not."""
    if name in _COUNTS:
        least = _COUNTS[name]
        is_count = isinstance(value, Integral) and not isinstance(value, bool)
        return None if is_count and int(value) >= least else f"a whole number of at least {least}"
    if name in _NUMBERS:
        least, below = _NUMBERS[name]
        # NaN compares false, so it is a fault too.
        is_inside = _is_number(value) and least <= value < below
        if below == math.inf:
            return None if is_inside else f"a finite number of at least {least:g}"
        return None if is_inside else f"a number from {least:g} up to, but not, {below:g}"
    if name == "learning_rate":
        return None if _is_number(value) and 0 < value < math.inf else "a finite number above 0"
    if name == "clip":
        return None if _is_number(value) and value > 0 else "a number above 0 (infinity: no clipping)"
    if name == "encoder":
        kinds = (value,) if isinstance(value, str) else value
        is_legal = isinstance(kinds, Sequence) and len(kinds) > 0 and all(kind in ENCODERS for kind in kinds)
        return None if is_legal else f"one of {', '.join(ENCODERS)}, or a list with one of them per block"
    if name == "augment":
        return None if value in AUGMENTS else "None or 'shift'"
    return _task_weights_fault(value)


def _task_weights_fault(value: Any) -> str | None:
    if value is None:
        return None
    is_legal = isinstance(value, Mapping) and all(
        _is_number(weight) and 0 <= weight < math.inf for weight in value.values()
    )
    return None if is_legal else "None or {task: finite number of at least 0}"


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


_COUNTS = {
    "hidden": 1,
    "embedding": 1,
    "depth": 0,
    "copies": 1,
    "epochs": 1,
    "min_steps": 1,
    "max_steps": 1,
    "batch_size": 1,
    "attack_steps": 1,
}
"""Whole numbers, with the least each may be."""

_NUMBERS = {
    "weight_decay": (0.0, math.inf),
    "dropout": (0.0, 1.0),
    "input_dropout": (0.0, 1.0),
    "view_dropout": (0.0, 1.0),
    "noise": (0.0, math.inf),
    "mixup": (0.0, math.inf),
    "label_smoothing": (0.0, 1.0),
    "ema": (0.0, 1.0),
    "epsilon": (0.0, math.inf),
    "robust_weight": (0.0, math.inf),
}
"""Real numbers, from the least up to but without the second."""
