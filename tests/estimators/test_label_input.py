"""Labels are names, nothing more: whatever they are called, the same is learnt."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cotrain.errors import TableError
from cotrain.estimators.labels import encode, share_right

CODES = np.array([0, 2, -1, 1, 1, -1, 0, 2])


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (CODES, (0, 1, 2)),
        (CODES.tolist(), (0, 1, 2)),
        (CODES.astype(np.int8), (0, 1, 2)),
        (np.where(CODES < 0, np.nan, CODES), (0, 1, 2)),
        (CODES.astype(float), (0, 1, 2)),
        (np.where(CODES < 0, None, CODES), (0, 1, 2)),
        (pa.array(CODES, mask=CODES < 0), (0, 1, 2)),
        (pa.chunked_array([pa.array(CODES, mask=CODES < 0)]), (0, 1, 2)),
        (pd.Series(CODES), (0, 1, 2)),
        (pd.Series(CODES).where(CODES >= 0).astype("Int64"), (0, 1, 2)),
        (np.array([1, 2, 3, -1])[CODES], (1, 2, 3)),
        (np.array(["a", "b", "c", "-1"])[CODES], ("a", "b", "c")),
        (np.array(["a", "b", "c", None], dtype=object)[CODES], ("a", "b", "c")),
        (np.array(["a", "b", "c", -1], dtype=object)[CODES], ("a", "b", "c")),
        (np.array(["a", "b", "c", np.nan], dtype=object)[CODES].tolist(), ("a", "b", "c")),
        (pd.Series(np.array(["a", "b", "c", None], dtype=object)[CODES]), ("a", "b", "c")),
        (pd.Series(np.array(["a", "b", "c", "-1"])[CODES]), ("a", "b", "c")),
        (pd.Series(np.array(["a", "b", "c", None], dtype=object)[CODES], dtype="category"), ("a", "b", "c")),
        (pd.Series(np.array(["a", "b", "c", None], dtype=object)[CODES], dtype="string"), ("a", "b", "c")),
    ],
)
def test_every_way_to_write_labels_gives_the_same_codes(labels: Any, classes: tuple[Any, ...]) -> None:
    task, codes = encode(labels)
    assert codes.tolist() == CODES.tolist()
    assert task.classes == classes
    assert json.loads(json.dumps(task.classes)) == list(classes)  # plain values, whatever they came in


def test_booleans_are_classes_and_a_gap_in_them_is_no_label() -> None:
    assert encode(np.array([True, False]))[0].classes == (False, True)
    gaps = pd.Series([True, None, False], dtype="boolean")
    task, codes = encode(gaps)
    assert task.classes == (False, True)
    assert codes.tolist() == [1, -1, 0]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.array([0.5, 1.5]), "Unknown label type: continuous"),
        (np.array([1.0, np.inf]), "infinite labels in 1 rows"),
        (np.array(["a", 1, None], dtype=object), r"several kinds \(int, str\)"),
        (np.zeros((3, 2)), r"got shape \(3, 2\). For several tasks pass a mapping"),
        (np.array(3), "one column of labels"),
    ],
)
def test_what_is_no_label_is_refused(labels: Any, words: str) -> None:
    with pytest.raises(TableError, match=words):
        encode(labels)


def test_only_labelled_rows_are_scored() -> None:
    predicted = {"y": np.array(["a", "b", "a", "a"])}
    labels = np.array(["a", "a", None, "b"], dtype=object)
    assert share_right({"y": labels}, predicted, None) == pytest.approx(1 / 3)
    assert share_right({"y": labels}, predicted, np.array([4.0, 1.0, 50.0, 0.0])) == pytest.approx(4 / 5)
    with pytest.raises(TableError, match="nothing to score with"):
        share_right({"y": np.full(4, -1)}, predicted, None)
    with pytest.raises(TableError, match=r"lacks \['y'\]"):
        share_right({"z": labels}, predicted, None)


def test_new_names_in_the_same_order_change_nothing_else(light: Any, X: Any, y: Any) -> None:
    expected = light().fit(X, y).predict_proba(X)
    for names in ([1, 2, 3], [10, 200, 3000], ["a", "b", "c"], [0.0, 1.0, 5.0]):
        renamed = np.array([*names, -1 if not isinstance(names[0], str) else "-1"])[y]
        model = light().fit(X, renamed)
        assert model.classes_.tolist() == names
        np.testing.assert_array_equal(model.predict_proba(X), expected)
        np.testing.assert_array_equal(model.predict(X), np.array(names)[expected.argmax(axis=1)])


def test_names_in_the_other_order_swap_the_columns(light: Any, X: Any, y: Any) -> None:
    two = np.where(y == 2, -1, y)
    there = light().fit(X, two)
    back = light().fit(X, np.array(["b", "a", "-1"])[two])
    assert back.classes_.tolist() == ["a", "b"]
    np.testing.assert_allclose(back.predict_proba(X)[:, ::-1], there.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(back.predict(X), np.array(["b", "a"])[there.predict(X)])


@pytest.mark.parametrize("names", [["c", "a", "b"], ["b", "c", "a"], ["c", "b", "a"]])
def test_names_in_any_order_give_the_same_folds(light: Any, X: Any, y: Any, names: list[str]) -> None:
    # Seven labels a class in five folds: where a class begins to be dealt matters.
    seven = y.copy()
    for code in range(3):
        seven[np.flatnonzero(y == code)[7:]] = -1
    there = light(n_folds=5).fit(X, seven).predict_proba(X)
    back = light(n_folds=5).fit(X, np.array([*names, "-1"])[seven])
    columns = [back.classes_.tolist().index(name) for name in names]
    # The same labels are held out; what is left is the solver's tolerance.
    np.testing.assert_allclose(back.predict_proba(X)[:, columns], there, atol=1e-4)


@pytest.mark.parametrize(
    ("hide", "words"),
    [
        (lambda y: np.full_like(y, -1), "has no label in any of 150 rows"),
        (lambda y: np.where(y == 1, 1, -1), "one class only, 1 in 10 rows"),
        (
            lambda y: np.where((y == 2) & (np.cumsum(y == 2) > 1), -1, y),
            r"at least 2 labels of every class.*class 2 has 1",
        ),
        (lambda y: y[:100], "inconsistent numbers of samples: X has 150 rows, y of task 'y' has 100"),
        (lambda y: None, "requires y to be passed"),
        (lambda y: {}, "y holds no task"),
    ],
)
def test_labels_that_do_not_suffice_are_refused_in_words(light: Any, X: Any, y: Any, hide: Any, words: str) -> None:
    with pytest.raises(TableError, match=words):
        light().fit(X, hide(y))
