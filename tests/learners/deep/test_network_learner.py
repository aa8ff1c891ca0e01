"""The network as a learner: the laws of the protocol, quality with few labels, and the ugly inputs."""

import json
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from cotrain.errors import BundleError, LearnerError
from cotrain.frozen import Frozen
from cotrain.learners.deep.learner import NetworkLearner
from cotrain.learners.protocol import Learner
from cotrain.predictions.targets import Targets, from_codes

N_ROWS = 80


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def small(**settings: object) -> NetworkLearner:
    return NetworkLearner(**({"hidden": 12, "embedding": 8, "copies": 2, "min_steps": 40, "epochs": 2} | settings))


def problem() -> tuple[list[np.ndarray | csr_matrix], dict[str, Targets]]:
    """Columns, images and words; two tasks, each labelled in its own rows."""
    codes = rng().integers(0, 3, N_ROWS)
    columns = (np.eye(3)[codes] * 2 + rng(1).normal(size=(N_ROWS, 3))).astype(np.float32)
    images = (codes[:, None, None, None] - 1 + rng(2).normal(size=(N_ROWS, 1, 8, 8))).astype(np.float32)
    words = csr_matrix(rng(3).poisson(0.2 + codes[:, None] * 0.3, size=(N_ROWS, 20)).astype(np.float32))
    columns[:5] = 0
    topic = from_codes(np.where(np.arange(N_ROWS) % 3 == 0, -1, codes), 3)
    tone = from_codes(np.where(np.arange(N_ROWS) % 2 == 0, -1, codes // 2), 2)
    return [columns, images, words], {"topic": topic, "tone": tone}


@pytest.fixture(scope="module")
def fitted() -> NetworkLearner:
    blocks, targets = problem()
    return small().fit(blocks, targets, rng())


# ---- laws ------------------------------------------------------------------------------------------------------


def test_it_keeps_the_protocol(fitted: NetworkLearner):
    assert isinstance(fitted, Learner)


def test_probabilities_are_float64_and_rows_sum_to_one(fitted: NetworkLearner):
    blocks, _ = problem()
    for said in fitted.predict(blocks).values():
        assert said.dtype == np.float64
        assert (said >= 0).all()
        np.testing.assert_allclose(said.sum(axis=1), 1.0, atol=1e-12)


def test_the_same_seed_gives_the_same_bits_whatever_torchs_global_state(fitted: NetworkLearner):
    blocks, targets = problem()
    torch.manual_seed(123)
    again = small().fit(blocks, targets, rng())
    for task, said in fitted.predict(blocks).items():
        assert np.array_equal(said, again.predict(blocks)[task])


@contextmanager
def float64_by_default() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize(
    "state",
    [lambda: torch.autocast("cpu", torch.bfloat16), float64_by_default, torch.no_grad, torch.inference_mode],
    ids=["autocast", "float64", "no_grad", "inference_mode"],
)
def test_whatever_state_the_caller_has_torch_in_the_bits_are_the_same(state: Callable[[], AbstractContextManager]):
    blocks, targets = problem()
    # Everything that draws: view dropout, the adversary, noise, hidden inputs.
    settings = {"min_steps": 8, "view_dropout": 0.3, "epsilon": 0.1, "ema": 0.5, "label_smoothing": 0.1}
    expected = small(**settings).fit(blocks, targets, rng()).predict(blocks)
    with state():
        learner = small(**settings).fit(blocks, targets, rng())
        thawed = NetworkLearner.thaw(learner.freeze())
        inside = [learner.predict(blocks), thawed.predict(blocks)]
    for said in (*inside, learner.predict(blocks), thawed.predict(blocks)):
        for task in targets:
            assert np.array_equal(said[task], expected[task])
    assert all(array.dtype == np.float32 for array in learner.freeze().arrays.values())


def test_a_network_made_in_inference_mode_can_still_be_trained():
    blocks, targets = problem()
    with torch.inference_mode():
        network = small().fit(blocks, targets, rng()).network_
    assert not any(parameter.is_inference() for parameter in network.parameters())


def test_another_seed_gives_another_network(fitted: NetworkLearner):
    blocks, targets = problem()
    other = small().fit(blocks, targets, rng(1))
    assert not np.array_equal(fitted.predict(blocks)["topic"], other.predict(blocks)["topic"])


def test_neither_torchs_random_state_nor_its_threads_are_changed():
    blocks, targets = problem()
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    small(epsilon=0.1, view_dropout=0.2).fit(blocks, targets, rng()).predict(blocks)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_nothing_that_is_passed_in_is_changed():
    blocks, targets = problem()
    for block in blocks[:2]:
        block.setflags(write=False)
    words = blocks[2].copy()
    small(epsilon=0.1).fit(blocks, targets, rng()).predict(blocks)
    assert (blocks[2] != words).nnz == 0
    for task, target in problem()[1].items():
        assert np.array_equal(targets[task].probabilities, target.probabilities)


def test_rows_that_say_nothing_change_only_the_scale_of_the_blocks():
    blocks, targets = problem()
    # Twice the same rows, once without labels: the scale of the blocks is the same, and so must be the network.
    doubled = [np.concatenate([block, block]) for block in blocks[:2]] + [
        csr_matrix(np.vstack([blocks[2].toarray()] * 2))
    ]
    silent = {
        task: Targets(
            np.vstack([t.probabilities, np.full_like(t.probabilities, np.nan)]), np.append(t.weight, 0 * t.weight)
        )
        for task, t in targets.items()
    }
    alone, together = small().fit(blocks, targets, rng()), small().fit(doubled, silent, rng())
    for task, said in alone.predict(blocks).items():
        np.testing.assert_allclose(together.predict(blocks)[task], said, atol=1e-3)


def test_each_row_is_predicted_alone(fitted: NetworkLearner):
    blocks, _ = problem()
    order = rng(4).permutation(N_ROWS)
    shuffled = fitted.predict([block[order] for block in blocks])
    for task, said in fitted.predict(blocks).items():
        np.testing.assert_allclose(shuffled[task], said[order], atol=1e-6)


def test_a_thawed_learner_predicts_the_same_bits_and_has_the_same_settings():
    blocks, targets = problem()
    learner = small(task_weights={"tone": 0.5}, clip=float("inf"), encoder=["auto", "mlp", "auto"])
    learner.fit(blocks, targets, rng())
    frozen = learner.freeze()
    settings = json.loads(json.dumps(frozen.settings, allow_nan=False))
    thawed = NetworkLearner.thaw(Frozen(frozen.kind, settings, {k: v.copy() for k, v in frozen.arrays.items()}))
    assert thawed.get_params() == learner.get_params()
    for task, said in learner.predict(blocks).items():
        assert np.array_equal(thawed.predict(blocks)[task], said)
    for array in frozen.arrays.values():
        assert array.dtype == np.float32
        assert array.flags.c_contiguous


def test_a_frozen_network_does_not_change_with_the_learner(fitted: NetworkLearner):
    frozen = fitted.freeze()
    name = next(iter(frozen.arrays))
    frozen.arrays[name][...] = 7
    assert not (fitted.freeze().arrays[name] == 7).all()


def test_a_fitted_learner_survives_the_way_between_processes(fitted: NetworkLearner):
    blocks, _ = problem()
    copy = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(copy.predict(blocks)["topic"], fitted.predict(blocks)["topic"])


def test_weight_2_is_the_row_twice():
    # Everything random switched off, all rows in one batch: then the law holds for the whole fit.
    X = rng(1).normal(size=(30, 4)).astype(np.float32)
    codes = (X[:, 0] > 0).astype(int)
    X[29] = X[28] = np.sqrt((X[:28] ** 2).mean())  # rows of mean size, so that the block's scale is the same
    weight = np.ones(29)
    weight[28] = 2
    settings = {"noise": 0.0, "mixup": 0.0, "dropout": 0.0, "input_dropout": 0.0, "copies": 1}
    once = small(**settings).fit([X[:29]], {"y": from_codes(codes[:29], 2, weight)}, rng())
    codes[29] = codes[28]
    twice = small(**settings).fit([X], {"y": from_codes(codes, 2)}, rng())
    np.testing.assert_allclose(once.predict([X])["y"], twice.predict([X])["y"], atol=2e-3)


# ---- quality ---------------------------------------------------------------------------------------------------


def digits(n_per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels [n, 1, 8, 8], codes, and the positions of the labelled rows."""
    data = load_digits()
    images = (data.images / 16).astype(np.float32)
    order = rng(seed).permutation(len(images))
    labelled = np.concatenate([order[data.target[order] == code][:n_per_class] for code in range(10)])
    return (images - images.mean())[:, None], data.target, labelled


def accuracy(learner: NetworkLearner, X: np.ndarray, codes: np.ndarray, labelled: np.ndarray) -> float:
    learner.fit([X[labelled]], {"y": from_codes(codes[labelled], 10)}, rng())
    rest = np.setdiff1d(np.arange(len(X)), labelled)
    return float((learner.predict([X[rest]])["y"].argmax(axis=1) == codes[rest]).mean())


def test_with_five_labels_per_class_it_is_no_worse_than_logistic_regression_and_images_are_better():
    columns, images, linear = [], [], []
    for seed in range(2):
        X, codes, labelled = digits(5, seed)
        flat = X.reshape(len(X), -1)
        rest = np.setdiff1d(np.arange(len(X)), labelled)
        linear.append(
            LogisticRegression(max_iter=1000).fit(flat[labelled], codes[labelled]).score(flat[rest], codes[rest])
        )
        columns.append(accuracy(NetworkLearner(encoder="mlp"), X, codes, labelled))
        images.append(accuracy(NetworkLearner(), X, codes, labelled))
    assert np.mean(columns) > np.mean(linear) - 0.01
    assert np.mean(images) > np.mean(linear) + 0.01


def test_two_tasks_are_learnt_together_from_rows_labelled_for_one_each():
    blocks, targets = problem()
    learner = small(min_steps=120).fit(blocks, targets, rng())
    codes = rng().integers(0, 3, N_ROWS)  # the draw that `problem` starts with
    said = learner.predict(blocks)
    assert (said["topic"].argmax(axis=1) == codes).mean() > 0.85
    assert (said["tone"].argmax(axis=1) == codes // 2).mean() > 0.85


def test_soft_labels_are_learnt_as_they_are():
    X = np.repeat(np.eye(2, dtype=np.float32), 50, axis=0) + 1
    soft = np.repeat([[0.8, 0.2], [0.3, 0.7]], 50, axis=0)
    learner = small(mixup=0.0, noise=0.0, dropout=0.0, input_dropout=0.0, min_steps=300)
    learner.fit([X], {"y": Targets(soft, np.ones(100))}, rng())
    np.testing.assert_allclose(learner.predict([X])["y"], soft, atol=0.02)


@pytest.mark.parametrize(
    "settings",
    [{"label_smoothing": 0.2}, {"ema": 0.9}, {"view_dropout": 0.3}, {"epsilon": 0.05}, {"depth": 0}, {"depth": 2}],
    ids=str,
)
def test_every_setting_still_learns(settings: dict[str, float]):
    blocks, targets = problem()
    said = small(min_steps=80, **settings).fit(blocks, targets, rng()).predict(blocks)["topic"]
    is_labelled = targets["topic"].is_labelled
    right = said.argmax(axis=1)[is_labelled] == targets["topic"].probabilities.argmax(axis=1)[is_labelled]
    assert right.mean() > 0.8


# ---- ugly inputs -----------------------------------------------------------------------------------------------


def test_predicting_before_fitting_is_refused():
    with pytest.raises(NotFittedError, match="call `fit` first"):
        NetworkLearner().predict([np.ones((2, 2), np.float32)])
    with pytest.raises(NotFittedError):
        NetworkLearner().freeze()
    assert not clone(NetworkLearner()).__sklearn_is_fitted__()


def test_no_rows_give_no_predictions(fitted: NetworkLearner):
    blocks, _ = problem()
    said = fitted.predict([block[:0] for block in blocks])
    assert {task: p.shape for task, p in said.items()} == {"topic": (0, 3), "tone": (0, 2)}


def test_a_task_without_a_labelled_row_is_predicted_uniformly():
    blocks, targets = problem()
    silent = Targets(np.full((N_ROWS, 4), np.nan), np.zeros(N_ROWS))
    said = small(epsilon=0.1, label_smoothing=0.1).fit(blocks, {**targets, "none": silent}, rng()).predict(blocks)
    assert np.array_equal(said["none"], np.full((N_ROWS, 4), 0.25))
    assert not np.allclose(said["topic"], 1 / 3)


def test_no_labelled_row_at_all_gives_uniform_predictions_and_a_warning(caplog: pytest.LogCaptureFixture):
    learner = small().fit([np.ones((3, 2), np.float32)], {"y": from_codes(np.full(3, -1), 2)}, rng())
    assert np.array_equal(learner.predict([np.ones((5, 2), np.float32)])["y"], np.full((5, 2), 0.5))
    assert "No row is labelled" in caplog.text


def test_a_task_with_one_class_is_certain():
    said = small().fit([np.ones((3, 2), np.float32)], {"y": from_codes(np.zeros(3, int), 1)}, rng())
    assert np.array_equal(said.predict([np.ones((5, 2), np.float32)])["y"], np.ones((5, 1)))


def test_a_class_that_never_occurs_has_its_column():
    X = rng().normal(size=(20, 2)).astype(np.float32)
    said = small().fit([X], {"y": from_codes((X[:, 0] > 0).astype(int), 3)}, rng()).predict([X])["y"]
    assert said.shape == (20, 3)
    assert said[:, 2].max() < 0.34


def test_one_labelled_row_is_enough_to_run():
    said = small().fit([np.ones((1, 2), np.float32)], {"y": from_codes(np.array([1]), 2)}, rng())
    assert said.predict([np.ones((1, 2), np.float32)])["y"].argmax() == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_other_number_types_are_read_as_float32(dtype: type):
    X = rng().integers(-4, 5, size=(20, 3)).astype(dtype)
    targets = {"y": from_codes((X[:, 0] > 0).astype(int), 2)}
    given = small().fit([X], targets, rng()).predict([X])["y"]
    assert np.array_equal(given, small().fit([X.astype(np.float32)], targets, rng()).predict([X])["y"])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_values_that_are_no_numbers_are_refused_with_what_to_do(fitted: NetworkLearner, bad: float):
    X = np.ones((4, 2))
    X[1, 1] = bad
    targets = {"y": from_codes(np.zeros(4, int), 2)}
    for block in (X, csr_matrix(X)):
        with pytest.raises(LearnerError, match=r"Block 0 holds 1 NaN or infinite values .* Fill them in first"):
            small().fit([block], targets, rng())


@pytest.mark.parametrize("mark", [-3.4028235e38, 3.4028235e38, 1e20])
@pytest.mark.parametrize("clip", [2.0, 1e-3, float("inf")])
def test_a_mark_for_missing_is_survived_in_prediction(mark: float, clip: float):
    blocks, targets = problem()
    learner = small(clip=clip).fit(blocks, targets, rng())
    blocks[0][7, 1] = blocks[1][8, 0, 2, 3] = blocks[2].data[9] = mark
    for said in learner.predict(blocks).values():
        assert np.isfinite(said).all()


@pytest.mark.parametrize("mark", [-3.4028235e38, 3.4028235e38, 1e20])
def test_a_mark_for_missing_in_training_does_not_flatten_what_else_there_is(mark: float):
    X = rng().normal(size=(60, 4)).astype(np.float32)
    codes = (X[:, 0] > 0).astype(int)
    X[7, 1] = mark
    X[8, 1] = -mark  # mixing takes the difference of two rows
    said = small(min_steps=150).fit([X], {"y": from_codes(codes, 2)}, rng()).predict([X])["y"]
    assert (said.argmax(axis=1) == codes).mean() > 0.85


@pytest.mark.parametrize("unit", [1e-39, 1e-30, 1e30, 1e37])
def test_the_unit_of_a_block_may_be_as_large_or_small_as_float32_holds(unit: float):
    X = rng().normal(size=(60, 4))
    codes = (X[:, 0] > 0).astype(int)
    X = (X * unit).astype(np.float32)
    said = small(min_steps=150).fit([X], {"y": from_codes(codes, 2)}, rng()).predict([X])["y"]
    assert (said.argmax(axis=1) == codes).mean() > 0.85


def test_rows_of_zeros_in_every_block_are_survived():
    X = np.zeros((6, 2), np.float32)
    said = small().fit([X], {"y": from_codes(np.array([0, 0, 0, 0, 0, 1]), 2)}, rng()).predict([X])["y"]
    assert said[0, 0] > 0.5  # what is left to say: the share of the classes


def test_divergence_is_said_with_advice():
    X = rng().normal(size=(20, 2)).astype(np.float32)
    with pytest.raises(LearnerError, match=r"Training diverged at step \d+: .*Lower `learning_rate` \(now 1e\+30\)"):
        small(learning_rate=1e30).fit([X], {"y": from_codes((X[:, 0] > 0).astype(int), 2)}, rng())


@pytest.mark.parametrize(("learning_rate", "ema"), [(1e38, 0.0), (1e38, 0.5), (1e37, 0.0)])
def test_divergence_in_the_last_step_is_said_too(learning_rate: float, ema: float):
    X = rng().normal(size=(20, 2)).astype(np.float32)
    learner = small(learning_rate=learning_rate, ema=ema, min_steps=1, max_steps=1)
    with pytest.raises(LearnerError, match=r"Training diverged at step 1: .* not finite. Lower `learning_rate`"):
        learner.fit([X], {"y": from_codes((X[:, 0] > 0).astype(int), 2)}, rng())


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "at least one block"),
        ([np.ones((3, 2), np.float32), np.ones((4, 2), np.float32)], "same rows"),
        ([np.ones((4, 0), np.float32)], "must have rows and columns"),
        ([np.ones(4, np.float32)], "must have rows and columns"),
        ([np.ones((5, 2), np.float32)], "targets for 4 rows; the blocks have 5"),
    ],
    ids=["none", "uneven", "no columns", "one axis", "other rows"],
)
def test_blocks_that_do_not_fit_are_refused(blocks: list[np.ndarray], message: str):
    with pytest.raises(LearnerError, match=message):
        small().fit(blocks, {"y": from_codes(np.zeros(4, int), 2)}, rng())


@pytest.mark.parametrize(
    ("probabilities", "weight", "message"),
    [
        (np.ones((2, 2)), np.array([1.0, -1.0]), "negative, NaN or infinite"),
        (np.ones((2, 2)), np.array([1.0, np.nan]), "negative, NaN or infinite"),
        (np.full((2, 2), np.nan), np.ones(2), "labelled row whose probabilities"),
        (np.full((2, 2), 1e300), np.ones(2), "Task 'y' has a labelled row whose probabilities .* sum to 1"),
        (np.ones((2, 0)), np.ones(2), "no classes"),
    ],
    ids=["negative", "nan weight", "nan label", "beyond float32", "no classes"],
)
def test_targets_that_cannot_be_learnt_are_refused(probabilities: np.ndarray, weight: np.ndarray, message: str):
    with pytest.raises(LearnerError, match=message):
        small().fit([np.ones((2, 2), np.float32)], {"y": Targets(probabilities, weight)}, rng())


@pytest.mark.parametrize("unit", [5e-324, 1e-50, 0.25, 3.0, 1e300])
def test_the_unit_of_the_weights_does_not_matter(unit: float):
    X = rng().normal(size=(20, 2)).astype(np.float32)
    codes = (X[:, 0] > 0).astype(int)
    said = [
        small().fit([X], {"y": from_codes(codes, 2, np.full(20, weight))}, rng()).predict([X])["y"]
        for weight in (1.0, unit)
    ]
    np.testing.assert_allclose(said[1], said[0], atol=1e-3)
    assert (said[1].argmax(axis=1) == codes).mean() > 0.85


def test_no_targets_are_refused():
    with pytest.raises(LearnerError, match="at least one task"):
        small().fit([np.ones((2, 2), np.float32)], {}, rng())


def test_rows_of_another_shape_than_in_fit_are_refused(fitted: NetworkLearner):
    with pytest.raises(LearnerError, match=r"fitted on blocks with rows of shape \[\(3,\), \(1, 8, 8\), \(20,\)\]"):
        fitted.predict([np.ones((2, 4), np.float32)])


def test_an_adversary_without_a_dense_block_is_refused():
    with pytest.raises(LearnerError, match="every block is sparse"):
        small(epsilon=0.1).fit([csr_matrix(np.eye(4, dtype=np.float32))], {"y": from_codes(np.arange(4) % 2, 2)}, rng())


def test_what_is_no_frozen_network_is_not_thawed(fitted: NetworkLearner):
    frozen = fitted.freeze()
    with pytest.raises(BundleError, match="kind 'network'"):
        NetworkLearner.thaw(Frozen("classical", {}))
    name = next(iter(frozen.arrays))
    lacking = {key: array for key, array in frozen.arrays.items() if key != name}
    with pytest.raises(BundleError, match=name):
        NetworkLearner.thaw(Frozen("network", frozen.settings, lacking))
