"""One temperature makes an opinion honest: it moves it between the class shares and a bare vote, nowhere else."""

import numpy as np
import pytest
from scipy.special import softmax

from cotrain.predictions import fit_temperature, log_loss, temper


def opinions(n_rows: int = 60, seed: int = 0) -> np.ndarray:
    return softmax(np.random.default_rng(seed).normal(size=(n_rows, 4)) * 2, axis=1)


def test_half_the_temperature_squares_the_odds() -> None:
    np.testing.assert_allclose(temper(np.array([[0.8, 0.2]]), 0.5), [[16 / 17, 1 / 17]])
    np.testing.assert_allclose(temper(np.array([[0.8, 0.2]]), 2.0), [[2 / 3, 1 / 3]])


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0, 3.0, 12.0])
def test_where_classes_are_equally_common_no_temperature_changes_the_winner(temperature: float) -> None:
    told = opinions()
    tempered = temper(told, temperature)
    assert np.array_equal(tempered.argmax(axis=1), told.argmax(axis=1))
    np.testing.assert_allclose(tempered.sum(axis=1), 1)


def test_half_the_temperature_squares_the_odds_against_the_class_shares() -> None:
    # 3 to 1 where all rows are 4 to 1 speaks for the second class, by 4 to 3: squared that is 16 to 9.
    shares, told = np.array([0.8, 0.2]), np.array([[0.75, 0.25]])
    np.testing.assert_allclose(temper(told, 0.5, shares), [[36 / 52, 16 / 52]])
    np.testing.assert_allclose(temper(told, 1.0, shares), told)


def test_equal_shares_are_as_good_as_none() -> None:
    told, codes = opinions(), np.random.default_rng(4).integers(0, 4, 60)
    np.testing.assert_allclose(temper(told, 3.0, np.full(4, 0.25)), temper(told, 3.0), rtol=1e-12)
    assert fit_temperature(told, codes, prior=np.full(4, 0.25)) == pytest.approx(fit_temperature(told, codes))


def test_who_knows_nothing_is_tempered_to_the_class_shares() -> None:
    rng = np.random.default_rng(2)
    shares = np.array([0.85, 0.1, 0.05])
    codes = rng.choice(3, 2000, p=shares)
    noise = softmax(np.log(shares) + rng.normal(size=(2000, 3)), axis=1)
    told = temper(noise, fit_temperature(noise, codes, prior=shares), shares)
    np.testing.assert_allclose(told.mean(axis=0), shares, atol=0.02)
    assert log_loss(told, codes) < log_loss(temper(noise, fit_temperature(noise, codes)), codes) - 0.1


def test_a_hotter_opinion_is_less_sure() -> None:
    confidence = [temper(opinions(), temperature).max(axis=1) for temperature in (0.5, 1.0, 2.0)]
    assert (confidence[0] > confidence[1]).all()
    assert (confidence[1] > confidence[2]).all()


def test_temperature_1_changes_nothing_and_an_abstention_stays_one() -> None:
    told = opinions()
    told[3] = np.nan
    np.testing.assert_allclose(temper(told, 1.0), told, atol=1e-12)
    assert np.isnan(temper(told, 2.0)[3]).all()


def test_a_class_called_impossible_is_only_very_unlikely() -> None:
    assert 0 < temper(np.array([[1.0, 0.0]]), 1.0)[0, 1] < 1e-3


def test_without_a_usable_row_the_temperature_is_1() -> None:
    assert fit_temperature(opinions(), np.full(60, -1)) == 1.0
    assert fit_temperature(np.full((5, 2), np.nan), np.zeros(5, dtype=int)) == 1.0
    assert fit_temperature(np.zeros((0, 2)), np.zeros(0, dtype=int)) == 1.0


def test_the_true_temperature_is_found_where_rows_are_many() -> None:
    rng = np.random.default_rng(0)
    honest = softmax(rng.normal(size=(4000, 3)) * 1.5, axis=1)
    codes = np.array([rng.choice(3, p=p) for p in honest])
    assert fit_temperature(honest, codes) == pytest.approx(1.0, abs=0.08)
    assert fit_temperature(temper(honest, 1 / 3), codes) == pytest.approx(3.0, rel=0.1)  # three times too sure
    assert fit_temperature(temper(honest, 2.0), codes) == pytest.approx(0.5, rel=0.1)


def test_few_rows_are_drawn_towards_1() -> None:
    wrong, codes = np.array([[0.99, 0.01]]), np.array([1])
    few, many = (fit_temperature(np.repeat(wrong, n, axis=0), np.repeat(codes, n)) for n in (1, 200))
    assert 1.0 < few < many


def test_the_temperature_lowers_the_loss_of_an_overconfident_teacher() -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 4, 300)
    told = temper(0.6 * np.eye(4)[np.where(rng.random(300) < 0.6, codes, (codes + 1) % 4)] + 0.1, 0.2)
    assert log_loss(temper(told, fit_temperature(told, codes)), codes) < log_loss(told, codes)


def test_only_the_ratios_of_weights_matter_and_heavy_rows_count_like_copies() -> None:
    told = opinions(600, seed=3)
    codes = np.where(np.arange(600) % 3 > 0, told.argmax(axis=1), 0)
    weight = np.where(np.arange(600) < 200, 3.0, 1.0)
    weighted = fit_temperature(told, codes, weight)
    assert fit_temperature(told, codes, 7 * weight) == pytest.approx(weighted)
    rows = np.repeat(np.arange(600), weight.astype(int))
    # A thousand copies are more rows than six hundred, so the prior is a little weaker there.
    assert fit_temperature(told[rows], codes[rows]) == pytest.approx(weighted, rel=0.01)
    assert fit_temperature(told, codes) != pytest.approx(weighted, rel=0.01)


def test_rows_that_do_not_count_change_nothing() -> None:
    told, codes = opinions(), np.random.default_rng(4).integers(0, 4, 60)
    codes[40:50] = -1
    told[50:] = np.nan
    assert fit_temperature(told, codes) == fit_temperature(told[:40], codes[:40])
    weight = np.where(np.arange(60) < 30, 2.0, 0.0)
    assert fit_temperature(told, codes, weight) == fit_temperature(told[:30], codes[:30])


def test_half_precision_is_enough() -> None:
    told, codes = opinions(), np.random.default_rng(4).integers(0, 4, 60)
    assert fit_temperature(told.astype(np.float16), codes) == pytest.approx(fit_temperature(told, codes), rel=0.05)
