"""Views learn from training rows only, whatever their order, and make the same blocks for ever after."""

import json

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from sklearn.datasets import load_digits, load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from skops import io as skops

from cotrain.errors import SettingError, TableError, ViewError
from cotrain.frozen import Frozen
from cotrain.views import Block, Blocks, View, ViewSet

WORDS = np.array(["good", "bad", "small", "large", "river", "street", "old", "new"])


def mixed_table(n_rows: int = 80, seed: int = 0) -> pa.Table:
    """Numbers, gaps, booleans, categories and texts; the first three rows lack every view."""
    rng = np.random.default_rng(seed)
    columns = {
        "n__a": pa.array(rng.normal(5, 3, n_rows), mask=rng.random(n_rows) < 0.2),
        "n__b": pa.array(rng.integers(0, 9, n_rows)),
        "n__c": pa.array(rng.random(n_rows) < 0.5),
        "c__city": pa.array(rng.choice(["Oslo", "Rome", "Lima"], n_rows)).dictionary_encode(),
        "c__size": pa.array(rng.normal(size=n_rows).astype(np.float16)),
        "t__title": pa.array([" ".join(rng.choice(WORDS, 3)) for _ in range(n_rows)]),
        "t__review": pa.array([" ".join(rng.choice(WORDS, 9)) for _ in range(n_rows)], mask=rng.random(n_rows) < 0.3),
        "t__stars": pa.array(rng.integers(1, 6, n_rows)),
        "t__place": pa.array(rng.choice(["shop", "web"], n_rows)),
    }
    lacking = pa.array([None] * 3 + [True] * (n_rows - 3))
    table = pa.table({name: pa.chunked_array([column]) for name, column in columns.items()})
    kept = np.flatnonzero(lacking.is_valid())
    empty = pa.Table.from_pylist([{}] * 3, schema=table.schema)
    return pa.concat_tables([empty, table.take(pa.array(kept))]).append_column("y", pa.array(np.arange(n_rows) % 2))


def mixed_views(scaling: str = "standard") -> ViewSet:
    views = [
        View("numbers", ("n__*",), scaling=scaling),  # type: ignore[arg-type]
        View("mixed", ("c__*",)),
        View("texts", ("t__*",), max_features=60),
    ]
    return ViewSet(views, exclude=["y"])


def dense(block: Block) -> NDArray[np.float32]:
    return block.toarray() if isinstance(block, csr_matrix) else block


def assert_same(one: Blocks, other: Blocks) -> None:
    assert list(one.arrays) == list(other.arrays)
    for view in one.arrays:
        assert np.array_equal(dense(one.arrays[view]), dense(other.arrays[view]))
        assert np.array_equal(one.is_present[view], other.is_present[view])
        assert one.columns_of(view) == other.columns_of(view)


def through_files(frozen: Frozen) -> Frozen:
    """As the bundle does it: JSON, arrays, skops without any type that has to be trusted."""
    estimators = {}
    for name, estimator in frozen.estimators.items():
        data = skops.dumps(estimator)
        assert skops.get_untrusted_types(data=data) == []
        estimators[name] = skops.loads(data, trusted=[])
    arrays = {name: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape) for name, a in frozen.arrays.items()}
    return Frozen(frozen.kind, json.loads(json.dumps(frozen.settings, sort_keys=True)), arrays, estimators)


@pytest.mark.parametrize("scaling", ["standard", "quantile", "none"])
def test_the_order_of_rows_changes_no_bit(scaling: str) -> None:
    table = mixed_table()
    shuffled = np.random.default_rng(1).permutation(table.num_rows)
    expected = mixed_views(scaling).fit(table).transform(table)
    assert_same(expected, mixed_views(scaling).fit(table.take(pa.array(shuffled))).transform(table))
    assert_same(expected.take(shuffled), mixed_views(scaling).fit(table, shuffled).transform(table).take(shuffled))


def test_rows_outside_the_training_positions_are_never_looked_at() -> None:
    table, other = mixed_table(), mixed_table(seed=5)
    train = np.arange(40)
    spoilt = pa.concat_tables([table.slice(0, 40), other.slice(40)])
    assert_same(mixed_views().fit(table, train).transform(table), mixed_views().fit(spoilt, train).transform(table))
    assert_same(
        mixed_views().fit(table, train).transform(table), mixed_views().fit(table.slice(0, 40)).transform(table)
    )


def test_a_row_gets_the_same_features_alone_and_in_company() -> None:
    table = mixed_table()
    views = mixed_views().fit(table)
    blocks = views.transform(table)
    for row in (0, 3, 50):
        assert_same(blocks.take(np.array([row])), views.transform(table.slice(row, 1)))


