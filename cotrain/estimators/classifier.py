"""CoTrainingClassifier: few labels, many unlabelled rows, several views, behind scikit-learn's face."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import validate_data

from cotrain.engine import each
from cotrain.estimators.asking import asked
from cotrain.estimators.beside import groups_of, row_ids_of, weights_of
from cotrain.estimators.co_training import CoTrained, co_train
from cotrain.estimators.committee import MemberSpec, as_members, default_members
from cotrain.estimators.crossing import Lecture, Progress
from cotrain.estimators.holding_out import folds_of
from cotrain.estimators.inputs import as_data, is_by_view, is_tabular, n_rows_of, views_of
from cotrain.estimators.labels import is_multi_task, labels_of, share_right, tasks_of
from cotrain.rounds import TeachingPlan, head_start
from cotrain.views import Blocks, View, ViewSet

logger = logging.getLogger(__name__)


class CoTrainingClassifier(ClassifierMixin, BaseEstimator):
    """Members on different views teach one another with pseudo-labels; what is shipped was measured, not hoped for.

    >>> model = CoTrainingClassifier(members=[("words", LogisticRegression(), "text"), ("net", NetworkLearner(), None)])
    >>> model.fit(X, y)  # y == -1: not labelled

    Parameters
    ----------
    members : list of (name, learner, views): a cotrain learner or any scikit-learn classifier or Pipeline, and the
        view or views it reads (None = all). None = `default_members`: a linear model, trees, a graph and a network
        on all views together, and a linear model on each.
    views : which columns make up which view. {name: columns}: names, globs ("pix_*") and types ("type:text") for a
        DataFrame or table, positions or a slice for an array; or a list of View. None = the prefix before "__" in
        column names, the keys of a dict, one view "all" for an array.
    rounds : the most rounds of teaching; 0 = the supervised committee
    first_share, last_share : share of each class's unlabelled rows that is taught in the first and the last round
    pseudo_mass : the most that all pseudo-labels weigh together, as a multiple of the given labels
    least_agreement : share of the teachers' weight that must vote for a label
    soft_labels : teach the teachers' probabilities instead of their first choice
    patience : rounds without a lower held-out loss that are borne
    n_folds : of the cross-validation over labelled rows; fewer where a fold would hold out less than two
    n_jobs : processes; None = 1, -1 = all cores. Does not change the result.
    random_state : int for results that repeat to the bit

    Attributes
    ----------
    classes_ : [C] labels in the order of the probability columns; {task: labels} for several tasks
    n_rounds_ : {task: the round that was shipped}; 0 = no teaching
    evidence_ : {task: Evidence}: held-out loss and accuracy after every round, and a verdict in words
    stop_reason_ : why teaching ended
    ledger_ : pyarrow.Table, who taught which row what, when, how sure; what was left out or revoked, and why
    suspects_ : {task: pyarrow.Table of the labels that members who never saw them contradict with confidence: row_id,
        given, suggested (both as text), confidence, given_confidence}; nothing was dropped or changed for it
    view_set_ : the fitted views
    columns_ : {view: positions of its columns} where X is an array, else None
    is_multi_task_ : whether y was a mapping or a table; predictions are then mappings too
    n_features_in_, feature_names_in_ : as everywhere in scikit-learn, where X is an array or has column names

    Notes
    -----
    `fit` takes X as an array [n, d] (dense or sparse), a DataFrame or pyarrow Table, or a dict {view: array}; arrays in
    the dict may be images [n, h, w]. NaN is a missing value; a row whose columns of a view are all missing lacks it.
    `y` is a column of labels, or a mapping {task: labels} for several tasks at once, each partly labelled; `predict`
    and `predict_proba` then give mappings. A class needs two labels: one to learn from, one to check with.
    """

    def __init__(
        self,
        members: Sequence[MemberSpec] | None = None,
        *,
        views: Mapping[str, Any] | Sequence[View] | None = None,
        rounds: int = 3,
        first_share: float = 0.8,
        last_share: float = 1.0,
        pseudo_mass: float = 1.0,
        least_agreement: float = 0.0,
        soft_labels: bool = False,
        patience: int = 4,
        n_folds: int = 5,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.members = members
        self.views = views
        self.rounds = rounds
        self.first_share = first_share
        self.last_share = last_share
        self.pseudo_mass = pseudo_mass
        self.least_agreement = least_agreement
        self.soft_labels = soft_labels
        self.patience = patience
        self.n_folds = n_folds
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: NDArray[np.generic] | None = None,
        row_ids: NDArray[np.generic] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from labelled and unlabelled rows.

        Parameters
        ----------
        X, y : see the class
        sample_weight : [n] finite, >= 0; counts for given labels; a label of weight 0 is as good as none
        groups : [n] rows of one group are held out together
        row_ids : [n] distinct names of the rows in the ledger; 0 .. n - 1 where none are given
        progress : called with a few words whenever a stage begins

        Raises
        ------
        TableError : no label, one class only, a class with one label, unusable columns
        SettingError : a setting out of range, an unknown view, a member that is no learner
        """
        plan = self._plan()
        self.is_multi_task_ = is_multi_task(y)
        X = self._checked(X, reset=True)
        n_rows = n_rows_of(X)
        weight = weights_of(sample_weight, n_rows)
        tasks, codes = tasks_of(y, n_rows, weight)
        self._views, self.columns_ = views_of(X, self.views)
        members = as_members(
            self.members if self.members is not None else default_members([view.name for view in self._views]),
            [view.name for view in self._views],
        )
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        folds, kept_out = folds_of(codes, self.n_folds, np.random.default_rng(seed), groups_of(groups, n_rows))
        self.view_set_ = ViewSet(self._views).fit(as_data(X, self.columns_))
        lecture = Lecture(
            members=members,
            blocks=self.view_set_.transform(as_data(X, self.columns_)),
            codes=codes,
            n_classes={task.name: task.n_classes for task in tasks},
            weight=weight,
            folds=folds,
            kept_out=kept_out,
            plan=plan,
            seed=seed,
            n_jobs=self.n_jobs,
            # Whom users choose, they choose for a reason.
            head_start=head_start(members, len(self._views)) if self.members is None else None,
        )
        self._learn(co_train(lecture, tasks, row_ids_of(row_ids, n_rows), progress or _log))
        return self

    def predict_proba(self, X: Any) -> Any:
        """[n, C] probabilities in the order of `classes_`; {task: [n, C]} for several tasks."""
        return self._one_or_all(self._told(X))

    def predict(self, X: Any) -> Any:
        """[n] labels; {task: [n]} for several tasks."""
        told = self._told(X)
        return self._one_or_all({task.name: labels_of(told[task.name], task) for task in self.co_trained_.tasks})

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy over the labelled rows; for several tasks the mean over tasks."""
        told = self._told(X)
        predicted = {task.name: labels_of(told[task.name], task) for task in self.co_trained_.tasks}
        return share_right(y, predicted, weights_of(sample_weight, n_rows_of(X)))

    def staged_predict_proba(self, X: Any) -> list[Any]:
        """What the ensemble said after each round, from the committee to the last round that any task ships."""
        blocks = self._blocks(X)
        return [
            self._one_or_all(self.co_trained_.probabilities(blocks, round))
            for round in range(len(self.co_trained_.stages))
        ]

    def member_predict_proba(self, X: Any, round: int = 0) -> dict[str, Any]:
        """{member: probabilities} of every member alone after a round; 0 = on the labels only. NaN = it abstains."""
        blocks = self._blocks(X)
        return {
            graduate.member.name: self._one_or_all(graduate.opinions(blocks))
            for graduate in self.co_trained_.stages[round]
        }

    def ask(self, X: Any, k: int = 20) -> Any:
        """[k] positions of the rows whose label, given by a person, should help most; {task: [k]} for several tasks.

        Rows of which the ensemble is unsure and on which members contradict one another, one for each cluster of like
        rows, the most doubtful first; see ensemble.asking. Fewer where fewer rows are in any doubt.

        Parameters
        ----------
        X : rows without labels, of training or not
        k : how many

        Raises
        ------
        SettingError : for k below 1
        """
        return self._one_or_all(each(partial(asked, self.co_trained_, k=k), [self._blocks(X)])[0])

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "co_trained_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True  # a missing value is imputed, a missing view is a normal case
        return tags

    def _plan(self) -> TeachingPlan:
        return TeachingPlan(
            rounds=self.rounds,
            first_share=self.first_share,
            last_share=self.last_share,
            pseudo_mass=self.pseudo_mass,
            least_agreement=self.least_agreement,
            soft_labels=self.soft_labels,
            patience=self.patience,
        )

    def _checked(self, X: Any, *, reset: bool) -> Any:
        """X after scikit-learn's own checks: all of them for an array, the column names for a table."""
        if is_by_view(X):
            return X
        if is_tabular(X):
            return validate_data(self, X, reset=reset, skip_check_array=True)
        # Missing and infinite values are the views' business: they impute the first and name the column of the second.
        return validate_data(self, X, reset=reset, accept_sparse="csr", dtype="numeric", ensure_all_finite=False)

    def _told(self, X: Any) -> dict[str, NDArray[np.floating]]:
        """{task: [n, C]}, in one thread: the same bits here, on another machine and from a bundle."""
        blocks = self._blocks(X)
        return each(self.co_trained_.probabilities, [blocks])[0]

    def _blocks(self, X: Any) -> Blocks:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError("This CoTrainingClassifier is not fitted yet; call `fit` with labelled rows first.")
        return self.view_set_.transform(as_data(self._checked(X, reset=False), self.columns_))

    def _learn(self, co_trained: CoTrained) -> None:
        self.co_trained_ = co_trained
        self.classes_ = self._one_or_all({task.name: np.array(task.classes) for task in co_trained.tasks})
        self.evidence_ = dict(co_trained.evidence)
        self.n_rounds_ = {task: evidence.shipped for task, evidence in self.evidence_.items()}
        self.stop_reason_ = co_trained.stop_reason
        self.ledger_ = co_trained.ledger
        self.suspects_ = dict(co_trained.suspects)

    def _one_or_all(self, by_task: dict[str, Any]) -> Any:
        return by_task if self.is_multi_task_ else next(iter(by_task.values()))


def _log(stage: str) -> None:
    logger.info("%s", stage)
