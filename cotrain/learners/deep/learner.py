"""A network as a learner: several blocks in, probabilities of several tasks out."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from cotrain.errors import BundleError
from cotrain.frozen import Frozen
from cotrain.learners.blocks import n_rows_of
from cotrain.learners.deep.batches import Rows, take_blocks
from cotrain.learners.deep.freezing import as_json, from_json, network_of, weights_of
from cotrain.learners.deep.inputs import check_shapes, check_targets, labelled_for_any, readable, scale_of
from cotrain.learners.deep.network import Network, NetworkShape
from cotrain.learners.deep.settings import NetworkSettings
from cotrain.learners.deep.surroundings import undisturbed
from cotrain.learners.deep.training import train
from cotrain.learners.deep.wiring import plan_training, shape_network
from cotrain.learners.protocol import Block, Probabilities
from cotrain.predictions.targets import Targets

logger = logging.getLogger(__name__)

PREDICTION_BATCH = 2048
"""Rows per batch in prediction: it bounds the memory, and larger ones are no faster."""


class NetworkLearner(BaseEstimator):
    """One network for all blocks and tasks: an encoder per block, a shared trunk, a head per task.

    >>> learner = NetworkLearner(view_dropout=0.2, task_weights={"tone": 0.5})
    >>> learner.fit([words, pixels], {"topic": topics, "tone": tones}, generator).predict([words, pixels])["topic"]

    Several copies run as one and are averaged. On one core a fit of 50-100 rows takes 0.3-1 s, one of 1400 rows 2 s
    with 280 columns and 4 s with 650.

    Parameters
    ----------
    hidden, embedding : widths of the encoders' hidden layer and of the trunk. 128 hidden units were at most 0.2
        points better than 64, for up to 1.5 times the time.
    depth : residual layers of the trunk
    copies : networks that run as one. Four against one: +0.5 points of accuracy for 1.4 times the time.
    encoder : "auto" (images where a block is [n, c, h, w]), "mlp" or "image"; or a list with one per block
    epochs, min_steps, max_steps : a fit takes `epochs` rounds over its rows, in steps of one batch each, but no fewer
        and no more steps than these. 60 steps cost up to a point; 150 were no better than 100, except for images.
    batch_size : rows per step, at most
    learning_rate, weight_decay : of AdamW, under a warm-up and a cosine. Rates from 0.003 to 0.01 differed by 0.3
        points on columns; images learn more slowly and want the higher ones.
    dropout, input_dropout : shares of hidden units and of inputs that are hidden in training. +0.2 and +0.3
        points, which three seeds do not tell from chance.
    view_dropout : share of the training rows that lose some of their views; each row keeps one at least. 0.25
        helped rows that lack views by 0 to 2 points; 0.15 cost complete rows up to 2 where views only tell together,
        so it is off.
    noise : Gaussian noise on dense columns in training, where a block's root mean square is 1. Beside
        `mixup` it only improves the log loss, from 0.416 to 0.407; without, it guards against the worst overfitting.
        Images get neither noise nor `input_dropout`.
    mixup : rows are mixed in pairs, by shares from Beta(mixup, mixup); 0 = never. The most useful of all: without it
        accuracy falls by 1 point and the log loss rises from 0.41 to 0.65; with 1.0 accuracy is the same, but
        probabilities are too cautious when there are many labels.
    clip : dense values beyond it are bent back smoothly, where a block's root mean square is 1; infinity = never.
        +0.8 points, +3 where columns have long tails.
    label_smoothing : share of each label spread over all classes. Off: no gain, and a worse log loss.
    ema : memory of a moving average of the weights, which then predicts; 0 = the last weights do. Off: after the
        cosine it changed nothing.
    augment : "shift" = images are moved by up to one pixel in training (+1.8 points with five labels per class, -0.7
        with over a hundred, on one split); None = not. It does nothing to blocks that are not images.
    task_weights : {task: how much its loss counts}; 1 where not given
    epsilon : how far an adversary may move the inputs of dense blocks, in their own units, in training; 0 = none
    attack_steps : gradient steps of the adversary
    robust_weight : how much the loss on perturbed rows counts beside the clean one

    Attributes
    ----------
    network_ : the fitted `Network`
    history_ : what each step's batch lost, all tasks together; not kept when frozen

    Notes
    -----
    What is said of single settings was seen while the defaults were chosen: mfeat, digits, satellite and spambase,
    views standardised on the training rows, 5 and 10 labels per class, three to five seeds, judged on the same held-out
    rows that the choice was made on, so it flatters. Chosen once, the defaults were then judged on five other seeds:

    ==============================  =======  ===================  ===================
    mean accuracy in %              network  logistic regression  forest of 300 trees
    ==============================  =======  ===================  ===================
    the four sets above             86.9     84.2                 86.5
    breast_cancer and fashion10k,   77.8     78.3                 77.6
    on which nothing was chosen
    digits as images, 5 per class   90.4     86.1                 not tried
    ==============================  =======  ===================  ===================

    It was ahead of logistic regression on each of the four, within 0.7 points of it on fashion10k, and 1 to 2 points
    behind it on breast_cancer; the forest was 2 to 3 points ahead on spambase. Digits as columns had 85.9 %, as images
    without shifts 88.0 %. No layer normalises rows: layer normalisation gained a point on mfeat and lost eight on
    satellite, where the brightness of a row as a whole tells the classes apart.
    """

    def __init__(
        self,
        *,
        hidden: int = 64,
        embedding: int = 64,
        depth: int = 1,
        copies: int = 4,
        encoder: str | Sequence[str] = "auto",
        epochs: int = 30,
        min_steps: int = 120,
        max_steps: int = 2000,
        batch_size: int = 256,
        learning_rate: float = 6e-3,
        weight_decay: float = 0.05,
        dropout: float = 0.1,
        input_dropout: float = 0.1,
        view_dropout: float = 0.0,
        noise: float = 0.3,
        mixup: float = 0.4,
        clip: float = 2.0,
        label_smoothing: float = 0.0,
        ema: float = 0.0,
        augment: str | None = "shift",
        task_weights: Mapping[str, float] | None = None,
        epsilon: float = 0.0,
        attack_steps: int = 3,
        robust_weight: float = 1.0,
    ) -> None:
        self.hidden = hidden
        self.embedding = embedding
        self.depth = depth
        self.copies = copies
        self.encoder = encoder
        self.epochs = epochs
        self.min_steps = min_steps
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.view_dropout = view_dropout
        self.noise = noise
        self.mixup = mixup
        self.clip = clip
        self.label_smoothing = label_smoothing
        self.ema = ema
        self.augment = augment
        self.task_weights = task_weights
        self.epsilon = epsilon
        self.attack_steps = attack_steps
        self.robust_weight = robust_weight

    def fit(self, blocks: Sequence[Block], targets: Mapping[str, Targets], generator: np.random.Generator) -> Self:
        """Learn every task from the rows that say something for at least one of them.

        Parameters
        ----------
        blocks : one per view, the same n rows each; see `cotrain.learners.protocol`
        targets : {task: what is known of the n rows}
        generator : every draw comes from it; torch's global random state is neither read nor changed, and neither
            autocast, the default dtype nor a mode without gradients makes a difference

        Raises
        ------
        SettingError : settings with values they cannot have, all named
        LearnerError : blocks or targets that cannot be read, or a loss or weights that are no longer finite
        """
        settings = NetworkSettings(**self.get_params())
        blocks = readable(blocks)
        check_targets(targets, n_rows_of(blocks))
        shape = shape_network(settings, blocks, targets)
        plan = plan_training(settings, shape, blocks, generator)
        labelled = labelled_for_any(targets)
        with undisturbed():
            network = Network(shape, torch.Generator().manual_seed(int(generator.integers(2**63))))
            network.scale_blocks([scale_of(block) for block in blocks])
            if len(labelled) == 0:
                logger.warning("No row is labelled for any of %s; the network predicts uniformly.", sorted(targets))
                self.history_ = []
            else:
                self.history_ = train(network, Rows(blocks, targets, labelled), plan, generator)
        self.network_ = network.eval()
        return self

    def predict(self, blocks: Sequence[Block]) -> Probabilities:
        """{task: [n, C] float64}, the mean of the copies; uniform for a task that had no labelled row."""
        self._check_fitted()
        shape = self.network_.shape
        blocks = readable(blocks)
        check_shapes(blocks, shape.blocks)
        parts = {task: [np.empty((0, n_classes))] for task, n_classes in shape.heads.items()}
        with undisturbed(), torch.no_grad():
            for positions in _batches(n_rows_of(blocks)):
                for task, logits in self.network_(take_blocks(blocks, positions)).items():
                    parts[task].append(logits.double().softmax(dim=-1).mean(dim=0).numpy())
        return {task: np.concatenate(part) for task, part in parts.items()}

    def freeze(self) -> Frozen:
        """The network's weights as arrays; its shape and the learner's settings as JSON values."""
        self._check_fitted()
        settings = {
            "settings": {name: as_json(value) for name, value in self.get_params().items()},
            "shape": self.network_.shape.to_json(),
        }
        return Frozen("network", settings, arrays=weights_of(self.network_))

    @classmethod
    def thaw(cls, frozen: Frozen) -> Self:
        """The learner that `freeze` put to rest; it predicts the same bits.

        Raises
        ------
        BundleError : not a network, or its arrays do not fit its shape
        """
        if frozen.kind != "network":
            raise BundleError(f"A NetworkLearner thaws from kind 'network'; got {frozen.kind!r}.")
        learner = cls(**{name: from_json(value) for name, value in frozen.settings["settings"].items()})
        with undisturbed():
            learner.network_ = network_of(NetworkShape.from_json(frozen.settings["shape"]), frozen.arrays)
        return learner

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError("This NetworkLearner is not fitted yet; call `fit` first.")


def _batches(n_rows: int) -> Iterator[NDArray[np.intp]]:
    """Positions of all rows, in order, batch by batch."""
    for start in range(0, n_rows, PREDICTION_BATCH):
        yield np.arange(start, min(start + PREDICTION_BATCH, n_rows))
