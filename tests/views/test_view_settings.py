"""Which columns a view finds, and as what kind it reads them."""

import datetime
import decimal

import pyarrow as pa
import pytest

from cotrain.errors import SettingError, ViewError
from cotrain.views import View, ViewSet, kind_of, views_by_prefix

TABLE = pa.table(
    {
        "a_mm": [1.0, 2.0, 3.0, 4.0],
        "b_mm": [4.0, 3.0, 1.0, 2.0],
        "is_new": [True, False, True, True],
        "city": ["u", "v", "u", "v"],
        "note": ["one two three", "two three four", "three four five", "four five six"],
        "day": pa.array([datetime.datetime(2026, 1, 1)] * 4),
        "odd[1]*": [1, 2, 3, 5],
    }
)


def columns_read(*selectors: str, exclude: tuple[str, ...] = ()) -> tuple[str, ...]:
    views = ViewSet([View("v", selectors)], exclude).fit(TABLE)
    return tuple(views.maps_[0].kinds)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        (("*_mm",), ("a_mm", "b_mm")),
        (("b_mm", "*_mm"), ("b_mm", "a_mm")),
        (("type:numeric",), ("a_mm", "b_mm", "odd[1]*")),
        (("type:boolean", "type:categorical"), ("is_new", "city")),
        (("type:text",), ("note",)),
        (("odd[1]*",), ("odd[1]*",)),
    ],
)
def test_selectors_find_their_columns(selectors: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert columns_read(*selectors) == expected


def test_a_selector_that_finds_nothing_is_named() -> None:
    with pytest.raises(ViewError, match=r'asks for "citi", which finds no column .*did you mean "city"'):
        columns_read("citi")
    with pytest.raises(ViewError, match="finds no column"):
        columns_read("*_mm", exclude=("a_mm", "b_mm"))


UNREADABLE = {
    "Turn the time into numbers": pa.array([datetime.datetime(2026, 1, 1)]),
    "Spread it over": pa.array([[1]]),
    "Cast it to double": pa.array([decimal.Decimal("1.5")]),
    "Decode the bytes": pa.array([b"x"]),
    "kind is unknown": pa.nulls(1),
}


@pytest.mark.parametrize("what_to_do", UNREADABLE)
def test_a_type_that_no_view_reads_says_what_to_do(what_to_do: str) -> None:
    with pytest.raises(ViewError, match=what_to_do):
        kind_of("x", UNREADABLE[what_to_do])


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("a", [1, 2], "numeric"),
        ("a", [0.5, None], "numeric"),
        ("a", [True, None], "boolean"),
        ("a", ["u", "v"], "categorical"),
        ("x__Title", ["u", "u"], "text"),
        ("review", ["u"], "text"),
        ("text__source", ["u"], "categorical"),
        ("a", ["one two three", "four five six", None], "text"),
        ("a", ["one two three"] * 9, "categorical"),
        ("a", pa.array([None, None], pa.string()), "categorical"),
        ("a", pa.array(["one two three", "four five six"]).dictionary_encode(), "text"),
    ],
)
def test_the_kind_follows_type_name_and_values(name: str, values: list, kind: str) -> None:
    assert kind_of(name, values if isinstance(values, pa.Array) else pa.array(values)) == kind


def test_a_view_may_overrule_the_kind() -> None:
    table = pa.table({"id": [7, 7, 8, None], "word": ["u", "v", "w", "x"], "f": [1.0, 2.0, 1.0, 0.5]})
    names = ViewSet([View("v", ("id",), kinds={"i*": "categorical"}, min_count=1)]).fit(table).transform(table)
    assert names.columns_of("v") == ("id=7", "id=8")
    with pytest.raises(ViewError, match='wants column "id" to be text, but its type is int64'):
        ViewSet([View("v", ("id",), kinds={"id": "text"})]).fit(table)
    with pytest.raises(ViewError, match="not whole"):
        ViewSet([View("v", ("f",), kinds={"f": "categorical"})]).fit(table)
    with pytest.raises(ViewError, match="`kinds` for 'idd', which it does not read"):
        ViewSet([View("v", ("id",), kinds={"idd": "text"})]).fit(table)
    with pytest.raises(ViewError, match="no word of at least two letters"):
        ViewSet([View("v", ("word",), kinds={"word": "text"})]).fit(table)


def test_rare_categories_share_a_column_and_unknown_ones_are_0() -> None:
    table = pa.table({"c": ["a", "a", "b", "b", "b", "x", "y"]})
    views = ViewSet([View("v")]).fit(table)
    blocks = views.transform(pa.table({"c": ["a", "y", "never", None, "b"]}))
    assert blocks.columns_of("v") == ("c=a", "c=b", "c=(rare)")
    assert blocks.arrays["v"].tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 1, 0]]  # type: ignore[union-attr]
    assert blocks.is_present["v"].tolist() == [True, True, True, False, True]
    few = ViewSet([View("v", max_categories=1)]).fit(table).transform(table)
    assert few.columns_of("v") == ("c=b", "c=(rare)")


def test_constant_columns_are_0_and_outliers_are_clipped() -> None:
    table = pa.table({"same": [0.1] * 1000, "wild": [*range(999), 1e300], "tiny": [1e-300 * i for i in range(1000)]})
    block = ViewSet([View("v")]).fit(table).transform(table).arrays["v"]
    assert not block[:, 0].any()
    assert block[999, 1] == 10.0
    assert abs(float(block[:, 2].std()) - 1.0) < 1e-5
    other = ViewSet([View("v")]).fit(table).transform(pa.table({"same": [7.0], "wild": [-1e308], "tiny": [1e308]}))
    assert other.arrays["v"].tolist()[0][0] == 0.0  # type: ignore[union-attr]
    assert other.arrays["v"].tolist()[0][2] == 10.0  # type: ignore[union-attr]


def test_an_image_needs_as_many_numeric_columns_as_it_has_pixels() -> None:
    with pytest.raises(ViewError, match=r"needs 4 numeric columns; got 2\."):
        ViewSet([View("v", ("*_mm",), shape=(2, 2))]).fit(TABLE)
    with pytest.raises(ViewError, match="of which not numeric: 'city'"):
        ViewSet([View("v", ("*_mm", "city"), shape=(1, 1, 3))]).fit(TABLE)


def test_views_by_prefix_follow_the_naming_convention() -> None:
    names = ["id", "b__x", "a__x", "b__y__z", "__w", "y", "c__"]
    views = views_by_prefix(names, exclude=["y"])
    assert [(view.name, view.columns) for view in views] == [("b", ("b__x", "b__y__z")), ("a", ("a__x",))]
    assert views_by_prefix(["p", "q", "y"], exclude=["y"]) == [View("all", ("p", "q"))]
    assert views_by_prefix(["y"], exclude=["y"]) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"name": ""},
        {"columns": ()},
        {"columns": "fac__*"},
        {"columns": ("type:number",)},
        {"scaling": "minmax"},
        {"shape": (8,)},
        {"shape": (0, 8)},
        {"kinds": {"a": "number"}},
        {"max_features": 0},
        {"min_count": 0},
    ],
)
def test_impossible_settings_are_refused(settings: dict) -> None:
    with pytest.raises(SettingError):
        View(**({"name": "v"} | settings))


def test_settings_come_back_from_json_values() -> None:
    view = View("v", ("a", "b"), shape=(1, 2), kinds={"a": "numeric"}, min_count=3)
    assert View(**view.settings()) == view
