"""Labels that members who never saw them contradict are told, and nothing is done to them."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from cotrain import CoTrainingClassifier

N_ROWS, N_LABELLED = 400, 240


def table(wrong: float, seed: int) -> tuple[NDArray[np.floating], NDArray[np.integer], NDArray[np.bool_]]:
    """[400, 4] three clear classes, 240 labels of which a share is wrong, and which those are."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, N_ROWS)
    centres = 3.0 * np.array([[1, 0, 0, 1], [0, 1, 0, -1], [-1, -1, 1, 0]])
    is_labelled = np.arange(N_ROWS) < N_LABELLED
    is_wrong = (rng.random(N_ROWS) < wrong) & is_labelled
    given = np.where(is_wrong, (truth + rng.integers(1, 3, N_ROWS)) % 3, truth)
    return centres[truth] + rng.normal(size=(N_ROWS, 4)), np.where(is_labelled, given, -1), is_wrong


def fitted(X: Any, y: Any, **fit: Any) -> CoTrainingClassifier:
    members = [("left", LogisticRegression(), "left"), ("right", GaussianNB(), "right"), ("all", GaussianNB(), None)]
    views = {"left": [0, 1], "right": [2, 3]}
    return CoTrainingClassifier(members, views=views, rounds=1, n_folds=3, random_state=0).fit(X, y, **fit)


@pytest.mark.parametrize("seed", range(3))
def test_most_of_20_percent_wrong_labels_are_found_and_few_right_ones_accused(seed: int) -> None:
    X, y, is_wrong = table(0.2, seed)
    suspects = fitted(X, y).suspects_["y"].to_pandas()
    found = suspects["row_id"].to_numpy()
    assert is_wrong[found].sum() > 0.75 * is_wrong.sum()
    assert (~is_wrong[found]).sum() < 0.05 * N_LABELLED
    assert suspects["given"].tolist() == [str(label) for label in y[found]]
    assert (suspects["given"] != suspects["suggested"]).all()
    assert (suspects["confidence"] > suspects["given_confidence"]).all()


@pytest.mark.parametrize("seed", range(3))
def test_where_all_labels_are_right_almost_none_is_accused(seed: int) -> None:
    X, y, _ = table(0.0, seed)
    assert fitted(X, y).suspects_["y"].num_rows <= 0.02 * N_LABELLED


def test_a_row_that_was_not_held_out_is_never_a_suspect() -> None:
    X, y, _ = table(0.2, 0)
    model = fitted(X, {"y": y, "few": np.where(np.arange(N_ROWS) < 60, y, -1)})
    assert set(model.suspects_) == {"y", "few"}
    assert max(model.suspects_["y"]["row_id"].to_pylist()) < N_LABELLED
    assert max(model.suspects_["few"]["row_id"].to_pylist()) < 60


def test_a_label_of_weight_0_is_no_label_and_no_suspect() -> None:
    X, y, is_wrong = table(0.2, 0)
    weight = np.where(is_wrong, 0.0, 1.0)
    named = fitted(X, y, sample_weight=weight).suspects_["y"]["row_id"].to_pylist()
    assert not is_wrong[named].any()


def test_suspects_are_told_by_their_ids_and_change_nothing() -> None:
    X, y, _ = table(0.2, 1)
    names = np.array([f"row {position}" for position in range(N_ROWS)])
    plain, named = fitted(X, y), fitted(X, y, row_ids=names)
    assert named.suspects_["y"]["row_id"].to_pylist() == [
        f"row {position}" for position in plain.suspects_["y"]["row_id"].to_pylist()
    ]
    assert y[plain.suspects_["y"]["row_id"].to_numpy()].min() >= 0, "a suspect keeps its label"
    np.testing.assert_array_equal(plain.predict_proba(X), named.predict_proba(X))
