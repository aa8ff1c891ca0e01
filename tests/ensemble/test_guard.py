"""Which round is shipped: the one with the least held-out loss, and no teaching where nothing speaks for it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cotrain.ensemble import judge
from cotrain.ensemble.guard import SLIP

CODES = np.array([0, 1, 0, 1, -1])


def says(right: float) -> NDArray[np.floating]:
    """[5, 2]: this much for the right class of every labelled row."""
    wrong = 1 - right
    return np.array([[right, wrong], [wrong, right], [right, wrong], [wrong, right], [0.5, 0.5]])


def test_the_round_of_least_loss_is_shipped() -> None:
    evidence = judge([says(0.6), says(0.9), says(0.7)], CODES)
    assert evidence.shipped == 1
    cautious = np.log((1 - SLIP) * np.array([0.6, 0.9, 0.7]) + SLIP / 2)
    assert [score.loss for score in evidence.scores] == pytest.approx((-cautious).tolist())
    assert evidence.gain == pytest.approx(cautious[1] - cautious[0])
    assert evidence.n_held_out == 4
    assert [score.round for score in evidence.scores] == [0, 1, 2]


def test_the_earliest_of_equals_is_shipped() -> None:
    assert judge([says(0.8), says(0.8)], CODES).shipped == 0
    assert judge([says(0.7), says(0.8), says(0.8)], CODES).shipped == 1


def test_teaching_that_does_harm_is_not_shipped() -> None:
    evidence = judge([says(0.8), says(0.7), says(0.6)], CODES)
    assert evidence.shipped == 0
    assert evidence.gain == 0.0
    assert "did not help on 4 held-out labels" in evidence.verdict


def test_where_nothing_is_measured_the_supervised_committee_is_shipped() -> None:
    for told, codes in (
        ([says(0.6), says(0.9)], np.full(5, -1)),
        ([np.full((5, 2), np.nan)] * 2, CODES),
        ([np.zeros((0, 2))] * 2, np.zeros(0, dtype=int)),
    ):
        evidence = judge(told, codes)
        assert evidence.shipped == 0
        assert evidence.n_held_out == 0
        assert np.isnan(evidence.scores[0].loss)
        assert "No label could be held out" in evidence.verdict


def test_rounds_are_compared_on_the_same_rows() -> None:
    # Round 1 is silent on the row that round 0 finds hardest; the row counts for neither.
    first, second = says(0.8), says(0.75)
    first[0] = [0.01, 0.99]
    second[0] = np.nan
    evidence = judge([first, second], CODES)
    assert evidence.n_held_out == 3
    assert evidence.shipped == 0


def test_the_gain_comes_with_its_standard_error() -> None:
    first, second = says(0.6), says(0.6)
    second[0], second[1] = [0.9, 0.1], [0.3, 0.7]
    was, first_now, second_now = (np.log((1 - SLIP) * told + SLIP / 2) for told in (0.6, 0.9, 0.7))
    saved = np.array([first_now - was, second_now - was, 0.0, 0.0])
    score = judge([first, second], CODES).scores[1]
    assert score.gain == pytest.approx(saved.mean())
    assert score.gain_error == pytest.approx(saved.std(ddof=1) / 2)
    assert "Round 1 is shipped" in judge([first, second], CODES).verdict


def test_one_row_told_wrong_with_certainty_does_not_decide_against_all_others() -> None:
    codes = np.zeros(20, dtype=int)
    first = np.tile([0.6, 0.4], (20, 1))
    second = np.tile([0.95, 0.05], (20, 1))
    second[0] = [0.0, 1.0]
    assert judge([first, second], codes).shipped == 1


def test_heavy_rows_decide() -> None:
    first, second = says(0.7), says(0.9)
    second[0] = [0.2, 0.8]
    assert judge([first, second], CODES, np.array([0.1, 1.0, 1.0, 1.0, 1.0])).shipped == 1
    assert judge([first, second], CODES, np.array([9.0, 1.0, 1.0, 1.0, 1.0])).shipped == 0


def test_accuracy_is_told_beside_the_loss() -> None:
    first = says(0.6)
    first[0] = [0.4, 0.6]
    assert [score.accuracy for score in judge([first, says(0.9)], CODES).scores] == [0.75, 1.0]
