"""Labelling the rows that a model asks for helps more than labelling as many others."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from cotrain import CoTrainingClassifier
from cotrain.errors import SettingError

DIGITS, TRUTH = load_digits(return_X_y=True)
N_ASKED = 20


def fitted(X: NDArray[np.floating], y: NDArray[np.integer]) -> CoTrainingClassifier:
    members = [
        ("top", LogisticRegression(max_iter=300), "top"),
        ("bottom", GaussianNB(var_smoothing=0.1), "bottom"),
        ("all", LogisticRegression(C=0.3, max_iter=300), None),
    ]
    views = {"top": slice(0, 32), "bottom": slice(32, 64)}
    return CoTrainingClassifier(members, views=views, rounds=1, n_folds=2, random_state=0).fit(X, y)


def accuracies(seed: int) -> tuple[float, float]:
    """On rows that nothing has seen, from 30 labels and 20 more: those that are asked for, and random ones."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(TRUTH))
    pool, unseen = order[:700], order[700:]
    X, truth = DIGITS[pool] / 16.0, TRUTH[pool]
    first = np.concatenate([np.flatnonzero(truth == label)[:3] for label in range(10)])
    y = np.full(len(pool), -1)
    y[first] = truth[first]
    is_open = np.flatnonzero(y < 0)
    asked = is_open[fitted(X, y).ask(X[is_open], N_ASKED)]
    told = []
    for rows in (asked, rng.choice(is_open, N_ASKED, replace=False)):
        more = y.copy()
        more[rows] = truth[rows]
        told.append(fitted(X, more).score(DIGITS[unseen] / 16.0, TRUTH[unseen]))
    return told[0], told[1]


def test_labels_that_were_asked_for_are_worth_more_than_random_ones() -> None:
    by_asking, by_chance = np.array([accuracies(seed) for seed in range(8)]).T
    assert by_asking.mean() > by_chance.mean() + 0.01
    assert (by_asking > by_chance).sum() >= 5


def test_near_copies_are_asked_once_at_most_and_the_answer_repeats(light: Any, X: Any, y: Any) -> None:
    model = light().fit(X, y)
    doubtful = model.ask(X[y < 0], 1)[0]
    pool = np.concatenate([X[y < 0], np.repeat(X[y < 0][[doubtful]], 20, axis=0)])
    asked = model.ask(pool, 5)
    assert len(asked) == 5
    assert sum(row == doubtful or row >= (y < 0).sum() for row in asked) <= 1
    assert np.linalg.norm(pool[asked] - pool[doubtful], axis=1).min() < 0.3, "they, or one much like them, are asked"
    np.testing.assert_array_equal(asked, model.ask(pool, 5))


def test_several_tasks_ask_each_for_themselves(light: Any, X: Any, y: Any) -> None:
    model = light().fit(X, {"species": y, "other": (y > 0) * 1 - (y < 0)})
    asked = model.ask(X, 3)
    assert {task: len(rows) for task, rows in asked.items()} == {"species": 3, "other": 3}


def test_to_ask_for_no_row_is_refused(light: Any, X: Any, y: Any) -> None:
    with pytest.raises(SettingError, match="`k` must be at least 1"):
        light().fit(X, y).ask(X, 0)
