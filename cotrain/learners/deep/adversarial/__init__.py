"""How a batch is perturbed so that the network errs, and what it then loses.

Comes in: the network and a batch. Goes out: the "perturbed" pass, and the term that reads it.
Does not import `joint`. May be imported by: the learner, jobs.
"""

from cotrain.learners.deep.adversarial.linf import LinfAdversary
from cotrain.learners.deep.adversarial.robust import Robust

__all__ = ["LinfAdversary", "Robust"]
