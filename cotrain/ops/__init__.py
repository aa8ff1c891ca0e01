"""The hot spots, fused: what several heads lose, projected-gradient perturbations, pooling and admission.

Over tensors: each operator is declared once and has a plain-PyTorch twin (`cotrain.ops.reference`) that gives the same
results; the compiled core, where it is built, takes over on the devices it was built for. Works under
torch.compile(fullgraph=True).
Over NumPy arrays: `pool_opinions` and `admit_surest`, kernels of the core alone. Their plain-NumPy twins stand above,
in `rounds`, which asks `status().host_backend` which of the two serves.
Knows only torch, and NumPy for the latter. May be imported by: learners, predictions, rounds, jobs, the command line.
"""

import torch

from cotrain.ops import core, library
from cotrain.ops.core import CoreStatus, build_info
from cotrain.ops.cuda import CudaStatus, Gate
from cotrain.ops.kinds import BinaryCrossEntropy, CrossEntropy, Distillation, Focal, Huber, LossKind, SquaredError
from cotrain.ops.multi_head_loss import MultiHeadLoss, multi_head_loss
from cotrain.ops.perturbation import perturb, perturb_
from cotrain.ops.pooling import Pooled, pool_opinions
from cotrain.ops.quotas import Verdicts, admit_surest
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
    "Pooled",
    "SquaredError",
    "Verdicts",
    "admit_surest",
    "backend",
    "build_info",
    "multi_head_loss",
    "perturb",
    "perturb_",
    "pool_opinions",
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
