"""What a head can lose: the kinds of loss of `multi_head_loss`, each with its settings.

A kind says how a loss is computed; which rows and positions count, and how much, is said beside it (masks, weights).
Shapes: n = samples, C = classes or values, ... = positions (none, or e.g. H, W).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from cotrain.errors import SettingError

NO_CODE = -100
"""The class code of a position that has none, as in torch.nn.functional.cross_entropy."""


FROM_LOGITS, FROM_PROBABILITIES = 1, 2
"""The two codes of Distillation."""


@dataclass(frozen=True, eq=False)
class CrossEntropy:
    """Cross-entropy with class codes [n, ...] or with probabilities [n, C, ...], which need not sum to 1.

    A class of probability 0 adds nothing, even where its logit is -inf.

    Parameters
    ----------
    label_smoothing : the share of each code that is spread evenly over the classes (Szegedy et al. 2016, arXiv
        1512.00567, section 7); refused for probabilities, which can be smoothed beforehand
    class_weights : [C] >= 0; with codes the mean is weighted by them too, as torch.nn.functional.cross_entropy does
    ignore_index : the code of positions that do not count
    """

    label_smoothing: float = 0.0
    class_weights: Tensor | None = None
    ignore_index: int = NO_CODE

    code: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.label_smoothing <= 1.0:
            raise SettingError("label_smoothing", self.label_smoothing, "a share from 0 to 1", hint="10 % is 0.1.")

    @property
    def setting(self) -> float:
        return self.label_smoothing


@dataclass(frozen=True, eq=False)
class Distillation:
    """T^2 * KL(teacher || student), both softened by the temperature T (Hinton, Vinyals, Dean 2015, arXiv 1503.02531).

    Targets are what the teacher says, [n, C, ...].

    Parameters
    ----------
    temperature : T, above 0
    teacher : whether targets are "logits" or "probabilities"; the latter are softened as p^(1/T), and 0 stays 0
    """

    temperature: float = 1.0
    teacher: Literal["logits", "probabilities"] = "logits"

    class_weights: ClassVar[None] = None
    ignore_index: ClassVar[int] = NO_CODE

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature < float("inf"):
            raise SettingError("temperature", self.temperature, "a finite number above 0", hint="1 softens nothing.")
        if self.teacher not in ("logits", "probabilities"):
            raise SettingError("teacher", self.teacher, "'logits' or 'probabilities'")

    @property
    def code(self) -> int:
        return FROM_LOGITS if self.teacher == "logits" else FROM_PROBABILITIES

    @property
    def setting(self) -> float:
        return self.temperature


@dataclass(frozen=True, eq=False)
class Focal:
    """Focal loss -(1 - p)^gamma * log p of the right class (Lin et al. 2017, arXiv 1708.02002), codes [n, ...].

    Parameters
    ----------
    gamma : 0 or more; 0 is cross-entropy
    class_weights : [C] >= 0, the paper's alpha; the mean is not weighted by them
    ignore_index : the code of positions that do not count
    """

    gamma: float = 2.0
    class_weights: Tensor | None = None
    ignore_index: int = NO_CODE

    code: ClassVar[int] = 3

    def __post_init__(self) -> None:
        if not 0.0 <= self.gamma < float("inf"):
            raise SettingError("gamma", self.gamma, "a finite number, 0 or more", hint="The paper's is 2.")

    @property
    def setting(self) -> float:
        return self.gamma


@dataclass(frozen=True, eq=False)
class BinaryCrossEntropy:
    """One yes-or-no question per output: targets [n, C, ...] from 0 to 1; NaN = missing.

    Parameters
    ----------
    positive_weights : [C] >= 0, how much a 1 counts against a 0; the mean is not weighted by them (`pos_weight` of
        torch.nn.functional.binary_cross_entropy_with_logits)
    """

    positive_weights: Tensor | None = None

    code: ClassVar[int] = 4
    setting: ClassVar[float] = 0.0
    ignore_index: ClassVar[int] = NO_CODE

    @property
    def class_weights(self) -> Tensor | None:
        return self.positive_weights


@dataclass(frozen=True, eq=False)
class SquaredError:
    """(output - target)^2, values [n, C, ...]; NaN = missing."""

    code: ClassVar[int] = 5
    setting: ClassVar[float] = 0.0
    class_weights: ClassVar[None] = None
    ignore_index: ClassVar[int] = NO_CODE


@dataclass(frozen=True, eq=False)
class Huber:
    """Half the squared error up to delta, linear beyond it (torch.nn.functional.huber_loss).

    Targets are values [n, C, ...]; NaN = missing.

    Parameters
    ----------
    delta : above 0, in the unit of the values
    """

    delta: float = 1.0

    code: ClassVar[int] = 6
    class_weights: ClassVar[None] = None
    ignore_index: ClassVar[int] = NO_CODE

    def __post_init__(self) -> None:
        if not 0.0 < self.delta < float("inf"):
            raise SettingError("delta", self.delta, "a finite number above 0")

    @property
    def setting(self) -> float:
        return self.delta


LossKind = CrossEntropy | Distillation | Focal | BinaryCrossEntropy | SquaredError | Huber
"""What a head can lose."""


def is_over_classes(code: int) -> bool:
    """Whether a kind has one loss per position over all classes, not one per element."""
    return code <= Focal.code
