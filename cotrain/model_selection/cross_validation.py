"""Two numbers per fold: how well rows are told that learning never saw, and rows that it saw without their labels.

Shapes: n = rows, F = folds.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from cotrain.engine import each
from cotrain.errors import TableError
from cotrain.estimators.beside import groups_of, weights_of
from cotrain.estimators.inputs import is_by_view, n_rows_of
from cotrain.estimators.labels import is_multi_task, tasks_of
from cotrain.model_selection.k_fold import Fold, SemiSupervisedKFold, labelled_anywhere
from cotrain.model_selection.scoring import Scoring, scorers_of
from cotrain.model_selection.sitting import Exam, Outcome, Sitting, sit
from cotrain.model_selection.time_split import SemiSupervisedTimeSplit
from cotrain.model_selection.unlabelled import trains_on_unlabelled

INDUCTIVE, TRANSDUCTIVE = "inductive", "transductive"


def cross_validate(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any = 5,
    scoring: Scoring = None,
    groups: Any = None,
    times: Any = None,
    sample_weight: Any = None,
    unlabelled: Literal["auto", "train", "drop"] = "auto",
    n_jobs: int | None = None,
    return_estimator: bool = False,
    return_indices: bool = False,
) -> dict[str, Any]:
    """Scores of a classifier on labelled rows that it was not taught, by cross-validation over a partly labelled table.

    Every fold is learnt twice. *Inductive*: the tested rows are not there at all, as rows of tomorrow are not.
    *Transductive*: they are there as unlabelled rows, as rows are that one has today and wants labels for. A learner
    that gains by having seen the rows that it is asked about scores higher on the second.

    Parameters
    ----------
    estimator : CoTrainingClassifier, a semi-supervised classifier that takes -1 for no label, or any scikit-learn
        classifier; it is cloned
    X, y : as `CoTrainingClassifier.fit` takes them: an array, sparse matrix, DataFrame, pyarrow Table or dict of views;
        labels with -1, NaN or None, or {task: labels}. Estimators are given labels with -1 for none, of which
        scikit-learn's own semi-supervised ones read integers, SelfTrainingClassifier strings too
    cv : how many folds (of `SemiSupervisedKFold` without shuffling; with `times` of `SemiSupervisedTimeSplit`), a
        splitter, or pairs of training and test positions
    scoring : a metric's name, a scorer, a list or mapping of these; None = the estimator's own `score`
    groups : [n] for the splitter, and for the estimator's `fit` where that takes groups
    times : [n] for a splitter that takes times
    sample_weight : [n] for fits and scores; a label of weight 0 is as good as none
    unlabelled : whether fits are given the unlabelled rows. "auto": if the estimator is a CoTrainingClassifier or one
        of sklearn.semi_supervised, or a Pipeline or search around one; others learn from the labelled rows alone.
        "train" and "drop" say it for an estimator of any other make
    n_jobs : processes; None = 1, -1 = all cores. Each fit has one thread for linear algebra
    return_estimator, return_indices : also return what was fitted, and the positions of the folds

    Returns
    -------
    scores : arrays [F]
        test_inductive, test_transductive : with `_<task>` and `_<metric>` behind them where there are several tasks or
            metrics; NaN where a fold tests no row of a task. One and the same where unlabelled rows are dropped
        fit_time_inductive, fit_time_transductive, score_time_inductive, score_time_transductive : seconds
        estimator_inductive, estimator_transductive : lists of F, with `return_estimator`
        indices : {"train": list of F, "test": list of F}, with `return_indices`; train without the tested rows

    Raises
    ------
    TableError : labels that cannot be learnt or dealt into folds, a splitter that tests a row without a label or one
        that it trains on. What a fit raises is raised, with a note of the fold

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.semi_supervised import LabelSpreading
    >>> X, y = load_iris(return_X_y=True)
    >>> y[np.arange(150) % 5 > 0] = -1  # 30 of 150 labels are left
    >>> scores = cross_validate(LabelSpreading(gamma=60), X, y, cv=3)
    >>> scores["test_inductive"], scores["test_transductive"]
    (array([1. , 1. , 0.9]), array([1., 1., 1.]))
    """
    n_rows = n_rows_of(X)
    weight = weights_of(sample_weight, n_rows)
    tasks, codes = tasks_of(y, n_rows, weight)
    exam = Exam(
        estimator=estimator,
        X=X,
        tasks=tasks,
        codes=codes,
        is_multi_task=is_multi_task(y),
        scorers=scorers_of(scoring),
        weight=weight,
        groups=groups_of(groups, n_rows),
        keeps_unlabelled=trains_on_unlabelled(estimator, unlabelled),
    )
    folds = _folds_of(cv, exam, times)
    # Without unlabelled rows to learn from both fits would be the same one.
    kinds = (INDUCTIVE, TRANSDUCTIVE) if exam.keeps_unlabelled else (INDUCTIVE,)
    sittings = [
        Sitting(f"fold {number}, {kind}", train if kind == INDUCTIVE else np.union1d(train, test), test)
        for kind in kinds
        for number, (train, test) in enumerate(folds, start=1)
    ]
    outcomes = each(partial(sit, exam), sittings, n_jobs)
    scores: dict[str, Any] = {}
    for kind, part in ((INDUCTIVE, outcomes[: len(folds)]), (TRANSDUCTIVE, outcomes[-len(folds) :])):
        scores |= _columns(kind, part, return_estimator)
    if return_indices:
        scores["indices"] = {"train": [train for train, _ in folds], "test": [test for _, test in folds]}
    return scores


def _folds_of(cv: Any, exam: Exam, times: Any) -> list[Fold]:
    """The folds as arrays of positions, none of which tests what it cannot or must not."""
    if isinstance(cv, (int, np.integer)):
        cv = SemiSupervisedKFold(int(cv), shuffle=False) if times is None else SemiSupervisedTimeSplit(int(cv))
    is_labelled = labelled_anywhere(exam.codes)
    pairs: Iterable[tuple[Any, Any]] = cv
    if hasattr(cv, "split"):
        # Splitters of scikit-learn count the views of a mapping for its rows.
        X = np.zeros((len(is_labelled), 1)) if is_by_view(exam.X) else exam.X
        beside = {} if times is None else {"times": times}
        pairs = cv.split(X, exam.labels(exam.codes), exam.groups, **beside)
    elif times is not None:
        raise TableError("`times` are read by a splitter such as SemiSupervisedTimeSplit; got folds ready made.")
    folds = [(np.asarray(train, dtype=np.intp), np.asarray(test, dtype=np.intp)) for train, test in pairs]
    for number, (train, test) in enumerate(folds, start=1):
        n_unlabelled = int((~is_labelled[test]).sum())
        if n_unlabelled or not len(test):
            found = f"{n_unlabelled} rows without a label" if n_unlabelled else "no row"
            raise TableError(
                f"Fold {number} tests {found}; only labelled rows can be scored. Use SemiSupervisedKFold or "
                "SemiSupervisedTimeSplit."
            )
        both = np.intersect1d(train, test)
        if len(both):
            raise TableError(f"Fold {number} trains on {len(both)} of the rows that it tests; part them.")
    if not folds:
        raise TableError("`cv` yields no fold; give at least one pair of training and test positions.")
    return folds


def _columns(kind: str, outcomes: Sequence[Outcome], with_estimators: bool) -> dict[str, Any]:
    columns: dict[str, Any] = {
        f"fit_time_{kind}": np.array([outcome.fit_seconds for outcome in outcomes]),
        f"score_time_{kind}": np.array([outcome.score_seconds for outcome in outcomes]),
    }
    for suffix in outcomes[0].scores:
        columns[f"test_{kind}{suffix}"] = np.array([outcome.scores[suffix] for outcome in outcomes])
    if with_estimators:
        columns[f"estimator_{kind}"] = [outcome.model for outcome in outcomes]
    return columns
