"""When teaching ends, and which plans are refused."""

import pytest

from cotrain.errors import SettingError
from cotrain.rounds import TeachingPlan, stop_reason
from cotrain.rounds.stopping import REASONS

NAN = float("nan")


@pytest.mark.parametrize(
    ("losses", "rounds", "patience", "expected"),
    [
        ([1.0], 4, 2, None),
        ([1.0, 0.9], 4, 2, None),
        ([1.0, 0.9, 0.8], 2, 2, "all_rounds"),
        ([1.0, 1.1], 4, 2, None),
        ([1.0, 1.1, 1.2], 4, 2, "no_gain"),
        ([1.0, 1.1], 4, 1, "no_gain"),
        ([1.0, 0.9, 0.95, 0.93], 9, 2, "no_gain"),
        ([1.0, 0.9, 0.95, 0.89], 9, 2, None),
        ([1.0, 1.0, 1.0], 9, 2, "no_gain"),  # an equal loss is no new lowest one
        ([NAN, NAN, NAN, NAN], 9, 2, None),  # what cannot be measured stops nothing
        ([NAN, NAN, NAN], 2, 1, "all_rounds"),
    ],
)
def test_why_teaching_ends(losses: list[float], rounds: int, patience: int, expected: str | None) -> None:
    assert stop_reason(losses, rounds, patience) == expected


def test_every_reason_has_its_words() -> None:
    assert {
        "all_rounds",
        "no_gain",
        "nothing_to_teach",
        "nothing_kept",
        "no_unlabelled",
        "one_member",
        "rounds_is_0",
    } == set(REASONS)
    assert all(len(words) > 20 for words in REASONS.values())


def test_shares_grow_in_even_steps_from_first_to_last() -> None:
    plan = TeachingPlan(rounds=4, first_share=0.2, last_share=0.8)
    assert [plan.share(round) for round in (1, 2, 3, 4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert TeachingPlan(rounds=1, first_share=0.2, last_share=0.8).share(1) == 0.8


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("rounds", -1),
        ("first_share", 0.0),
        ("last_share", 95),
        ("pseudo_mass", 0.0),
        ("least_agreement", 1.5),
        ("voices", 0.0),
        ("patience", 0),
    ],
)
def test_a_setting_out_of_range_is_named(name: str, wrong: float) -> None:
    with pytest.raises(SettingError, match=f"`{name}` must be .*got {wrong}"):
        TeachingPlan(**{name: wrong})  # type: ignore[arg-type]
