"""What a fold holds out is unknown in its school, and where the schools run changes nothing."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_wine
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from cotrain.estimators.crossing import Findings, Lecture, cross, trust_after
from cotrain.learners import ClassicalLearner, GraphLearner
from cotrain.rounds import Member, TeachingPlan
from cotrain.views import View, ViewSet

MEMBERS = [
    Member("linear", ClassicalLearner(LogisticRegression()), ("first",)),
    Member("trees", ClassicalLearner(ExtraTreesClassifier(5)), ("second",)),
    Member("graph", GraphLearner(at_most_rows=90), ("first", "second")),
]


def lecture(**changes: Any) -> Lecture:
    """Wine: 48 labelled rows of 178 in three folds, two views, three members."""
    X, codes = load_wine(return_X_y=True)
    labelled = np.concatenate([np.flatnonzero(codes == code)[:16] for code in range(3)])
    given = np.full(len(codes), -1)
    given[labelled] = codes[labelled]
    folds = np.full(len(codes), -1)
    folds[labelled] = np.arange(len(labelled)) % 3
    data = {"first": X[:, :6], "second": X[:, 6:]}
    defaults = {
        "members": MEMBERS,
        "blocks": ViewSet([View("first"), View("second")]).fit(data).transform(data),
        "codes": {"y": given},
        "n_classes": {"y": 3},
        "weight": None,
        "folds": folds,
        "kept_out": np.full(len(codes), -1),
        "plan": TeachingPlan(rounds=2, patience=2),
        "seed": 7,
    }
    return Lecture(**{**defaults, **changes})


def quiet(_: str) -> None:
    pass


def assert_same(one: Findings, other: Findings) -> None:
    assert len(one.opinions) == len(other.opinions)
    for now, then in zip(one.opinions, other.opinions, strict=True):
        for member, twin in zip(now, then, strict=True):
            for task in member:
                np.testing.assert_array_equal(member[task], twin[task])
    assert one.stop_reason == other.stop_reason
    assert {task: evidence.shipped for task, evidence in one.evidence.items()} == {
        task: evidence.shipped for task, evidence in other.evidence.items()
    }


def swapped(one: Lecture, row: int) -> dict[str, NDArray[np.integer]]:
    """The labels of `row` and of another row that the same fold holds out, exchanged."""
    codes = one.codes["y"].copy()
    other = np.flatnonzero((one.folds == one.folds[row]) & (codes != codes[row]))[0]
    codes[[row, other]] = codes[[other, row]]
    return {"y": codes}


def test_two_runs_with_one_seed_are_equal_to_the_bit() -> None:
    assert_same(cross(lecture(), quiet), cross(lecture(), quiet))


def test_another_seed_is_another_run() -> None:
    one, other = cross(lecture(), quiet), cross(lecture(seed=8), quiet)
    assert not np.array_equal(one.opinions[0][1]["y"], other.opinions[0][1]["y"], equal_nan=True)


@pytest.mark.slow
def test_two_processes_give_the_same_bits_as_one() -> None:
    assert_same(cross(lecture(), quiet), cross(lecture(n_jobs=2), quiet))


def test_every_labelled_row_is_spoken_of_once_and_no_other() -> None:
    one = lecture()
    for members in cross(one, quiet).opinions:
        for opinion in members:
            assert np.array_equal(~np.isnan(opinion["y"]).any(axis=1), one.folds >= 0)


@pytest.mark.parametrize("row", [0, 20, 60])
def test_which_held_out_row_has_which_label_influences_nothing_in_their_school(row: int) -> None:
    one = lecture()
    row = int(np.flatnonzero(one.folds >= 0)[row % 48])
    as_is = cross(one, quiet)
    changed = cross(lecture(codes=swapped(one, row)), quiet)
    own_fold = one.folds == one.folds[row]
    for member, twin in zip(as_is.opinions[0], changed.opinions[0], strict=True):
        np.testing.assert_array_equal(member["y"][own_fold], twin["y"][own_fold])
    others = (one.folds >= 0) & ~own_fold
    assert not np.array_equal(as_is.opinions[0][0]["y"][others], changed.opinions[0][0]["y"][others])


@pytest.mark.parametrize("row", [0, 20])
def test_held_out_labels_teach_nothing_in_later_rounds_either(row: int) -> None:
    # The school of a fold, taught with a trust that is given: whatever its held-out labels are, it says the same.
    one = lecture()
    row = int(np.flatnonzero(one.folds >= 0)[row])
    trust = None
    told = []
    for codes in (one.codes, swapped(one, row)):
        this = lecture(codes=codes)
        fold = int(this.folds[row])
        school = this.school(1 + fold, np.flatnonzero(this.folds != fold))
        school.supervised()
        if trust is None:
            trust = trust_after(0, cross(one, quiet), one, without=fold)
        school.next_round(trust)
        told.append(school.ask(this.blocks.take(np.flatnonzero(this.folds == fold))))
    for member, twin in zip(*told, strict=True):
        np.testing.assert_array_equal(member["y"], twin["y"])


def test_classes_weigh_in_every_school_what_they_weigh_in_all_rows() -> None:
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 178)
    for one in (lecture(), lecture(weight=weight)):
        whole = [one.weight[one.codes["y"] == code].sum() if one.weight is not None else 16.0 for code in range(3)]
        for fold in range(3):
            rows = np.flatnonzero(one.folds != fold)
            given = one.given(rows)["y"]
            for code in range(3):
                assert given.weight[one.codes["y"][rows] == code].sum() == pytest.approx(whole[code])
            assert (given.weight[one.codes["y"][rows] < 0] == 0).all()


def test_a_held_out_row_is_in_no_school_of_its_own_fold() -> None:
    one = lecture()
    row = int(np.flatnonzero(one.folds == 1)[0])
    moved = {view: block.copy() for view, block in one.blocks.arrays.items()}
    for block in moved.values():
        block[row] += 3.0
    shifted = lecture(blocks=type(one.blocks)(moved, one.blocks.is_present, one.blocks.names))
    as_is, changed = cross(one, quiet).opinions[0], cross(shifted, quiet).opinions[0]
    for member, twin in zip(as_is, changed, strict=True):
        rest = np.flatnonzero((one.folds == 1) & (np.arange(len(one.folds)) != row))
        np.testing.assert_array_equal(member["y"][rest], twin["y"][rest])


def test_rows_kept_out_are_in_no_school_of_their_fold() -> None:
    one = lecture()
    kept_out = np.where((one.folds < 0) & (np.arange(178) % 2 == 0), 1, -1)
    garbled = {view: block.copy() for view, block in one.blocks.arrays.items()}
    for block in garbled.values():
        block[kept_out == 1] = 9.0
    blocks = type(one.blocks)(garbled, one.blocks.is_present, one.blocks.names)
    as_is, changed = (cross(lecture(kept_out=kept_out, blocks=b), quiet).opinions[0] for b in (one.blocks, blocks))
    inside = one.folds == 1
    for member, twin in zip(as_is, changed, strict=True):
        np.testing.assert_array_equal(member["y"][inside], twin["y"][inside])


def test_why_there_is_nothing_to_exchange_is_told() -> None:
    one = lecture()
    everything = {"y": load_wine(return_X_y=True)[1]}
    for changes, reason in [
        ({"plan": TeachingPlan(rounds=0)}, "rounds_is_0"),
        ({"members": MEMBERS[:1]}, "one_member"),
        ({"codes": everything, "folds": np.arange(178) % 3}, "no_unlabelled"),
    ]:
        findings = cross(lecture(**changes), quiet)
        assert findings.stop_reason == reason
        assert len(findings.opinions) == 1
        assert findings.evidence["y"].shipped == 0
    assert len(cross(one, quiet).opinions) > 1


def test_a_round_in_which_nobody_was_taught_is_no_round() -> None:
    # Nobody knows anything, so no teacher prefers a class: there is nothing to teach.
    members = [Member(name, ClassicalLearner(DummyClassifier()), ("first",)) for name in ("one", "other")]
    findings = cross(lecture(members=members), quiet)
    assert findings.stop_reason == "nothing_to_teach"
    assert len(findings.opinions) == 1
    assert findings.evidence["y"].shipped == 0


class SpoiltByTeaching(GaussianNB):
    """Knows what it knows from 48 labels at most; whoever teaches it more makes it say the next class."""

    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        told = super().predict_proba(X)
        return np.roll(told, 1, axis=1) if self.class_count_.sum() > 48.5 else told


def test_a_member_that_did_better_without_its_lesson_takes_it_back() -> None:
    one = lecture(members=[*MEMBERS[:2], Member("spoilt", ClassicalLearner(SpoiltByTeaching()), ("second",))])
    findings = cross(one, quiet)
    assert len(findings.accepted) == 2
    assert any(kept[:2] != [False, False] for kept in findings.accepted)
    for kept, before, after in zip(findings.accepted, findings.opinions, findings.opinions[1:], strict=False):
        assert not kept[2]
        np.testing.assert_array_equal(after[2]["y"], before[2]["y"])  # and says what it said, in every fold


def test_a_round_in_which_every_lesson_was_taken_back_is_no_round() -> None:
    members = [Member(name, ClassicalLearner(SpoiltByTeaching()), (name,)) for name in ("first", "second")]
    findings = cross(lecture(members=members), quiet)
    assert findings.stop_reason == "nothing_kept"
    assert len(findings.opinions) == 1
    assert findings.evidence["y"].shipped == 0


def test_a_task_of_which_nothing_can_be_held_out_does_not_keep_the_others_going() -> None:
    one = lecture()
    plan = TeachingPlan(rounds=6, patience=1)
    alone = cross(lecture(plan=plan), quiet)
    unheard = np.where((one.folds < 0) & (np.arange(178) % 3 == 0), load_wine(return_X_y=True)[1], -1)
    both = cross(lecture(plan=plan, codes={**one.codes, "z": unheard}, n_classes={"y": 3, "z": 3}), quiet)
    assert both.evidence["z"].n_held_out == 0
    assert alone.stop_reason == both.stop_reason == "no_gain"
    assert len(both.opinions) < 7


def test_a_task_that_one_member_cannot_learn_is_left_to_the_others() -> None:
    one = lecture()
    present = {"first": one.codes["y"] < 0, "second": np.ones(178, dtype=bool)}  # no labelled row has the first view
    members = [MEMBERS[0], MEMBERS[1], Member("bayes", ClassicalLearner(GaussianNB()), ("second",))]
    findings = cross(lecture(blocks=type(one.blocks)(one.blocks.arrays, present), members=members), quiet)
    assert np.isnan(findings.opinions[0][0]["y"]).all()
    assert findings.evidence["y"].scores[0].accuracy > 0.7
