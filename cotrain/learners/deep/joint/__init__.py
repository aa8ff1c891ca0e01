"""How task losses share the trunk.

Comes in: one scalar loss per task, and the network. Goes out: a gradient in every parameter.
A way to turn several losses into one gradient has one face, `backward(losses, network)`; here lives `fixed`, weights
that are set. Does not import `adversarial`. May be imported by: the learner, jobs.
"""

from cotrain.learners.deep.joint.fixed import FixedWeights

__all__ = ["FixedWeights"]
