"""Which rows teachers may label: the surest of every class alike, never one that has a label or no opinion."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from cotrain.rounds import Admission, admit
from cotrain.rounds.hearing import Hearing, agreement, choice
from cotrain.rounds.selection import ADMITTED, BEYOND_QUOTA, DISPUTED, GIVEN, OUT_OF_REACH, SILENT


def pooled(n_rows: int = 200, n_classes: int = 3, seed: int = 0) -> NDArray[np.floating]:
    return softmax(2 * np.random.default_rng(seed).normal(size=(n_rows, n_classes)), axis=1)


def let_through(told: NDArray[np.floating], share: float = 0.5, **settings: object) -> Admission:
    given = {"agreed": np.ones(len(told)), "is_given": np.zeros(len(told), dtype=bool), "least_agreement": 0.0}
    settings = {**given, **settings}
    heard = Hearing(*choice(told), settings.pop("agreed"), told.shape[1])  # type: ignore[arg-type]
    return admit(heard, settings.pop("is_given"), share=share, **settings)  # type: ignore[arg-type]


def test_four_rows_by_hand() -> None:
    told = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]])
    admission = let_through(told, 0.5)
    assert admission.codes.tolist() == [0, 0, 0, 1]
    np.testing.assert_allclose(admission.confidence, [0.9, 0.6, 0.8, 0.7])
    np.testing.assert_allclose(admission.margin, [0.8, 0.2, 0.6, 0.4])
    assert admission.verdict.tolist() == [ADMITTED, BEYOND_QUOTA, ADMITTED, ADMITTED]  # half of 3 is 2, half of 1 is 1
    assert admission.positions.tolist() == [0, 2, 3]


def test_an_abstention_never_teaches() -> None:
    told = pooled()
    told[::3] = np.nan
    admission = let_through(told, 1.0)
    assert (admission.verdict[::3] == SILENT).all()
    assert (admission.codes[::3] == -1).all()
    assert np.array_equal(admission.positions, np.flatnonzero(np.arange(200) % 3 > 0))


def test_a_given_label_is_never_relabelled() -> None:
    is_given = np.arange(200) % 4 == 0
    admission = let_through(pooled(), 1.0, is_given=is_given)
    assert (admission.verdict[is_given] == GIVEN).all()
    assert np.array_equal(admission.positions, np.flatnonzero(~is_given))


def test_given_rows_neither_fill_nor_raise_a_quota() -> None:
    told = pooled()
    is_given = np.arange(200) < 100
    both, alone = let_through(told, 0.3, is_given=is_given), let_through(told[100:], 0.3)
    assert np.array_equal(both.positions - 100, alone.positions)


def test_the_surest_come_first_in_every_class() -> None:
    admission = let_through(pooled(), 0.4)
    for code in range(3):
        inside = admission.codes == code
        admitted = admission.verdict == ADMITTED
        assert admission.margin[inside & admitted].min() >= admission.margin[inside & ~admitted].max()


def test_a_larger_share_keeps_what_a_smaller_one_let_through() -> None:
    told, before = pooled(), set()
    for share in (0.01, 0.1, 0.5, 0.9, 1.0):
        now = set(let_through(told, share).positions.tolist())
        assert before < now
        before = now
    assert before == set(range(200))


@pytest.mark.parametrize("share", [0.07, 0.1, 0.5, 0.7])
def test_every_class_gives_the_same_share_of_its_rows_rounded_up(share: float) -> None:
    # A class of 100 rows and one of 10: the rare one is neither starved nor stuffed.
    told = np.vstack([np.tile([0.8, 0.1, 0.1], (100, 1)), np.tile([0.2, 0.7, 0.1], (10, 1))])
    told += np.random.default_rng(0).uniform(0, 0.01, (110, 1)) * np.array([[1.0, 0.0, 0.0]])
    admission = let_through(told / told.sum(axis=1, keepdims=True), share)
    taken = np.bincount(admission.codes[admission.positions], minlength=3)
    assert taken.tolist() == [round(100 * share), -(-round(1000 * share) // 100), 0]  # 7 %: 7 and 1, not 8 and 1


def test_ties_keep_table_order() -> None:
    told = np.tile([0.6, 0.4], (10, 1))
    assert let_through(told, 0.3).positions.tolist() == [0, 1, 2]


def test_classes_in_another_order_let_the_same_rows_through() -> None:
    told = pooled()
    assert np.array_equal(let_through(told, 0.3).positions, let_through(told[:, [2, 0, 1]], 0.3).positions)


def test_rows_in_another_order_are_let_through_alike() -> None:
    told, order = pooled(), np.random.default_rng(1).permutation(200)
    assert np.array_equal(let_through(told[order], 0.3).verdict, let_through(told, 0.3).verdict[order])


def test_full_agreement_admits_only_unanimous_rows() -> None:
    told = [pooled(seed=1), pooled(seed=2), pooled(seed=3)]
    mean = np.mean(told, axis=0)
    agreed = agreement(told, np.array([0.1, 0.2, 0.7]), mean.argmax(axis=1))
    admission = let_through(mean, 1.0, agreed=agreed, least_agreement=1.0)
    unanimous = (np.array([one.argmax(axis=1) for one in told]) == mean.argmax(axis=1)).all(axis=0)
    assert 0 < unanimous.sum() < 200
    assert np.array_equal(admission.positions, np.flatnonzero(unanimous))
    assert (admission.verdict[~unanimous] == DISPUTED).all()


def test_disputed_rows_do_not_make_room_for_doubtful_ones() -> None:
    # Ten rows of which five are disputed: half of ten may teach, and these five are all there are.
    told = np.tile([0.7, 0.3], (10, 1))
    agreed = np.where(np.arange(10) < 5, 0.4, 1.0)
    assert let_through(told, 0.5, agreed=agreed, least_agreement=0.5).positions.tolist() == [5, 6, 7, 8, 9]
    assert let_through(told, 0.2, agreed=agreed, least_agreement=0.5).positions.tolist() == [5, 6]


def test_agreement_counts_weight_over_those_who_speak() -> None:
    told = [np.array([[0.9, 0.1], [0.9, 0.1], [np.nan] * 2]), np.array([[0.2, 0.8], [np.nan] * 2, [np.nan] * 2])]
    np.testing.assert_allclose(agreement(told, np.array([3.0, 1.0]), np.array([0, 0, -1])), [0.75, 1.0, 0.0])


def test_rows_that_the_student_cannot_read_are_not_admitted_and_fill_no_quota() -> None:
    told = pooled()
    in_reach = np.arange(200) % 2 == 0
    admission = let_through(told, 0.5, in_reach=in_reach)
    assert (admission.verdict[~in_reach] == OUT_OF_REACH).all()
    assert np.array_equal(admission.positions, 2 * let_through(told[in_reach], 0.5).positions)


def test_no_row_and_one_class_are_normal() -> None:
    assert len(let_through(np.zeros((0, 3))).positions) == 0
    assert len(let_through(np.ones((5, 1)), 1.0).positions) == 5
    assert len(let_through(pooled().astype(np.float16), 1.0).positions) == 200
