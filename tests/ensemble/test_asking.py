"""Who is asked: rows in doubt, no two of them alike, and no class alone; never a row that nobody could learn from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cotrain.ensemble import Voice, ask, doubt
from cotrain.ensemble.asking import shortlist
from cotrain.errors import SettingError
from cotrain.predictions import Trust

NAN = float("nan")


def voice(weights: list[float], n_classes: int = 2) -> Voice:
    m = len(weights)
    return Voice(Trust(np.ones(m), np.array(weights), np.full(n_classes, 1.0 / n_classes)), 1.0)


def test_disagreement_is_the_divergence_of_the_members_from_their_mean() -> None:
    one, other = np.array([[0.9, 0.1], [0.5, 0.5], [1.0, 0.0]]), np.array([[0.9, 0.1], [0.5, 0.5], [0.0, 1.0]])
    found = doubt(voice([0.5, 0.5]), [one, other])
    np.testing.assert_allclose(found.disagreement[:2], 0.0, atol=1e-12)  # sure together, and torn together
    assert found.disagreement[2] == pytest.approx(1.0, abs=2e-3)  # FAINTEST keeps 0 from being a veto
    np.testing.assert_allclose(found.entropy, [0.469, 1.0, 1.0], atol=1e-3)


def test_members_count_alike_but_one_that_is_not_trusted_at_all_is_not_heard() -> None:
    said = [np.array([[0.9, 0.1]]), np.array([[0.1, 0.9]])]
    even, steep = doubt(voice([0.5, 0.5]), said), doubt(voice([0.999, 0.001]), said)
    assert steep.disagreement == pytest.approx(even.disagreement)
    assert doubt(voice([1.0, 0.0]), said).disagreement[0] == pytest.approx(0.0, abs=1e-12)


def test_who_abstains_disagrees_with_nobody_and_where_all_do_no_label_is_worth_anything() -> None:
    silent = np.array([[NAN, NAN], [NAN, NAN]])
    found = doubt(voice([0.5, 0.5]), [np.array([[0.7, 0.3], [NAN, NAN]]), silent])
    np.testing.assert_allclose(found.disagreement, 0.0, atol=1e-12)
    assert found.worth[0] > 0
    assert found.worth[1] == 0


def a_pool(seed: int, n_rows: int = 300) -> tuple[NDArray[np.floating], NDArray[np.integer], NDArray[np.floating]]:
    rng = np.random.default_rng(seed)
    return rng.random(n_rows), rng.integers(0, 3, n_rows), rng.normal(size=(n_rows, 4))


@given(seed=st.integers(0, 1000), k=st.integers(1, 40), n_rows=st.integers(0, 60))
def test_as_many_different_rows_are_asked_as_wanted_or_all_that_are_in_doubt(seed: int, k: int, n_rows: int) -> None:
    worth, codes, sketch = a_pool(seed, n_rows)
    worth[::3] = 0.0
    rows = ask(worth, codes, sketch, k)
    assert len(set(rows.tolist())) == len(rows) == min(k, int((worth > 0).sum()))
    assert (worth[rows] > 0).all()
    assert (np.diff(worth[rows]) <= 0).all(), "the most doubtful first"


def test_near_copies_are_one_question() -> None:
    worth, codes, sketch = a_pool(0)
    worth *= 0.5
    copies = np.arange(30)
    worth[copies], sketch[copies] = 1.0, sketch[0] + 1e-3 * sketch[copies]
    asked = ask(worth, codes, sketch, 10)
    assert len(set(asked.tolist()) & set(copies.tolist())) == 1
    assert set(np.argsort(-worth)[:10].tolist()) <= set(copies.tolist()), "by doubt alone all ten would be copies"


def test_where_all_rows_are_copies_the_most_doubtful_are_asked_without_a_warning() -> None:
    worth = np.linspace(0.1, 1.0, 100)
    assert ask(worth, np.zeros(100, dtype=int), np.ones((100, 3)), 5)[:4].tolist() == [99, 98, 97, 96]


def test_no_class_fills_the_questions_alone() -> None:
    worth = np.concatenate([np.full(50, 0.9), np.full(50, 0.6)])
    codes = np.repeat([0, 1], 50)
    listed = shortlist(worth, codes, 20)
    assert np.bincount(codes[listed]).tolist() == [12, 8]  # as they share in all doubt, not the first twenty


def test_the_order_of_the_rows_does_not_matter() -> None:
    worth, codes, sketch = a_pool(3)
    order = np.random.default_rng(1).permutation(len(worth))
    moved = ask(worth[order], codes[order], sketch[order], 8)
    np.testing.assert_array_equal(order[moved], ask(worth, codes, sketch, 8))


def test_to_ask_for_nothing_is_refused() -> None:
    with pytest.raises(SettingError, match="`k` must be at least 1; got 0"):
        ask(*a_pool(0), 0)
