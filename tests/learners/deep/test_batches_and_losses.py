"""Batches, mixing and the objective: what a row is worth does not depend on how it comes in."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from cotrain.learners.deep.batches import Bags, Batch, Rows
from cotrain.learners.deep.objective import Objective, Supervised, cross_entropy, task_losses
from cotrain.predictions.targets import Targets

N_ROWS = 12


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def some_targets(n_classes: int, seed: int) -> Targets:
    probabilities = rng(seed).dirichlet(np.ones(n_classes), size=N_ROWS)
    return Targets(probabilities, rng(seed + 1).choice([0.0, 0.5, 2.0], size=N_ROWS))


def some_rows(chosen: np.ndarray | None = None) -> Rows:
    dense = rng(5).normal(size=(N_ROWS, 4)).astype(np.float32)
    sparse = csr_matrix(rng(6).poisson(0.3, size=(N_ROWS, 9)).astype(np.float32))
    targets = {"topic": some_targets(3, 1), "tone": some_targets(2, 3)}
    return Rows([dense, sparse], targets, np.arange(N_ROWS) if chosen is None else chosen)


def dense_of(bags: Bags, n_columns: int) -> torch.Tensor:
    ends = [*bags.starts[1:].tolist(), len(bags.values)]
    out = torch.zeros(len(bags.starts), n_columns)
    for row, (start, end) in enumerate(zip(bags.starts.tolist(), ends, strict=True)):
        out[row].index_add_(0, bags.columns[start:end], bags.values[start:end])
    return out


def logits_of(batch: Batch, seed: int = 9) -> dict[str, torch.Tensor]:
    """Two copies' logits, the same for the same row."""
    maps = {
        task: torch.randn(2, 4, target.shape[1], generator=torch.Generator().manual_seed(seed))
        for task, target in batch.targets.items()
    }
    return {task: torch.matmul(batch.blocks[0], weight).requires_grad_() for task, weight in maps.items()}


def test_rows_come_in_the_order_asked_for():
    positions = np.array([7, 0, 7])
    batch = some_rows().take(positions)
    whole = some_rows()
    assert np.array_equal(batch.blocks[0].numpy(), whole.blocks[0][positions])
    torch.testing.assert_close(dense_of(batch.blocks[1], 9), torch.from_numpy(whole.blocks[1].toarray()[positions]))
    assert torch.equal(batch.weights["tone"], whole.weights["tone"][positions])


def test_an_epochs_losses_average_to_the_loss_over_all_rows():
    rows = some_rows()
    whole = rows.take(np.arange(N_ROWS))
    assert whole.shares == pytest.approx({"topic": 1.0, "tone": 1.0})
    parts = [rows.take(part) for part in np.split(rng().permutation(N_ROWS), 3)]
    for task, loss in task_losses(logits_of(whole), whole).items():
        averaged = torch.stack([task_losses(logits_of(part), part)[task] for part in parts]).mean()
        torch.testing.assert_close(averaged, loss)


def test_weight_2_is_the_row_twice():
    rows = some_rows()
    doubled = rows.take(np.arange(N_ROWS))
    for weight in doubled.weights.values():
        weight[4] *= 2
    chosen = np.append(np.arange(N_ROWS), 4)
    twice = some_rows(chosen).take(np.arange(N_ROWS + 1))
    once = cross_entropy(logits_of(doubled), doubled).per_head
    torch.testing.assert_close(once, cross_entropy(logits_of(twice), twice).per_head)


def test_a_row_without_weight_costs_nothing_and_teaches_nothing():
    batch = some_rows().take(np.arange(N_ROWS))
    logits = logits_of(batch)
    sum(task_losses(logits, batch).values()).backward()
    for task, said in logits.items():
        is_silent = batch.weights[task] == 0
        assert is_silent.any()
        assert (said.grad[:, is_silent] == 0).all()
        assert (said.grad[:, ~is_silent] != 0).all()


def test_what_an_unlabelled_row_holds_is_never_read():
    probabilities = np.full((3, 2), np.nan)
    probabilities[0] = [1.0, 0.0]
    rows = Rows([np.ones((3, 4), np.float32)], {"y": Targets(probabilities, np.array([1.0, 0.0, 0.0]))}, np.arange(3))
    order = np.array([0, 1, 2])
    mixed = rows.mix(order, order[::-1].copy(), np.full(3, 0.5, np.float32))
    assert mixed.targets["y"].isfinite().all()
    assert mixed.weights["y"].tolist() == [0.5, 0.0, 0.5]
    assert mixed.targets["y"][0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_the_loss_is_the_textbook_cross_entropy(label_smoothing: float):
    batch = some_rows().take(np.arange(N_ROWS))
    logits = logits_of(batch)
    found = Supervised(label_smoothing)({"clean": logits}, batch)
    for task, said in logits.items():
        per_row = [
            torch.nn.functional.cross_entropy(
                copy, batch.targets[task], reduction="none", label_smoothing=label_smoothing
            )
            for copy in said
        ]
        weight = batch.weights[task]
        expected = (torch.stack(per_row).mean(dim=0) * weight).sum() / weight.sum()
        torch.testing.assert_close(found[task].float(), expected)


def test_the_loss_of_a_mixed_row_is_the_mixture_of_two_losses():
    rows = some_rows()
    own, other = rng(1).permutation(N_ROWS), rng(2).permutation(N_ROWS)
    share = rng(3).random(N_ROWS).astype(np.float32)
    mixed = rows.mix(own, other, share)
    logits = logits_of(mixed)
    # The same logits judged by either row's targets, with that row's part of the weight.
    either = []
    for positions, part in ((own, share), (other, 1 - share)):
        known = rows.take(positions)
        weights = {task: weight * torch.from_numpy(part) for task, weight in known.weights.items()}
        judged = Batch(mixed.blocks, known.targets, weights, known.shares)
        loss = cross_entropy(logits, judged).per_head
        either.append(torch.stack([loss[at] * weight.sum() for at, weight in enumerate(weights.values())]))
    total = torch.stack([weight.sum() for weight in mixed.weights.values()])
    torch.testing.assert_close(cross_entropy(logits, mixed).per_head, sum(either) / total)


def test_mixed_sparse_rows_are_the_mixture_of_the_dense_rows():
    rows = some_rows()
    own, other = rng(1).permutation(N_ROWS), rng(2).permutation(N_ROWS)
    share = rng(3).random(N_ROWS).astype(np.float32)
    mixed = rows.mix(own, other, share)
    dense = rows.blocks[1].toarray()
    expected = share[:, None] * dense[own] + (1 - share[:, None]) * dense[other]
    torch.testing.assert_close(dense_of(mixed.blocks[1], 9), torch.from_numpy(expected))


def test_an_objective_is_the_sum_of_its_terms_and_reads_what_they_read():
    batch = some_rows().take(np.arange(N_ROWS))
    passes = {"clean": logits_of(batch), "perturbed": logits_of(batch, seed=10)}
    other = Supervised(0.1)
    objective = Objective([Supervised(), other])
    assert objective.reads == {"clean"}
    for task, loss in objective(passes, batch).items():
        torch.testing.assert_close(loss, Supervised()(passes, batch)[task] + other(passes, batch)[task])
