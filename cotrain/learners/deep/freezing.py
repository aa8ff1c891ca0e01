"""How a fitted network comes to rest and back: its weights as arrays, everything else as JSON values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cotrain.errors import BundleError
from cotrain.learners.deep.network import Network, NetworkShape


def weights_of(network: Network) -> dict[str, NDArray[np.float32]]:
    """Every parameter and buffer under its name, copied."""
    return {name: tensor.detach().numpy().copy(order="C") for name, tensor in network.state_dict().items()}


def network_of(shape: NetworkShape, weights: Mapping[str, NDArray[np.generic]]) -> Network:
    """The network of this shape with these weights, ready to predict.

    Raises
    ------
    BundleError : an array is missing, unknown or of another shape
    """
    network = Network(shape, torch.Generator())
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    given = {name: tuple(array.shape) for name, array in weights.items()}
    if given != expected:
        differing = sorted(name for name in expected.keys() | given.keys() if expected.get(name) != given.get(name))
        raise BundleError(
            f"The network's arrays do not fit its shape: {', '.join(differing[:5])}. "
            "They were changed or belong to another network; freeze it again."
        )
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
    return network.eval()


def as_json(value: Any) -> Any:
    """A setting as JSON knows it: NumPy numbers become plain ones, tuples lists, infinity the word "inf"."""
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [as_json(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return "inf" if value == float("inf") else value


def from_json(value: Any) -> Any:
    """What `as_json` wrote, at the top of a setting."""
    return float("inf") if value == "inf" else value
