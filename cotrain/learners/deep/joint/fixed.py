"""How tasks share the trunk with fixed weights: one weighted sum, one backward.

Well chosen fixed weights match or beat the specialised methods in most comparisons (Kurin et al. 2022,
arXiv 2201.04122; Xin et al., NeurIPS 2022), so this is the default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cotrain.errors import SettingError


@dataclass(frozen=True)
class FixedWeights:
    """Each task counts as much as it is told to.

    Parameters
    ----------
    weights : {task: weight >= 0}; a task that is not named counts 1
    """

    weights: Mapping[str, float] = field(default_factory=dict)

    def check_tasks(self, tasks: Mapping[str, object]) -> None:
        """SettingError where a weight is given for a task that is not there: it would be a typing error."""
        unknown = sorted(set(self.weights) - set(tasks))
        if unknown:
            raise SettingError("task_weights", unknown, f"given for tasks among {sorted(tasks)}")

    def backward(self, losses: Mapping[str, Tensor], network: nn.Module) -> None:
        """The gradient of the weighted sum of the losses, added to every parameter's `.grad`."""
        weighted = [loss * self.weights.get(task, 1.0) for task, loss in losses.items()]
        torch.stack(weighted).sum().backward()
