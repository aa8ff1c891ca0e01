"""What students hear from their peers; the compiled core and plain NumPy hear, admit and teach the same."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from cotrain import ops
from cotrain.predictions import Trust, most_likely, pool
from cotrain.rounds.hearing import TIE, choice, hear, hear_by_core, hear_by_numpy, loudness
from cotrain.rounds.selection import BEYOND_QUOTA, DISPUTED, SILENT, admit_by_core, admit_by_numpy

needs_core = pytest.mark.skipif(ops.status().host_backend != "native", reason=ops.status().host_reason)


def committee(n_rows: int = 3000, n_classes: int = 4, seed: int = 0) -> list[NDArray[np.floating]]:
    """Five members; the last two give their votes in tenths, as small forests do, so that rows are tied."""
    rng = np.random.default_rng(seed)
    lean = 2 * np.eye(n_classes)[rng.integers(0, n_classes, n_rows)]
    told = [softmax(lean + rng.normal(size=(n_rows, n_classes)), axis=1) for _ in range(3)]
    told += [rng.multinomial(10, one) / 10 for one in told[:2]]
    for one in told:
        one[rng.random(n_rows) < 0.1] = np.nan
    return told


def trust_in(*weights: float, n_classes: int = 4) -> Trust:
    shares = np.arange(1.0, n_classes + 1)
    return Trust(np.linspace(0.6, 1.8, len(weights)), np.array(weights) / sum(weights), shares / shares.sum())


def test_everybody_hears_the_others_as_they_are_trusted() -> None:
    np.testing.assert_allclose(
        loudness(np.array([0.5, 0.3, 0.2])), [[0, 0.6, 0.4], [5 / 7, 0, 2 / 7], [0.625, 0.375, 0]]
    )
    assert loudness(np.array([0.0, 1.0])).tolist() == [[0.0, 1.0], [0.0, 0.0]]
    assert loudness(np.ones(1)).tolist() == [[0.0]]


def test_what_is_heard_is_the_pool_of_the_others() -> None:
    told, trust = committee(60), trust_in(5, 4, 3, 2, 1)
    heard = list(hear(told, trust, voices=2.0, keeps_probabilities=True))
    assert len(heard) == 5
    for student, one in enumerate(heard):
        others = [i for i in range(5) if i != student]
        calibrated = trust.calibrated(told)
        by_hand = pool([calibrated[i] for i in others], trust.weights[others], voices=2.0, prior=trust.prior)
        assert one.probabilities is not None
        np.testing.assert_allclose(one.probabilities, by_hand, rtol=0, atol=1e-12)
        is_clear = ~(one.margin < TIE)
        assert np.array_equal(one.codes[is_clear], most_likely(by_hand)[is_clear])


def test_of_classes_that_rounding_tells_apart_the_first_is_chosen() -> None:
    codes, confidence, margin = choice(
        np.array([[0.3, 0.35, 0.35 + 1e-16], [0.5 - 1e-12, 0.0, 0.5 + 1e-12], [np.nan] * 3])
    )
    assert codes.tolist() == [1, 0, -1]
    assert np.array_equal(np.isnan(margin), [False, False, True])
    np.testing.assert_allclose(confidence, [0.35, 0.5, np.nan])


def test_pools_are_kept_for_those_who_ask() -> None:
    told, trust = committee(5), trust_in(1, 1, 1, 1, 1)
    for road in (hear, hear_by_numpy):
        assert all(one.probabilities is None for one in road(told, trust, voices=1.0))
        assert all(one.probabilities is not None for one in road(told, trust, voices=1.0, keeps_probabilities=True))


@needs_core
@pytest.mark.parametrize("n_classes", [1, 2, 4])
@pytest.mark.parametrize(
    "weights", [(5, 4, 3, 2, 1), (1, 1, 1, 1, 1), (0, 0, 1, 0, 0), (1, 1e-12, 1e-12, 0, 1)], ids=str
)
def test_core_and_numpy_admit_the_same_rows(n_classes: int, weights: tuple[float, ...]) -> None:
    told, trust = committee(n_classes=n_classes), trust_in(*weights, n_classes=n_classes)
    roads = hear_by_core(told, trust, voices=3.0), hear_by_numpy(told, trust, voices=3.0)
    for one, other in zip(*roads, strict=True):
        assert np.array_equal(one.codes, other.codes)
        for least, share in ((0.0, 1.0), (0.5, 0.8), (0.75, 0.3)):
            verdicts = []
            for heard, admit in ((one, admit_by_core), (other, admit_by_numpy)):
                verdict = np.where(heard.agreement < least - TIE, DISPUTED, BEYOND_QUOTA).astype(np.int8)
                verdict[(heard.codes < 0) | (heard.margin < TIE)] = SILENT
                verdicts.append(admit(heard, verdict, share))
            assert np.array_equal(*verdicts)
