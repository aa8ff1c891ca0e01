"""Where operators are declared: once, in Python, whether or not the compiled core is there.

The twin is the kernel for every device; the compiled core adds kernels for single devices, and the
dispatcher prefers those. So a device the core was not built for is served by the twin without a branch anywhere.
"""

from collections.abc import Callable
from typing import Any

import torch

# Held for as long as the process lives: the operators vanish with it.
_LIBRARY = torch.library.Library("cotrain", "DEF")


def declare(
    name: str, schema: str, *, twin: Callable[..., Any], fake: Callable[..., Any]
) -> torch._ops.OpOverloadPacket:
    """Declare `cotrain::name` and give back what calls it.

    Parameters
    ----------
    name : the operator's name
    schema : its arguments and results, in PyTorch's schema language
    twin : the plain-PyTorch kernel; must not record a graph
    fake : shapes and dtypes only, for torch.compile
    """
    _LIBRARY.define(f"{name}{schema}", tags=(torch.Tag.pt2_compliant_tag,))
    _LIBRARY.impl(name, twin, "CompositeExplicitAutograd")
    torch.library.register_fake(f"cotrain::{name}", fake, lib=_LIBRARY)
    return getattr(torch.ops.cotrain, name)
