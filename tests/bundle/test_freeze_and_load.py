"""A frozen model predicts the same bits, here and in another process; a bundle that is not right is refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_matrix
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from cotrain import CoTrainingClassifier, GraphLearner, NetworkLearner, freeze, load
from cotrain.bundle.manifest import VERSION
from cotrain.errors import BundleError, OutputError, TableError, ViewError
from cotrain.learners import ClassicalLearner

N = 90


def a_table(seed: int = 0) -> tuple[pa.Table, np.ndarray]:
    """Two views, text and numbers, that both know something of a label of two classes; some rows lack the text."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 2, N)
    words = np.array(["dull slow long", "bright quick short"])[truth]
    texts = [None if generator.random() < 0.1 else f"{said} word{generator.integers(20)}" for said in words]
    table = pa.table(
        {
            "say__text": pa.array(texts, pa.string()),
            "num__a": truth + generator.normal(size=N) * 0.7,
            "num__kind": pa.array(np.array(["u", "v"])[generator.integers(0, 2, N)]).dictionary_encode(),
        }
    )
    return table, truth


def members() -> list:
    return [
        ("words", LogisticRegression(), "say"),
        ("numbers", GaussianNB(), "num"),
        ("graph", GraphLearner(5), ["say", "num"]),
        ("net", NetworkLearner(max_steps=20, copies=2, hidden=8, embedding=4), ["say", "num"]),
    ]


def labels(truth: np.ndarray, share: float = 0.4) -> np.ndarray:
    return np.where(np.random.default_rng(1).random(N) < share, truth, -1)


@pytest.fixture(scope="module")
def model() -> CoTrainingClassifier:
    table, truth = a_table()
    return CoTrainingClassifier(members(), rounds=1, n_folds=2, random_state=0).fit(table, labels(truth))


@pytest.fixture
def folder(model: CoTrainingClassifier, tmp_path: Path) -> Path:
    return freeze(model, tmp_path / "bundle")


def test_a_bundle_predicts_the_bits_of_the_model(model: CoTrainingClassifier, folder: Path) -> None:
    bundle, (fresh, _) = load(folder), a_table(7)
    np.testing.assert_array_equal(bundle.predict_proba(fresh), model.predict_proba(fresh))
    np.testing.assert_array_equal(bundle.predict(fresh), model.predict(fresh))
    np.testing.assert_array_equal(bundle.classes_, model.classes_)
    np.testing.assert_array_equal(bundle.predict_proba(fresh.to_pandas()), model.predict_proba(fresh.to_pandas()))


def test_another_process_predicts_the_same_bits(model: CoTrainingClassifier, folder: Path, tmp_path: Path) -> None:
    fresh, _ = a_table(7)
    pq.write_table(fresh, tmp_path / "fresh.parquet")
    code = (
        "import sys, numpy, pyarrow.parquet, cotrain\n"
        "table = pyarrow.parquet.read_table(sys.argv[2])\n"
        "numpy.save(sys.argv[3], cotrain.load(sys.argv[1]).predict_proba(table))\n"
    )
    arguments = [str(folder), str(tmp_path / "fresh.parquet"), str(tmp_path / "told.npy")]
    subprocess.run([sys.executable, "-W", "error", "-c", code, *arguments], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "told.npy"), model.predict_proba(fresh))


def test_the_members_a_user_gets_without_asking_can_be_frozen(tmp_path: Path) -> None:
    table, truth = a_table()
    model = CoTrainingClassifier(rounds=0, n_folds=2, random_state=0).fit(table, labels(truth))
    told = load(freeze(model, tmp_path / "b")).predict_proba(table)
    np.testing.assert_array_equal(told, model.predict_proba(table))


def test_several_tasks_may_ship_different_rounds(tmp_path: Path) -> None:
    table, truth = a_table()
    y = {"word": np.array(["no", "yes"])[truth].astype(object), "flag": truth.astype(bool).astype(object)}
    for number, column in enumerate(y.values()):
        column[np.random.default_rng(number).random(N) < 0.5] = None
    model = CoTrainingClassifier(members()[:3], rounds=2, n_folds=2, random_state=0).fit(table, y)
    bundle = load(freeze(model, tmp_path / "b"))
    for task, told in model.predict_proba(table).items():
        np.testing.assert_array_equal(bundle.predict_proba(table)[task], told)
        np.testing.assert_array_equal(bundle.predict(table)[task], model.predict(table)[task])
    assert [type(task.classes[0]) for task in bundle.tasks] == [str, bool]
    assert {task: head.round for task, head in bundle.heads.items()} == model.n_rounds_


@pytest.mark.parametrize("kind", ["array", "sparse", "views of an array", "dict"])
def test_every_sort_of_input_that_a_model_takes_its_bundle_takes(kind: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, N)
    X = truth[:, None] + generator.normal(size=(N, 4))
    X[3, :2] = np.nan
    given = {"array": X, "sparse": csr_matrix(np.nan_to_num(X)), "views of an array": X}.get(kind)
    given = {"left": X[:, :2], "image": X.reshape(N, 2, 2)} if given is None else given
    views = {"left": [0, 1], "right": slice(2, 4)} if kind == "views of an array" else None
    specs = [("nb", GaussianNB(), None), ("lr", LogisticRegression(), None)]
    if kind == "sparse":
        specs[0] = ("graph", GraphLearner(), None)
    model = CoTrainingClassifier(specs, views=views, rounds=1, n_folds=2, random_state=0).fit(given, labels(truth))
    bundle = load(freeze(model, tmp_path / "b"))
    np.testing.assert_array_equal(bundle.predict_proba(given), model.predict_proba(given))
    if kind == "views of an array":
        with pytest.raises(TableError, match="X has 3 columns, the model was fitted on 4"):
            bundle.predict_proba(X[:, :3])


