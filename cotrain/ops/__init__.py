"""The two hot spots as fused operators: what several heads lose, and one step of a projected-gradient perturbation.

In: tensors. Out: tensors. Each operator is declared once and has a plain-PyTorch twin (`cotrain.ops.reference`) that
gives the same results; the compiled core, where it is built, takes over on the devices it was built for. Works under
torch.compile(fullgraph=True). Knows only torch. May be imported by: learners, jobs, the command line.
"""

from cotrain.ops import core
from cotrain.ops.core import CoreStatus, build_info
from cotrain.ops.kinds import BinaryCrossEntropy, CrossEntropy, Distillation, Focal, Huber, LossKind, SquaredError
from cotrain.ops.multi_head_loss import MultiHeadLoss, multi_head_loss
from cotrain.ops.perturbation import linf_step, linf_step_

__all__ = [
    "BinaryCrossEntropy",
    "CoreStatus",
    "CrossEntropy",
    "Distillation",
    "Focal",
    "Huber",
    "LossKind",
    "MultiHeadLoss",
    "SquaredError",
    "backend",
    "build_info",
    "linf_step",
    "linf_step_",
    "multi_head_loss",
    "status",
]

_STATUS = core.load_core()


def status() -> CoreStatus:
    """Which kernels serve in this process, and why."""
    return _STATUS


def backend() -> str:
    """ "native" where the compiled core is loaded, "reference" where the PyTorch twin serves."""
    return _STATUS.backend
