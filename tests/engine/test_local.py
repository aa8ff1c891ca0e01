"""Work is done in order, with the same bits, wherever it runs."""

from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from cotrain.engine import each


def square(value: int) -> int:
    return value * value


def product(size: int, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(size, size)) @ rng.normal(size=(size, size))).tobytes()


def threads_of(_: int) -> list[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return [pool["num_threads"] for pool in threadpool_info()]


def refuse(value: int) -> int:
    raise ValueError(f"no {value}")


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_results_come_in_the_order_of_the_items(n_jobs: int | None) -> None:
    assert each(square, range(7), n_jobs) == [0, 1, 4, 9, 16, 25, 36]
    assert each(square, [], n_jobs) == []


def test_processes_do_not_change_a_bit() -> None:
    assert each(partial(product, 150), range(4), 1) == each(partial(product, 150), range(4), 2)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_every_call_has_one_thread(n_jobs: int) -> None:
    assert {count for counts in each(threads_of, [0, 1], n_jobs) for count in counts} == {1}


def test_the_threads_of_the_caller_are_given_back() -> None:
    before = threads_of(0)
    each(square, [1, 2])
    assert threads_of(0) == before


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_comes_through_as_it_is(n_jobs: int) -> None:
    with pytest.raises(ValueError, match="no 3"):
        each(refuse, [3, 3], n_jobs)
