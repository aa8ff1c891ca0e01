"""The few-labels benchmark measures what it says, goes on where it stopped, and refuses in one sentence."""

import json
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.convention import load, views_in
from benchmarks.few_labels import check, main, missed, signature_of
from benchmarks.trial import METHODS, Experiment, hidden, run, split

CELL = ["labels_per_class", "method", "accuracy_mean", "accuracy_sd", "accuracy", "seconds_mean"]


def mixed(n_rows: int = 24) -> dict[str, Any]:
    """Two classes that numbers, categories and texts tell apart, each with some noise."""
    rng = np.random.default_rng(0)
    codes = np.arange(n_rows) % 2
    noise = rng.normal(size=(2, n_rows))
    return {
        "size__mm": 2.0 * codes + noise[0],
        "size__kg": codes + noise[1],
        # Values like sentences: by their looks they would be text, by their name they are not.
        "shop__street": [f"{'north' if code else 'south'} side street {i // 4}" for i, code in enumerate(codes)],
        "shop__review": [f"{'good fine' if code else 'bad poor'} thing number {i % 5}" for i, code in enumerate(codes)],
        "y": ["yes" if code else "no" for code in codes],
    }


def numeric(n_rows: int = 20) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    codes = np.arange(n_rows) % 2
    return {"a__x": 2.0 * codes + rng.normal(size=n_rows), "a__z": rng.normal(size=n_rows), "y": codes}


def written(folder: Path, columns: dict[str, Any]) -> Path:
    path = folder / "table.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def measured(data: Path, out: Path, seeds: int) -> list[dict[str, Any]]:
    """The cells of a run that went well."""
    assert main(words(data, out, seeds)) == 0
    assert not out.with_name(out.name + ".parts").exists()
    return json.loads(out.read_text())["cells"]


def words(data: Path, out: Path, seeds: int) -> list[str]:
    return [f"--data={data}", f"--out={out}", "--jobs=1", f"--seeds={seeds}", "--labels-per-class", "2"]


def refused(capsys: pytest.CaptureFixture[str], data: Path, *more: str) -> str:
    assert main([*words(data, data.with_name("out.json"), 1), *more]) == 2
    assert not data.with_name("out.json").exists()
    told = capsys.readouterr().err.strip()
    assert told
    assert "\n" not in told
    return told


