"""Bad settings are found before any work is done, all of them at once."""

import math

import numpy as np
import pytest
from sklearn.base import clone

from cotrain.errors import SettingError
from cotrain.learners.deep.learner import NetworkLearner
from cotrain.learners.deep.settings import NetworkSettings
from cotrain.predictions.targets import from_codes


def fit(**settings: object) -> NetworkLearner:
    codes = np.array([0, 1, 0, 1])
    X = np.arange(8, dtype=np.float32).reshape(4, 2)
    small = {"hidden": 4, "embedding": 4, "copies": 1, "min_steps": 2, "epochs": 1}
    return NetworkLearner(**(small | settings)).fit([X], {"y": from_codes(codes, 2)}, np.random.default_rng(0))


def test_the_defaults_are_legal():
    NetworkSettings(**NetworkLearner().get_params())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden", 0),
        ("hidden", 2.5),
        ("copies", True),
        ("depth", -1),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", math.inf),
        ("dropout", 1.0),
        ("noise", -0.1),
        ("noise", math.nan),
        ("mixup", "much"),
        ("clip", 0),
        ("ema", 1.0),
        ("encoder", "forest"),
        ("encoder", []),
        ("augment", "flip"),
        ("task_weights", {"y": -1.0}),
        ("task_weights", [1.0]),
        ("task_weights", {"sentiment": 1.0}),  # no such task
        ("encoder", ["mlp", "mlp"]),  # one block only
        ("encoder", "image"),  # columns are no image
        ("epsilon", None),
    ],
)
def test_an_illegal_value_is_refused_by_name_at_fit(name: str, value: object):
    with pytest.raises(SettingError, match=f"`{name}` must be"):
        fit(**{name: value})


def test_all_faults_are_named_in_one_error():
    with pytest.raises(SettingError, match="`hidden`, `dropout`, `epsilon` must be") as caught:
        fit(hidden=0, dropout=2, epsilon=-1)
    assert "a whole number of at least 1 (`hidden`)" in str(caught.value)


def test_numbers_of_numpy_are_as_good_as_plain_ones():
    learner = fit(hidden=np.int64(4), learning_rate=np.float32(0.01))
    assert learner.freeze().settings["settings"]["hidden"] == 4


def test_the_constructor_stores_what_it_is_given_so_that_clones_are_equal():
    weights = {"y": 2.0}
    learner = NetworkLearner(hidden=7, task_weights=weights, encoder=["mlp"], epsilon=-3.0)
    assert learner.task_weights is weights
    assert clone(learner).get_params() == learner.get_params()
