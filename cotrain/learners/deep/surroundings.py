"""What a fit borrows from the process and gives back: torch's threads, and the modes that torch is in.

Torch's random state needs no giving back, because nothing here ever draws from it. Nor does the default dtype, which is
one for all threads and therefore never changed: whatever is made here says that it is float32.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def undisturbed() -> Iterator[None]:
    """Torch as a network expects it, whatever mode the caller is in: one thread, no autocast, gradients recorded.

    Tensors made in inference mode can never be trained, so the network must be made in here as well.
    """
    # Autocast reads copies of the weights, which it keeps until its caller leaves it: no step would show in them.
    with one_thread(), torch.autocast("cpu", enabled=False), torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread, and afterwards on as many as before.

    Networks of this size are fastest so, and sums are then added in one order on every machine.
    The number is one for the whole process: fits in threads side by side may end with either of the two.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
