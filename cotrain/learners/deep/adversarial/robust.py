"""What the network loses on perturbed rows: adversarial training as one more term of the objective."""

from dataclasses import dataclass

from cotrain.learners.deep.batches import Batch
from cotrain.learners.deep.objective import Losses, task_losses
from cotrain.learners.deep.passes import Passes


@dataclass(frozen=True)
class Robust:
    """Cross-entropy of the perturbed pass with what is known of the rows.

    Parameters
    ----------
    weight : how much it counts beside the other terms
    label_smoothing : the share of each target that is spread evenly over the classes

    References
    ----------
    Madry et al. 2018, Towards deep learning models resistant to adversarial attacks (arXiv 1706.06083)
    """

    weight: float = 1.0
    label_smoothing: float = 0.0
    name: str = "robust"
    reads: tuple[str, ...] = ("perturbed",)

    def __call__(self, passes: Passes, batch: Batch) -> Losses:
        losses = task_losses(passes["perturbed"], batch, self.label_smoothing)
        return {task: self.weight * loss for task, loss in losses.items()}
