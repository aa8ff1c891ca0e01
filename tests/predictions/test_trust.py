"""Trust is earned on held-out rows: who knows more weighs more, who knows nothing weighs nothing."""

import numpy as np
import pytest
from scipy.special import softmax

from cotrain.predictions import Trust, earned_trust


def members(n_rows: int = 120) -> tuple[list[np.ndarray], np.ndarray]:
    """A good one, a fair one, a guesser who is always wrong in one direction; codes of three classes."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, n_rows)

    def speaks(sharpness: float) -> np.ndarray:
        return softmax(sharpness * np.eye(3)[codes] + rng.normal(size=(n_rows, 3)), axis=1)

    return [speaks(3.0), speaks(1.5), np.full((n_rows, 3), 1 / 3)], codes


def test_weights_are_shares_and_grow_with_what_is_known() -> None:
    told, codes = members()
    weights = earned_trust(told, codes).weights
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] > weights[1] > weights[2] >= 0


def test_a_member_worse_than_a_guess_is_not_trusted() -> None:
    told, codes = members()
    misled = np.roll(told[0], 1, axis=1)  # sure, and wrong
    trust = earned_trust([told[0], misled], codes)
    # At the highest temperature it is nearly silent; what it still says, it says of the wrong class.
    assert trust.weights[1] == pytest.approx(0.0, abs=1e-3)


def test_a_member_that_only_knows_the_commonest_class_is_not_trusted() -> None:
    told, codes = members()
    codes[:90], told[0][:90], told[1][:90] = 0, [0.9, 0.05, 0.05], [0.8, 0.1, 0.1]
    parrot = np.tile([0.9, 0.06, 0.04], (120, 1))
    weights = earned_trust([*told[:2], parrot], codes).weights
    assert weights[2] < 1e-6 < weights[1]


def test_a_head_start_multiplies_what_is_earned() -> None:
    told, codes = members()
    plain = earned_trust(told[:2], codes).weights
    ahead = earned_trust(told[:2], codes, head_start=np.array([1.0, 5.0])).weights
    assert ahead[1] / ahead[0] == pytest.approx(5.0 * plain[1] / plain[0])
    np.testing.assert_allclose(earned_trust(told[:2], codes, head_start=np.array([3.0, 3.0])).weights, plain)


def test_where_nobody_is_known_the_head_start_is_all_there_is() -> None:
    told, _ = members()
    weights = earned_trust(told, np.full(120, -1), head_start=np.array([1.0, 1.0, 2.0])).weights
    np.testing.assert_allclose(weights, [0.25, 0.25, 0.5])


def test_where_nobody_knows_anything_all_are_trusted_alike() -> None:
    told, codes = members()
    for unknown in (np.full(120, -1), codes):
        opinions = told if unknown is not codes else [np.roll(told[0], 1, axis=1)] * 2
        weights = earned_trust(opinions, unknown).weights
        np.testing.assert_allclose(weights, 1 / len(opinions))


def test_members_in_another_order_earn_the_same() -> None:
    told, codes = members()
    there, back = earned_trust(told, codes), earned_trust(told[::-1], codes)
    np.testing.assert_allclose(back.weights[::-1], there.weights)
    np.testing.assert_allclose(back.temperatures[::-1], there.temperatures)


def test_rows_in_another_order_earn_the_same() -> None:
    told, codes = members()
    order = np.random.default_rng(1).permutation(120)
    np.testing.assert_allclose(
        earned_trust([one[order] for one in told], codes[order]).weights, earned_trust(told, codes).weights, rtol=1e-6
    )


def test_unlabelled_rows_and_abstentions_earn_nothing() -> None:
    told, codes = members()
    longer = [np.vstack([one, np.eye(3)]) for one in told]
    extended = earned_trust(longer, np.append(codes, [-1, -1, -1]))
    np.testing.assert_array_equal(extended.weights, earned_trust(told, codes).weights)
    silent = [*told[:2], np.full((120, 3), np.nan)]
    assert earned_trust(silent, codes).weights[2] == 0.0
    assert earned_trust(silent, codes).temperatures[2] == 1.0


def test_a_row_of_weight_0_earns_nothing() -> None:
    told, codes = members()
    weight = np.where(np.arange(120) < 80, 2.0, 0.0)
    dropped = earned_trust([one[:80] for one in told], codes[:80])
    np.testing.assert_allclose(earned_trust(told, codes, weight).weights, dropped.weights, rtol=1e-9)


def test_only_rows_on_which_anybody_was_heard_count() -> None:
    told, codes = members()
    never_held_out = [np.vstack([one, np.full((480, 3), np.nan)]) for one in told]
    heard = earned_trust(told, codes).weights
    more_codes = np.tile(codes, 5)  # the classes are as common among them
    np.testing.assert_allclose(earned_trust(never_held_out, more_codes).weights, heard, rtol=0.01)
    taught = [np.vstack([told[0], np.full((480, 3), 1 / 3)])] * 3
    np.testing.assert_allclose(earned_trust(taught, more_codes, untaught=never_held_out).weights, heard, 0.01, 1e-11)


def test_what_members_knew_before_they_were_taught_is_what_they_weigh() -> None:
    told, codes = members(60)
    alike = [told[0], told[0], told[0]]  # as if all had learnt the same from one another
    np.testing.assert_allclose(earned_trust(alike, codes).weights, 1 / 3)
    taught, before = earned_trust(alike, codes, untaught=told), earned_trust(told, codes)
    np.testing.assert_allclose(taught.weights, before.weights, atol=1e-11)
    assert taught.weights[0] > 0.6
    # How sure they sound is another matter: that is heard now.
    np.testing.assert_array_equal(taught.temperatures, earned_trust(alike, codes).temperatures)


def test_a_member_that_knew_nothing_is_heard_where_all_others_abstain_once_it_was_taught() -> None:
    told, codes = members()
    told[0][60:] = np.nan
    silent, learned = np.full((120, 3), np.nan), told[1]
    before = [told[0], silent]
    assert earned_trust(before, codes).weights[1] == 0.0
    weights = earned_trust([told[0], learned], codes, untaught=before).weights
    assert 0.0 < weights[1] < 1e-9
    pooled = Trust(np.ones(2), weights, np.full(3, 1 / 3)).pooled([told[0], learned], voices=1.0)
    np.testing.assert_allclose(pooled[60:], learned[60:], atol=1e-3)
    # One that knows nothing to this day stays unheard.
    assert earned_trust(before, codes, untaught=before).weights[1] == 0.0


def test_whoever_knows_anything_keeps_a_voice() -> None:
    codes = np.tile(np.arange(10), 12_000)
    guessed = np.where(np.random.default_rng(0).random(len(codes)) < 0.3, codes, np.roll(codes, 5))
    strong, weak = 0.99 * np.eye(10)[codes] + 0.001, 0.1 * np.eye(10)[guessed] + 0.09
    weights = earned_trust([strong, weak], codes).weights
    assert 0.0 < weights[1] < 1e-9


def test_the_pool_speaks_where_anybody_trusted_speaks() -> None:
    told, _ = members(4)
    told[0][0] = np.nan
    told[1][:2] = np.nan
    pooled = Trust(np.ones(3), np.array([0.5, 0.5, 0.0]), np.full(3, 1 / 3)).pooled(told, voices=1.0)
    assert np.isnan(pooled).all(axis=1).tolist() == [True, False, False, False]


def test_trust_is_written_down_in_plain_values() -> None:
    assert Trust(np.array([1.0, 2.0]), np.array([0.25, 0.75]), np.array([0.6, 0.4])).as_json() == {
        "temperatures": [1.0, 2.0],
        "weights": [0.25, 0.75],
        "prior": [0.6, 0.4],
    }
