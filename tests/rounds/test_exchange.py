"""What students learn from one another: peers teach, nobody teaches himself, facts stay facts."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from cotrain.predictions import Targets, Trust, from_codes, pool
from cotrain.rounds import Lesson, TeachingPlan, exchange
from cotrain.rounds.selection import SILENT

N_ROWS = 60
GIVEN = from_codes(np.where(np.arange(N_ROWS) < 12, np.arange(N_ROWS) % 3, -1), 3)


SHARES = np.array([0.5, 0.3, 0.2])


def committee(n_members: int = 3, seed: int = 0) -> list[NDArray[np.floating]]:
    """They mostly agree: each row has a class that all lean to."""
    rng = np.random.default_rng(seed)
    lean = 2 * np.eye(3)[rng.integers(0, 3, N_ROWS)]
    return [softmax(lean + rng.normal(size=(N_ROWS, 3)), axis=1) for _ in range(n_members)]


def trust_in(*weights: float) -> Trust:
    shares = np.array(weights) / np.sum(weights)
    return Trust(np.linspace(0.8, 1.6, len(weights)), shares, SHARES)


def taught(
    told: list[NDArray[np.floating]],
    trust: Trust | None = None,
    round: int = 1,
    given: Targets = GIVEN,
    **plan: object,
) -> list[Lesson]:
    trust = trust or trust_in(*[1.0] * len(told))
    lessons = exchange([{"y": one} for one in told], {"y": given}, {"y": trust}, TeachingPlan(**plan), round)  # type: ignore[arg-type]
    return [lesson["y"] for lesson in lessons]


def same(one: Lesson, other: Lesson) -> bool:
    return (
        np.array_equal(one.targets.probabilities, other.targets.probabilities)
        and np.array_equal(one.targets.weight, other.targets.weight)
        and np.array_equal(one.admission.verdict, other.admission.verdict)
    )


def test_nobody_teaches_himself() -> None:
    told = committee()
    as_is = taught(told, trust_in(3, 2, 1))
    for student in range(3):
        turned = list(told)
        turned[student] = np.roll(told[student], 1, axis=1)
        lessons = taught(turned, trust_in(3, 2, 1))
        assert same(lessons[student], as_is[student])
        assert student not in lessons[student].teachers
        assert not any(same(lessons[other], as_is[other]) for other in range(3) if other != student)


def test_two_teachers_pooled_by_hand() -> None:
    told = committee()
    lesson = taught(
        told, Trust(np.ones(3), np.array([0.5, 0.375, 0.125]), SHARES), rounds=1, last_share=1.0, soft_labels=True
    )[0]
    by_hand = pool(told[1:], np.array([0.75, 0.25]), voices=TeachingPlan().voices, prior=SHARES)
    rows = lesson.admission.positions
    np.testing.assert_allclose(lesson.targets.probabilities[rows], by_hand[rows])
    ordered = np.sort(by_hand, axis=1)
    np.testing.assert_allclose(lesson.admission.margin, ordered[:, -1] - ordered[:, -2])


def test_given_labels_reach_every_student_untouched() -> None:
    for lesson in taught(committee(), last_share=1.0, first_share=1.0):
        given = GIVEN.is_labelled
        assert np.array_equal(lesson.targets.probabilities[given], GIVEN.probabilities[given])
        assert np.array_equal(lesson.targets.weight[given], GIVEN.weight[given])
        assert not np.intersect1d(lesson.admission.positions, np.flatnonzero(given)).size


def test_what_goes_in_is_not_changed() -> None:
    told = committee()
    before = [one.copy() for one in told], GIVEN.probabilities.copy(), GIVEN.weight.copy()
    taught(told)
    assert all(np.array_equal(one, was) for one, was in zip(told, before[0], strict=True))
    assert np.array_equal(GIVEN.probabilities, before[1])
    assert np.array_equal(GIVEN.weight, before[2])


def test_an_abstention_never_teaches() -> None:
    told = committee()
    for one in told[1:]:
        one[40] = np.nan
    told[1][41] = np.nan
    lesson = taught(told, rounds=1, last_share=1.0)[0]
    assert lesson.admission.verdict[40] == SILENT
    assert lesson.targets.weight[40] == 0
    assert lesson.admission.codes[41] == told[2][41].argmax()  # the other one's word stands for both


def test_a_member_without_skill_never_teaches() -> None:
    told = committee()
    useless = trust_in(1, 1, 0)
    misled = [*told[:2], np.roll(told[2], 1, axis=1)]
    for lesson, other in zip(taught(told, useless), taught(misled, useless), strict=True):
        assert 2 not in lesson.teachers
        assert same(lesson, other)


def test_the_only_member_with_skill_is_taught_by_nobody() -> None:
    lessons = taught(committee(), trust_in(1, 0, 0))
    assert lessons[0].teachers == ()
    assert len(lessons[0].admission.positions) == 0
    assert np.array_equal(lessons[0].targets.weight, GIVEN.weight)
    assert lessons[1].teachers == lessons[2].teachers == (0,)


def test_a_single_member_has_no_lesson_but_the_given_labels() -> None:
    (lesson,) = taught(committee(1))
    assert lesson.teachers == ()
    assert np.array_equal(lesson.targets.weight, GIVEN.weight)


def test_members_in_another_order_learn_the_same() -> None:
    told, trust, order = committee(), trust_in(3, 2, 1), [2, 0, 1]
    there = taught(told, trust)
    back = taught([told[i] for i in order], Trust(trust.temperatures[order], trust.weights[order], SHARES))
    for position, member in enumerate(order):
        assert np.array_equal(back[position].admission.codes, there[member].admission.codes)
        np.testing.assert_allclose(back[position].targets.weight, there[member].targets.weight, atol=1e-9)


@pytest.mark.parametrize("pseudo_mass", [0.1, 0.5, 1.0, 4.0, 1000.0])
def test_pseudo_labels_never_weigh_more_than_they_may(pseudo_mass: float) -> None:
    heavy = Targets(GIVEN.probabilities, 3 * GIVEN.weight)
    for lesson in taught(committee(), given=heavy, pseudo_mass=pseudo_mass, first_share=1.0):
        mass = lesson.targets.weight[lesson.admission.positions].sum()
        assert 0 < mass <= pseudo_mass * heavy.weight.sum() * (1 + 1e-12)


def test_a_surer_row_teaches_louder() -> None:
    for lesson in taught(committee(), first_share=1.0):
        rows = lesson.admission.positions
        order = np.argsort(lesson.admission.margin[rows])
        assert (np.diff(lesson.targets.weight[rows][order]) >= -1e-12).all()
        assert (lesson.targets.weight[rows] > 0).all()


def test_quotas_grow_with_the_round() -> None:
    plan = {"rounds": 4, "first_share": 0.2, "last_share": 0.9}
    counts = [len(taught(committee(), round=round, **plan)[0].admission.positions) for round in (1, 2, 3, 4)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_hard_labels_name_one_class_and_soft_ones_sum_to_1() -> None:
    hard, soft = (taught(committee(), soft_labels=is_soft)[0] for is_soft in (False, True))
    rows = hard.admission.positions
    assert np.array_equal(rows, soft.admission.positions)
    assert np.array_equal(hard.targets.probabilities[rows], np.eye(3)[hard.admission.codes[rows]])
    np.testing.assert_allclose(soft.targets.probabilities[rows].sum(axis=1), 1)
    assert (soft.targets.probabilities[rows].max(axis=1) < 1).any()


def test_full_agreement_teaches_only_what_all_teachers_say() -> None:
    told = committee()
    trust = trust_in(1, 1, 1)
    lesson = taught(told, trust, least_agreement=1.0, first_share=1.0)[0]
    votes = np.array([one.argmax(axis=1) for one in trust.calibrated(told)[1:]])
    rows = lesson.admission.positions
    assert len(rows)
    assert (votes[:, rows] == lesson.admission.codes[rows]).all()
    assert len(rows) < (~GIVEN.is_labelled).sum()


def test_no_share_is_taken_from_rows_out_of_reach() -> None:
    told, here = committee(), np.arange(N_ROWS) % 2 == 0
    everywhere = np.ones(N_ROWS, dtype=bool)
    lessons = exchange(
        [{"y": one} for one in told],
        {"y": GIVEN},
        {"y": trust_in(1, 1, 1)},
        TeachingPlan(),
        1,
        [here, everywhere, here],
    )
    assert not lessons[0]["y"].targets.weight[~here & ~GIVEN.is_labelled].any()
    assert lessons[1]["y"].targets.weight[~here & ~GIVEN.is_labelled].any()


def test_tasks_are_taught_apart() -> None:
    told, second = committee(), committee(seed=5)
    both = exchange(
        [{"y": a, "z": b} for a, b in zip(told, second, strict=True)],
        {"y": GIVEN, "z": GIVEN},
        {"y": trust_in(1, 1, 1), "z": trust_in(1, 2, 3)},
        TeachingPlan(),
        1,
    )
    assert all(same(lesson["y"], alone) for lesson, alone in zip(both, taught(told), strict=True))
    assert all(same(lesson["z"], alone) for lesson, alone in zip(both, taught(second, trust_in(1, 2, 3)), strict=True))


def test_a_fully_labelled_table_and_no_rows_teach_nothing() -> None:
    full = from_codes(np.arange(N_ROWS) % 3, 3)
    assert all(len(lesson.admission.positions) == 0 for lesson in taught(committee(), given=full))
    empty = [one[:0] for one in committee()]
    assert all(len(one.targets.weight) == 0 for one in taught(empty, given=from_codes(np.zeros(0, dtype=int), 3)))
