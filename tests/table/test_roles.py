"""Keys name rows once, weights are numbers that can weigh, groups are whole."""

import numpy as np
import pyarrow as pa
import pytest

from cotrain.errors import SettingError, TableError
from cotrain.table import Roles, groups, row_ids, weights


def test_roles_name_every_column_that_is_no_feature() -> None:
    roles = Roles(key="id", targets={"spam": "y", "stars": "y_stars"}, group="person", weight="w")
    assert roles.columns == ("id", "y", "y_stars", "person", "w")
    with pytest.raises(TableError, match="'y_stars', 'person', 'w'"):
        roles.check(pa.table({"id": [1], "y": [1]}))
    with pytest.raises(SettingError, match="one role"):
        Roles(key="id", weight="id")


def test_without_a_key_rows_are_numbered() -> None:
    ids = row_ids(pa.table({"a": ["x", "y"]}))
    assert (ids.dtype, ids.tolist()) == (np.int64, [0, 1])


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        (pa.array([7, 3], pa.int8()), "i"),
        (pa.array([2**64 - 1, 0], pa.uint64()), "u"),
        (pa.array(["007", "7"]), "U"),
        (pa.array(["u", "v"]).dictionary_encode(), "U"),
    ],
)
def test_a_key_keeps_its_values(keys: pa.Array, kind: str) -> None:
    ids = row_ids(pa.table({"id": keys}), "id")
    assert ids.dtype.kind == kind
    assert ids.tolist() == keys.to_pylist()


def test_a_key_that_does_not_name_each_row_once_shows_the_first_five() -> None:
    with pytest.raises(TableError, match=r"6 keys occur more than once, first 0, 1, 2, 3, 4\."):
        row_ids(pa.table({"id": [*range(6), *range(6), 99]}), "id")
    with pytest.raises(TableError, match="empty in 2 of 3 rows, first in rows 1, 2"):
        row_ids(pa.table({"id": ["a", None, None]}), "id")
    with pytest.raises(TableError, match="integers or strings; got double"):
        row_ids(pa.table({"id": [0.5]}), "id")
    with pytest.raises(TableError, match='did you mean "id"'):
        row_ids(pa.table({"id": [1]}), "idd")


def test_weights_are_finite_and_not_negative() -> None:
    assert weights(pa.table({"a": [1, 2]})).tolist() == [1.0, 1.0]
    assert weights(pa.table({"w": [0, 2]}), "w").tolist() == [0.0, 2.0]
    for bad in (None, float("nan"), float("inf"), -1.0):
        with pytest.raises(TableError, match=r"finite numbers >= 0; not so in 1 row: .* in row 1"):
            weights(pa.table({"w": [1.0, bad]}), "w")
    with pytest.raises(TableError, match="is zero in all 2 rows"):
        weights(pa.table({"w": [0.0, 0.0]}), "w")
    with pytest.raises(TableError, match="got string"):
        weights(pa.table({"w": ["a"]}), "w")


def test_groups_are_numbered_in_sorted_order_whatever_the_order_of_rows() -> None:
    assert groups(pa.table({"g": ["b", "a", "b", "c"]}), "g").tolist() == [1, 0, 1, 2]  # type: ignore[union-attr]
    assert groups(pa.table({"g": ["a"]})) is None
    with pytest.raises(TableError, match="empty in 1 of 2 rows, first in rows 0"):
        groups(pa.table({"g": [None, 1]}), "g")
    with pytest.raises(TableError, match="got double"):
        groups(pa.table({"g": [0.5]}), "g")
