"""An array per view: rows of numbers, images, sparse matrices."""

import json

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array
from sklearn.datasets import load_digits

from cotrain.errors import SettingError, TableError, ViewError
from cotrain.frozen import Frozen
from cotrain.views import View, ViewSet


def test_images_in_an_array_and_in_a_table_make_the_same_block() -> None:
    pa = pytest.importorskip("pyarrow")
    digits = load_digits()
    table = pa.table({f"pixel__{i:02d}": digits.data[:, i] for i in range(64)})
    from_table = ViewSet([View("image", ("pixel__*",), shape=(8, 8))]).fit(table).transform(table).arrays["image"]
    from_array = ViewSet([View("image")]).fit({"image": digits.images}).transform({"image": digits.images})
    assert from_table.shape == (1797, 1, 8, 8)
    assert from_table.dtype == np.float32
    assert np.array_equal(from_table, from_array.arrays["image"])
    # One scale for all pixels: the picture is the same up to brightness and contrast.
    assert np.isclose(from_table.mean(), 0.0, atol=1e-4)
    assert np.isclose(from_table.std(), 1.0, atol=1e-4)
    assert np.corrcoef(from_table.ravel(), digits.images.ravel())[0, 1] > 0.999999


def test_each_channel_has_its_own_scale() -> None:
    images = np.random.default_rng(0).normal([[[[0.0]], [[50.0]]]], [[[[1.0]], [[7.0]]]], size=(30, 2, 4, 5))
    block = ViewSet([View("v")]).fit({"v": images}).transform({"v": images}).arrays["v"]
    assert np.allclose(block.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    assert np.allclose(block.std(axis=(0, 2, 3)), 1, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8, np.int64, bool])
def test_every_type_of_number_makes_float32(dtype: type) -> None:
    array = np.random.default_rng(0).integers(0, 2, (30, 4)).astype(dtype)
    block = ViewSet([View("v")]).fit({"v": array}).transform({"v": array}).arrays["v"]
    assert block.dtype == np.float32
    assert np.allclose(block.mean(axis=0), 0, atol=1e-6)


def test_rows_of_nan_lack_the_view_and_single_gaps_are_filled() -> None:
    array = np.random.default_rng(0).normal(size=(9, 3))
    array[2] = np.nan
    array[4, 1] = np.nan
    blocks = ViewSet([View("v")]).fit({"v": array}).transform({"v": array})
    assert np.flatnonzero(~blocks.is_present["v"]).tolist() == [2]
    assert not blocks.arrays["v"][2].any()
    median = np.nanmedian(array[:, 1])
    filled = np.where(np.isnan(array[:, 1]), median, array[:, 1])[np.arange(9) != 2]
    assert np.isclose(blocks.arrays["v"][4, 1], (median - filled.mean()) / filled.std(), atol=1e-6)
    with pytest.raises(TableError, match=r'"v\[1\]" has no value in any of 1 training rows'):
        ViewSet([View("v")]).fit({"v": array}, np.array([4]))


def test_a_sparse_array_keeps_its_zeros_and_gets_rows_of_length_about_1() -> None:
    array = csr_matrix(random_array((200, 5000), density=0.002, rng=np.random.default_rng(0))) * 37.0
    block = ViewSet([View("v")]).fit({"v": array}).transform({"v": array}).arrays["v"]
    assert isinstance(block, csr_matrix)
    assert (block.dtype, block.nnz) == (np.float32, array.nnz)
    assert np.isclose(np.asarray(block.power(2).sum(axis=1)).mean(), 1.0, atol=1e-5)


def test_a_sparse_row_of_nan_lacks_the_view_and_a_row_of_zeros_does_not() -> None:
    array = csr_matrix(np.array([[np.nan, np.nan], [0.0, 0.0], [3.0, 4.0]]))
    blocks = ViewSet([View("v", scaling="none")]).fit({"v": array}).transform({"v": array})
    assert blocks.is_present["v"].tolist() == [False, True, True]
    assert blocks.arrays["v"].toarray().tolist() == [[0, 0], [0, 0], [3, 4]]  # type: ignore[union-attr]
    array = csr_matrix(np.array([[1.0, 0.0], [0.0, 1.0], [3.0, np.nan]]))
    with pytest.raises(TableError, match="NaN or infinite entries in 1 row: 2"):
        ViewSet([View("v")]).fit({"v": array}, np.array([1, 2]))


