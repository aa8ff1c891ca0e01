"""The final voice is learnt on held-out rows only, and never on the row that it is judged by."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from cotrain.ensemble import Voice, held_out_voice
from cotrain.predictions import Trust, class_shares

N_ROWS = 90


def committee() -> tuple[list[NDArray[np.floating]], NDArray[np.int64], NDArray[np.int64]]:
    """Three members of falling skill, codes of three classes, folds 0 to 2; the last ten rows are never held out."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, N_ROWS)
    told = [softmax(skill * np.eye(3)[codes] + rng.normal(size=(N_ROWS, 3)), axis=1) for skill in (2.5, 1.5, 0.5)]
    folds = np.where(np.arange(N_ROWS) < 80, np.arange(N_ROWS) % 3, -1)
    for one in told:
        one[80:] = np.nan
    return told, np.where(folds >= 0, codes, -1), folds


def test_two_members_combined_by_hand() -> None:
    voice = Voice(Trust(np.array([1.0, 2.0]), np.array([0.5, 0.5]), np.array([0.5, 0.5])), 0.5)
    told = [np.array([[0.8, 0.2]]), np.array([[0.9, 0.1]])]
    # Odds 4 and 9; 9 at temperature 2 is 3; the mean of log 4 and log 3 is log sqrt 12; at temperature 1/2 that is 12.
    np.testing.assert_allclose(voice.combine(told), [[12 / 13, 1 / 13]])


def test_where_nobody_speaks_the_class_shares_do() -> None:
    voice = Voice(Trust(np.ones(2), np.array([1.0, 0.0]), np.array([0.6, 0.4])), 1.0)
    nobody, unheard = np.full((1, 2), np.nan), np.array([[0.1, 0.9]])
    np.testing.assert_array_equal(voice.combine([nobody, unheard]), [[0.6, 0.4]])  # the one who speaks is not trusted


def test_a_rare_class_is_told_where_the_evidence_for_it_adds_up() -> None:
    voice = Voice(Trust(np.ones(2), np.array([0.5, 0.5]), np.array([0.8, 0.2])), 0.5)
    told = [np.array([[0.6, 0.4]]), np.array([[0.6, 0.4]])]
    # Odds of 1.5 where all rows are 4 to 1: evidence of 8/3 for the rare class, squared by the temperature, against 4.
    np.testing.assert_allclose(voice.combine(told), [[9 / 25, 16 / 25]])


def test_rows_sum_to_1_and_the_better_member_is_heard_more() -> None:
    told, codes, _ = committee()
    voice = Voice.earned(told, codes)
    np.testing.assert_allclose(voice.combine(told).sum(axis=1), 1)
    assert (np.diff(voice.trust.weights) < 0).all()


def test_a_held_out_row_never_tunes_its_own_rule() -> None:
    told, codes, folds = committee()
    as_is = held_out_voice(told, codes, folds)
    for row in (0, 1, 2, 40):
        own_fold = folds == folds[row]
        turned, other = codes.copy(), np.flatnonzero(own_fold & (codes != codes[row]))[0]
        turned[[row, other]] = codes[[other, row]]  # how common a class is stays as it was: that is known
        now = held_out_voice(told, turned, folds)
        np.testing.assert_array_equal(now[own_fold], as_is[own_fold])
        assert not np.array_equal(now[(folds >= 0) & ~own_fold], as_is[(folds >= 0) & ~own_fold])


def test_a_fold_is_judged_by_the_rule_of_the_others() -> None:
    told, codes, folds = committee()
    inside = folds == 1
    rule = Voice.earned([one[~inside] for one in told], codes[~inside], prior=class_shares(codes, 3))
    np.testing.assert_allclose(
        held_out_voice(told, codes, folds)[inside], rule.combine([one[inside] for one in told]), atol=1e-9
    )


def test_rows_that_were_never_held_out_are_not_spoken_of() -> None:
    told, codes, folds = committee()
    assert np.array_equal(np.isnan(held_out_voice(told, codes, folds)).all(axis=1), folds < 0)
    assert np.isnan(held_out_voice(told, codes, np.full(N_ROWS, -1))).all()


def test_only_the_ratios_of_sample_weights_are_heard() -> None:
    told, codes, folds = committee()
    held = folds >= 0
    plain = held_out_voice(told, codes, folds)[held]
    equal = held_out_voice(told, codes, folds, np.full(N_ROWS, 4.0))[held]
    uneven = held_out_voice(told, codes, folds, np.where(np.arange(N_ROWS) % 2 == 0, 5.0, 1.0))[held]
    np.testing.assert_allclose(equal, plain, atol=1e-2)
    assert not np.allclose(uneven, plain)


def test_a_voice_is_written_down_and_read_back_to_the_bit() -> None:
    told, codes, _ = committee()
    voice = Voice.earned(told, codes)
    again = Voice.from_json(json.loads(json.dumps(voice.as_json())))
    np.testing.assert_array_equal(again.combine(told), voice.combine(told))


@pytest.mark.parametrize("n_members", [1, 2])
def test_members_who_abstain_everywhere_leave_the_class_shares(n_members: int) -> None:
    silent = [np.full((6, 2), np.nan)] * n_members
    codes = np.array([0, 0, 0, 1, 1, -1])
    voice = Voice.earned(silent, codes)
    np.testing.assert_array_equal(voice.combine(silent), np.tile(voice.trust.prior, (6, 1)))
