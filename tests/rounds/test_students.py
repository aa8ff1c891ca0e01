"""Members abstain where they cannot read; students forget, and what they were stays what it was."""

from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from cotrain.errors import ViewError
from cotrain.frozen import Frozen
from cotrain.learners import ClassicalLearner, GraphLearner
from cotrain.predictions import Targets, Trust, from_codes
from cotrain.rounds import Member, School, Student, TeachingPlan, head_start
from cotrain.rounds.member import JOINT
from cotrain.views import Blocks


def iris() -> tuple[Blocks, NDArray[np.int64]]:
    """Sepals and petals; every fourth row lacks its sepals, every fifth its petals. A third is labelled."""
    X, codes = load_iris(return_X_y=True)
    X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)
    has_sepals, has_petals = np.arange(150) % 4 > 0, np.arange(150) % 5 > 0
    arrays = {"sepals": X[:, :2] * has_sepals[:, None], "petals": csr_matrix(X[:, 2:] * has_petals[:, None])}
    is_present = {"sepals": has_sepals, "petals": has_petals}
    return Blocks(arrays, is_present), np.where(np.arange(150) % 3 == 0, codes, -1)  # type: ignore[arg-type]


def member(*views: str, learner: Any = None) -> Member:
    return Member("+".join(views), learner or ClassicalLearner(LogisticRegression()), views)


def test_who_reads_more_views_starts_ahead() -> None:
    ahead = head_start([member("a"), member("a", "b"), member("a", "b", "c"), member("b", "b")], 3)
    np.testing.assert_allclose(ahead, np.exp([0.0, JOINT / 2, JOINT, 0.0]))
    np.testing.assert_allclose(head_start([member("a"), member("a")], 1), 1.0)


def test_a_member_abstains_on_rows_without_any_of_its_views() -> None:
    blocks, codes = iris()
    targets = {"y": from_codes(codes, 3)}
    for views in (("sepals",), ("petals",), ("sepals", "petals")):
        student = Student(member(*views), blocks).learn(targets, np.random.default_rng(0))
        can_read = np.any([blocks.is_present[view] for view in views], axis=0)
        for told in (student.opinions_at_home(), student.graduate().opinions(blocks)):
            assert np.array_equal(~np.isnan(told["y"]).any(axis=1), can_read)


def test_rows_that_a_student_cannot_read_do_not_teach_it() -> None:
    blocks, codes = iris()
    absent = ~blocks.is_present["sepals"]
    turned = np.where(absent, (codes + 1) % 3, codes)
    told = [
        Student(member("sepals"), blocks)
        .learn({"y": from_codes(one, 3)}, np.random.default_rng(0))
        .opinions_at_home()["y"]
        for one in (codes, turned)
    ]
    np.testing.assert_array_equal(told[0], told[1])


def test_a_task_without_a_label_within_reach_is_not_spoken_of() -> None:
    blocks, codes = iris()
    out_of_reach = np.where(blocks.is_present["sepals"], -1, codes)
    targets = {"y": from_codes(codes, 3), "z": from_codes(out_of_reach, 3)}
    told = Student(member("sepals"), blocks).learn(targets, np.random.default_rng(0)).opinions_at_home()
    assert np.isnan(told["z"]).all()
    assert not np.isnan(told["y"][blocks.is_present["sepals"]]).any()
    nothing = Student(member("sepals"), blocks).learn({"z": targets["z"]}, np.random.default_rng(0))
    assert np.isnan(nothing.opinions_at_home()["z"]).all()


@pytest.mark.parametrize("learner", [ClassicalLearner(LogisticRegression()), GraphLearner()], ids=["linear", "graph"])
def test_a_graduate_stays_as_it_was_while_its_student_learns_on(learner: Any) -> None:
    blocks, codes = iris()
    student = Student(member("sepals", learner=learner), blocks)
    graduate = student.learn({"y": from_codes(codes, 3)}, np.random.default_rng(0)).graduate()
    before = graduate.opinions(blocks)["y"].copy()
    student.learn({"y": from_codes((codes + 1) % 3, 3)}, np.random.default_rng(1))
    np.testing.assert_array_equal(graduate.opinions(blocks)["y"], before)
    assert not np.array_equal(student.graduate().opinions(blocks)["y"], before, equal_nan=True)