def test_rows_may_be_none_and_may_all_lack_a_view(model: CoTrainingClassifier, folder: Path) -> None:
    bundle, (table, _) = load(folder), a_table()
    assert bundle.predict_proba(table.slice(0, 0)).shape == (0, 2)
    speechless = table.set_column(0, "say__text", pa.nulls(N, pa.string()))
    told = bundle.predict_proba(speechless)
    np.testing.assert_allclose(told.sum(axis=1), 1.0)
    one = bundle.predict_proba(table.slice(4, 1))
    np.testing.assert_allclose(one, model.predict_proba(table)[4:5], rtol=1e-6)


def test_a_column_that_no_view_reads_may_be_there_and_one_that_is_read_may_not_be_missing(folder: Path) -> None:
    bundle, (table, _) = load(folder), a_table()
    more = table.append_column("id", pa.array(range(N)))
    np.testing.assert_array_equal(bundle.predict_proba(more), bundle.predict_proba(table))
    with pytest.raises(ViewError, match="missing: num__a"):
        bundle.predict_proba(table.drop_columns("num__a"))


def test_only_members_that_are_heard_are_written(model: CoTrainingClassifier, folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    weights = model.co_trained_.voices["y"][model.n_rounds_["y"]].trust.weights
    heard = [name for name, weight in zip(manifest["committee"], weights, strict=True) if weight > 0]
    assert [member["name"] for member in manifest["members"]] == heard
    assert {member["round"] for member in manifest["members"]} == {model.n_rounds_["y"]}
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"manifest.json", *manifest["files"]}


def test_a_member_may_have_any_name(tmp_path: Path) -> None:
    table, truth = a_table()
    specs = [("../../a / b\0", GaussianNB(), "num"), ("ünï.skops", LogisticRegression(), "say")]
    model = CoTrainingClassifier(specs, rounds=0, n_folds=2, random_state=0).fit(table, labels(truth))
    told = load(freeze(model, tmp_path / "b")).predict_proba(table)
    np.testing.assert_array_equal(told, model.predict_proba(table))
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


class Foreign(ClassicalLearner):
    """A learner that no bundle knows."""


def test_a_learner_of_an_unknown_kind_is_refused_and_the_old_bundle_stays(
    model: CoTrainingClassifier, folder: Path
) -> None:
    before = (folder / "manifest.json").read_bytes()
    table, truth = a_table()
    strange = CoTrainingClassifier(
        [("mine", Foreign(LogisticRegression()), "say"), ("nb", GaussianNB(), "num")],
        rounds=0,
        n_folds=2,
        random_state=0,
    ).fit(table, labels(truth))
    with pytest.raises(BundleError, match=r"Member 'mine' is a Foreign, which no bundle can hold; it holds Classical"):
        freeze(strange, folder)
    assert (folder / "manifest.json").read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_a_model_that_learnt_nothing_is_not_frozen(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        freeze(CoTrainingClassifier(), tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_files_is_not_replaced(model: CoTrainingClassifier, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(OutputError, match="holds other files"):
        freeze(model, tmp_path)


@pytest.mark.parametrize("part", ["views", "members/*"])
@pytest.mark.parametrize("suffix", [".json", ".skops", ".safetensors"])
def test_a_changed_file_is_refused_whichever_it_is(folder: Path, part: str, suffix: str) -> None:
    path = sorted(folder.glob(part + suffix))[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(BundleError, match=r"is not the file that was frozen.*Copy the bundle again"):
        load(folder)


def test_a_missing_file_is_refused(folder: Path) -> None:
    next((folder / "members").glob("*.json")).unlink()
    with pytest.raises(BundleError, match=r"lacks members/.*json.*Copy the bundle again"):
        load(folder)


def changed(folder: Path, **facts: object) -> Path:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **facts}))
    return folder


def test_a_newer_format_is_refused_with_the_way_out(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"is of bundle format 2; .*pip install --upgrade cotrain"):
        load(changed(folder, version=VERSION + 1))


def test_another_scikit_learn_is_refused_with_the_way_out(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"made with scikit-learn 0.24.2.*pip install \"scikit-learn==0.24.\*\""):
        load(changed(folder, made_with={"scikit-learn": "0.24.2"}))


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"format": "zip"}, "not a bundle's manifest"),
        ({"files": []}, "not a bundle's manifest"),
        ({"version": "1"}, "not a bundle's manifest"),
        ({"tasks": None}, "does not fit together"),
        ({"members": [{}]}, "does not fit together"),
        ({"files": {"../secret": {"sha256": "", "bytes": 0}}}, "lists a file outside the bundle"),
        ({"files": {"/etc/passwd": {"sha256": "", "bytes": 0}}}, "lists a file outside the bundle"),
        ({"files": {}}, "The views has no views.json"),
    ],
)
def test_a_manifest_that_was_tampered_with_is_refused(folder: Path, facts: dict, told: str) -> None:
    with pytest.raises(BundleError, match=told):
        load(changed(folder, **facts))


@pytest.mark.parametrize("manifest", [None, b"", b"[1]", b"\xff\xfe", b"{}"])
def test_what_is_no_bundle_is_refused(tmp_path: Path, manifest: bytes | None) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_bytes(manifest)
    with pytest.raises(BundleError):
        load(tmp_path)


def test_a_bundle_may_be_moved(model: CoTrainingClassifier, folder: Path, tmp_path: Path) -> None:
    moved = Path(shutil.move(folder, tmp_path / "elsewhere"))
    table, _ = a_table()
    np.testing.assert_array_equal(load(moved).predict_proba(table), model.predict_proba(table))
