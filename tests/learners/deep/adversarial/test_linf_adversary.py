"""The adversary: inside the ball, against the network, without a trace."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from cotrain.learners.deep.adversarial import LinfAdversary
from cotrain.learners.deep.batches import Batch, Rows
from cotrain.learners.deep.learner import NetworkLearner
from cotrain.learners.deep.network import Network
from cotrain.learners.deep.objective import cross_entropy
from cotrain.predictions.targets import Targets, from_codes

N_ROWS = 60
EPSILON = 0.2


def problem(seed: int = 0) -> tuple[list[np.ndarray | csr_matrix], dict[str, Targets]]:
    """Two dense blocks (one lacking in some rows), a sparse one, two tasks."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2, N_ROWS)
    first = (codes[:, None] - 0.5 + rng.normal(size=(N_ROWS, 6))).astype(np.float32)
    second = (0.5 * (codes[:, None, None, None] - 0.5 + rng.normal(size=(N_ROWS, 1, 4, 4)))).astype(np.float32)
    second[:9] = 0
    words = csr_matrix(rng.poisson(0.2 + 0.3 * codes[:, None], size=(N_ROWS, 8)).astype(np.float32))
    return [first, second, words], {"a": from_codes(codes, 2), "b": from_codes(np.where(codes == 0, 2, codes - 1), 3)}


@pytest.fixture(scope="module")
def fitted() -> tuple[Network, Batch]:
    blocks, targets = problem()
    learner = NetworkLearner(hidden=8, embedding=8, copies=2, min_steps=40, epochs=1)
    learner.fit(blocks, targets, np.random.default_rng(0))
    return learner.network_, Rows(blocks, targets, np.arange(N_ROWS)).take(np.arange(N_ROWS))


def adversary(**settings: object) -> LinfAdversary:
    defaults = {"epsilon": EPSILON, "steps": 4, "generator": torch.Generator().manual_seed(0)}
    return LinfAdversary(**(defaults | settings))


def loss(network: Network, batch: Batch) -> float:
    with torch.no_grad():
        return cross_entropy(network(batch.blocks), batch).total.item()


def test_no_input_moves_further_than_epsilon(fitted: tuple[Network, Batch]):
    network, batch = fitted
    moved = adversary().perturb(network, batch)
    for before, after in zip(batch.blocks[:2], moved.blocks[:2], strict=True):
        assert 0 < (after - before).abs().max() <= EPSILON * (1 + 1e-5)


def test_the_perturbed_batch_costs_more_than_the_clean_and_than_a_random_one(fitted: tuple[Network, Batch]):
    network, batch = fitted
    draws = torch.Generator().manual_seed(3)
    anywhere = [block + EPSILON * (2 * torch.rand(block.shape, generator=draws) - 1) for block in batch.blocks[:2]]
    random = replace(batch, blocks=(*anywhere, batch.blocks[2]))
    attacked = loss(network, adversary().perturb(network, batch))
    assert attacked > loss(network, batch)
    assert attacked > loss(network, random)


def test_a_row_that_lacks_a_view_still_lacks_it(fitted: tuple[Network, Batch]):
    network, batch = fitted
    moved = adversary().perturb(network, batch)
    assert (moved.blocks[1][:9] == 0).all()
    assert (moved.blocks[1][9:] != batch.blocks[1][9:]).any()


def test_sparse_blocks_and_what_is_known_of_the_rows_stay_as_they_are(fitted: tuple[Network, Batch]):
    network, batch = fitted
    moved = adversary().perturb(network, batch)
    assert moved.blocks[2] is batch.blocks[2]
    assert moved.targets is batch.targets


def test_an_attack_leaves_no_trace(fitted: tuple[Network, Batch]):
    network, batch = fitted
    network.train()
    network.encoders[0].eval()  # frozen by somebody, on purpose
    frozen = next(network.parameters()).requires_grad_(False)
    for number, parameter in enumerate(network.parameters()):
        parameter.grad = torch.full_like(parameter, float(number)) if number % 2 else None
    modes = [module.training for module in network.modules()]
    gradients = [None if parameter.grad is None else parameter.grad.clone() for parameter in network.parameters()]
    buffers = [buffer.clone() for buffer in network.buffers()]
    clean = [block.clone() for block in batch.blocks[:2]]
    own, everybodys = network.generator.get_state(), torch.get_rng_state()

    adversary().perturb(network, batch)

    assert [module.training for module in network.modules()] == modes
    assert not frozen.requires_grad
    for parameter, before in zip(network.parameters(), gradients, strict=True):
        assert (parameter.grad is None) if before is None else torch.equal(parameter.grad, before)
    assert all(map(torch.equal, network.buffers(), buffers))
    assert all(map(torch.equal, batch.blocks[:2], clean))
    assert torch.equal(network.generator.get_state(), own)
    assert torch.equal(torch.get_rng_state(), everybodys)
    frozen.requires_grad_(True)
    network.eval()


def test_a_task_of_weight_0_is_not_attacked(fitted: tuple[Network, Batch]):
    network, batch = fitted
    only_a = adversary(task_weights={"b": 0.0}).perturb(network, batch)
    silenced = {**batch.weights, "b": torch.zeros(N_ROWS)}
    without_b = adversary().perturb(network, Batch(batch.blocks, batch.targets, silenced, batch.shares))
    torch.testing.assert_close(only_a.blocks[0], without_b.blocks[0])


def test_the_same_generator_gives_the_same_attack(fitted: tuple[Network, Batch]):
    network, batch = fitted
    first, second = (adversary().perturb(network, batch).blocks[0] for _ in range(2))
    assert torch.equal(first, second)


def test_training_against_the_adversary_makes_it_weaker():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 200)
    # One strong clue, and twenty weak ones that small changes overturn.
    X = 0.15 * (2 * codes[:, None] - 1) + 0.3 * rng.normal(size=(200, 21))
    X[:, 0] = (2 * codes - 1) * 0.8 + 0.3 * rng.normal(size=200)
    targets = {"y": from_codes(codes, 2)}
    rows = Rows([X.astype(np.float32)], targets, np.arange(200)).take(np.arange(200))
    attacked = {}
    for epsilon in (0.0, 0.3):
        learner = NetworkLearner(epsilon=epsilon, hidden=16, copies=2, min_steps=80, epochs=1)
        network = learner.fit([X.astype(np.float32)], targets, np.random.default_rng(1)).network_
        attacked[epsilon] = loss(network, adversary(epsilon=0.3, steps=10).perturb(network, rows))
    assert attacked[0.3] < 0.8 * attacked[0.0]
