"""What the network says about a batch: named passes, each run at most once, and only if a term reads it.

"clean" is always there. Every other pass needs a source that is set up before the first batch.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

from cotrain.errors import LearnerError
from cotrain.learners.deep.batches import Batch
from cotrain.learners.deep.network import Logits, Network

Passes = Mapping[str, Logits]
"""{pass: {task: [k, n, C]}}"""

PassSource = Callable[[Network, Batch], Logits]
"""How one pass is run."""

PROVIDERS = {"perturbed": "adversary"}
"""What has to be set for a pass to be there."""


class Reader(Protocol):
    """Whatever reads passes: a term of the objective."""

    @property
    def name(self) -> str: ...

    @property
    def reads(self) -> Collection[str]: ...


def clean_pass(network: Network, batch: Batch) -> Logits:
    """The network on the batch as it is."""
    return network(batch.blocks)


def run_passes(
    network: Network, batch: Batch, reads: Iterable[str], sources: Mapping[str, PassSource]
) -> dict[str, Logits]:
    """Run every pass that is read, once, in the order of their names, so that a fit repeats bit for bit."""
    available = {"clean": clean_pass, **sources}
    return {name: available[name](network, batch) for name in sorted(set(reads))}


def check_wiring(readers: Iterable[Reader], sources: Mapping[str, PassSource]) -> None:
    """LearnerError that names every term which reads a pass that nobody provides; to be called before the first batch.

    The message: "term `robust` reads pass `perturbed`, but no adversary is set."
    """
    available = {"clean", *sources}
    faults = [_fault(reader.name, name) for reader in readers for name in sorted(set(reader.reads) - available)]
    if faults:
        raise LearnerError(" ".join(faults))


def _fault(term: str, name: str) -> str:
    provider = PROVIDERS.get(name)
    if provider is None:
        known = ", ".join(f"`{known}`" for known in ["clean", *PROVIDERS])
        return f"term `{term}` reads pass `{name}`, which does not exist; there are {known}."
    return f"term `{term}` reads pass `{name}`, but no {provider} is set."