def test_thawed_array_views_make_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    data = {
        "rows": rng.normal(size=(20, 3)),
        "image": rng.normal(size=(20, 4, 4)),
        "sparse": csr_matrix(rng.random((20, 6)) * (rng.random((20, 6)) < 0.3)),
    }
    views = ViewSet([View(name) for name in data]).fit(data)
    frozen = views.freeze()
    again = ViewSet.thaw(Frozen(frozen.kind, json.loads(json.dumps(frozen.settings)), frozen.arrays))
    one, other = views.transform(data), again.transform(data)
    assert np.array_equal(one.arrays["rows"], other.arrays["rows"])
    assert np.array_equal(one.arrays["image"], other.arrays["image"])
    assert (one.arrays["sparse"] != other.arrays["sparse"]).nnz == 0  # type: ignore[union-attr]


def test_a_dict_may_hold_frames_texts_and_arrays_side_by_side() -> None:
    pd = pytest.importorskip("pandas")
    data = {
        "person": pd.DataFrame({"age": [31, 54, 22], "city": ["Oslo", "Oslo", "Rome"]}),
        "text": np.array(["a fine day", "a bad day", None], dtype=object),
        "pixels": [[1, 2], [3, 4], [5, 6]],
    }
    blocks = ViewSet([View("person"), View("text"), View("pixels")]).fit(data).transform(data)
    assert blocks.columns_of("person") == ("age", "city=Oslo", "city=(rare)")
    assert isinstance(blocks.arrays["text"], csr_matrix)
    assert blocks.is_present["text"].tolist() == [True, True, False]
    assert blocks.columns_of("pixels") == ("pixels[0]", "pixels[1]")


@pytest.mark.parametrize(
    ("fitted", "given", "message"),
    [
        (np.ones((3, 2)), np.ones((3, 4)), r"rows of shape \(2,\); this one is dense with rows of shape \(4,\)"),
        (np.ones((3, 2)), csr_matrix(np.ones((3, 2))), "fitted on a dense array"),
        (np.ones((3, 2)), np.ones(3), "was fitted on an array; got a table"),
        (np.ones(3), np.ones((3, 2)), "was fitted on a table; got an array"),
    ],
)
def test_another_array_than_the_one_fitted_on_is_refused(fitted: object, given: object, message: str) -> None:
    views = ViewSet([View("v")]).fit({"v": fitted})
    with pytest.raises(ViewError, match=message):
        views.transform({"v": given})


@pytest.mark.parametrize(
    ("view", "data", "message"),
    [
        (View("v"), {"w": np.ones((3, 2))}, "no view 'v'; they have 'w'"),
        (View("v", ("a",)), {"v": np.ones((3, 2))}, "which has no column names"),
        (View("v", shape=(2, 2)), {"v": np.ones((3, 5))}, r"cannot hold rows of shape \(5,\)"),
        (
            View("v", scaling="quantile"),
            {"v": csr_matrix(np.ones((3, 2)))},
            'is sparse; it cannot have scaling "quantile"',
        ),
        (View("v"), {"v": np.ones((3, 2), dtype=complex)}, "cannot be read as an array of numbers"),
        (View("v"), {"v": np.ones((3, 0))}, r"rows of shape \(0,\)"),
        (View("v"), {"v": np.array([["a", "b"]])}, "cannot be read as an array of numbers"),
    ],
)
def test_an_array_that_is_no_view_gets_a_sentence(view: View, data: dict[str, object], message: str) -> None:
    with pytest.raises(ViewError, match=message):
        ViewSet([view]).fit(data)


def test_infinite_entries_and_unequal_lengths_are_refused() -> None:
    with pytest.raises(TableError, match=r'"v\[1\]" is infinite in 1 row: 2'):
        ViewSet([View("v")]).fit({"v": np.array([[0.0, 1], [1, 2], [2, np.inf]])}, np.array([2, 0]))
    with pytest.raises(TableError, match="same rows"):
        ViewSet([View("a"), View("b")]).fit({"a": np.ones((3, 1)), "b": np.ones((2, 1))})
    with pytest.raises(SettingError, match="image view"):
        View("v", shape=(2, 2), scaling="quantile")
