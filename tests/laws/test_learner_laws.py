"""What every learner keeps, whatever is inside it: the promises of `learners.protocol`."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from sklearn.datasets import load_wine
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from cotrain.learners import Block, ClassicalLearner, GraphLearner, Learner
from cotrain.learners.deep.learner import NetworkLearner
from cotrain.predictions import Targets, from_codes


class TaughtGraph(GraphLearner):
    """A graph that takes what it is told for its teachers' word, and so learns its distances."""

    def fit(self, blocks: Sequence[Block], targets: Mapping[str, Targets], generator: np.random.Generator) -> Self:
        return super().fit(blocks, {task: replace(one, is_taught=True) for task, one in targets.items()}, generator)


MAKERS: dict[str, Callable[[], Learner]] = {
    # Newton steps: in float32, which blocks are, L-BFGS stops where its last few steps happen to lead.
    "logistic": lambda: ClassicalLearner(LogisticRegression(solver="newton-cg", max_iter=1000, tol=1e-6)),
    "trees": lambda: ClassicalLearner(ExtraTreesClassifier(n_estimators=8)),
    "bayes": lambda: ClassicalLearner(GaussianNB()),
    "neighbors": lambda: ClassicalLearner(KNeighborsClassifier(5)),  # takes no sample_weight
    "svm": lambda: ClassicalLearner(LinearSVC(tol=1e-8, dual=False)),  # has no predict_proba
    "pipeline": lambda: ClassicalLearner(
        make_pipeline(MaxAbsScaler(), LogisticRegression(solver="newton-cg", max_iter=1000, tol=1e-6))
    ),
    "graph": lambda: GraphLearner(),
    "taught graph": lambda: TaughtGraph(),
    "network": lambda: NetworkLearner(hidden=8, embedding=8, copies=2, min_steps=15, max_steps=15),
}
EVERY = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
# A network deals its rows into batches and disturbs what it reads: their order and layout are part of its randomness.
SMOOTH = pytest.mark.parametrize("make", list(MAKERS.values())[:-1], ids=list(MAKERS)[:-1])
WEIGHTED_SUMS: dict[str, Callable[[], Learner]] = {
    "logistic": MAKERS["logistic"],
    "pipeline": MAKERS["pipeline"],
    "svm": MAKERS["svm"],
    "tree": lambda: ClassicalLearner(DecisionTreeClassifier(random_state=0)),
}


def wine() -> tuple[list[Block], NDArray[np.int64]]:
    """Two blocks of 120 rows; about half of them unlabelled (-1), codes 0 to 2."""
    X, codes = load_wine(return_X_y=True)
    X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)
    rows = np.random.default_rng(0).permutation(len(X))[:120]
    hidden = np.random.default_rng(1).random(120) < 0.5
    return [X[rows, :8], X[rows, 8:]], np.where(hidden, -1, codes[rows])


def told(learner: Learner, blocks: list[Block], targets: dict[str, Targets], seed: int = 0) -> dict[str, NDArray[Any]]:
    """What it says of copies of its rows: a graph answers for arrays of its own from memory."""
    return learner.fit(blocks, targets, np.random.default_rng(seed)).predict([block.copy() for block in blocks])


@EVERY
def test_every_learner_keeps_the_protocol(make: Callable[[], Learner]) -> None:
    assert isinstance(make(), Learner)


