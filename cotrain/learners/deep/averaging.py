"""How the weights of the last steps become one set of weights: their exponential moving average."""

import torch

from cotrain.learners.deep.network import Network


class WeightAverage:
    """A moving average of a network's parameters.

    Parameters
    ----------
    network : whose parameters are followed
    decay : how much of the average each step keeps; 0 = the last weights are the average
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.decay = decay
        self.n_updates = 0
        self.values = [parameter.detach().clone() for parameter in network.parameters()] if decay > 0 else []

    def update(self, network: Network) -> None:
        """Take the present weights in."""
        if self.decay == 0:
            return
        self.n_updates += 1
        # A short memory at first, so that the random first weights are soon forgotten.
        kept = min(self.decay, self.n_updates / (self.n_updates + 10))
        for value, parameter in zip(self.values, network.parameters(), strict=True):
            value.lerp_(parameter.detach(), 1 - kept)

    @torch.no_grad()
    def store(self, network: Network) -> None:
        """Put the average in the place of the network's parameters."""
        for parameter, value in zip(network.parameters(), self.values, strict=self.decay > 0):
            parameter.copy_(value)
