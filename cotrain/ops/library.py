"""Where operators are declared: once, in Python, whether or not the compiled core is there.

The twin is the kernel for every device; the compiled core adds kernels for single devices, and the
dispatcher prefers those. So a device the core was not built for is served by the twin without a branch anywhere,
but for one: the CUDA kernels are of some GPUs, and of others not, which the dispatcher cannot know.
"""

from collections.abc import Callable
from typing import Any

import torch

from cotrain.ops.cuda import Gate

# Held for as long as the process lives: the operators vanish with it.
_LIBRARY = torch.library.Library("cotrain", "DEF")

_gate: Gate | None = None


def guard_with(gate: Gate) -> None:
    """From now on this decides which GPUs the CUDA kernels serve."""
    global _gate
    _gate = gate


def _serves(operator: str, gpu: int) -> bool:
    return _gate is None or _gate.serves(operator, gpu)


# torch.compile takes the verdict as it stands when it looks, and leaves the question out of its graph. It is what
# torch.compiler.assume_constant_result sets; calling that would import the whole compiler with every `import cotrain`.
_serves._dynamo_marked_constant = True  # type: ignore[attr-defined]


def declare(name: str, schema: str, *, twin: Callable[..., Any], fake: Callable[..., Any]) -> Callable[..., Any]:
    """Declare `cotrain::name` and give back what calls it, with its arguments in order.

    Parameters
    ----------
    name : the operator's name
    schema : its arguments and results, in PyTorch's schema language; the first is a tensor, or a list of some
    twin : the plain-PyTorch kernel; must not record a graph
    fake : shapes and dtypes only, for torch.compile
    """
    _LIBRARY.define(f"{name}{schema}", tags=(torch.Tag.pt2_compliant_tag,))
    _LIBRARY.impl(name, twin, "CompositeExplicitAutograd")
    torch.library.register_fake(f"cotrain::{name}", fake, lib=_LIBRARY)
    operator = getattr(torch.ops.cotrain, name)

    def call(*arguments: Any) -> Any:
        first = arguments[0] if isinstance(arguments[0], torch.Tensor) else arguments[0][0]
        if first.is_cuda and not _serves(name, first.get_device()):
            return twin(*arguments)
        return operator(*arguments)

    return call
