"""Who learns: scikit-learn models, a graph, a network, all behind one protocol.

Comes in: blocks (arrays, one per view) and targets (soft labels with weights, one per task).
Goes out: class probabilities per task, for any rows.
A learner knows no views and no other learner; members in `rounds` bind learners to views.
May be imported by: rounds, ensemble, estimators, bundle and everything above.
"""

from cotrain.learners.classical import ClassicalLearner
from cotrain.learners.deep.learner import NetworkLearner
from cotrain.learners.graph import GraphLearner
from cotrain.learners.protocol import Block, Learner, Probabilities

__all__ = ["Block", "ClassicalLearner", "GraphLearner", "Learner", "NetworkLearner", "Probabilities"]
