"""How each operator is computed in plain PyTorch: the twins.

In: what the operator takes. Out: the same numbers as the compiled core. A twin is the truth in tests and
serves wherever the core has no kernel. Gradients are written out, so nothing here records a graph.
May be imported by: cotrain.ops and its tests.
"""

from cotrain.ops.reference.multi_head_loss import multi_head_loss
from cotrain.ops.reference.perturbation import perturb, perturb_
from cotrain.ops.reference.random_start import random_start

__all__ = ["multi_head_loss", "perturb", "perturb_", "random_start"]
