"""Codes become targets, and opinions are scored on rows that have a label and an opinion."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from cotrain.errors import LearnerError
from cotrain.predictions import (
    Targets,
    accuracy,
    class_masses,
    class_shares,
    from_codes,
    log_loss,
    row_losses,
    row_squares,
    skill,
    with_class_masses,
)

TOLD = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.2, 0.5, 0.3]])
CODES = np.array([0, 1, 0, 2])


def test_given_labels_are_one_hot_and_the_others_weigh_nothing() -> None:
    targets = from_codes(np.array([1, -1, 0]), 3, np.array([2.0, 5.0, 1.0]))
    assert targets.probabilities.tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]
    assert targets.weight.tolist() == [2, 0, 1]
    assert targets.is_labelled.tolist() == [True, False, True]
    assert targets.n_classes == 3
    assert from_codes(np.zeros(0, dtype=int), 3).probabilities.shape == (0, 3)


@pytest.mark.parametrize(("shape", "n_weights"), [((4,), 4), ((4, 2), 3), ((4, 2, 1), 4)])
def test_targets_of_unequal_length_are_refused(shape: tuple[int, ...], n_weights: int) -> None:
    with pytest.raises(LearnerError, match=r"probabilities \[n, classes\] and weight \[n\]"):
        Targets(np.zeros(shape), np.zeros(n_weights))


def test_a_part_of_the_labels_can_stand_for_all_of_them() -> None:
    whole = from_codes(np.array([0, 0, 1, -1, 1, 2]), 3, np.array([1.0, 3.0, 1.0, 9.0, 1.0, 2.0]))
    assert class_masses(whole).tolist() == [4, 2, 2]
    rows = np.array([0, 2, 3, 4])
    part = Targets(whole.probabilities[rows], whole.weight[rows])
    told = with_class_masses(part, class_masses(whole))
    assert told.weight.tolist() == [4, 1, 0, 1]  # class 2 has no label left: nobody can weigh for it
    assert part.weight.tolist() == [1, 1, 0, 1], "what was passed in is as it was"
    assert with_class_masses(whole, class_masses(whole)).weight.tolist() == whole.weight.tolist()


def test_the_loss_is_scikit_learns() -> None:
    weight = np.array([1.0, 2.0, 0.5, 3.0])
    assert log_loss(TOLD, CODES) == pytest.approx(sklearn_log_loss(CODES, TOLD))
    assert log_loss(TOLD, CODES, weight) == pytest.approx(sklearn_log_loss(CODES, TOLD, sample_weight=weight))


def test_the_brier_score_is_the_squared_distance_to_the_truth() -> None:
    assert row_squares(TOLD, CODES)[0] == pytest.approx(0.3**2 + 0.2**2 + 0.1**2)
    assert row_squares(np.eye(3)[[0, 1]], np.array([0, 2])).tolist() == [0.0, 2.0]
    two = np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]])
    truth = np.array([0, 0, 1])
    # scikit-learn's binary score counts the one class of two.
    assert row_squares(two, truth).mean() == pytest.approx(2 * brier_score_loss(truth, two[:, 1]))
    silent = row_squares(np.vstack([TOLD, [[np.nan] * 3]]), np.append(CODES[:3], [-1, 0]))
    assert np.isnan(silent).tolist() == [False] * 3 + [True] * 2


def test_accuracy_is_the_weighted_share_of_right_rows() -> None:
    assert accuracy(TOLD, CODES) == 0.5
    assert accuracy(TOLD, CODES, np.array([3.0, 3.0, 1.0, 1.0])) == 0.75


def test_rows_without_a_label_or_an_opinion_do_not_count() -> None:
    told = np.vstack([TOLD, [[np.nan] * 3], [[1.0, 0.0, 0.0]]])
    codes = np.append(CODES, [0, -1])
    weight = np.append(np.ones(4), [100.0, 100.0])
    for score in (log_loss, accuracy, skill):
        assert score(told, codes) == score(TOLD, CODES)
        assert score(told, codes, weight) == pytest.approx(score(TOLD, CODES))
    assert np.isnan(row_losses(told, codes)).tolist() == [False] * 4 + [True] * 2


def test_a_certain_error_has_a_finite_price() -> None:
    assert np.isfinite(log_loss(np.array([[0.0, 1.0]]), np.array([0])))


def test_nothing_to_count_is_nan_and_knows_nothing() -> None:
    assert np.isnan(log_loss(TOLD, np.full(4, -1)))
    assert np.isnan(accuracy(TOLD, np.full(4, -1)))
    assert skill(TOLD, np.full(4, -1)) == 0.0


def test_weights_of_0_on_all_rows_that_count_are_nothing_to_count() -> None:
    weight = np.array([0.0, 0.0, 0.0, 5.0])
    codes = np.array([0, 1, 0, -1])  # what weighs something has no label
    assert np.isnan(log_loss(TOLD, codes, weight))
    assert np.isnan(accuracy(TOLD, codes, weight))
    assert skill(TOLD, codes, weight) == 0.0
    assert accuracy(TOLD, CODES, weight) == 0.0  # the last row alone, which is wrong


def test_class_shares_come_from_the_labels_and_leave_no_class_impossible() -> None:
    codes = np.array([0, 0, 0, 1, -1])
    np.testing.assert_allclose(class_shares(codes, 3), np.array([3 + 1 / 3, 1 + 1 / 3, 1 / 3]) / 5)
    np.testing.assert_allclose(class_shares(np.full(4, -1), 2), [0.5, 0.5])
    np.testing.assert_allclose(class_shares(np.zeros(0, dtype=int), 2), [0.5, 0.5])


def test_class_shares_count_weights_by_their_ratios_and_a_row_of_weight_0_not_at_all() -> None:
    codes, weight = np.array([0, 0, 0, 1, -1]), np.array([1.0, 1, 1, 5, 99])
    shares = class_shares(codes, 2, weight)
    np.testing.assert_allclose(shares, np.array([1.5 + 0.5, 2.5 + 0.5]) / 5)  # four rows' worth, split 3 to 5
    np.testing.assert_allclose(class_shares(codes, 2, 1000 * weight), shares)
    np.testing.assert_allclose(
        class_shares(codes, 2, np.array([1.0, 1, 0, 2, 0])), class_shares(np.array([0, 0, 1]), 2, np.array([1.0, 1, 2]))
    )
    np.testing.assert_allclose(class_shares(codes, 2, np.zeros(5)), [0.5, 0.5])


def test_skill_is_what_a_member_knows_beyond_the_class_shares() -> None:
    codes, shares = np.array([0] * 9 + [1]), np.array([0.9, 0.1])
    assert skill(np.tile(shares, (10, 1)), codes, prior=shares) == 0.0
    assert skill(np.tile(shares, (10, 1)), codes) > 0.3  # beyond an even guess
    silent = np.tile(shares, (10, 1))
    silent[9] = np.nan
    assert skill(silent, codes, prior=shares) == 0.0


def test_a_guess_has_no_skill_and_less_than_a_guess_has_less() -> None:
    assert skill(np.full((6, 3), 1 / 3), np.arange(6) % 3) == pytest.approx(0.0)
    assert skill(np.eye(3)[np.arange(6) % 3], np.arange(6) % 3) == pytest.approx(np.log(3))
    assert skill(np.tile([0.8, 0.1, 0.1], (6, 1)), np.full(6, 2)) < 0
