"""THE step: passes run once and only if read, wiring is checked by name, one step follows the gradient."""

import numpy as np
import pytest
import torch

from cotrain.errors import LearnerError
from cotrain.learners.deep.adversarial import Robust
from cotrain.learners.deep.batches import Batch
from cotrain.learners.deep.joint import FixedWeights
from cotrain.learners.deep.network import Logits, Network, NetworkShape
from cotrain.learners.deep.objective import Objective, Supervised
from cotrain.learners.deep.passes import check_wiring, clean_pass, run_passes
from cotrain.learners.deep.step import take_step

SHAPE = NetworkShape(((3,),), ("mlp",), {"a": 2, "b": 3}, 4, 4, 1, 2, 0.0, 0.0, 0.0, 0.0, 2.0)


def network() -> Network:
    return Network(SHAPE, torch.Generator().manual_seed(0))


def batch() -> Batch:
    rng = np.random.default_rng(0)
    targets = {task: torch.from_numpy(rng.dirichlet(np.ones(c), size=6)).float() for task, c in SHAPE.heads.items()}
    weights = {task: torch.ones(6) for task in targets}
    rows = torch.from_numpy(rng.normal(size=(6, 3)).astype(np.float32))
    return Batch((rows,), targets, weights, dict.fromkeys(targets, 1.0))


class Counted:
    """A pass that counts how often it is run."""

    def __init__(self) -> None:
        self.n_runs = 0

    def __call__(self, network: Network, batch: Batch) -> Logits:
        self.n_runs += 1
        return clean_pass(network, batch)


def test_a_pass_that_two_terms_read_is_run_once():
    perturbed = Counted()
    objective = Objective([Robust(), Robust(0.5), Supervised()])
    passes = run_passes(network(), batch(), objective.reads, {"perturbed": perturbed})
    assert set(passes) == {"clean", "perturbed"}
    assert perturbed.n_runs == 1


def test_a_pass_that_no_term_reads_is_not_run():
    perturbed = Counted()
    assert set(run_passes(network(), batch(), Objective([Supervised()]).reads, {"perturbed": perturbed})) == {"clean"}
    assert perturbed.n_runs == 0


def test_a_term_without_its_pass_is_named_before_the_first_batch():
    with pytest.raises(LearnerError) as caught:
        check_wiring([Supervised(), Robust()], {})
    assert str(caught.value) == "term `robust` reads pass `perturbed`, but no adversary is set."


def test_a_pass_that_does_not_exist_is_named_too():
    with pytest.raises(LearnerError, match=r"term `odd` reads pass `blurred`, which does not exist"):
        check_wiring([Supervised(name="odd", reads=("blurred",))], {})


def test_complete_wiring_passes():
    check_wiring([Supervised(), Robust()], {"perturbed": clean_pass})


def test_one_step_of_plain_descent_follows_the_weighted_gradient():
    stepped, reference, known = network(), network(), batch()
    joint = FixedWeights({"b": 3.0})
    losses = take_step(
        stepped, known, Objective([Supervised()]), {}, joint, torch.optim.SGD(stepped.parameters(), lr=0.1)
    )
    said = reference(known.blocks)
    by_hand = {
        task: torch.stack([torch.nn.functional.cross_entropy(c, known.targets[task]) for c in said[task]]).mean()
        for task in said
    }
    for task, loss in by_hand.items():
        torch.testing.assert_close(losses[task].detach().float(), loss.detach())
    (by_hand["a"] + 3 * by_hand["b"]).backward()
    for after, before in zip(stepped.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(after.detach(), before.detach() - 0.1 * before.grad)


def test_a_step_forgets_the_gradient_of_the_step_before():
    made, known = network(), batch()
    optimizer = torch.optim.SGD(made.parameters(), lr=0.0)
    parts = (made, known, Objective([Supervised()]), {}, FixedWeights(), optimizer)
    take_step(*parts)
    once = [parameter.grad.clone() for parameter in made.parameters()]
    take_step(*parts)
    for parameter, gradient in zip(made.parameters(), once, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
