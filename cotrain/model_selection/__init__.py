"""How good is a model that learns from unlabelled rows: splitters and cross-validation for partly labelled tables.

scikit-learn's own splitters take -1 for a class like any other and test on rows without a label
(https://github.com/scikit-learn/scikit-learn/issues/2593). Here only labelled rows are tested, and every number
says whether the tested rows were there, without their labels, when the model learnt.

Comes in: an estimator, X and y as `CoTrainingClassifier` takes them.
Goes out: positions of folds, for scikit-learn's searches too; scores per fold, inductive and transductive.
May be imported by: report, jobs, cli.
"""

from cotrain.model_selection.cross_validation import cross_validate
from cotrain.model_selection.k_fold import SemiSupervisedKFold
from cotrain.model_selection.time_split import SemiSupervisedTimeSplit

__all__ = ["SemiSupervisedKFold", "SemiSupervisedTimeSplit", "cross_validate"]
