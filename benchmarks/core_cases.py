"""What the core is measured on: each case in plain PyTorch as people write it, by our operators, and its bytes.

Shapes and claims are those that the core was built for; a claim that does not hold is reported, never left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from cotrain.ops import CrossEntropy, Distillation, Focal, Huber, multi_head_loss, perturb_

Step = Callable[[], None]


@dataclass(frozen=True)
class Case:
    """One thing to be measured.

    Parameters
    ----------
    name : what it is
    eager : plain PyTorch; also what torch.compile is given
    ours : the same by cotrain.ops
    run : calls either of them once, forward and backward where there is one
    n_bytes : that must move at least: every input read once, every result written once
    claims : {"eager", "compiled", "limit": at least so many times as fast as the one, this share of the other}
    """

    name: str
    eager: Callable[..., Tensor]
    ours: Callable[..., Tensor]
    run: Callable[[Callable[..., Tensor]], None]
    n_bytes: int
    claims: dict[str, float]


def cases() -> list[Case]:
    """All of them, drawn from one seed."""
    torch.manual_seed(0)
    return [
        _heads("3 heads, n=256, C=(10, 5, 7)", 256, (10, 5, 7), {"eager": 8, "compiled": 4}),
        _heads("3 heads, n=4096, C=(10, 5, 7)", 4096, (10, 5, 7), {"eager": 8, "compiled": 4}),
        _heads(
            "3 heads, n=4096, C=(10, 100, 1000)", 4096, (10, 100, 1000), {"eager": 5, "compiled": 2.5, "limit": 0.5}
        ),
        _heads("3 heads, n=8192, C=1000 each", 8192, (1000,) * 3, {"eager": 3.3, "compiled": 2.5, "limit": 0.6}),
        _distillation(),
        _mixed(),
        _perturbation("linf", {"eager": 5, "compiled": 1, "limit": 0.8}),
        _perturbation("l2", {"eager": 4.5, "compiled": 1.5, "limit": 0.6}),
    ]


def _backward(leaves: Sequence[Tensor]) -> Callable[[Callable[..., Tensor]], None]:
    def run(loss: Callable[..., Tensor]) -> None:
        loss(*leaves).backward()
        for leaf in leaves:
            leaf.grad = None

    return run


def _n_bytes(leaves: Sequence[Tensor], *others: Tensor) -> int:
    """Each leaf read and its gradient written, the others read."""
    return sum(2 * leaf.nbytes for leaf in leaves) + sum(other.nbytes for other in others)


def _heads(name: str, n: int, n_classes: Sequence[int], claims: dict[str, float]) -> Case:
    leaves = [torch.randn(n, c, requires_grad=True) for c in n_classes]
    codes = [torch.randint(0, c, (n,)) for c in n_classes]
    weights = [1.0, 0.5, 2.0]

    def eager(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
        heads = zip(weights, (first, second, third), codes, strict=True)
        return torch.stack([weight * functional.cross_entropy(x, y) for weight, x, y in heads]).sum()

    def ours(*logits: Tensor) -> Tensor:
        return multi_head_loss(logits, codes, head_weights=weights).total

    return Case(name, eager, ours, _backward(leaves), _n_bytes(leaves, *codes), claims)


def _distillation() -> Case:
    student, teacher, temperature = torch.randn(4096, 1000, requires_grad=True), torch.randn(4096, 1000), 4.0
    kinds = [Distillation(temperature)]

    def eager(logits: Tensor) -> Tensor:
        told, wanted = (
            functional.log_softmax(logits / temperature, dim=1),
            functional.softmax(teacher / temperature, dim=1),
        )
        return functional.kl_div(told, wanted, reduction="batchmean") * temperature**2

    def ours(logits: Tensor) -> Tensor:
        return multi_head_loss([logits], [teacher], kinds=kinds).total

    claims = {"eager": 6, "compiled": 2, "limit": 0.5}
    name = "distillation, n=4096, C=1000, T=4"
    return Case(name, eager, ours, _backward([student]), _n_bytes([student], teacher), claims)


def _mixed() -> Case:
    shapes = [(32, 10), (32, 5), (32, 4), (32, 7, 64, 64)]
    leaves = [torch.randn(shape, requires_grad=True) for shape in shapes]
    values, mask = torch.randn(32, 4), torch.rand(32, 4) > 0.3
    codes = [torch.randint(0, 10, (32,)), torch.randint(0, 5, (32,)), torch.randint(0, 7, (32, 64, 64))]
    kinds = [CrossEntropy(), Focal(2.0), Huber(1.0), CrossEntropy()]

    def eager(first: Tensor, second: Tensor, third: Tensor, dense: Tensor) -> Tensor:
        surprise = functional.cross_entropy(second, codes[1], reduction="none")
        focal = ((1 - torch.exp(-surprise)) ** 2 * surprise).mean()
        huber = (functional.huber_loss(third, values, reduction="none") * mask).sum() / mask.sum()
        return functional.cross_entropy(first, codes[0]) + focal + huber + functional.cross_entropy(dense, codes[2])

    def ours(*outputs: Tensor) -> Tensor:
        targets = [codes[0], codes[1], values, codes[2]]
        return multi_head_loss(outputs, targets, kinds=kinds, masks=[None, None, mask, None]).total

    claims = {"eager": 6, "compiled": 2, "limit": 0.4}
    name = "mixed: CE 10 + focal 5 + Huber 4 with mask + dense CE 7 x 64 x 64, n=32"
    return Case(name, eager, ours, _backward(leaves), _n_bytes(leaves, *codes, values, mask), claims)


def _perturbation(norm: str, claims: dict[str, float]) -> Case:
    clean = torch.rand(512, 3, 64, 64)
    gradient, perturbed = torch.randn_like(clean), clean.clone()
    size, epsilon = 0.01, 0.03 if norm == "linf" else 1.0

    def eager_linf(perturbed: Tensor) -> Tensor:
        moved = perturbed + size * gradient.sign()
        return torch.clamp(clean + torch.clamp(moved - clean, -epsilon, epsilon), 0.0, 1.0)

    def eager_l2(perturbed: Tensor) -> Tensor:
        def lengths(rows: Tensor) -> Tensor:
            return rows.flatten(1).norm(dim=1).view(-1, 1, 1, 1)

        delta = perturbed + size * gradient / (lengths(gradient) + 1e-10) - clean
        return torch.clamp(clean + delta * torch.clamp(epsilon / (lengths(delta) + 1e-10), max=1.0), 0.0, 1.0)

    def ours(perturbed: Tensor) -> Tensor:
        return perturb_(perturbed, clean, gradient, norm=norm, step_size=size, epsilon=epsilon, lower=0.0, upper=1.0)

    def run(step: Callable[..., Tensor]) -> None:
        step(perturbed)

    eager = eager_linf if norm == "linf" else eager_l2
    return Case(f"perturbation {norm}, 512 x 3 x 64 x 64", eager, ours, run, 4 * clean.nbytes, claims)
