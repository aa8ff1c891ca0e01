"""Fixed task weights: one weighted sum, one backward."""

import pytest
import torch
from torch import nn

from cotrain.errors import SettingError
from cotrain.learners.deep.joint import FixedWeights


def losses(layer: nn.Linear) -> dict[str, torch.Tensor]:
    said = layer(torch.tensor([1.0, 2.0]))
    return {"a": said[0].square(), "b": said[1].exp()}


def linear() -> nn.Linear:
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -1.0], [0.25, 0.5]]))
        layer.bias.zero_()
    return layer


def gradient(weights: dict[str, float]) -> torch.Tensor:
    layer = linear()
    FixedWeights(weights).backward(losses(layer), layer)
    return layer.weight.grad


def test_the_gradient_is_the_weighted_sum_of_the_tasks_gradients():
    only_a, only_b = gradient({"b": 0.0}), gradient({"a": 0.0})
    torch.testing.assert_close(gradient({"a": 2.0, "b": 0.5}), 2.0 * only_a + 0.5 * only_b)


def test_a_task_that_is_not_named_counts_1():
    torch.testing.assert_close(gradient({}), gradient({"a": 1.0, "b": 1.0}))


def test_a_pinned_gradient():
    # d/dw of (0.5 - 2)^2 is 2 * -1.5 * x = (-3, -6)
    torch.testing.assert_close(gradient({"b": 0.0}), torch.tensor([[-3.0, -6.0], [0.0, 0.0]]))


def test_a_weight_for_an_unknown_task_is_refused():
    with pytest.raises(SettingError, match=r"task_weights.*\['b'\].*got \['tpoic'\]"):
        FixedWeights({"tpoic": 1.0}).check_tasks({"b": 2})
