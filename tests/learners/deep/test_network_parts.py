"""The network: views that are not there have no say, images of any size are read, shapes survive JSON."""

import json
import math
from dataclasses import replace

import pytest
import torch

from cotrain.learners.deep.encoders import Preparation
from cotrain.learners.deep.network import Network, NetworkShape, is_present

SHAPE = NetworkShape(
    blocks=((5,), (3,)),
    encoders=("mlp", "mlp"),
    heads={"topic": 3, "tone": 2},
    hidden=8,
    embedding=6,
    depth=1,
    copies=2,
    dropout=0.0,
    input_dropout=0.0,
    view_dropout=0.0,
    noise=0.0,
    clip=2.0,
)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(shape: NetworkShape = SHAPE) -> Network:
    made = Network(shape, draws())
    with torch.no_grad():
        # As after some training: zero biases and zero heads would hide what a view without a say still says.
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=made.generator))
    return made


def blocks(n_rows: int = 10) -> list[torch.Tensor]:
    return [torch.randn(n_rows, 5, generator=draws(1)), torch.randn(n_rows, 3, generator=draws(2))]


def test_there_is_one_logit_per_copy_row_and_class_for_each_head():
    logits = network()(blocks())
    assert {task: tuple(head.shape) for task, head in logits.items()} == {"topic": (2, 10, 3), "tone": (2, 10, 2)}


def test_a_new_network_predicts_uniformly():
    logits = Network(SHAPE, draws())(blocks())
    assert all((head == 0).all() for head in logits.values())


def test_a_row_that_lacks_a_view_is_a_row_whose_view_is_dropped():
    made = network().train()
    first, second = blocks()
    lacking = made.embed([first, torch.zeros_like(second)])
    # Whatever the encoder of the lacking view makes of zeros must not matter.
    with torch.no_grad():
        for parameter in made.encoders[1].parameters():
            parameter.add_(1.0)
    torch.testing.assert_close(made.embed([first, torch.zeros_like(second)]), lacking)
    alone = made.encoders[0](made.preparations[0](first)) * math.sqrt(2)
    torch.testing.assert_close(lacking, _through_trunk(made, alone))


def test_view_dropout_gives_each_row_either_all_its_views_or_what_it_would_be_without_some():
    made = network(replace(SHAPE, view_dropout=0.6)).train()
    first, second = blocks(400)
    seen = made.embed([first, second])
    made.eval()
    nothing = torch.zeros_like
    options = torch.stack(
        [
            made.embed([first, second]),
            made.embed([first, nothing(second)]),
            made.embed([nothing(first), second]),
        ]
    )
    distance = (options - seen).abs().amax(dim=(1, 3))  # [options, n]: never all of a row's views are hidden
    assert (distance.min(dim=0).values < 1e-5).all()
    counts = distance.argmin(dim=0).bincount(minlength=3)
    assert (counts > 30).all()


def test_view_dropout_never_hides_the_only_view_that_a_row_has():
    made = network(replace(SHAPE, view_dropout=0.9)).train()
    first, second = blocks(200)
    seen = made.embed([first, torch.zeros_like(second)])
    torch.testing.assert_close(seen, made.eval().embed([first, torch.zeros_like(second)]))


def test_a_row_without_any_view_still_gets_a_finite_answer():
    logits = network()([torch.zeros(2, 5), torch.zeros(2, 3)])
    assert all(head.isfinite().all() for head in logits.values())


def test_a_row_is_read_alone():
    made = network().eval()
    together, alone = made(blocks()), made([block[3:4] for block in blocks()])
    for task, head in together.items():
        torch.testing.assert_close(head[:, 3:4], alone[task])


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 2, 3), (1, 8, 8), (3, 16, 16), (2, 28, 28), (3, 24, 40), (1, 64, 64)])
def test_images_of_any_size_are_read(size: tuple[int, int, int]):
    made = network(replace(SHAPE, blocks=(size,), encoders=("image",)))
    assert made([torch.ones(4, *size)])["topic"].shape == (2, 4, 3)


def test_preparation_bends_outliers_leaves_zeros_and_hardly_touches_the_rest():
    prepare = Preparation(2.0, 0.0, 0.0, draws())
    bent = prepare(torch.tensor([[0.0, 0.1, 1000.0, -1000.0, 1e20, 1e38, -3.4028235e38]]))
    torch.testing.assert_close(bent, torch.tensor([[0.0, 0.1, 2.0, -2.0, 2.0, 2.0, -2.0]]), atol=2e-4, rtol=0)
    assert Preparation(math.inf, 0.0, 0.0, draws())(torch.tensor([[1000.0]])).item() == 1000.0


def test_noise_is_for_training_only():
    prepare = Preparation(2.0, 0.5, 0.0, draws())
    rows = torch.ones(1000, 4)
    assert prepare(rows).std().item() == pytest.approx(0.5, abs=0.05)
    quiet = prepare.eval()(rows)
    assert (quiet == quiet[0, 0]).all()


def test_only_rows_of_zeros_lack_a_view():
    assert is_present(torch.tensor([[0.0, 0.0], [0.0, -1.0]])).tolist() == [False, True]


@pytest.mark.parametrize("clip", [2.0, math.inf])
def test_a_shape_survives_json(clip: float):
    shape = replace(SHAPE, blocks=((5,), (1, 8, 8)), encoders=("mlp", "image"), clip=clip)
    assert NetworkShape.from_json(json.loads(json.dumps(shape.to_json(), allow_nan=False))) == shape


def _through_trunk(made: Network, summed: torch.Tensor) -> torch.Tensor:
    shared = torch.nn.functional.gelu(summed)
    for layer in made.trunk:
        shared = shared + torch.nn.functional.gelu(layer(shared))
    return shared
