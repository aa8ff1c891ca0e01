"""The two hot spots as fused operators: what several heads lose, and projected-gradient perturbations.

In: tensors. Out: tensors. Each operator is declared once and has a plain-PyTorch twin (`cotrain.ops.reference`) that
gives the same results; the compiled core, where it is built, takes over on the devices it was built for. Works under
torch.compile(fullgraph=True). Knows only torch. May be imported by: learners, jobs, the command line.
"""

import torch

from cotrain.ops import core, library
from cotrain.ops.core import CoreStatus, build_info
from cotrain.ops.cuda import CudaStatus, Gate
from cotrain.ops.kinds import BinaryCrossEntropy, CrossEntropy, Distillation, Focal, Huber, LossKind, SquaredError
from cotrain.ops.multi_head_loss import MultiHeadLoss, multi_head_loss
from cotrain.ops.perturbation import perturb, perturb_
from cotrain.ops.random_start import random_start

__all__ = [
    "BinaryCrossEntropy",
    "CoreStatus",
    "CrossEntropy",
    "CudaStatus",
    "Distillation",
    "Focal",
    "Huber",
    "LossKind",
    "MultiHeadLoss",
    "SquaredError",
    "backend",
    "build_info",
    "multi_head_loss",
    "perturb",
    "perturb_",
    "random_start",
    "status",
]

_STATUS = core.load_core()
library.guard_with(Gate(_STATUS.cuda, _STATUS.wanted, torch.cuda.get_device_capability))


def status() -> CoreStatus:
    """Which kernels serve in this process, and why."""
    return _STATUS


def backend() -> str:
    """ "native" where the compiled core is loaded, "reference" where the PyTorch twin serves."""
    return _STATUS.backend
