"""Where independent work runs: this process, or this machine's cores.

Comes in: a function and the items it is to be called with. Goes out: the results, in the order of the items.
May be imported by everything above; knows nothing of what it runs.
"""

from cotrain.engine.local import each

__all__ = ["each"]
