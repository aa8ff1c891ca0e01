"""Networks trained on the core and on its twin are the same, because last bits do not reach the weights."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from cotrain.learners.deep.rounding import coarse, widened
from cotrain.ops import status

TRAINING = """
import hashlib
import numpy as np
from sklearn.datasets import load_digits
from cotrain.learners import NetworkLearner
from cotrain.ops import backend
from cotrain.predictions import from_codes

X, codes = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32).reshape(-1, 8, 8)[:300]
told = []
for first in range(0, 40, 10):
    given = np.where((np.arange(300) >= first) & (np.arange(300) < first + 60), codes[:300], -1)
    learner = NetworkLearner(min_steps=60, max_steps=60, copies=2)
    learner.fit([X], {"y": from_codes(given, 10)}, np.random.default_rng(first))
    told.append(learner.predict([X])["y"])
print(backend(), hashlib.sha256(np.stack(told).tobytes()).hexdigest())
"""


@pytest.mark.skipif(status().library is None, reason="The core is not built here: there is nothing to compare with.")
def test_core_and_twin_train_the_same_network_to_the_bit() -> None:
    told = {}
    for wanted in ("native", "reference"):
        surroundings = {**os.environ, "COTRAIN_BACKEND": wanted}
        done = subprocess.run(
            [sys.executable, "-c", TRAINING], env=surroundings, capture_output=True, text=True, check=True
        )
        used, told[wanted] = done.stdout.split()
        assert used == wanted
    assert told["native"] == told["reference"]


def test_values_that_differ_in_their_last_bits_become_the_same() -> None:
    rng = np.random.default_rng(0)
    random = torch.from_numpy(rng.normal(size=10_000))
    # The middle between two floats, where rounding to float32 alone would tell neighbours apart.
    floats = torch.from_numpy(rng.normal(size=10_000).astype(np.float32))
    halfway = (floats.double() + torch.nextafter(floats, torch.tensor(torch.inf)).double()) / 2
    fractions = torch.arange(1, 500, dtype=torch.float64) / 256
    for values in (random, halfway, fractions):
        above, below = (torch.nextafter(values, torch.full_like(values, end)) for end in (torch.inf, -torch.inf))
        assert torch.equal(coarse(above), coarse(below))
        assert torch.equal(coarse(values).float().double(), coarse(values)), "a float32 holds it"
        torch.testing.assert_close(coarse(values), values, rtol=2.0**-17 * 1.001, atol=0)
    assert (halfway.float() != torch.nextafter(halfway, torch.full_like(halfway, torch.inf)).float()).any()


def test_rounding_favours_neither_side() -> None:
    values = torch.rand(100_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1
    assert abs((coarse(values) - values).mean()) < 2.0**-17 / 50


def test_what_is_no_number_stays_what_it_is() -> None:
    values = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan], dtype=torch.float64)
    assert torch.equal(coarse(values)[:4], values[:4])
    assert coarse(values)[4].isnan()


def test_widening_changes_no_value_and_hands_the_gradient_back_in_float32() -> None:
    values = torch.randn(7, requires_grad=True)
    wide = widened(values)
    assert torch.equal(wide, values.detach().double())
    wide.sum().backward()
    assert values.grad is not None
    assert values.grad.dtype == torch.float32
    assert torch.equal(values.grad, torch.ones(7))
