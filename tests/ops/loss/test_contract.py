"""What torch.compile and the dispatcher rely on, of the loss: schema, fake kernel, autograd, shapes."""

import pytest
import torch

from cotrain import ops


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_opcheck_of_the_loss(loss_case, dtype):
    torch.library.opcheck(torch.ops.cotrain.multi_head_loss.default, loss_case.operands(dtype))


def rows_of(n_rows):
    generator = torch.Generator().manual_seed(n_rows)
    rows = torch.randn(n_rows, 4, generator=generator)
    return rows, torch.randint(0, 3, (n_rows,), generator=generator), torch.rand(n_rows, generator=generator)


# PyTorch's compiler uses parts of PyTorch that PyTorch has deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_the_compiled_loss_is_the_eager_loss(dynamic):
    kinds = [ops.CrossEntropy(label_smoothing=0.1), ops.Huber(), ops.Distillation(2.0, "probabilities")]

    def loss_of(layer, rows, targets, weight):
        trunk = rows @ layer
        first, second = trunk[:, :3], trunk[:, 3:]
        loss = ops.multi_head_loss(
            [first, second, first],
            [targets, rows @ layer[:, 3:].detach() + 0.5, torch.softmax(second[:, :3], dim=1)],
            kinds=kinds,
            masks=[None, weight > 0.2, None],
            sample_weights=[weight, None, weight],  # one tensor for two heads, as one weight per row is
            head_weights=[1.0, 0.5, 2.0],
        )
        return loss.total + loss.per_head[1], loss.per_sample[0]

    torch._dynamo.reset()
    compiled = torch.compile(loss_of, fullgraph=True, dynamic=dynamic)
    for n_rows in (12, 33) if dynamic else (12,):
        outcomes = []
        for function in (loss_of, compiled):
            layer = torch.linspace(-1, 1, 32).view(4, 8).requires_grad_()
            total, per_sample = function(layer, *rows_of(n_rows))
            total.backward()
            outcomes.append((total.detach(), per_sample, layer.grad))
        for eager, other in zip(*outcomes, strict=True):
            assert torch.allclose(eager, other, rtol=1e-5, atol=1e-7)
