"""What torch.compile and the dispatcher rely on, of the perturbations: schemas, fake kernels, shapes."""

import pytest
import torch

from cotrain import ops


def ball(dtype, n_rows, n_features):
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    scale = torch.linspace(0, 2, n_features, dtype=wide)
    return 0.2, torch.rand(n_rows, dtype=wide), 0.0, 1.0, torch.zeros(n_features, dtype=wide), None, scale


@pytest.mark.parametrize("name", ["perturb", "perturb_"])
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16], ids=str)
def test_opcheck_of_the_step(name, norm, dtype):
    rows = [torch.rand(4, 6, dtype=dtype) for _ in range(3)]
    torch.library.opcheck(getattr(torch.ops.cotrain, name).default, (*rows, norm, 0.1, 0.5, *ball(dtype, 4, 6)))


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16], ids=str)
def test_opcheck_of_the_start(norm, dtype):
    limits = ball(dtype, 4, 6)
    direction = torch.rand(4, 6, dtype=limits[1].dtype)
    torch.library.opcheck(
        torch.ops.cotrain.random_start.default, (torch.rand(4, 6, dtype=dtype), direction, norm, *limits)
    )


# PyTorch's compiler uses parts of PyTorch that PyTorch has deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_the_compiled_step_is_the_eager_step(dynamic):
    def both(perturbed, clean, gradient, epsilon, movable):
        limits = {"step_size": 0.1, "epsilon": epsilon, "lower": 0.0, "upper": torch.ones(5), "movable": movable}
        outcomes = [ops.perturb(perturbed, clean, gradient, norm=norm, **limits) for norm in ("linf", "l2", "l1")]
        scratch = perturbed.clone()
        return *outcomes, ops.perturb_(scratch, clean, gradient, norm="l2", **limits) + 1.0, scratch

    torch._dynamo.reset()
    compiled = torch.compile(both, fullgraph=True, dynamic=dynamic)
    movable = torch.tensor([True, True, False, True, True])
    for n_rows, epsilon in ((4, 0.2), (7, 0.3), (7, torch.tensor(0.1))) if dynamic else ((4, 0.2),):
        tensors = [torch.rand(n_rows, 5) for _ in range(3)]
        for eager, other in zip(both(*tensors, epsilon, movable), compiled(*tensors, epsilon, movable), strict=True):
            assert torch.equal(eager, other)


# PyTorch's compiler uses parts of PyTorch that PyTorch has deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_the_compiled_start_is_the_eager_start(dynamic):
    start = torch.ops.cotrain.random_start

    def twice(clean, direction):
        return start(clean, direction, "l2", 0.3, None, 0.0, 1.0, None, None, None) * 2

    torch._dynamo.reset()
    compiled = torch.compile(twice, fullgraph=True, dynamic=dynamic)
    for n_rows in (4, 9) if dynamic else (4,):
        tensors = torch.rand(n_rows, 5), torch.randn(n_rows, 5)
        assert torch.equal(twice(*tensors), compiled(*tensors))
