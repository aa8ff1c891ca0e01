"""Whatever X is, the same numbers give the same answer; what cannot be read is refused in words."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.sparse import csr_matrix, dok_matrix
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cotrain.errors import SettingError, TableError, ViewError
from cotrain.estimators import CoTrainingClassifier
from cotrain.estimators.inputs import rows_of
from cotrain.learners import GraphLearner
from cotrain.views import View

COLUMNS = ["sepals__length", "sepals__width", "petals__length", "petals__width"]


def test_array_frame_table_list_and_dict_of_views_say_the_same(light: Any, X: Any, y: Any) -> None:
    expected = light().fit(X, y).predict_proba(X)
    frame = pd.DataFrame(X, columns=COLUMNS)
    table = pa.Table.from_pandas(frame)
    by_view = {"sepals": X[:, :2], "petals": X[:, 2:]}
    globs = {"sepals": "sepals__*", "petals": ["petals__length", "petals__width"]}
    for data, views in [
        (frame, None),
        (table, None),
        (frame, globs),
        (table, globs),
        (by_view, None),
        (X.tolist(), light().views),
        (X, {"sepals": (0, 1), "petals": [False, False, True, True]}),
        (X, {"sepals": range(2), "petals": np.array([2, 3])}),
    ]:
        np.testing.assert_array_equal(light(views=views).fit(data, y).predict_proba(data), expected)


def test_an_image_and_a_sparse_view_learn_side_by_side() -> None:
    pixels, codes = load_digits(return_X_y=True)
    pixels, codes = pixels[:300], codes[:300]
    given = np.where(np.arange(300) % 3 == 0, codes, -1)
    X = {"image": pixels.reshape(300, 8, 8), "counts": csr_matrix(pixels // 4)}
    members = [("graph", GraphLearner(), "image"), ("linear", LogisticRegression(), "counts")]
    model = CoTrainingClassifier(members, rounds=1, n_folds=2, random_state=0).fit(X, given)
    assert model.co_trained_.stages[0][0].learner.X_.shape == (300, 64)  # type: ignore[attr-defined]
    assert model.score(X, codes) > 0.85
    assert model.predict({name: view[:0] for name, view in X.items()}).shape == (0,)


def test_view_objects_keep_their_settings_under_the_name_that_they_are_given(light: Any, X: Any, y: Any) -> None:
    settings, frame = View("whatever", scaling="none"), pd.DataFrame(X, columns=COLUMNS)
    for data, views in [
        ({"sepals": X[:, :2], "petals": X[:, 2:]}, {"sepals": settings, "petals": None}),
        (X, {"sepals": settings, "petals": [2, 3]}),
        (frame, {"sepals": View("other", ("sepals__*",), scaling="none"), "petals": "petals__*"}),
        (X, [View("sepals", scaling="none"), View("petals")]),
    ]:
        fitted = light(views=views).fit(data, y).view_set_
        assert fitted.names == ("sepals", "petals")
        assert [view.scaling for view in fitted.views] == ["none", "standard"]


@pytest.mark.parametrize(
    ("views", "words"),
    [
        ({"sepals": [0, 9], "petals": [2]}, r"positions between 0 and 3 or a slice in view 'sepals'; got \[0, 9\]"),
        ({"sepals": "se*", "petals": [2]}, "Names and globs are for a table"),
        ({"sepals": [], "petals": [2]}, "view 'sepals'"),
        (["sepals"], "a mapping {name: columns} or a list of View"),
        ([View("sepals"), View("sepals")], "a name of their own"),
        ({"left": [0], "petals": [1]}, r"views that this data has, for member 'sepals'; got \['sepals'\]"),
    ],
)
def test_views_that_an_array_does_not_have_are_refused(light: Any, X: Any, y: Any, views: Any, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        light(views=views).fit(X, y)


def test_positions_are_refused_for_a_table_and_globs_that_find_nothing_too(light: Any, X: Any, y: Any) -> None:
    frame = pd.DataFrame(X, columns=COLUMNS)
    with pytest.raises(SettingError, match="Positions and slices are for an array"):
        light(views={"sepals": slice(0, 2), "petals": "petals__*"}).fit(frame, y)
    with pytest.raises(ViewError, match="finds no column"):
        light(views={"sepals": "leaf__*", "petals": "petals__*"}).fit(frame, y)


def test_sparse_formats_of_every_kind_are_a_matrix(y: Any, X: Any) -> None:
    members = [("linear", LogisticRegression(), None), ("graph", GraphLearner(), None)]
    told = []
    for make in (csr_matrix, dok_matrix):
        sparse = make(X)
        model = CoTrainingClassifier(members, rounds=1, n_folds=2, random_state=0).fit(sparse, y)
        told.append(model.predict_proba(sparse))
        assert 0.7 < model.score(sparse, y) <= 1.0
    np.testing.assert_array_equal(told[0], told[1])


def test_a_pipeline_is_a_member_like_any_other(light: Any, X: Any, y: Any, species: Any) -> None:
    members = [("a", make_pipeline(StandardScaler(), LogisticRegression()), "petals"), ("b", GaussianNB(), None)]
    assert light(members=members).fit(X, y).score(X, species) > 0.85


def test_half_precision_and_missing_values_are_read(light: Any, X: Any, y: Any, species: Any) -> None:
    gaps = X.astype(np.float16)
    gaps[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    model = light().fit(gaps, y)
    assert model.score(gaps, species) > 0.75
    assert np.isfinite(model.predict_proba(gaps)).all()


def test_a_row_that_lacks_every_view_gets_the_class_shares(light: Any, X: Any, y: Any) -> None:
    X[[3, 60]] = np.nan
    X[7, :2] = np.nan
    y[y == 2] = np.where(np.arange((y == 2).sum()) < 5, 2, -1)  # fewer of the last species
    model = light().fit(X, y)
    told = model.predict_proba(X)
    np.testing.assert_array_equal(told[3], told[60])
    counts = np.bincount(y[(y >= 0)], minlength=3)
    np.testing.assert_allclose(told[3], (counts + 1 / 3) / (counts.sum() + 1), atol=0.03)
    np.testing.assert_allclose(told.sum(axis=1), 1)
    alone = model.member_predict_proba(X)
    assert np.isnan(alone["sepals"]).all(axis=1).nonzero()[0].tolist() == [3, 7, 60]
    assert np.isnan(alone["both"]).all(axis=1).nonzero()[0].tolist() == [3, 60]


def test_no_member_is_taught_a_row_that_it_cannot_read() -> None:
    rng = np.random.default_rng(1)  # a draw on which teaching is shipped
    codes = np.arange(300) % 2
    X = rng.normal(size=(300, 12)) + np.outer(2 * codes - 1, np.where(np.arange(12) % 6 < 3, 0.9, 0.0))
    y = np.where(np.arange(300) < 16, codes, -1)
    lacking = (np.arange(300) % 3 == 0) & (y < 0)
    X[lacking, :6] = np.nan
    members = [("one", GaussianNB(), "one"), ("two", LogisticRegression(), "two")]
    views = {"one": slice(0, 6), "two": slice(6, 12)}
    model = CoTrainingClassifier(members, views=views, rounds=1, random_state=0).fit(X, y)
    ledger = model.ledger_.to_pandas()
    admitted = ledger[ledger["status"] == "admitted"].groupby("student", observed=True)
    taught = {name: set(rows["row_id"]) for name, rows in admitted}
    assert model.n_rounds_["y"] == 1
    assert len(taught["one"]) > 50
    assert not taught["one"] & set(np.flatnonzero(lacking))
    assert not taught["two"] & set(np.flatnonzero(lacking))  # its only peer cannot speak of them
    why = ledger[(ledger["status"] == "left out") & ledger["row_id"].isin(np.flatnonzero(lacking))]
    assert {name: set(lines["why"]) for name, lines in why.groupby("student", observed=True)} == {
        "one": {"out of reach"},
        "two": {"nobody speaks"},
    }


def test_data_that_do_not_fit_what_was_learnt_are_refused(light: Any, X: Any, y: Any) -> None:
    model = light().fit(X, y)
    with pytest.raises(ValueError, match="X has 3 features"):
        model.predict(X[:, :3])
    by_view = light(views=None).fit({"sepals": X[:, :2], "petals": X[:, 2:]}, y)
    with pytest.raises(ViewError, match="have no view"):
        by_view.predict({"sepals": X[:, :2]})
    with pytest.raises(TableError, match="same rows"):
        by_view.predict({"sepals": X[:, :2], "petals": X[:9, 2:]})
    frame = pd.DataFrame(X, columns=COLUMNS)
    with pytest.raises(ValueError, match="feature names"):
        light(views=None).fit(frame, y).predict(frame.drop(columns="petals__width"))


def test_rows_are_taken_from_every_kind_of_input_alike(X: Any) -> None:
    positions = np.array([140, 3, 3, 77])
    frame = pd.DataFrame(X, columns=COLUMNS, index=np.arange(150)[::-1])  # whose labels are not positions
    taken = rows_of({"table": pa.Table.from_pandas(frame, preserve_index=False), "sparse": dok_matrix(X)}, positions)
    np.testing.assert_array_equal(taken["table"].to_pandas(), X[positions])
    np.testing.assert_array_equal(taken["sparse"].toarray(), X[positions])
    for data in (X, X.tolist(), frame):
        np.testing.assert_array_equal(rows_of(data, positions), X[positions])
    assert rows_of(list("abc"), np.array([2, 0])).tolist() == ["c", "a"]


def test_an_infinite_value_is_named(light: Any, X: Any, y: Any) -> None:
    X[5, 1] = np.inf
    with pytest.raises(TableError, match="infinite in 1 row: 5"):
        light().fit(X, y)
