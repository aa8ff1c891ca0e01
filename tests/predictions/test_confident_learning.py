"""A suspect is a label that somebody who never saw it contradicts, as surely as that voice commonly speaks."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cotrain.predictions import self_confidence, suspects

# Thresholds: class 0 is told with 0.9, 0.7 and 0.2 where it is given, 0.6 on average; class 1 with 0.8 and 0.4: 0.6.
TOLD = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.2, 0.8], [0.6, 0.4]])
CODES = np.array([0, 0, 0, 1, 1])


def easy(n_rows: int, seed: int, wrong: float) -> tuple[NDArray[np.floating], NDArray[np.integer], NDArray[np.bool_]]:
    """A voice that mostly knows three classes, labels of which a share is wrong, and which those are."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n_rows)
    logits = rng.normal(size=(n_rows, 3)) + 4.0 * np.eye(3)[truth]
    told = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    is_wrong = rng.random(n_rows) < wrong
    return told, np.where(is_wrong, (truth + rng.integers(1, 3, n_rows)) % 3, truth), is_wrong


def test_the_off_diagonal_of_the_confident_joint_by_hand() -> None:
    np.testing.assert_allclose(self_confidence(TOLD, CODES), [0.6, 0.6])
    found = suspects(TOLD, CODES)
    assert found.positions.tolist() == [2, 4]  # by the margin: 0.6 before 0.2
    assert (found.given.tolist(), found.suggested.tolist()) == ([0, 1], [1, 0])
    np.testing.assert_allclose(found.confidence, [0.8, 0.6])
    np.testing.assert_allclose(found.given_confidence, [0.2, 0.4])


def test_a_doubtful_contradiction_accuses_nobody() -> None:
    told = TOLD.copy()
    told[4] = [0.55, 0.45]  # against the label, but less surely than class 0 is commonly told
    assert suspects(told, CODES).positions.tolist() == [2]


def test_a_rare_class_that_the_voice_finds_unlikely_accuses_nobody() -> None:
    told = np.array([[0.8, 0.1, 0.1], [0.9, 0.1, 0.0], [0.9, 0.0, 0.1], [0.7, 0.1, 0.2]])
    codes = np.array([0, 0, 2, 1])  # class 2 is told with 0.1 at most where it is given, and class 0 with 0.85
    found = suspects(told, codes)
    assert found.positions.tolist() == [2]
    assert found.suggested.tolist() == [0], "not that row 3 is of class 2, of which 0.2 is much"


def test_a_label_that_the_voice_prefers_is_no_suspect_however_rare_the_other_class() -> None:
    told = np.array([[0.95, 0.05], [0.9, 0.1], [0.75, 0.25], [0.8, 0.2], [0.85, 0.15]])
    assert not len(suspects(told, np.array([0, 0, 0, 1, 0])).positions[1:])
    assert suspects(told, np.array([0, 0, 0, 0, 0])).positions.tolist() == []


@pytest.mark.parametrize("seed", range(5))
def test_most_wrong_labels_are_found_and_few_right_ones_accused(seed: int) -> None:
    told, codes, is_wrong = easy(500, seed, wrong=0.2)
    found = suspects(told, codes).positions
    assert is_wrong[found].sum() > 0.8 * is_wrong.sum()
    assert (~is_wrong[found]).sum() < 0.03 * (~is_wrong).sum()
    told, codes, _ = easy(500, seed, wrong=0.0)
    assert len(suspects(told, codes).positions) < 0.02 * 500


def test_the_order_of_rows_changes_the_order_of_equals_only() -> None:
    told, codes, _ = easy(200, 1, wrong=0.2)
    order = np.random.default_rng(0).permutation(200)
    as_is, moved = suspects(told, codes), suspects(told[order], codes[order])
    assert order[moved.positions].tolist() == as_is.positions.tolist()
    assert moved.suggested.tolist() == as_is.suggested.tolist()
    tied = suspects(np.tile(TOLD, (2, 1)), np.tile(CODES, 2))
    assert tied.positions.tolist() == [2, 7, 4, 9]


def test_a_renaming_of_the_classes_changes_only_their_names() -> None:
    told, codes, _ = easy(200, 2, wrong=0.2)
    names = np.array([2, 0, 1])
    as_is, renamed = suspects(told, codes), suspects(told[:, np.argsort(names)], names[codes])
    assert renamed.positions.tolist() == as_is.positions.tolist()
    assert renamed.suggested.tolist() == names[as_is.suggested].tolist()


def test_weight_2_is_the_row_twice() -> None:
    weight = np.array([1.0, 2.0, 1.0, 1.0, 3.0])
    twice = np.repeat(np.arange(5), weight.astype(int))
    np.testing.assert_allclose(self_confidence(TOLD, CODES, weight), self_confidence(TOLD[twice], CODES[twice]))


def test_a_row_without_a_label_or_without_a_voice_is_no_suspect() -> None:
    told, codes = TOLD.copy(), CODES.copy()
    told[2] = np.nan
    codes[4] = -1
    assert suspects(told, codes).positions.tolist() == []
    assert suspects(np.full((3, 2), np.nan), np.array([0, 1, -1])).positions.tolist() == []
    assert suspects(np.zeros((0, 2)), np.zeros(0, dtype=int)).positions.tolist() == []


def test_nobody_is_suggested_a_class_that_no_row_carries() -> None:
    told = np.array([[0.1, 0.1, 0.8], [0.9, 0.1, 0.0], [0.1, 0.9, 0.0]])
    assert suspects(told, np.array([0, 0, 1])).positions.tolist() == []
