"""The scikit-learn face: wires views, members, rounds and ensemble into one estimator.

Comes in: X (an array, a DataFrame or table, a dict of views) and y with unlabelled rows.
Goes out: a fitted estimator with probabilities, the evidence for what was shipped, and the ledger.
May be imported by: bundle, report, jobs, cli.
"""

from cotrain.estimators.classifier import CoTrainingClassifier
from cotrain.estimators.committee import as_members, default_members

__all__ = ["CoTrainingClassifier", "as_members", "default_members"]