@EVERY
def test_rows_sum_to_1_and_no_probability_is_negative(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    probabilities = told(make(), blocks, {"y": from_codes(codes, 3)})["y"]
    assert probabilities.shape == (120, 3)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


@EVERY
def test_every_learner_beats_a_guess_on_easy_rows(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    learner = make()
    if isinstance(learner, NetworkLearner):
        learner.set_params(min_steps=120, max_steps=120)
    winners = told(learner, blocks, {"y": from_codes(codes, 3)})["y"].argmax(axis=1)
    assert (winners == codes)[codes >= 0].mean() > 0.85


@EVERY
def test_the_same_generator_gives_the_same_bits(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    targets = {"y": from_codes(codes, 3, np.linspace(0.5, 2, 120))}
    once, again = told(make(), blocks, targets, seed=3), told(make(), blocks, targets, seed=3)
    assert np.array_equal(once["y"], again["y"])


@EVERY
def test_learning_again_forgets_what_was_learnt_before(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    turned = from_codes(np.where(codes >= 0, (codes + 1) % 3, -1), 3)
    learner = make()
    told(learner, blocks, {"y": turned}, seed=8)
    relearnt = told(learner, blocks, {"y": from_codes(codes, 3)}, seed=3)
    assert np.array_equal(relearnt["y"], told(make(), blocks, {"y": from_codes(codes, 3)}, seed=3)["y"])


@EVERY
def test_nothing_that_is_given_is_changed(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    blocks = [blocks[0], csr_matrix(blocks[1])]
    soft = Targets(np.full((120, 3), 1 / 3), np.where(codes >= 0, 0.7, 0.0))
    kept = [block.copy() for block in blocks], soft.probabilities.copy(), soft.weight.copy()
    learner = make()
    settings = repr(learner)
    told(learner, blocks, {"y": from_codes(codes, 3), "z": soft})
    assert np.array_equal(blocks[0], kept[0][0])
    assert (blocks[1] != kept[0][1]).nnz == 0
    assert np.array_equal(soft.probabilities, kept[1])
    assert np.array_equal(soft.weight, kept[2])
    assert repr(learner) == settings


@EVERY
def test_a_read_only_array_is_enough(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    targets = from_codes(codes, 3)
    for array in (*blocks, targets.probabilities, targets.weight):
        array.flags.writeable = False  # type: ignore[union-attr]
    assert told(make(), blocks, {"y": targets})["y"].shape == (120, 3)


@SMOOTH
def test_the_order_of_the_rows_does_not_matter(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    order = np.random.default_rng(5).permutation(120)
    as_is = told(make(), blocks, {"y": from_codes(codes, 3)})["y"]
    shuffled = told(make(), [block[order] for block in blocks], {"y": from_codes(codes[order], 3)})["y"]
    np.testing.assert_allclose(shuffled, as_is[order], atol=2e-4)


@EVERY
def test_each_row_is_answered_by_itself(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    learner = make().fit(blocks, {"y": from_codes(codes, 3)}, np.random.default_rng(0))
    some = np.array([7, 3, 99])
    together = learner.predict([block.copy() for block in blocks])["y"]
    alone = learner.predict([block[some] for block in blocks])["y"]
    np.testing.assert_allclose(alone, together[some], atol=1e-5)


@pytest.mark.parametrize("make", WEIGHTED_SUMS.values(), ids=WEIGHTED_SUMS)
def test_weight_2_is_the_row_twice(make: Callable[[], Learner]) -> None:
    # Only where the loss is a weighted sum over rows: two equal rows are neighbours in a graph and in k-NN,
    # and they widen what random trees draw from.
    blocks, codes = wine()
    twice = np.flatnonzero((codes >= 0) & (np.arange(120) % 3 == 0))
    weight = np.ones(120)
    weight[twice] = 2.0
    heavy = told(make(), blocks, {"y": from_codes(codes, 3, weight)})["y"]
    rows = np.concatenate([np.arange(120), twice])
    double = make().fit([block[rows] for block in blocks], {"y": from_codes(codes[rows], 3)}, np.random.default_rng(0))
    np.testing.assert_allclose(double.predict(blocks)["y"], heavy, atol=2e-4)


@pytest.mark.parametrize("name", ["logistic", "trees", "bayes", "svm", "pipeline", "neighbors"])
def test_a_supervised_learner_never_reads_an_unlabelled_row(name: str) -> None:
    blocks, codes = wine()
    learner = MAKERS[name]()
    asked = [block.copy() for block in blocks]
    as_is = learner.fit(blocks, {"y": from_codes(codes, 3)}, np.random.default_rng(0)).predict(asked)["y"]
    garbled = [block.copy() for block in blocks]
    for block in garbled:
        block[codes < 0] = 77.0
    other = MAKERS[name]().fit(garbled, {"y": from_codes(codes, 3)}, np.random.default_rng(0)).predict(asked)["y"]
    assert np.array_equal(other, as_is)


@EVERY
def test_a_row_of_weight_0_says_nothing_whatever_its_probabilities(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    silent = from_codes(codes, 3)
    shouting = Targets(np.where(silent.is_labelled[:, None], silent.probabilities, np.nan), silent.weight)
    assert np.array_equal(told(make(), blocks, {"y": shouting})["y"], told(make(), blocks, {"y": silent})["y"])


@EVERY
def test_a_class_without_a_single_label_has_its_column(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    moved = np.where(codes == 2, 3, codes)  # codes 0, 1, 3 of four classes
    probabilities = told(make(), blocks, {"y": from_codes(moved, 4)})["y"]
    assert probabilities.shape == (120, 4)
    assert (probabilities[:, 2] < 0.4).all()
    assert (probabilities.argmax(axis=1) == 3).any()


@EVERY
def test_one_class_is_enough(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    probabilities = told(make(), blocks, {"y": from_codes(np.where(codes == 1, 1, -1), 3)})["y"]
    assert (probabilities.argmax(axis=1) == 1).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


@EVERY
def test_no_row_to_predict_gives_no_rows(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    targets = {"y": from_codes(codes, 3), "z": from_codes(np.minimum(codes, 1), 2)}
    nobody = make().fit(blocks, targets, np.random.default_rng(0)).predict([block[:0] for block in blocks])
    assert {task: one.shape for task, one in nobody.items()} == {"y": (0, 3), "z": (0, 2)}


@EVERY
def test_half_precision_says_about_the_same(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    halves: list[Any] = [block.astype(np.float16) for block in blocks]
    full = told(make(), blocks, {"y": from_codes(codes, 3)})["y"]
    half = told(make(), halves, {"y": from_codes(codes, 3)})["y"]
    assert (full.argmax(axis=1) == half.argmax(axis=1)).mean() > 0.9


@SMOOTH
def test_sparse_and_dense_blocks_agree(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    blocks = [np.where(np.abs(block) > 0.5, block, 0).astype(np.float32) for block in blocks]
    dense = told(make(), blocks, {"y": from_codes(codes, 3)})["y"]
    sparse = told(make(), [csr_matrix(block) for block in blocks], {"y": from_codes(codes, 3)})["y"]
    mixed = told(make(), [blocks[0], csr_matrix(blocks[1])], {"y": from_codes(codes, 3)})["y"]
    np.testing.assert_allclose(sparse, dense, atol=1e-3)
    np.testing.assert_allclose(mixed, dense, atol=1e-3)


@EVERY
def test_tasks_that_are_labelled_on_different_rows_are_all_learnt(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    learner = make()
    if isinstance(learner, NetworkLearner):
        learner.set_params(min_steps=120, max_steps=120)
    first = np.where(np.arange(120) < 60, codes, -1)
    second = np.where(np.arange(120) >= 60, np.minimum(codes, 1), -1)
    answers = told(learner, blocks, {"kind": from_codes(first, 3), "is_first": from_codes(second, 2)})
    assert list(answers) == ["kind", "is_first"]
    assert (answers["kind"].argmax(axis=1) == codes)[codes >= 0].mean() > 0.8
    assert (answers["is_first"].argmax(axis=1) == np.minimum(codes, 1))[codes >= 0].mean() > 0.8


@pytest.mark.parametrize("name", ["logistic", "bayes", "trees", "neighbors", "graph", "taught graph"])
def test_another_task_changes_nothing_in_the_first(name: str) -> None:
    blocks, codes = wine()
    alone = told(MAKERS[name](), blocks, {"y": from_codes(codes, 3)})["y"]
    beside = told(MAKERS[name](), blocks, {"y": from_codes(codes, 3), "z": from_codes(np.minimum(codes, 1), 2)})["y"]
    assert np.array_equal(alone, beside)


@EVERY
@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "sparse"])
def test_a_frozen_learner_thaws_to_the_same_bits(make: Callable[[], Learner], is_sparse: bool) -> None:
    blocks, codes = wine()
    if is_sparse:
        blocks = [csr_matrix(block) for block in blocks]
    learner = make().fit(blocks, {"y": from_codes(codes, 3)}, np.random.default_rng(0))
    frozen = learner.freeze()
    asked = [block[::-1] if not issparse(block) else block[np.arange(119, -1, -1)] for block in blocks]
    assert np.array_equal(type(learner).thaw(frozen).predict(asked)["y"], learner.predict(asked)["y"])  # type: ignore[attr-defined]


@EVERY
def test_what_is_frozen_is_plain(make: Callable[[], Learner]) -> None:
    blocks, codes = wine()
    learner = make().fit(blocks, {"y": from_codes(codes, 3)}, np.random.default_rng(0))
    frozen = learner.freeze()
    assert json.loads(json.dumps(dict(frozen.settings))) == dict(frozen.settings)
    for array in frozen.arrays.values():
        assert array.flags.c_contiguous
        assert array.dtype.kind in "fiub"
    # What stands still stays still when the learner learns something else.
    before = {name: array.copy() for name, array in frozen.arrays.items()}
    thawed = type(learner).thaw(frozen).predict([block.copy() for block in blocks])["y"]  # type: ignore[attr-defined]
    learner.fit(blocks, {"y": from_codes((codes + 1) % 3, 3)}, np.random.default_rng(1))
    assert all(np.array_equal(array, before[name]) for name, array in frozen.arrays.items())
    again = type(learner).thaw(frozen).predict([block.copy() for block in blocks])["y"]  # type: ignore[attr-defined]
    assert np.array_equal(thawed, again)
