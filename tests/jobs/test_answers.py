"""A run answers questions from its own files: why a row is what it is, what to label next, which labels to doubt."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from cotrain import load
from cotrain.errors import BundleError, SettingError, TableError
from cotrain.jobs import in_words, questions, read_settings, run, suspected, why

Job = Callable[..., Path]
MEMBERS = {"logistic-regression say", "gaussian-nb num", "graph all"}


@pytest.fixture
def done(job: Job, tmp_path: Path) -> Path:
    """A run that taught two rounds, without its table: what it is asked it knows from its own files."""
    settings = job(("rounds = 1", "rounds = 2\npatience = 2\nfirst_share = 0.5"))
    folder = Path(run(read_settings(settings), tmp_path / "out").out)
    (tmp_path / "rows.parquet").unlink()
    return folder


def rows_by(folder: Path, task: str, source: str) -> list[str]:
    told = pq.read_table(folder / "predictions.parquet").to_pylist()
    return [line["id"] for line in told if line[f"{task}__source"] == source]


def ledger(folder: Path) -> list[dict]:
    return pq.read_table(folder / "ledger.parquet").to_pylist()


def test_why_tells_every_line_that_the_ledger_has_of_the_row(done: Path) -> None:
    lines = ledger(done)
    assert {line["status"] for line in lines} == {"admitted", "left out", "revoked"}, "a run that shows all of them"
    for row in sorted({line["row_id"] for line in lines})[:10]:
        for task, facts in why(done, row).tasks.items():
            of_row = [line for line in lines if (line["row_id"], line["task"]) == (row, task)]
            assert len(facts.lessons) == len(of_row)
            told = "\n".join(in_words(why(done, row, task=task)))
            for line in of_row:
                assert f"Round {line['round']}" in told
                assert {
                    "admitted": f'{line["student"]} was taught "{line["label"]}"; {line["teachers"]} said',
                    "left out": f"{line['student']} was not taught: {line['why']}.",
                    "revoked": f'{line["student"]}: its lesson "{line["label"]}" was revoked: {line["why"]}.',
                }[line["status"]] in told


def test_why_says_what_the_label_was_and_what_was_done_with_it(done: Path) -> None:
    sentences = {
        "given": 'gives the label "{}", and it was learnt from.',
        "evaluation": 'gives the label "{}". It was locked away for evaluation: nobody learnt from it.',
        "predicted": "The table gives no label.",
    }
    given = pq.read_table(done / "predictions.parquet").to_pandas().set_index("id")["stars__given"]
    for source, sentence in sentences.items():
        row = rows_by(done, "stars", source)[0]
        explained = why(done, row, task="stars")
        assert list(explained.tasks) == ["stars"]
        label = "" if source == "predicted" else int(given[row])
        assert sentence.format(label) in "\n".join(in_words(explained))
        assert bool(explained.tasks["stars"].lessons) == (explained.tasks["stars"].role == "open")


def test_a_row_without_a_label_that_was_locked_away_says_so(job: Job, rows: pa.Table, tmp_path: Path) -> None:
    is_locked = np.arange(120) % 3 == 0
    marked = rows.append_column("locked", pa.array(is_locked))
    run(read_settings(job(("evaluation = 0.3", 'evaluation = "locked"'), table=marked)), tmp_path / "out")
    row = next(one["id"] for one in marked.to_pylist() if one["locked"] and one["liked"] is None)
    explained = why(tmp_path / "out", row, task="liked")
    assert explained.tasks["liked"].role == "locked"
    assert "locked away with those for evaluation: nobody was taught it" in "\n".join(in_words(explained))


def test_why_says_what_the_bundle_says(done: Path, rows: pa.Table) -> None:
    row = pq.read_table(done / "opinions.parquet")["row_id"][0].as_py()
    told = load(done / "bundle").predict_proba(rows.filter(pc.equal(rows["id"], row)))["liked"][0]
    facts = why(done, row).tasks["liked"]
    np.testing.assert_allclose(list(facts.says["probabilities"].values()), told, rtol=1e-6)
    assert facts.opinions is not None
    assert {name.removesuffix("__says") for name in facts.opinions if name.endswith("__says")} == MEMBERS


def test_an_answer_is_plain_values(done: Path) -> None:
    row = rows_by(done, "liked", "predicted")[0]
    for answer in (why(done, row), questions(done, 2), suspected(done)):
        assert json.loads(json.dumps(answer.as_json(), allow_nan=False))["status"] == "done"


def test_a_row_that_nobody_can_read_is_told_without_numbers(job: Job, rows: pa.Table, tmp_path: Path) -> None:
    row = rows["liked"].to_pylist().index(None)
    table = rows
    for name in ("say__text", "num__a", "num__b"):
        column = [None if position == row else value for position, value in enumerate(rows[name].to_pylist())]
        table = table.set_column(table.column_names.index(name), name, pa.array(column))
    folder = Path(run(read_settings(job(("evaluation = 0.3", ""), table=table)), tmp_path / "out").out)
    explained = why(folder, f"r{row:03d}", task="liked")
    assert {lesson["why"] for lesson in explained.tasks["liked"].lessons} == {"out of reach"}
    assert "was not taught: out of reach." in "\n".join(in_words(explained))
    json.dumps(explained.as_json(), allow_nan=False)
    asked = questions(folder, 1000, task="liked").rows["row_id"].to_pylist()
    assert asked
    assert f"r{row:03d}" not in asked, "nobody could learn from its label"


def test_the_bundle_of_a_run_names_the_run(done: Path) -> None:
    row = rows_by(done, "liked", "given")[0]
    assert why(done / "bundle", row).tasks == why(done, row).tasks


def test_an_unknown_row_is_told_with_the_keys_that_are_close(done: Path) -> None:
    with pytest.raises(TableError, match=r"No row of this run has the key 'r0033'. Close are 'r033', 'r003', 'r103'"):
        why(done, "r0033")
    with pytest.raises(TableError, match=r"has the key '\?'. Keys look like 'r000', 'r001', 'r002'"):
        why(done, "?")


def test_rows_that_are_numbered_are_asked_by_number(job: Job, rows: pa.Table, tmp_path: Path) -> None:
    run(read_settings(job(('key = "id"', ""), table=rows.drop_columns("id"))), tmp_path / "out")
    assert why(tmp_path / "out", "7").row == 7
    for unknown in ("120", "-1", "r007", "7.0", "9" * 40):
        with pytest.raises(TableError, match=f"the key '{unknown}'. The keys are whole numbers, such as 0, 1, 2"):
            why(tmp_path / "out", unknown)


def test_only_rows_that_a_person_could_label_are_asked_each_task_for_itself(done: Path) -> None:
    asked = questions(done, 5).rows
    locked = {row for task in ("liked", "stars") for row in rows_by(done, task, "evaluation")}
    for task in ("liked", "stars"):
        rows_of_task = [line["row_id"] for line in asked.to_pylist() if line["task"] == task]
        assert len(set(rows_of_task)) == 5
        assert set(rows_of_task) <= set(rows_by(done, task, "predicted")) - locked
    assert questions(done, 5, task="stars").rows.equals(asked.filter(pc.equal(asked["task"].cast("string"), "stars")))


def test_a_question_counts_the_pseudo_labels_that_were_taken_back(done: Path) -> None:
    revoked = [(line["row_id"], line["task"]) for line in ledger(done) if line["status"] == "revoked"]
    counted = {(line["row_id"], line["task"]): line["revoked"] for line in questions(done, 40).rows.to_pylist()}
    assert any(counted.values())
    assert all(count == revoked.count(key) for key, count in counted.items())


def test_questions_are_written_with_a_column_to_fill_in(done: Path, tmp_path: Path) -> None:
    asked = questions(done, 3, task="liked", out=tmp_path / "to_label.csv")
    lines = (tmp_path / "to_label.csv").read_text().splitlines()
    assert lines[0].startswith('"row_id","task","predicted","confidence"')
    assert lines[0].endswith('"label"')
    assert len(lines) == 4
    assert asked.out == str(tmp_path / "to_label.csv")


def test_all_open_rows_are_asked_where_more_are_wanted(done: Path) -> None:
    n_open = pq.read_table(done / "opinions.parquet").num_rows
    assert 0 < questions(done, 1000).rows.num_rows <= n_open


def test_what_is_kept_for_questions_is_small_however_many_classes_there_are(done: Path) -> None:
    kept = pq.read_table(done / "opinions.parquet")
    bytes_beside_the_key = kept.drop_columns(["row_id"]).nbytes / kept.num_rows
    assert bytes_beside_the_key < 64 + len(MEMBERS) * 10 + 40
    assert not [name for name in kept.column_names if "__p_" in name]


def test_suspects_are_those_of_the_file_and_counted_in_the_metrics(job: Job, rows: pa.Table, tmp_path: Path) -> None:
    liked = rows["liked"].to_pylist()
    wrong = [position for position, label in enumerate(liked) if label is not None][:6]
    for position in wrong:
        liked[position] = "no" if liked[position] == "yes" else "yes"
    table = rows.set_column(rows.column_names.index("liked"), "liked", pa.array(liked))
    folder = Path(run(read_settings(job(("evaluation = 0.3", ""), table=table)), tmp_path / "out").out)
    found = suspected(folder).tasks["liked"]
    named = {one["row_id"] for one in found["suspects"]}
    assert len(named & {f"r{position:03d}" for position in wrong}) >= 4
    assert len(named) <= 9
    metrics = json.loads((folder / "metrics.json").read_text())["tasks"]
    assert metrics["liked"]["n_suspects"] == len(named)
    assert found["n_held_out"] == metrics["liked"]["n_held_out"]
    first = found["suspects"][0]
    told = "\n".join(in_words(why(folder, first["row_id"], task="liked")))
    assert f'That label is a suspect: members who never saw it say "{first["suggested"]}"' in told
    assert pq.read_table(folder / "predictions.parquet")["liked__given"].to_pylist() == liked, "nothing is changed"


def test_a_run_without_teaching_answers_too(job: Job, tmp_path: Path) -> None:
    folder = Path(run(read_settings(job(("rounds = 1", "rounds = 0"))), tmp_path / "out").out)
    row = rows_by(folder, "liked", "predicted")[0]
    told = "\n".join(in_words(why(folder, row, task="liked")))
    assert "Nothing was taught" in told
    assert questions(folder, 3, task="liked").rows.num_rows == 3


@pytest.mark.parametrize("ask", [lambda folder: why(folder, "r001"), lambda folder: questions(folder), suspected])
def test_what_is_no_run_or_half_of_one_is_told(done: Path, tmp_path: Path, ask: Callable[[Path], object]) -> None:
    with pytest.raises(BundleError, match=r"is not a run: its metrics.json cannot be read"):
        ask(tmp_path / "nowhere")
    shutil.move(done / "suspects.parquet", tmp_path / "suspects.parquet")
    (done / "opinions.parquet").unlink()
    with pytest.raises(BundleError, match=r"holds no (suspects|opinions).parquet"):
        ask(done)
    (done / "suspects.parquet").write_bytes(b"PAR1 no more")
    (done / "opinions.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(TableError, match=r"(suspects|opinions).parquet"):
        ask(done)
    (done / "metrics.json").write_text("{")
    with pytest.raises(BundleError, match=r"metrics.json is damaged"):
        ask(done)
    (done / "metrics.json").write_text('{"format": "another"}')
    with pytest.raises(BundleError, match=r"metrics.json is not of a run"):
        ask(done)


def test_a_task_that_the_run_does_not_have_is_a_wrong_setting(done: Path) -> None:
    for ask in (lambda: why(done, "r001", task="likes"), lambda: questions(done, task="likes")):
        with pytest.raises(SettingError, match=r"`task` must be a task of this run; got 'likes'. It has 'liked', 'st"):
            ask()
