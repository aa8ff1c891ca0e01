"""How task losses share the trunk.

Comes in: one scalar loss per task, and the network. Goes out: a gradient in every parameter.
Here live the ways to turn several losses into one gradient: `fixed` weights; weights that follow the losses;
and weights drawn from the Gram matrix of the tasks' gradients. They all have one face, `backward(losses, network)`.
Imports neither `adversarial` nor `distillation`. May be imported by: the learner, jobs.
"""

from cotrain.learners.deep.joint.fixed import FixedWeights

__all__ = ["FixedWeights"]
