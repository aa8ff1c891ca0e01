"""Which round is shipped: the last that held-out labels do not tell from the best, and none where teaching did harm."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cotrain.ensemble import judge
from cotrain.ensemble.guard import A_TIE, THE_SAME

CODES = np.array([0, 1, 0, 1, -1])
MANY = np.tile(CODES, 100)


def says(right: float, copies: int = 1) -> NDArray[np.floating]:
    """[5 * copies, 2]: this much for the right class of every labelled row. Its Brier score is 2 (1 - right)^2."""
    wrong = 1 - right
    return np.tile([[right, wrong], [wrong, right], [right, wrong], [wrong, right], [0.5, 0.5]], (copies, 1))


def right_for(brier: float) -> float:
    return 1 - np.sqrt(brier / 2)


def test_with_many_labels_the_round_of_least_loss_is_shipped() -> None:
    evidence = judge([says(right, 100) for right in (0.6, 0.9, 0.7)], MANY)
    assert evidence.shipped == 1
    assert [score.loss for score in evidence.scores] == pytest.approx([0.32, 0.02, 0.18])
    assert evidence.gain == pytest.approx(0.3)
    assert evidence.n_held_out == 400
    assert [score.round for score in evidence.scores] == [0, 1, 2]


def test_of_rounds_that_few_labels_cannot_tell_apart_the_last_is_shipped() -> None:
    assert judge([says(0.7), says(0.8), says(0.8)], CODES).shipped == 2
    assert judge([says(0.8), says(0.8)], CODES).shipped == 1
    for excess, shipped in ((0.99, 2), (1.01, 1)):  # of what is the same for two classes, over four rows
        best = right_for(0.02)
        later = right_for(0.02 + excess * 2 * THE_SAME / 4)
        assert judge([says(0.5), says(best), says(later)], CODES).shipped == shipped


def test_teaching_that_does_harm_is_not_shipped() -> None:
    evidence = judge([says(0.8), says(0.6), says(0.5)], CODES)
    assert evidence.shipped == 0
    assert evidence.gain == 0.0
    assert "did harm on 4 held-out labels" in evidence.verdict
    for excess, shipped in ((0.99, 1), (1.01, 0)):
        taught = right_for(0.08 + excess * 2 * A_TIE / 4)
        assert judge([says(0.8), says(taught)], CODES).shipped == shipped


def test_a_round_worse_than_no_teaching_is_not_shipped_beside_a_better_one() -> None:
    # Round 2 is within one row of round 1, but it was found worse than round 0, if only by a hair.
    better = 0.2 - 1.01 * 2 * A_TIE / 4
    told = [says(right_for(brier)) for brier in (0.2, better, 0.201)]
    assert judge(told, CODES).shipped == 1
    told[2] = says(right_for(0.199))
    assert judge(told, CODES).shipped == 2


def test_a_tie_is_called_a_tie() -> None:
    verdict = judge([says(0.8), says(0.799)], CODES).verdict
    assert "Round 1 is shipped" in verdict
    assert "too few to tell them apart" in verdict


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
    first, second = says(0.8), says(0.6)
    first[0] = [0.01, 0.99]
    second[0] = np.nan
    evidence = judge([first, second], CODES)
    assert evidence.n_held_out == 3
    assert evidence.shipped == 0


def test_the_gain_comes_with_its_standard_error() -> None:
    first, second = says(0.6), says(0.6)
    second[0], second[1] = [0.9, 0.1], [0.3, 0.7]
    saved = 2 * np.array([0.4**2 - 0.1**2, 0.4**2 - 0.3**2, 0.0, 0.0])
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
