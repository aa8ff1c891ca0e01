"""Pooling over NumPy arrays: each listener hears the others and never itself, as plain NumPy would have it.

Truth: `rounds.hearing.hear_by_numpy` in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from cotrain import ops
from cotrain.errors import SettingError
from cotrain.ops import Pooled, host
from cotrain.predictions import Trust
from cotrain.predictions.calibration import FAINTEST
from cotrain.rounds.hearing import TIE, hear_by_numpy, loudness

pytestmark = pytest.mark.skipif(bool(host.fault()), reason=host.fault() or "built")

Opinions = list[NDArray[np.floating]]


@dataclass(frozen=True)
class Case:
    """Who says what, and who is trusted how far."""

    name: str
    weights: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)
    n_rows: int = 83  # five blocks of 16 and three rows
    n_classes: int = 5
    temperatures: tuple[float, ...] = (0.7, 1.0, 1.9, 1.2)
    voices: float = 3.0
    silent: float = 0.1  # share of each member's rows on which it abstains
    like: Callable[[Opinions], Opinions] = field(default=lambda told: told)

    def __str__(self) -> str:
        return self.name

    def opinions(self) -> Opinions:
        rng = np.random.default_rng(3)
        shape = (self.n_rows, self.n_classes)
        told = [softmax(2 * rng.normal(size=shape), axis=1) for _ in self.weights]
        for one in told:
            one[rng.random(self.n_rows) < self.silent] = np.nan
        return self.like(told)

    def trust(self) -> Trust:
        prior = np.random.default_rng(5).dirichlet(np.full(self.n_classes, 3.0))
        temperatures = np.resize(self.temperatures, len(self.weights))
        return Trust(temperatures, np.array(self.weights), prior)


def certain(told: Opinions) -> Opinions:
    """Bare votes: 0 and 1."""
    return [np.where(np.isnan(one), one, one == one.max(axis=1, keepdims=True)) for one in told]


def torn(told: Opinions) -> Opinions:
    """Every row between its first two classes, so that equals and nearly equals abound."""
    halves = np.zeros_like(told[0])
    halves[:, :2] = 0.5
    return [np.where(np.arange(len(one))[:, None] % 2, halves, one[:, [1, 0, *range(2, one.shape[1])]]) for one in told]


def out_of_range(told: Opinions) -> Opinions:
    """No probabilities at all, in places: they count as the nearest that are."""
    for one in told:
        one[1, 0], one[2, 1], one[3, 2], one[4, 0] = np.inf, -np.inf, -3.0, 7.0
    return told


def everybody_silent(told: Opinions) -> Opinions:
    return [np.full_like(one, np.nan) for one in told]


def half_a_row_silent(told: Opinions) -> Opinions:
    """One NaN makes an abstention of its row."""
    for one in told:
        one[::3, 1] = np.nan
    return told


CASES = [
    Case("four members"),
    Case("nobody abstains", silent=0.0),
    Case("most abstain", silent=0.8),
    Case("everybody abstains", like=everybody_silent),
    Case("one NaN in a row", like=half_a_row_silent),
    Case("a member of weight 0", weights=(0.5, 0.0, 0.3, 0.2)),
    Case("only one is trusted", weights=(0.0, 1.0, 0.0)),
    Case("two members", weights=(0.9, 0.1)),
    Case("a single member", weights=(1.0,)),
    Case("a voice far fainter than the others", weights=(1.0, 1e-12, 2e-12)),
    Case("one class", n_classes=1),
    Case("two classes", n_classes=2),
    Case("more classes than a block has lanes", n_classes=41, n_rows=33),
    Case("no row", n_rows=0),
    Case("one row", n_rows=1),
    Case("a whole block", n_rows=16),
    Case("bare votes", like=certain),
    Case("ties", like=torn, silent=0.0),
    Case("no probabilities", like=out_of_range),
    Case("hot and cold members", temperatures=(0.08, 12.0)),
    Case("a single voice", voices=1.0),
    Case("many voices", voices=20.0),
]


def heard(case: Case, opinions: Opinions | None = None, **settings: int) -> list[Pooled]:
    trust = case.trust()
    return ops.pool_opinions(
        case.opinions() if opinions is None else opinions,
        trust.temperatures,
        loudness(trust.weights),
        trust.prior,
        voices=case.voices,
        faintest=FAINTEST,
        tie=TIE,
        keeps_probabilities=True,
        **settings,
    )


def are_the_same_bits(one: Pooled, other: Pooled) -> bool:
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(one, other, strict=True))


def assert_as_in_numpy(got: list[Pooled], case: Case, opinions: Opinions) -> None:
    wide = [one.astype(np.float64) for one in opinions]
    truth = list(hear_by_numpy(wide, case.trust(), voices=case.voices, keeps_probabilities=True))
    assert len(got) == len(truth)
    for one, other in zip(got, truth, strict=True):
        assert np.array_equal(one.codes, other.codes)
        for name in ("confidence", "margin", "agreement", "probabilities"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_kernel_says_what_numpy_says(case: Case) -> None:
    opinions = case.opinions()
    assert_as_in_numpy(heard(case), case, opinions)


def packed(one: NDArray[np.floating]) -> NDArray[np.floating]:
    """Numbers nine bytes apart, most of them not aligned."""
    records = np.zeros(one.shape, dtype=np.dtype([("p", "f8"), ("flag", "i1")]))
    records["p"] = one
    return records["p"]


AS_GIVEN: dict[str, Callable[[NDArray[np.floating]], NDArray[np.floating]]] = {
    "float32": lambda one: one.astype(np.float32),
    "float16": lambda one: one.astype(np.float16),
    "big-endian": lambda one: one.astype(">f8"),
    "Fortran order": np.asfortranarray,
    "every second row": lambda one: np.repeat(one, 2, axis=0)[::2],
    "every second column": lambda one: np.repeat(one, 2, axis=1)[:, ::2],
    "backwards": lambda one: one[::-1, ::-1].copy()[::-1, ::-1],
    "a field of packed records": packed,
}


@pytest.mark.parametrize("given", AS_GIVEN)
def test_numbers_are_read_however_they_lie(given: str) -> None:
    case = CASES[0]
    opinions = [AS_GIVEN[given](one) for one in case.opinions()]
    before = [one.copy() for one in opinions]
    for one in opinions:
        one.flags.writeable = False
    assert_as_in_numpy(heard(case, opinions), case, opinions)
    assert all(np.array_equal(one, was, equal_nan=True) for one, was in zip(opinions, before, strict=True))


def test_members_may_differ_in_type() -> None:
    case = CASES[0]
    opinions = [one.astype(dtype) for one, dtype in zip(case.opinions(), ("f4", "f8", "f2", "f4"), strict=True)]
    assert_as_in_numpy(heard(case, opinions), case, opinions)


def test_two_teachers_by_hand() -> None:
    told = [np.array([[np.nan, np.nan]]), np.array([[0.8, 0.2]]), np.array([[0.5, 0.5]])]
    (pooled,) = ops.pool_opinions(
        told, np.ones(3), np.array([[0.0, 3.0, 1.0]]), np.full(2, 0.5), voices=1.0, faintest=FAINTEST, tie=TIE
    )
    sure = 4**0.75 / (1 + 4**0.75)  # three quarters of the first one's evidence, odds of 4 to 1
    assert pooled.codes.tolist() == [0]
    np.testing.assert_allclose(pooled.confidence, [sure], rtol=1e-14)
    np.testing.assert_allclose(pooled.margin, [2 * sure - 1], rtol=1e-14)
    assert pooled.agreement.tolist() == [1.0]  # the second is torn, and so votes for this class too
    assert pooled.probabilities is None


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("shard_rows", [1, 7, 16, 1000])
def test_shards_and_threads_do_not_change_a_bit(shard_rows: int, n_threads: int) -> None:
    case = CASES[0]
    as_one = heard(case, shard_rows=10**6, n_threads=1)
    for one, other in zip(as_one, heard(case, shard_rows=shard_rows, n_threads=n_threads), strict=True):
        assert are_the_same_bits(one, other)


def test_a_listener_is_never_heard_by_itself() -> None:
    case, told = CASES[0], CASES[0].opinions()
    as_is = heard(case)
    for student in range(len(told)):
        turned = list(told)
        turned[student] = np.roll(told[student], 1, axis=1)
        lessons = heard(case, turned)
        assert are_the_same_bits(lessons[student], as_is[student])
        assert not any(are_the_same_bits(lessons[i], as_is[i]) for i in range(len(told)) if i != student)


def test_one_listener_hears_what_it_hears_among_others() -> None:
    case, trust = CASES[0], CASES[0].trust()
    together = heard(case)
    for student, row in enumerate(loudness(trust.weights)):
        (alone,) = ops.pool_opinions(
            case.opinions(),
            trust.temperatures,
            row[None],
            trust.prior,
            voices=case.voices,
            faintest=FAINTEST,
            tie=TIE,
            keeps_probabilities=True,
        )
        assert are_the_same_bits(alone, together[student])


def test_rows_in_another_order_are_heard_alike() -> None:
    case, order = CASES[0], np.random.default_rng(1).permutation(83)
    turned = heard(case, [one[order] for one in case.opinions()])
    for one, other in zip(heard(case), turned, strict=True):
        assert are_the_same_bits(Pooled(*[column[order] for column in one]), other)


def test_members_in_another_order_are_heard_alike() -> None:
    case, order, trust = CASES[0], [2, 0, 3, 1], CASES[0].trust()
    told = case.opinions()
    turned = ops.pool_opinions(
        [told[i] for i in order],
        trust.temperatures[order],
        loudness(trust.weights[order]),
        trust.prior,
        voices=case.voices,
        faintest=FAINTEST,
        tie=TIE,
    )
    for position, member in enumerate(order):
        one = heard(case)[member]
        assert np.array_equal(turned[position].codes, one.codes)
        np.testing.assert_allclose(turned[position].margin, one.margin, rtol=0, atol=1e-12)
        np.testing.assert_allclose(turned[position].agreement, one.agreement, rtol=0, atol=1e-12)


@pytest.mark.parametrize("factor", [17.0, 1e-300, 1e300])
def test_only_the_ratios_of_loudness_matter(factor: float) -> None:
    case, trust = CASES[0], CASES[0].trust()
    told, settings = case.opinions(), {"voices": case.voices, "faintest": FAINTEST, "tie": TIE}
    plain = heard(case)[0]
    (scaled,) = ops.pool_opinions(
        told, trust.temperatures, factor * loudness(trust.weights)[:1], trust.prior, **settings
    )
    assert np.array_equal(scaled.codes, plain.codes)
    np.testing.assert_allclose(scaled.margin, plain.margin, rtol=0, atol=1e-12)
    np.testing.assert_allclose(scaled.agreement, plain.agreement, rtol=0, atol=1e-12)


GOOD = {
    "opinions": [np.full((4, 3), 1 / 3)] * 2,
    "temperatures": np.ones(2),
    "loudness": np.ones((1, 2)),
    "prior": np.full(3, 1 / 3),
    "voices": 1.0,
    "faintest": FAINTEST,
    "tie": TIE,
}
WRONG = {
    "no member": ({"opinions": []}, r"`opinions` must be one array \[n, C\] per member"),
    "integers": ({"opinions": [np.ones((4, 3), dtype=int)] * 2}, r"`opinions\[0\]` must be .*float64; got 'int64'"),
    "complex": ({"opinions": [np.ones((4, 3), dtype=complex)] * 2}, "got 'complex128'"),
    "objects": ({"opinions": [np.ones((4, 3), dtype=object)] * 2}, "got 'object'"),
    "too long doubles": ({"opinions": [np.ones((4, 3), dtype=np.longdouble)] * 2}, "of float16, float32 or float64"),
    "a list": ({"opinions": [[[0.5, 0.5]]] * 2}, "got 'list'"),
    "a single row": ({"opinions": [np.ones(3)] * 2}, r"`opinions\[0\]` must be \[n, C\]"),
    "no class": ({"opinions": [np.ones((4, 0))] * 2}, "C at least 1"),
    "another number of rows": (
        {"opinions": [np.ones((4, 3)), np.ones((5, 3))]},
        r"`opinions\[1\]` must be \[4, 3\] as the first one is; got \[5, 3\]",
    ),
    "a temperature too many": ({"temperatures": np.ones(3)}, r"`temperatures` must be of shape \[2\]; got \[3\]"),
    "a temperature of 0": ({"temperatures": np.zeros(2)}, "`temperatures` must be finite numbers above 0"),
    "loudness for one": ({"loudness": np.ones((1, 1))}, r"`loudness` must be of shape \[1, 2\]"),
    "flat loudness": ({"loudness": np.ones(2)}, r"`loudness` must be of shape \[2, 2\]; got \[2\]"),
    "a number": ({"loudness": 1.0}, r"`loudness` must be of shape \[2\]"),
    "loudness below 0": ({"loudness": -np.ones((1, 2))}, "`loudness` must be finite numbers of 0 or more"),
    "unknown loudness": ({"loudness": np.full((1, 2), np.nan)}, "`loudness` must be finite"),
    "a share too few": ({"prior": np.full(2, 0.5)}, r"`prior` must be of shape \[3\]"),
    "an unknown share": ({"prior": np.full(3, np.nan)}, "`prior` must be finite numbers above 0"),
    "no voice": ({"voices": 0.0}, "`voices` must be above 0"),
    "unknown voices": ({"voices": float("nan")}, "`voices` must be above 0"),
    "a faintest of 1": ({"faintest": 1.0}, "`faintest` must be above 0 and below 1"),
    "no tie": ({"tie": 0.0}, "`tie` must be above 0"),
    "no thread": ({"n_threads": 0}, "`n_threads` must be 1 or more"),
    "empty shards": ({"shard_rows": 0}, "`shard_rows` must be 1 or more"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_does_not_fit_is_refused_in_a_sentence(fault: str) -> None:
    changed, message = WRONG[fault]
    with pytest.raises(SettingError, match=message):
        ops.pool_opinions(**{**GOOD, **changed})


def test_nobody_listens_and_nothing_is_heard() -> None:
    assert ops.pool_opinions(**{**GOOD, "loudness": np.ones((0, 2))}) == []
    (pooled,) = ops.pool_opinions(**{**GOOD, "loudness": np.zeros((1, 2))})
    assert pooled.codes.tolist() == [-1] * 4
    assert np.isnan(pooled.margin).all()
    assert not pooled.agreement.any()


def test_the_bare_kernel_reads_nothing_outside_its_arrays() -> None:
    # Whatever the Python in front of it lets through.
    kernel, told = host.kernels().pool_opinions, [np.ones((4, 3)), np.ones((3, 3))]
    settings = {"voices": 1.0, "faintest": FAINTEST, "tie": TIE, "keeps_probabilities": True}
    work = {"shard_rows": 16, "n_threads": 1}
    with pytest.raises(ValueError, match="all \\[n, C\\]"):
        kernel(told, [1.0, 1.0], np.ones((1, 2)), np.zeros(3), **settings, **work)
    with pytest.raises(ValueError, match="log_prior"):
        kernel(told[:1], [1.0], np.ones((1, 1)), np.zeros(2), **settings, **work)
    with pytest.raises(TypeError):  # no silent copy
        kernel(told[:1], [1.0], np.ones((1, 1), dtype=np.float32), np.zeros(3), **settings, **work)
