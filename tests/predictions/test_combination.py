"""Several opinions become one: by weight, in the logarithm, over those who speak."""

import numpy as np
import pytest
from scipy.special import softmax

from cotrain.errors import LearnerError
from cotrain.predictions import filled, most_likely, pool


def committee(n_members: int = 3, n_rows: int = 30) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [softmax(rng.normal(size=(n_rows, 4)), axis=1) for _ in range(n_members)]


def test_two_opinions_pooled_by_hand() -> None:
    told = [np.array([[0.8, 0.2]]), np.array([[0.5, 0.5]])]
    # Three quarters and one quarter: odds 4^0.75 * 1^0.25.
    odds = 4**0.75
    np.testing.assert_allclose(pool(told, np.array([3.0, 1.0])), [[odds / (1 + odds), 1 / (1 + odds)]])
    np.testing.assert_allclose(pool(told, np.array([1.0, 1.0]), voices=2.0), [[0.8, 0.2]])  # naive Bayes of the two


def test_what_holds_for_all_rows_counts_once() -> None:
    # Nine rows in ten are of the first class; two independent signs are 6 and 3 times as common in the second.
    shares = np.array([0.9, 0.1])
    told = [np.array([[9.0, 6.0]]) / 15, np.array([[9.0, 3.0]]) / 12]
    bayes = np.array([[9.0, 18.0]]) / 27
    np.testing.assert_allclose(pool(told, np.ones(2), voices=2.0, prior=shares), bayes)
    assert pool(told, np.ones(2), voices=2.0)[0, 1] < 0.2  # the shares counted twice: the wrong class, and sure of it


def test_a_member_that_says_what_holds_for_all_rows_only_makes_the_others_less_sure() -> None:
    shares, told = np.array([0.4, 0.3, 0.2, 0.1]), committee(1)[0]
    everybody = np.tile(shares, (30, 1))
    np.testing.assert_allclose(
        pool([told, everybody], np.ones(2), voices=2.0, prior=shares), pool([told], np.ones(1), prior=shares)
    )


def test_only_the_ratios_of_weights_matter() -> None:
    weights = np.array([0.5, 2.0, 1.0])
    np.testing.assert_allclose(pool(committee(), 17 * weights), pool(committee(), weights), atol=1e-12)


def test_the_order_of_the_members_does_not_matter() -> None:
    told, weights, order = committee(), np.array([0.5, 2.0, 1.0]), [2, 0, 1]
    np.testing.assert_allclose(pool([told[i] for i in order], weights[order]), pool(told, weights), atol=1e-12)


def test_the_order_of_rows_and_classes_does_not_matter() -> None:
    told, weights = committee(), np.array([0.5, 2.0, 1.0])
    pooled = pool(told, weights)
    np.testing.assert_allclose(pool([one[::-1] for one in told], weights), pooled[::-1])
    np.testing.assert_allclose(pool([one[:, ::-1] for one in told], weights), pooled[:, ::-1], atol=1e-12)


def test_members_that_all_say_the_same_are_pooled_to_what_they_say() -> None:
    told = committee(1)[0]
    np.testing.assert_allclose(pool([told] * 3, np.ones(3)), told, atol=1e-12)


def test_whoever_abstains_leaves_the_word_to_the_others() -> None:
    told = committee()
    told[0][5] = np.nan
    told[1][6] = told[2][6] = np.nan
    pooled = pool(told, np.array([5.0, 1.0, 1.0]))
    np.testing.assert_allclose(pooled[5], pool(told[1:], np.ones(2))[5])
    np.testing.assert_allclose(pooled[6], told[0][6], atol=1e-12)
    assert np.isnan(pool([np.full((2, 3), np.nan)] * 2, np.ones(2))).all()


def test_a_member_of_weight_0_is_not_heard_even_where_it_speaks_alone() -> None:
    told = committee()
    silent = np.array([1.0, 1.0, 0.0])
    assert np.array_equal(pool(told, silent), pool(told[:2], np.ones(2)))
    told[0][4] = told[1][4] = np.nan
    assert np.isnan(pool(told, silent)[4]).all()


def test_one_member_cannot_forbid_a_class() -> None:
    told = [np.array([[0.0, 1.0]]), np.array([[0.9, 0.1]]), np.array([[0.9, 0.1]]), np.array([[0.9, 0.1]])]
    assert 0.05 < pool(told, np.ones(4))[0, 0] < 0.9


def test_rows_sum_to_1_and_more_voices_are_surer() -> None:
    told, weights = committee(), np.ones(3)
    one, three = pool(told, weights), pool(told, weights, voices=3.0)
    np.testing.assert_allclose(three.sum(axis=1), 1)
    assert np.array_equal(one.argmax(axis=1), three.argmax(axis=1))
    assert (three.max(axis=1) >= one.max(axis=1)).all()


def test_every_opinion_needs_a_weight() -> None:
    with pytest.raises(LearnerError, match="3 opinions, 2 weights"):
        pool(committee(), np.ones(2))


def test_nobody_s_row_has_no_likely_class_and_equals_go_to_the_first() -> None:
    told = np.array([[0.4, 0.4, 0.2], [np.nan] * 3, [0.1, 0.2, 0.7]])
    assert most_likely(told).tolist() == [0, -1, 2]
    assert most_likely(np.zeros((0, 3))).tolist() == []


def test_silence_is_filled_and_nothing_else() -> None:
    told = np.array([[0.9, 0.1], [np.nan, np.nan]])
    np.testing.assert_array_equal(filled(told, np.array([0.3, 0.7])), [[0.9, 0.1], [0.3, 0.7]])
    assert np.isnan(told[1]).all()


def test_opinions_are_pooled_in_double_whatever_their_type() -> None:
    told = [one.astype(np.float32) for one in committee()]
    assert pool(told, np.ones(3)).dtype == np.float64
    np.testing.assert_array_equal(pool(told, np.ones(3)), pool([one.astype(float) for one in told], np.ones(3)))
