"""A run leaves a complete folder that means what it says; the rows for evaluation teach nobody."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cotrain import CoTrainingClassifier, load
from cotrain.errors import OutputError, TableError
from cotrain.jobs import Result, n_stages, read_settings, run
from cotrain.jobs.materials import gather

Job = Callable[..., Path]


def predictions(folder: Path) -> pa.Table:
    return pq.read_table(folder / "predictions.parquet")


def metrics(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


@pytest.fixture
def done(job: Job, tmp_path: Path) -> Path:
    return Path(run(read_settings(job()), tmp_path / "out").out)


def test_a_run_leaves_everything_and_nothing_beside_it(done: Path) -> None:
    assert {path.name for path in done.iterdir()} == {
        "bundle",
        "ledger.parquet",
        "metrics.json",
        "opinions.parquet",
        "predictions.parquet",
        "run.log",
        "settings.json",
        "suspects.parquet",
    }
    assert {path.name for path in done.parent.iterdir()} == {"rows.parquet", "job.toml", "out"}


def test_every_row_gets_a_prediction_beside_what_was_given(done: Path, rows: pa.Table) -> None:
    told = predictions(done)
    assert told["id"].to_pylist() == rows["id"].to_pylist()
    assert told["liked__given"].to_pylist() == rows["liked"].to_pylist()
    assert told["stars__given"].to_pylist() == [None if stars == -1 else stars for stars in rows["stars"].to_pylist()]
    assert set(told["stars__predicted"].to_pylist()) <= {1, 3}
    shares = np.column_stack([told["liked__p_no"], told["liked__p_yes"]])
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    np.testing.assert_array_equal(told["liked__confidence"], shares.max(axis=1))
    assert told["liked__predicted"].to_pylist() == np.array(["no", "yes"])[shares.argmax(axis=1)].tolist()


def test_the_source_says_which_labels_were_learnt_from(done: Path) -> None:
    told = predictions(done)
    for task in ("liked", "stars"):
        given = np.array([label is not None for label in told[f"{task}__given"].to_pylist()])
        source = np.array(told[f"{task}__source"].to_pylist())
        assert set(source) == {"given", "predicted", "evaluation"}
        np.testing.assert_array_equal(source == "predicted", ~given)
        assert metrics(done)["tasks"][task]["n_labelled"] == (source == "given").sum()
        assert metrics(done)["tasks"][task]["evaluation"]["n_labelled"] == (source == "evaluation").sum()


def test_a_label_of_weight_0_is_not_called_given(job: Job, rows: pa.Table, tmp_path: Path) -> None:
    weight = np.where(np.arange(120) % 5 == 0, 0.0, 1.0)
    path = job(('key = "id"', 'key = "id"\nweight = "w"'), table=rows.append_column("w", pa.array(weight)))
    run(read_settings(path), tmp_path / "out")
    source = np.array(predictions(tmp_path / "out")["liked__source"].to_pylist())
    assert set(source[weight == 0]) == {"predicted"}
    assert metrics(tmp_path / "out")["tasks"]["liked"]["n_labelled"] == (source == "given").sum()


def test_predictions_are_those_of_the_bundle(done: Path, rows: pa.Table) -> None:
    told = load(done / "bundle").predict_proba(rows)
    for task in ("liked", "stars"):
        columns = [name for name in predictions(done).column_names if name.startswith(f"{task}__p_")]
        np.testing.assert_array_equal(np.column_stack([predictions(done)[name] for name in columns]), told[task])


def test_scores_on_the_locked_rows_are_those_of_the_predictions(done: Path) -> None:
    told = predictions(done)
    is_locked = np.array(told["liked__source"].to_pylist()) == "evaluation"
    right = np.array(told["liked__predicted"].to_pylist()) == np.array(told["liked__given"].to_pylist(), dtype=object)
    score = metrics(done)["tasks"]["liked"]["evaluation"]["shipped"]
    assert score["accuracy"] == pytest.approx(right[is_locked].mean())


def test_what_the_evaluation_rows_say_changes_nothing_that_was_learnt(job: Job, rows: pa.Table, tmp_path: Path) -> None:
    is_locked = np.arange(120) % 3 == 0
    marked = rows.append_column("locked", pa.array(is_locked))
    column = ("evaluation = 0.3", 'evaluation = "locked"')
    run(read_settings(job(column, table=marked)), tmp_path / "one")
    # Other labels, other words, other numbers in the locked rows: not a bit of the model may change.
    liked = np.where(is_locked & (np.arange(120) % 6 == 0), "no", np.array(rows["liked"].to_pylist(), dtype=object))
    texts = np.where(is_locked, "unheard words", np.array(rows["say__text"].to_pylist()))
    numbers = np.where(is_locked, 1e6, rows["num__a"].to_numpy())
    other = marked
    for name, values in (("liked", liked), ("say__text", texts), ("num__a", numbers)):
        other = other.set_column(other.column_names.index(name), name, pa.array(values.tolist()))
    run(read_settings(job(column, table=other)), tmp_path / "two")
    one, two = (load(tmp_path / name / "bundle").predict_proba(rows) for name in ("one", "two"))
    for task in one:
        np.testing.assert_array_equal(one[task], two[task])
    ledger = pq.read_table(tmp_path / "one" / "ledger.parquet")
    assert ledger.num_rows > 0, "a run that taught"
    assert not set(ledger["row_id"].to_pylist()) & set(np.array(rows["id"].to_pylist())[is_locked])


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_same_job_gives_the_same_bits_again_and_on_two_processes(job: Job, tmp_path: Path, n_jobs: int) -> None:
    settings = read_settings(job())
    run(settings, tmp_path / "one")
    run(replace(settings, run=replace(settings.run, n_jobs=n_jobs)), tmp_path / "two")
    assert predictions(tmp_path / "one").equals(predictions(tmp_path / "two"))
    assert metrics(tmp_path / "one")["tasks"] == metrics(tmp_path / "two")["tasks"]


def test_the_settings_that_a_run_keeps_repeat_it(done: Path, tmp_path: Path) -> None:
    run(read_settings(done / "settings.json"), tmp_path / "again")
    assert predictions(tmp_path / "again").equals(predictions(done))


def test_a_run_replaces_an_earlier_run_and_nothing_else(done: Path, job: Job, tmp_path: Path) -> None:
    run(read_settings(job(("rounds = 1", "rounds = 0"))), done)
    assert metrics(done)["stop_reason"]["code"] == "rounds_is_0"
    with pytest.raises(OutputError, match="holds other files"):
        run(read_settings(job()), tmp_path)


def test_a_run_without_a_place_goes_to_runs_under_a_name_of_its_own(job: Job, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = (run(read_settings(job()), progress=None) for _ in range(2))
    assert first.out != second.out
    assert {path.name for path in Path("runs").iterdir()} == {Path(first.out).name, Path(second.out).name}


def test_a_result_is_small_plain_and_pickles(job: Job, tmp_path: Path) -> None:
    told: list[str] = []
    result = run(read_settings(job()), tmp_path / "out", progress=told.append)
    assert isinstance(result, Result)
    assert pickle.loads(pickle.dumps(result)) == result
    assert json.loads(json.dumps(result.as_json()))["tasks"]["liked"]["n_labelled"] > 0
    assert told[0] == "reading the table"
    assert 5 <= len(told) <= n_stages(read_settings(job())) == 7
    log = (tmp_path / "out" / "run.log").read_text()
    assert all(stage in log for stage in told)


def test_without_rounds_every_stage_is_needed(job: Job, tmp_path: Path) -> None:
    told: list[str] = []
    settings = read_settings(job(("rounds = 1", "rounds = 0")))
    run(settings, tmp_path / "out", progress=told.append)
    assert len(told) == n_stages(settings) == 5
    unsaid = read_settings(job(("rounds = 1\n", "")))  # then the classifier's own default holds
    assert n_stages(unsaid) == 5 + 2 * CoTrainingClassifier().rounds


@pytest.mark.parametrize("is_dictionary", [False, True])
def test_minus_one_as_text_is_no_label_as_null_is_none(
    job: Job, rows: pa.Table, tmp_path: Path, is_dictionary: bool
) -> None:
    liked = pa.array(["-1" if label is None else label for label in rows["liked"].to_pylist()])
    column = liked.dictionary_encode() if is_dictionary else liked
    said = rows.set_column(rows.column_names.index("liked"), "liked", column)
    run(read_settings(job(table=said)), tmp_path / "text")
    run(read_settings(job()), tmp_path / "null")
    assert metrics(tmp_path / "text")["tasks"]["liked"]["classes"] == ["no", "yes"]
    assert predictions(tmp_path / "text").equals(predictions(tmp_path / "null"))


def test_locked_rows_of_weight_0_have_no_scores(job: Job, rows: pa.Table, tmp_path: Path) -> None:
    is_locked = np.arange(120) % 4 == 0
    table = rows.append_column("locked", pa.array(is_locked)).append_column("weight", pa.array(1.0 - is_locked))
    roles = ('key = "id"', 'key = "id"\nweight = "weight"')
    run(read_settings(job(roles, ("evaluation = 0.3", 'evaluation = "locked"'), table=table)), tmp_path / "out")
    score = metrics(tmp_path / "out")["tasks"]["liked"]["evaluation"]["shipped"]
    assert (score["accuracy"], score["log_loss"]) == (None, None)


def test_a_failed_run_leaves_nothing_and_keeps_what_was_there(done: Path, job: Job, rows: pa.Table) -> None:
    before = (done / "metrics.json").read_bytes()
    infinite = rows.set_column(2, "num__a", pa.array([np.inf] * 120))
    with pytest.raises(TableError, match='Column "num__a" is infinite'):
        run(read_settings(job(table=infinite)), done)
    assert (done / "metrics.json").read_bytes() == before
    assert {path.name for path in done.parent.iterdir()} == {"rows.parquet", "job.toml", "out"}


def test_several_files_and_csv_are_read_as_one_table(job: Job, rows: pa.Table, tmp_path: Path) -> None:
    from cotrain.table import write_table

    settings = job(('path = "rows.parquet"', 'path = "part*.csv"'))
    write_table(rows.slice(0, 50), tmp_path / "part1.csv")
    write_table(rows.slice(50), tmp_path / "part2.csv")
    run(read_settings(settings), tmp_path / "csv")
    run(read_settings(job()), tmp_path / "parquet")
    assert predictions(tmp_path / "csv").equals(predictions(tmp_path / "parquet"))


def test_without_members_views_or_key_a_job_finds_its_own(rows: pa.Table, tmp_path: Path) -> None:
    pq.write_table(rows.drop_columns(["id", "stars"]), tmp_path / "rows.parquet")
    (tmp_path / "job.toml").write_text(
        '[table]\npath = "rows.parquet"\n[targets]\nliked = "liked"\n[teaching]\nrounds = 0\nn_folds = 2\n'
    )
    run(read_settings(tmp_path / "job.toml"), tmp_path / "out")
    assert predictions(tmp_path / "out")["row_id"].to_pylist() == list(range(120))
    assert set(metrics(tmp_path / "out")["views"]) == {"say", "num"}
    assert metrics(tmp_path / "out")["tasks"]["liked"]["evaluation"] is None


def test_groups_stay_together_and_weights_count(job: Job, rows: pa.Table, tmp_path: Path) -> None:
    table = rows.append_column("person", pa.array(np.arange(120) // 2)).append_column(
        "weight", pa.array(np.where(np.arange(120) < 100, 1.0, 2.0))
    )
    settings = read_settings(job(('key = "id"', 'key = "id"\ngroup = "person"\nweight = "weight"'), table=table))
    materials = gather(settings)
    assert not set(materials.training // 2) & set(materials.evaluation // 2)
    assert materials.features.column_names == ["say__text", "num__a", "num__b"]
    run(settings, tmp_path / "out")
    assert metrics(tmp_path / "out")["n_evaluation"] == len(materials.evaluation)


def test_a_view_with_a_glob_never_reads_a_column_with_a_role(job: Job, rows: pa.Table) -> None:
    marked = rows.append_column("locked", pa.array(np.arange(120) % 4 == 0))
    views = '[views.say]\ncolumns = "say*"\n[views.num]\ncolumns = "*"\n[teaching]'
    settings = job(("evaluation = 0.3", 'evaluation = "locked"'), ("[teaching]", views), table=marked)
    materials = gather(read_settings(settings))
    assert materials.features.column_names == ["say__text", "num__a", "num__b"]


def test_locked_rows_have_no_say_in_which_columns_a_type_selects(job: Job, rows: pa.Table) -> None:
    is_locked = np.arange(120) % 2 == 0
    # Sentences that differ in the locked rows, one word that comes back in the others: all rows together are a text.
    notes = [f"quite another long note number {row}" if row % 2 == 0 else "short" for row in range(120)]
    table = rows.append_column("locked", pa.array(is_locked)).append_column("note", pa.array(notes))
    views = '[views.say]\ncolumns = "type:text"\n[views.num]\ncolumns = "type:numeric"\n[teaching]'
    column = ("evaluation = 0.3", 'evaluation = "locked"')
    chosen = gather(read_settings(job(column, ("[teaching]", views), table=table))).features.column_names
    assert chosen == ["say__text", "num__a", "num__b"]
    # Every row is learnt from: then the sentences count.
    table = table.drop_columns("locked")
    chosen = gather(read_settings(job(("evaluation = 0.3", ""), ("[teaching]", views), table=table)))
    assert "note" in chosen.features.column_names
