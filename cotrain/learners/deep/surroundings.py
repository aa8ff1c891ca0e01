"""What a fit borrows from the process and gives back: torch's threads.

Torch's random state needs no giving back, because nothing here ever draws from it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
