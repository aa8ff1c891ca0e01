"""What is believed about rows: targets, pseudo-labels, opinions; how opinions are calibrated, scored and
combined, and which labels they contradict.

Comes in: class probabilities [n, C] from learners, class codes [n] from tables.
Goes out: the same, calibrated and pooled, and numbers that say how good they are.
Below both `rounds` and `ensemble`, because teachers and the ensemble combine in the same way.
May be imported by: learners, rounds, ensemble, estimators and everything above.
"""

from cotrain.predictions.calibration import fit_temperature, temper
from cotrain.predictions.combination import filled, most_likely, pool
from cotrain.predictions.confident_learning import Suspects, self_confidence, suspects
from cotrain.predictions.scores import accuracy, log_loss, row_losses, row_squares, skill
from cotrain.predictions.targets import Targets, class_masses, class_shares, from_codes, with_class_masses
from cotrain.predictions.trust import Trust, calibrated_loss, earned_trust

__all__ = [
    "Suspects",
    "Targets",
    "Trust",
    "accuracy",
    "calibrated_loss",
    "class_masses",
    "class_shares",
    "earned_trust",
    "filled",
    "fit_temperature",
    "from_codes",
    "log_loss",
    "most_likely",
    "pool",
    "row_losses",
    "row_squares",
    "self_confidence",
    "skill",
    "suspects",
    "temper",
    "with_class_masses",
]
