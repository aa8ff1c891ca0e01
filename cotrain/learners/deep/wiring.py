"""How settings become the parts of a fit: the network's shape, the objective and what it reads, the variation.

Adversarial training is off unless `epsilon` is above 0; then it is one more pass and one more term of the same step.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.sparse import issparse

from cotrain.errors import LearnerError, SettingError
from cotrain.learners.deep.adversarial import LinfAdversary, Robust
from cotrain.learners.deep.inputs import shapes_of
from cotrain.learners.deep.joint import FixedWeights
from cotrain.learners.deep.network import NetworkShape
from cotrain.learners.deep.objective import Objective, Supervised, Term
from cotrain.learners.deep.passes import PassSource
from cotrain.learners.deep.settings import NetworkSettings
from cotrain.learners.deep.training import Plan
from cotrain.learners.deep.variation import Variation
from cotrain.learners.protocol import Block
from cotrain.predictions.targets import Targets


def shape_network(settings: NetworkSettings, blocks: Sequence[Block], targets: Mapping[str, Targets]) -> NetworkShape:
    """The network that fits these blocks and tasks."""
    return NetworkShape(
        blocks=tuple(shapes_of(blocks)),
        encoders=choose_encoders(settings.encoder, blocks),
        heads={task: target.n_classes for task, target in targets.items()},
        hidden=int(settings.hidden),
        embedding=int(settings.embedding),
        depth=int(settings.depth),
        copies=int(settings.copies),
        dropout=float(settings.dropout),
        input_dropout=float(settings.input_dropout),
        view_dropout=float(settings.view_dropout),
        noise=float(settings.noise),
        clip=float(settings.clip),
    )


def choose_encoders(wanted: str | Sequence[str], blocks: Sequence[Block]) -> tuple[str, ...]:
    """ "image" or "mlp" for each block: by its rank where "auto" is wanted, [n, c, h, w] being images.

    Raises
    ------
    SettingError : not one kind per block, or "image" for a block that holds none
    """
    kinds = [wanted] * len(blocks) if isinstance(wanted, str) else list(wanted)
    if len(kinds) != len(blocks):
        raise SettingError("encoder", wanted, f"one kind for all blocks, or one for each of the {len(blocks)}")
    for position, (kind, block) in enumerate(zip(kinds, blocks, strict=True)):
        if kind == "image" and block.ndim != 4:
            raise SettingError("encoder", wanted, f"'mlp' or 'auto' for block {position}, of shape {block.shape}")
        if kind == "auto":
            kinds[position] = "image" if block.ndim == 4 else "mlp"
    return tuple(kinds)


def plan_training(
    settings: NetworkSettings, shape: NetworkShape, blocks: Sequence[Block], generator: np.random.Generator
) -> Plan:
    """The parts of the step, wired.

    Raises
    ------
    SettingError : a weight for a task that is not there
    LearnerError : an adversary, but no block that it could perturb
    """
    joint = FixedWeights(dict(settings.task_weights or {}))
    joint.check_tasks(shape.heads)
    terms: list[Term] = [Supervised(settings.label_smoothing)]
    sources: dict[str, PassSource] = {}
    if settings.epsilon > 0:
        if all(issparse(block) for block in blocks):
            raise LearnerError("`epsilon` is set, but every block is sparse: the adversary perturbs dense blocks only.")
        seeds = torch.Generator().manual_seed(int(generator.integers(2**63)))
        sources["perturbed"] = LinfAdversary(settings.epsilon, settings.attack_steps, seeds, joint.weights)
        terms.append(Robust(settings.robust_weight, settings.label_smoothing))
    images = [position for position, kind in enumerate(shape.encoders) if kind == "image"]
    shifted = tuple(images) if settings.augment == "shift" else ()
    return Plan(settings, Objective(terms), sources, joint, Variation(settings.mixup, shifted, generator))