def accuracies(cells: list[dict[str, Any]]) -> list[Any]:
    return [(cell["labels_per_class"], cell["method"], cell["accuracy"]) for cell in cells]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A table, and the parts of its two seeds: the run ended where it should have written its report."""
    folder = tmp_path_factory.mktemp("stopped")
    data, out = written(folder, numeric()), folder / "out.json"
    out.mkdir()
    with pytest.raises(IsADirectoryError):
        main(words(data, out, 2))
    return data, folder / "out.json.parts"


def resumed(stopped: tuple[Path, Path], lines: list[str], folder: Path) -> list[dict[str, Any]]:
    (folder / "again.json.parts").write_text("\n".join(lines))
    return measured(stopped[0], folder / "again.json", 2)


def test_the_cells_hold_every_method_with_every_seed(stopped: tuple[Path, Path], tmp_path: Path) -> None:
    cells = resumed(stopped, stopped[1].read_text().splitlines(), tmp_path)
    assert [(cell["labels_per_class"], cell["method"]) for cell in cells] == [(2, method) for method in METHODS]
    for cell in cells:
        assert list(cell) == CELL
        assert len(cell["accuracy"]) == 2
        assert cell["accuracy_mean"] == pytest.approx(np.mean(cell["accuracy"]))
        assert cell["accuracy_sd"] == pytest.approx(np.std(cell["accuracy"], ddof=1))
        assert cell["seconds_mean"] > 0


def test_a_stopped_run_goes_on_where_it_stopped(stopped: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = stopped[1].read_text().splitlines()
    (tmp_path / "whole").mkdir()
    cells = resumed(stopped, [first, second], tmp_path / "whole")
    finished = json.loads(first)
    for score in finished["scores"]:
        score["seconds"] = 1e6  # so that a second run of seed 0 would show
    stale = {"signature": "another", "scores": [{**s, "seed": 1, "accuracy": -1.0} for s in finished["scores"]]}
    beyond = {**finished, "scores": [{**s, "seed": 7} for s in finished["scores"]]}
    again = resumed(stopped, [*map(json.dumps, (stale, beyond, finished)), second[:99]], tmp_path)
    assert accuracies(again) == accuracies(cells)
    assert all(4e5 < cell["seconds_mean"] < 6e5 for cell in again)


def test_the_labels_of_a_budget_do_not_depend_on_the_other_budgets(stopped: tuple[Path, Path]) -> None:
    alone = json.loads(stopped[1].read_text().splitlines()[0])["scores"]
    beside = run(Experiment(*load(stopped[0], "y"), (3, 2), 0))
    told = {score.method: score.accuracy for score in beside if score.labels_per_class == 2}
    assert told == {score["method"]: score["accuracy"] for score in alone}


@pytest.mark.parametrize("change", ["target", "table", "rows"])
def test_the_parts_of_another_experiment_do_not_count(change: str, tmp_path: Path) -> None:
    data = written(tmp_path, {**numeric(), "other": np.arange(20) % 2})
    options = Namespace(data=data, target="y", views=None, labels_per_class=[2], rows=100)
    before = signature_of(options, "commit")
    assert signature_of(options, "commit") == before != signature_of(options, "another commit")
    if change == "table":
        os.utime(data, ns=(1, 1))
    else:
        setattr(options, change, {"target": "other", "rows": 10}[change])
    assert signature_of(options, "commit") != before


def test_numbers_categories_and_texts_are_measured_together(tmp_path: Path) -> None:
    cells = {cell["method"]: cell for cell in measured(written(tmp_path, mixed()), tmp_path / "out.json", 1)}
    assert cells["ceiling"]["accuracy_mean"] > 0.8
    assert all(len(cell["accuracy"]) == 1 and cell["accuracy_sd"] == 0.0 for cell in cells.values())


def test_only_columns_named_so_are_text() -> None:
    table = pa.table(mixed()).drop_columns(["y"])
    table = table.append_column("shop__town", pa.array(["Oslo", "Rome"] * 12).dictionary_encode())
    views = {view.name: view for view in views_in(table)}
    assert views["shop"].kinds == {"shop__street": "categorical", "shop__town": "categorical"}
    assert views["size"].kinds == {}


def test_a_column_without_a_training_value_is_in_neither_part() -> None:
    columns = numeric()
    codes = columns.pop("y")
    experiment = Experiment(pa.table(columns), codes, (2,), 0)
    halves = split(experiment)
    lonely = np.full(20, np.nan)
    position = next(i for i, x in enumerate(columns["a__x"]) if x in halves.unseen["a__x"].to_pylist())
    lonely[position] = 1.0
    table = pa.table({**columns, "a__lonely": lonely, "b__lonely": lonely, "c__none": pa.nulls(20)})
    halves = split(Experiment(table, codes, (2,), 0))
    assert halves.features.column_names == halves.unseen.column_names == ["a__x", "a__z"]
    assert [view.name for view in halves.views] == ["a"]


def test_a_class_with_fewer_labels_keeps_what_it_has() -> None:
    codes = np.array([0] * 9 + [1] * 2)
    y = hidden(codes, 5, np.random.default_rng(0))
    assert [int((y == code).sum()) for code in (0, 1)] == [5, 2]
    assert np.all((y == codes) | (y == -1))


@pytest.mark.parametrize("kind", [pa.bool_(), pa.string()])
def test_a_class_too_rare_to_be_tested_is_left_out(kind: pa.DataType, tmp_path: Path) -> None:
    columns = numeric()
    labels = pa.array(columns["y"]).cast(pa.bool_()).cast(kind).to_pylist()
    labels[0] = None if kind == pa.bool_() else "rare"
    features, codes = load(written(tmp_path, {**columns, "y": labels}), "y")
    assert features.num_rows == 19
    assert np.bincount(codes).tolist() == [9, 10]


@pytest.mark.filterwarnings("ignore:y contains no unlabeled samples")
def test_three_rows_of_a_class_are_enough(tmp_path: Path) -> None:
    columns = {name: values[:6] for name, values in numeric().items()}
    cells = measured(written(tmp_path, columns), tmp_path / "out.json", 1)
    assert all(0.0 <= cell["accuracy_mean"] <= 1.0 for cell in cells)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"y": pa.nulls(20)}, "fewer than two classes"),
        ({"y": [1] * 18 + [0] * 2}, "fewer than two classes"),
        ({"y": np.arange(20) + 0.5}, "not whole"),
        ({"a__x": pa.array([0] * 20, pa.date32())}, "date32"),
        ({"a__x": [[1.0]] * 20}, "list"),
        ({"a__x": [np.inf] + [0.0] * 19}, "infinite in 1 row: 0"),
        ({"a__x": pa.nulls(20), "a__z": pa.nulls(20)}, "None of 2 columns"),
        ({"a__text": ["?"] * 20}, "no word"),
    ],
)
def test_an_ugly_table_is_refused_in_one_sentence(
    change: dict[str, Any], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = written(tmp_path, {**numeric(), **change})
    assert told in refused(capsys, data)


def test_a_table_without_features_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = written(tmp_path, {"y": [0, 1] * 5})
    assert "no column besides the target" in refused(capsys, data)


@pytest.mark.parametrize(
    "option",
    [
        ["--labels-per-class", "1"],
        ["--labels-per-class", "2", "2"],
        ["--jobs", "0"],
        ["--jobs", "-2"],
        ["--seeds", "0"],
        ["--first-seed", "-1"],
        ["--rows", "0"],
        ["--at-least", "50", "60"],
        ["--views", "b"],
        ["--target", "z"],
    ],
)
def test_options_that_measure_nothing_are_refused(
    option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = written(tmp_path, numeric())
    told = refused(capsys, data, *option)
    assert option[1] in told or option[0] in told


def test_a_seed_is_the_same_split_wherever_the_range_begins(tmp_path: Path) -> None:
    data, out = written(tmp_path, numeric()), tmp_path / "out.json"
    both = measured(data, out, seeds=2)
    assert main([*words(data, out, 1), "--first-seed", "1"]) == 0
    second = json.loads(out.read_text())
    assert second["first_seed"] == 1
    assert [cell["accuracy"] for cell in second["cells"]] == [cell["accuracy"][1:] for cell in both]


def test_one_job_per_core_is_a_setting() -> None:
    check(Namespace(labels_per_class=[2], at_least=None, seeds=1, first_seed=0, rows=1, jobs=-1))


@pytest.mark.parametrize(("mean", "code"), [(0.9, 0), (0.89, 1), (float("nan"), 1)])
def test_a_claim_that_is_not_reached_fails(mean: float, code: int) -> None:
    cells = [{"labels_per_class": 2, "method": "cotrain", "accuracy_mean": mean}]
    assert missed(cells, Namespace(labels_per_class=[2], at_least=[90.0])) == code
