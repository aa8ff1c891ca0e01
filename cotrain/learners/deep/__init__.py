"""How a network learns several tasks from several blocks: one encoder per block, a shared trunk, one head per task.

Comes in: blocks and targets, as for every learner. Goes out: `NetworkLearner`, and the parts it is wired from.
The road of a fit, in the order of the files:

    settings    what the user may set                    inputs      what a block and a target must be
    copies      several networks run as one              encoders    one block becomes an embedding
    network     encoders, trunk, heads                   batches     rows become batches
    passes      what the network says about a batch      objective   what that costs, as a sum of terms
    step        THE step                                 training    the loop around it
    learner     the face                                 freezing    the network at rest

`joint` and `adversarial` hold parts of the one step and never import one another.
May be imported by: `cotrain.learners` and everything above it.
"""

from cotrain.learners.deep.learner import NetworkLearner

__all__ = ["NetworkLearner"]