@pytest.mark.parametrize("scaling", ["standard", "quantile", "none"])
def test_thawed_views_make_the_same_bits(scaling: str) -> None:
    table = mixed_table()
    views = mixed_views(scaling).fit(table)
    again = ViewSet.thaw(through_files(views.freeze()))
    assert_same(views.transform(table), again.transform(table))
    assert (again.views, again.exclude) == (views.views, views.exclude)


def test_a_row_that_lacks_a_view_is_exactly_0_there() -> None:
    table = mixed_table()
    blocks = mixed_views().fit(table).transform(table)
    for view in blocks.arrays:
        assert blocks.is_present[view].tolist() == [False] * 3 + [True] * 77
        assert not dense(blocks.arrays[view][:3]).any()


def test_blocks_are_float32_and_sparse_only_where_there_is_text() -> None:
    blocks = mixed_views().fit(mixed_table()).transform(mixed_table())
    assert {view: issparse(block) for view, block in blocks.arrays.items()} == {
        "numbers": False,
        "mixed": False,
        "texts": True,
    }
    assert all(block.dtype == np.float32 for block in blocks.arrays.values())
    assert isinstance(blocks.arrays["texts"], csr_matrix)
    assert blocks.columns_of("mixed") == ("c__size", "c__city=Lima", "c__city=Oslo", "c__city=Rome")
    assert all(len(blocks.columns_of(view)) == block.shape[1] for view, block in blocks.arrays.items())  # type: ignore[index]
    assert [block.shape[0] for block in blocks.of(["texts", "numbers"])] == [80, 80]  # type: ignore[index]
    with pytest.raises(ViewError, match="no view 'words'"):
        blocks.of(["words"])


def test_each_kind_beside_text_is_about_as_loud_as_the_text() -> None:
    blocks = mixed_views().fit(mixed_table()).transform(mixed_table()).take(np.arange(3, 80))
    names = np.array(blocks.columns_of("texts"))
    array = dense(blocks.arrays["texts"])
    is_category, is_number = np.char.startswith(names, "t__place="), names == "t__stars"
    text_length = np.linalg.norm(array[:, ~is_category & ~is_number], axis=1)
    assert np.allclose(text_length, 1.0, atol=1e-5)
    assert np.allclose(np.linalg.norm(array[:, is_category], axis=1), 1.0)
    assert np.isclose(np.square(array[:, is_number]).mean(), 1.0)


def test_0_rows_make_blocks_of_0_rows() -> None:
    table = mixed_table()
    blocks = mixed_views().fit(table).transform(table.slice(0, 0))
    assert blocks.n_rows == 0
    assert [block.shape[0] for block in blocks.arrays.values()] == [0, 0, 0]  # type: ignore[index]
    digits = load_digits()
    views = ViewSet([View("image")]).fit({"image": digits.images})
    assert views.transform({"image": digits.images[:0]}).arrays["image"].shape == (0, 1, 8, 8)
    with pytest.raises(TableError, match="cannot be fitted on 0 rows"):
        mixed_views().fit(table.slice(0, 0))


def test_iris_is_standardised_as_scikit_learn_does_it() -> None:
    data = load_iris().data
    table = pa.table({f"f{i}": data[:, i] for i in range(4)})
    block = ViewSet([View("all")]).fit(table).transform(table).arrays["all"]
    assert np.allclose(block, StandardScaler().fit_transform(data), atol=1e-5)
    assert np.array_equal(block, ViewSet([View("all")]).fit({"all": data}).transform({"all": data}).arrays["all"])


def test_normal_scores_agree_with_scikit_learn_inside_the_range() -> None:
    data = np.random.default_rng(0).gamma(2.0, size=(400, 3))
    oracle = QuantileTransformer(n_quantiles=400, output_distribution="normal").fit_transform(data)
    views = ViewSet([View("v", scaling="quantile")]).fit({"v": data})
    block = dense(views.transform({"v": data}).arrays["v"])
    is_inside = np.abs(oracle) < 2.5
    assert np.allclose(block[is_inside], oracle[is_inside], atol=1e-4)
    assert np.abs(block).max() < 3.5, "the ends stay finite and near"


def test_text_is_weighted_as_scikit_learn_does_it() -> None:
    texts = mixed_table().column("t__title").drop_null().to_pylist()
    block = ViewSet([View("title")]).fit({"title": texts}).transform({"title": texts}).arrays["title"]
    oracle = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)).fit_transform(texts)
    assert np.allclose(dense(block), oracle.toarray(), atol=1e-6)


