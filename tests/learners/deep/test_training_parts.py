"""What surrounds the step: how batches are varied, how many there are, the pace, the average, the threads."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cotrain.errors import LearnerError
from cotrain.learners.deep.averaging import WeightAverage
from cotrain.learners.deep.batches import Rows
from cotrain.learners.deep.learner import NetworkLearner
from cotrain.learners.deep.network import Network, NetworkShape
from cotrain.learners.deep.settings import NetworkSettings
from cotrain.learners.deep.surroundings import one_thread
from cotrain.learners.deep.training import count_steps, pace
from cotrain.learners.deep.variation import Variation
from cotrain.predictions.targets import from_codes

SETTINGS = NetworkSettings(**NetworkLearner().get_params())


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def image_rows(n_rows: int = 40) -> Rows:
    images = rng(1).normal(size=(n_rows, 2, 5, 7)).astype(np.float32)
    return Rows([images], {"y": from_codes(np.zeros(n_rows, int), 2)}, np.arange(n_rows))


def test_without_variation_a_batch_is_its_rows():
    rows, positions = image_rows(), np.array([3, 1, 2])
    batch = Variation(0.0, (), rng()).batch(rows, positions)
    assert torch.equal(batch.blocks[0], torch.from_numpy(rows.blocks[0][positions]))


def test_a_shifted_image_is_the_image_moved_by_at_most_one_pixel():
    rows = image_rows()
    shifted = Variation(0.0, (0,), rng()).batch(rows, np.arange(40)).blocks[0].numpy()
    moves = []
    for before, after in zip(rows.blocks[0], shifted, strict=True):
        padded = np.pad(before, ((0, 0), (1, 1), (1, 1)), mode="edge")
        options = [
            (dy, dx) for dy in range(3) for dx in range(3) if np.array_equal(padded[:, dy : dy + 5, dx : dx + 7], after)
        ]
        assert len(options) == 1
        moves += options
    assert len(set(moves)) == 9  # 40 rows: each of the nine occurs


def test_only_the_blocks_named_are_shifted():
    rows = image_rows()
    assert torch.equal(Variation(0.0, (), rng()).batch(rows, np.arange(40)).blocks[0], torch.from_numpy(rows.blocks[0]))


def test_a_row_is_only_mixed_with_rows_that_have_the_same_views():
    blocks = [np.ones((30, 2), np.float32), np.ones((30, 3), np.float32)]
    blocks[0][:10], blocks[1][10:20] = 0, 0
    rows = Rows(blocks, {"y": from_codes(np.arange(30) % 2, 2)}, np.arange(30))
    mixed = Variation(1.0, (), rng()).batch(rows, np.arange(30))
    for before, after in zip(blocks, mixed.blocks, strict=True):
        torch.testing.assert_close(after, torch.from_numpy(before))
    assert ((mixed.targets["y"] > 0) & (mixed.targets["y"] < 1)).any()


@pytest.mark.parametrize(("n_rows", "expected"), [(1, 120), (1000, 120), (1025, 150), (10**6, 2000)])
def test_a_fit_takes_its_epochs_within_bounds(n_rows: int, expected: int):
    settings = replace(SETTINGS, epochs=30, min_steps=120, max_steps=2000, batch_size=256)
    assert count_steps(n_rows, settings) == expected


def test_max_steps_wins_over_min_steps():
    assert count_steps(10, replace(SETTINGS, min_steps=50, max_steps=5)) == 5


def test_the_pace_rises_then_fades():
    paces = [pace(step, 100) for step in range(100)]
    top = int(np.argmax(paces))
    assert paces[0] == pytest.approx(0.1)
    assert top == 9
    assert np.all(np.diff(paces[:10]) > 0)
    assert np.all(np.diff(paces[9:]) < 0)
    assert 0 < paces[-1] < 0.001
    assert pace(0, 1) == 1.0


def test_the_average_follows_the_weights_and_is_stored_in_their_place():
    shape = NetworkShape(((2,),), ("mlp",), {"y": 2}, 2, 2, 0, 1, 0.0, 0.0, 0.0, 0.0, 2.0)
    network = Network(shape, torch.Generator().manual_seed(0))
    average = WeightAverage(network, 0.5)
    bias = next(parameter for name, parameter in network.named_parameters() if name.endswith("first.bias"))
    with torch.no_grad():
        for value in (11.0, 12.0):
            bias.fill_(value)
            average.update(network)
    average.store(network)
    # From 0: memory 1/11, then 2/12: 10, then 10/6 + 10 = 35/3.
    torch.testing.assert_close(bias.detach(), torch.full((2,), 35 / 3))


def test_without_averaging_the_last_weights_stay():
    shape = NetworkShape(((2,),), ("mlp",), {"y": 2}, 2, 2, 0, 1, 0.0, 0.0, 0.0, 0.0, 2.0)
    network = Network(shape, torch.Generator().manual_seed(0))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    average = WeightAverage(network, 0.0)
    average.update(network)
    average.store(network)
    assert all(map(torch.equal, network.parameters(), before))


def test_the_threads_are_given_back_even_after_an_error():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(LearnerError):
            _count_threads_and_fail()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def _count_threads_and_fail() -> None:
    with one_thread():
        assert torch.get_num_threads() == 1
        raise LearnerError("any")