def test_the_member_s_own_learner_is_never_fitted() -> None:
    blocks, codes = iris()
    untouched = member("sepals")
    Student(untouched, blocks).learn({"y": from_codes(codes, 3)}, np.random.default_rng(0))
    assert not hasattr(untouched.learner, "models_")


def test_no_rows_can_be_asked_about() -> None:
    blocks, codes = iris()
    student = Student(member("sepals", "petals"), blocks).learn({"y": from_codes(codes, 3)}, np.random.default_rng(0))
    assert student.graduate().opinions(blocks.take(np.zeros(0, dtype=int)))["y"].shape == (0, 3)
    absent = np.flatnonzero(~blocks.is_present["sepals"] & ~blocks.is_present["petals"])
    assert np.isnan(student.graduate().opinions(blocks.take(absent))["y"]).all()


def test_a_view_that_is_not_there_is_named() -> None:
    blocks, _ = iris()
    with pytest.raises(ViewError, match=r"Member 'colour' reads the views \['colour'\]"):
        member("colour").read(blocks)


class MajorityLearner:
    """A learner of one's own that is no scikit-learn estimator: it says how often each class was labelled."""

    def fit(self, blocks: Any, targets: dict[str, Targets], generator: np.random.Generator) -> Self:
        self.shares = {task: target.probabilities[target.is_labelled].mean(axis=0) for task, target in targets.items()}
        return self

    def predict(self, blocks: Any) -> dict[str, NDArray[np.floating]]:
        return {task: np.tile(share, (blocks[0].shape[0], 1)) for task, share in self.shares.items()}

    def freeze(self) -> Frozen:
        return Frozen("majority", {task: share.tolist() for task, share in self.shares.items()})


def test_a_learner_need_not_be_a_scikit_learn_estimator() -> None:
    blocks, codes = iris()
    own = MajorityLearner()
    told = Student(member("sepals", learner=own), blocks).learn({"y": from_codes(codes, 3)}, np.random.default_rng(0))
    here = blocks.is_present["sepals"]
    np.testing.assert_allclose(told.opinions_at_home()["y"][here].sum(axis=1), 1)
    assert not hasattr(own, "shares")


def school(codes: NDArray[np.int64], blocks: Blocks) -> School:
    members = [member("sepals"), member("petals", learner=ClassicalLearner(GaussianNB())), member("sepals", "petals")]
    return School(members, blocks, {"y": from_codes(codes, 3)}, TeachingPlan(rounds=2), (0, 1))


TRUST = {"y": Trust(np.ones(3), np.full(3, 1 / 3), np.full(3, 1 / 3))}


def test_two_schools_with_one_seed_give_the_same_bits() -> None:
    blocks, codes = iris()
    told = []
    for _ in range(2):
        one = school(codes, blocks)
        one.supervised()
        one.next_round(TRUST)
        told.append([opinion["y"] for opinion in one.ask(blocks)])
    for once, again in zip(*told, strict=True):
        np.testing.assert_array_equal(once, again)


def test_rows_that_a_student_cannot_read_are_in_none_of_its_lessons() -> None:
    blocks, codes = iris()
    one = school(codes, blocks)
    one.supervised()
    lessons = one.next_round(TRUST)
    for view, lesson in zip(("sepals", "petals"), lessons, strict=False):
        admitted = lesson["y"].admission.positions
        assert len(admitted)
        assert blocks.is_present[view][admitted].all()
        assert (codes[admitted] < 0).all()


def test_a_lesson_taken_back_leaves_the_student_as_it_was() -> None:
    blocks, codes = iris()
    one = school(codes, blocks)
    one.supervised()
    before = [opinion["y"] for opinion in one.ask(blocks)]
    one.next_round(TRUST)
    after = [opinion["y"] for opinion in one.ask(blocks)]
    one.settle([False, True, False])
    now = [opinion["y"] for opinion in one.ask(blocks)]
    for number, expected in enumerate((before, after, before)):
        np.testing.assert_array_equal(now[number], expected[number])
        assert not np.array_equal(before[number], after[number], equal_nan=True)
    # What was taken back is not taught on either: the second is taught by the others as they were.
    again = school(codes, blocks)
    again.supervised()
    again.next_round(TRUST)
    again.settle([False, False, False])
    first, second = one.next_round(TRUST)[1]["y"], again.next_round(TRUST)[1]["y"]
    np.testing.assert_array_equal(first.admission.verdict, second.admission.verdict)
    np.testing.assert_array_equal(first.targets.weight, second.targets.weight)
