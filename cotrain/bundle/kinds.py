"""Which learners a bundle can hold: the kind that a part names, and the class that thaws it.

The list is code, not a setting: a file can only name a kind, never bring one.
"""

from cotrain.errors import BundleError
from cotrain.frozen import Frozen
from cotrain.learners import ClassicalLearner, GraphLearner, Learner, NetworkLearner

LEARNERS: dict[str, type[ClassicalLearner] | type[GraphLearner] | type[NetworkLearner]] = {
    "classical": ClassicalLearner,
    "graph": GraphLearner,
    "network": NetworkLearner,
}


def put_to_rest(learner: Learner, owner: str) -> Frozen:
    """The learner as a part.

    Raises
    ------
    BundleError : for a learner whose class is not in the list, a subclass too: it would come back as something else
    """
    if type(learner) not in LEARNERS.values():
        raise BundleError(
            f"{owner} is a {type(learner).__name__}, which no bundle can hold; it holds "
            f"{', '.join(kind.__name__ for kind in LEARNERS.values())}. Leave it out, or keep the model in memory."
        )
    return learner.freeze()


def brought_back(frozen: Frozen, owner: str) -> Learner:
    """The learner that was put to rest.

    Raises
    ------
    BundleError : for a kind that is not in the list, or a part that does not fit its kind
    """
    if frozen.kind not in LEARNERS:
        raise BundleError(f"{owner} is of the unknown kind {frozen.kind!r}. A newer cotrain may know it; upgrade.")
    try:
        return LEARNERS[frozen.kind].thaw(frozen)
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(
            f"{owner} cannot be brought back ({error!r}). Copy the bundle again, or train again."
        ) from error