def test_a_frame_is_a_table() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a__x": [1.0, None, 3.0], "a__city": ["u", "v", None], "a__is_new": [True, False, True]})
    views = ViewSet([View("a", ("a__*",), min_count=1)])
    blocks = views.fit(frame).transform(frame[frame["a__x"] > 2])
    assert blocks.columns_of("a") == ("a__x", "a__is_new", "a__city=u", "a__city=v")
    assert dense(blocks.arrays["a"])[0, 2:].tolist() == [0.0, 0.0]


def test_column_order_and_extra_columns_do_not_matter() -> None:
    table = mixed_table()
    views = mixed_views().fit(table)
    moved = table.select(table.column_names[::-1]).append_column("extra", pa.nulls(80))
    assert_same(views.transform(table), views.transform(moved))


def test_missing_columns_are_named() -> None:
    table = mixed_table()
    views = mixed_views().fit(table)
    message = 'View "texts" was fitted on 4 columns, this table has 2; missing: t__title, t__review.'
    with pytest.raises(ViewError, match=message):
        views.transform(table.drop_columns(["t__title", "t__review"]))


def test_a_number_where_text_was_is_refused() -> None:
    table = mixed_table()
    views = mixed_views().fit(table)
    wrong = table.set_column(5, "t__title", pa.array(np.arange(80)))
    with pytest.raises(ViewError, match='"t__title" as text, this table has it as int64'):
        views.transform(wrong)
    wrong = table.set_column(1, "n__b", pa.array(["x"] * 80))
    with pytest.raises(ViewError, match='"n__b" as numeric, this table has it as string'):
        views.transform(wrong)


def test_a_column_may_be_empty_when_scoring_but_not_when_fitting() -> None:
    table = mixed_table()
    views = mixed_views().fit(table)
    for name in ("n__a", "c__city", "t__title"):
        index = table.column_names.index(name)
        emptied = table.set_column(index, name, pa.nulls(80))
        typed = table.set_column(index, name, pa.nulls(80, pa.large_string() if name[0] != "n" else pa.float64()))
        assert_same(views.transform(emptied), views.transform(typed))
        with pytest.raises(TableError, match=f"{name}.* has no value in any of"):
            mixed_views().fit(emptied)


def test_a_view_that_no_training_row_has_is_refused() -> None:
    with pytest.raises(ViewError, match='"numbers" is empty in all of 3 rows for training'):
        mixed_views().fit(mixed_table(), np.arange(3))
    with pytest.raises(ViewError, match='"v" is empty in all of 2 rows'):
        ViewSet([View("v")]).fit({"v": np.full((2, 3), np.nan)})


def test_an_infinite_value_is_named_with_its_rows() -> None:
    table = mixed_table()
    values = table["n__a"].to_pylist()
    values[50] = values[70] = float("inf")
    spoilt = table.set_column(0, "n__a", pa.array(values))
    with pytest.raises(TableError, match=r'"n__a" is infinite in 1 row: 70\.'):
        mixed_views().fit(spoilt, np.arange(79, 50, -1))
    with pytest.raises(TableError, match=r'"n__a" is infinite in 2 rows: 50, 70\.'):
        mixed_views().fit(table).transform(spoilt)


def test_a_role_never_becomes_a_feature() -> None:
    table = mixed_table()
    assert "y" not in ViewSet([View("all")], exclude=["y"]).fit(table).transform(table).columns_of("all")
    with pytest.raises(ViewError, match='names column "y", which is a key, target'):
        ViewSet([View("v", ("n__a", "y"))], exclude=["y"]).fit(table)


def test_nothing_that_is_passed_in_changes() -> None:
    array = np.random.default_rng(0).normal(size=(20, 3))
    sparse = csr_matrix(np.abs(array))
    before, stored = array.copy(), sparse.copy()
    data = {"a": array, "s": sparse}
    ViewSet([View("a"), View("s")]).fit(data).transform(data)
    assert np.array_equal(array, before)
    assert (sparse != stored).nnz == 0


def test_wrong_use_is_refused_with_a_sentence() -> None:
    table = mixed_table()
    with pytest.raises(ViewError, match="call `fit`"):
        mixed_views().transform(table)
    with pytest.raises(ViewError, match="call `fit` first"):
        mixed_views().freeze()
    with pytest.raises(SettingError, match="a name of its own"):
        ViewSet([View("a"), View("a")]).fit(table)
    with pytest.raises(TableError, match=r"Use np\.flatnonzero on a mask"):
        mixed_views().fit(table, np.ones(80, dtype=bool))
    with pytest.raises(TableError, match="must lie in 0 to 79; got 0 to 80"):
        mixed_views().fit(table, np.arange(81))
