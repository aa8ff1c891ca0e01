"""The surest share of every class without sorting, against the sort of `rounds.selection.admit_by_numpy`."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cotrain import ops
from cotrain.errors import SettingError
from cotrain.ops import Verdicts, host
from cotrain.rounds.hearing import TIE, Hearing
from cotrain.rounds.selection import ADMITTED, BEYOND_QUOTA, DISPUTED, GIVEN, SILENT, admit_by_core, admit_by_numpy

pytestmark = pytest.mark.skipif(bool(host.fault()), reason=host.fault() or "built")

KIND = Verdicts(open=BEYOND_QUOTA, disputed=DISPUTED, admitted=ADMITTED)


def table(n_rows: int = 500, n_classes: int = 4, steps: int = 0, seed: int = 0) -> tuple[Hearing, NDArray[np.int8]]:
    """Rows of all sorts; with `steps` margins take that many values, so that ties abound."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_classes, n_rows)
    margin = rng.integers(1, steps + 1, n_rows) / steps if steps else rng.uniform(TIE, 1, n_rows)
    verdict = rng.choice([BEYOND_QUOTA] * 7 + [DISPUTED, SILENT, GIVEN], n_rows).astype(np.int8)
    is_silent = verdict == SILENT
    codes[is_silent], margin[is_silent] = -1, np.nan
    agreement = np.where(is_silent, 0.0, rng.integers(0, 5, n_rows) / 4)
    return Hearing(codes, margin, margin, agreement, n_classes), verdict


@pytest.mark.parametrize("share", [1e-9, 0.07, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("steps", [0, 1, 3, 1000])
@pytest.mark.parametrize("n_classes", [1, 4, 60])
def test_the_same_rows_are_admitted_as_by_sorting(share: float, steps: int, n_classes: int) -> None:
    heard, verdict = table(n_classes=n_classes, steps=steps)
    assert np.array_equal(admit_by_core(heard, verdict, share), admit_by_numpy(heard, verdict, share))


@pytest.mark.parametrize("agreed", [0.0, 1e-9, 1.0])
def test_the_ends_of_sureness_are_admitted_like_any_other(agreed: float) -> None:
    heard, verdict = table(steps=1)
    heard = Hearing(heard.codes, heard.confidence, heard.margin, np.where(heard.codes < 0, 0.0, agreed), 4)
    assert np.array_equal(admit_by_core(heard, verdict, 0.3), admit_by_numpy(heard, verdict, 0.3))


def test_rows_that_rounding_tells_apart_are_tied() -> None:
    margin = 0.3 + 1e-13 * np.arange(10)  # the last would be surest
    heard = Hearing(np.zeros(10, dtype=np.intp), margin, margin, np.ones(10), 1)
    verdict = np.full(10, BEYOND_QUOTA, dtype=np.int8)
    for admit in (admit_by_core, admit_by_numpy):
        assert np.flatnonzero(admit(heard, verdict, 0.3) == ADMITTED).tolist() == [0, 1, 2]


def test_four_rows_by_hand_and_nothing_is_changed_in_place() -> None:
    verdict = np.array([BEYOND_QUOTA, BEYOND_QUOTA, BEYOND_QUOTA, DISPUTED], dtype=np.int8)
    decided = ops.admit_surest(**{**given(), "verdict": verdict, "share": 0.3})
    assert decided.tolist() == [BEYOND_QUOTA, ADMITTED, ADMITTED, DISPUTED]  # 0.3 of three is one, 0.3 of one is one
    assert verdict.tolist() == [BEYOND_QUOTA, BEYOND_QUOTA, BEYOND_QUOTA, DISPUTED]


def given() -> dict[str, Any]:
    return {
        "codes": np.array([0, 0, 1, 0]),
        "margin": np.array([0.2, 0.4, 0.1, 0.9]),
        "agreement": np.ones(4),
        "verdict": np.full(4, BEYOND_QUOTA, dtype=np.int8),
        "kind": KIND,
        "n_classes": 2,
        "share": 0.5,
        "tie": TIE,
    }


def test_views_and_narrow_types_are_read_as_they_are() -> None:
    plain = ops.admit_surest(**given())
    strided = {name: np.repeat(given()[name], 2)[::2] for name in ("codes", "margin", "agreement", "verdict")}
    assert np.array_equal(ops.admit_surest(**{**given(), **strided}), plain)
    narrow = {"codes": given()["codes"].astype(np.int16), "margin": given()["margin"].astype(np.float32)}
    assert np.array_equal(ops.admit_surest(**{**given(), **narrow}), plain)


def test_no_row_is_normal() -> None:
    nothing = {name: given()[name][:0] for name in ("codes", "margin", "agreement", "verdict")}
    assert ops.admit_surest(**{**given(), **nothing}).shape == (0,)


WRONG = {
    "other rows": (
        {"margin": np.ones(3)},
        r"`margin` must be \[n\] numbers, n = 4 as in `verdict`; got 'float64 \[3\]'",
    ),
    "whole margins": ({"margin": np.ones(4, dtype=int)}, "`margin` must be .n. numbers"),
    "half codes": ({"codes": np.ones(4)}, "`codes` must be .n. integers"),
    "a table": ({"agreement": np.ones((4, 1))}, "`agreement` must be"),
    "wide verdicts": ({"verdict": np.zeros(4, dtype=int)}, "`verdict` must be int8; got 'int64'"),
    "no share": ({"share": 0.0}, "`share` must be above 0 and at most 1"),
    "per cent": ({"share": 50}, "For 50 % write 0.5"),
    "too fine": ({"tie": 1e-12}, "`tie` must be from 1e-9 to 1"),
    "no class": ({"n_classes": 0}, "`n_classes` must be 1 or more"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_does_not_fit_is_refused_in_a_sentence(fault: str) -> None:
    changed, message = WRONG[fault]
    with pytest.raises(SettingError, match=message):
        ops.admit_surest(**{**given(), **changed})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("codes", 2, "Row 3 may be admitted, so its entry in `codes` must be from 0 to 1; got 2"),
        ("codes", -1, "Row 3 may be admitted, so its entry in `codes` must be from 0 to 1; got -1"),
        ("margin", np.nan, "Row 3 may be admitted, so its `margin` and `agreement` must be from 0 to 1"),
        ("margin", 1.5, "Row 3 may be admitted"),
        ("agreement", -0.5, "Row 3 may be admitted"),
    ],
)
def test_a_row_that_cannot_be_admitted_is_named(name: str, value: float, message: str) -> None:
    column = given()[name].copy()
    column[3] = value
    with pytest.raises(ValueError, match=message):
        ops.admit_surest(**{**given(), name: column})
