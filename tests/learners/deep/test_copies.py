"""Copies that run as one give what they would give one by one, and draw from their own generator only."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, random_array

from cotrain.learners.deep.batches import take_blocks
from cotrain.learners.deep.copies import CopiedConvolution, CopiedLinear, Dropout, InputLinear


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sparse(n_rows: int, n_columns: int, density: float):
    rng = np.random.default_rng(3)
    return random_array((n_rows, n_columns), density=density, format="csr", dtype=np.float32, rng=rng)


@pytest.mark.parametrize("density", [0.0, 0.2, 1.0])
def test_sparse_rows_give_what_the_same_dense_rows_give(density: float):
    block = csr_matrix(sparse(9, 30, density))
    layer = InputLinear(3, 30, 5, draws())
    (bags,) = take_blocks([block], np.arange(9))
    torch.testing.assert_close(layer(bags), layer(torch.from_numpy(block.toarray())))


def test_the_gradient_through_sparse_rows_is_that_through_dense_rows():
    block = csr_matrix(sparse(9, 30, 0.2))
    layer = InputLinear(3, 30, 5, draws())
    gradients = []
    for rows in (*take_blocks([block], np.arange(9)), torch.from_numpy(block.toarray())):
        (gradient,) = torch.autograd.grad(layer(rows).square().sum(), [layer.weight])
        gradients.append(gradient)
    torch.testing.assert_close(*gradients)


def test_each_copy_is_a_linear_layer_of_its_own():
    first, later = InputLinear(3, 4, 5, draws()), CopiedLinear(3, 5, 2, draws(1))
    rows = torch.randn(7, 4, generator=draws(2))
    together = later(first(rows))
    for copy in range(3):
        own = rows @ first.weight[:, copy * 5 : (copy + 1) * 5] @ later.weight[copy]
        torch.testing.assert_close(together[copy], own)


def test_a_copy_convolves_its_own_maps_only():
    layer = CopiedConvolution(2, 3, 4, draws(), is_first=False)
    maps = torch.randn(5, 6, 8, 8, generator=draws(1))
    changed = maps.clone()
    changed[:, 3:] += 1  # the second copy's maps
    torch.testing.assert_close(layer(maps)[:, :4], layer(changed)[:, :4])
    assert not torch.allclose(layer(maps)[:, 4:], layer(changed)[:, 4:])


def test_dropout_hides_the_share_asked_for_and_keeps_the_mean():
    values = Dropout(0.25, draws())(torch.ones(100_000))
    assert (values == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert values.mean().item() == pytest.approx(1.0, abs=0.01)


def test_dropout_passes_everything_outside_of_training():
    values = torch.randn(10, generator=draws())
    assert Dropout(0.5, draws()).eval()(values) is values


def test_first_weights_and_dropout_never_draw_from_torchs_global_state():
    before = torch.get_rng_state()
    Dropout(0.5, draws())(InputLinear(2, 3, 4, draws())(torch.ones(2, 3)))
    assert torch.equal(torch.get_rng_state(), before)
