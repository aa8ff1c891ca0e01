"""What a person who asks a run sees: words by default, one JSON object with --json, one sentence on failure."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cotrain.cli import app

SETTINGS = """
[table]
path = "rows.parquet"
key = "id"

[targets]
liked = "liked"

[[members]]
learner = "gaussian-nb"
views = "num"

[[members]]
learner = "logistic-regression"
views = "say"

[teaching]
rounds = 1
n_folds = 2
"""


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asked")
    generator = np.random.default_rng(5)
    truth = generator.integers(0, 2, 60)
    words = np.array(["dull slow long", "bright quick short"])[truth]
    table = pa.table(
        {
            "id": [f"r{number:02d}" for number in range(60)],
            "say__text": [f"{said} word{generator.integers(20)}" for said in words],
            "num__a": truth + generator.normal(size=60) * 0.6,
            "num__b": generator.normal(size=60),
            "liked": pa.array(np.array(["no", "yes"])[truth], mask=generator.random(60) < 0.6),
        }
    )
    pq.write_table(table, folder / "rows.parquet")
    (folder / "job.toml").write_text(SETTINGS)
    told = invoke("run", folder / "job.toml", "--out", folder / "out")
    assert told.exit_code == 0, told.output
    return folder / "out"


def last_line(told: Any) -> dict[str, Any]:
    assert told.exit_code == 0, told.output
    return json.loads(told.stdout.splitlines()[-1])


def test_why_tells_the_story_of_a_row_in_words_or_as_json(done: Path) -> None:
    row = pq.read_table(done / "opinions.parquet")["row_id"][0].as_py()
    told = invoke("why", done, row)
    assert told.exit_code == 0, told.output
    assert told.stdout.splitlines()[0] == f"Row {row} of {done}"
    assert "The shipped ensemble says" in told.stdout
    facts = last_line(invoke("why", done / "bundle", row, "--task", "liked", "--json"))
    assert (facts["status"], facts["row"], list(facts["tasks"])) == ("done", row, ["liked"])


def test_ask_names_rows_and_writes_them(done: Path, tmp_path: Path) -> None:
    told = invoke("ask", done, "-k", 4, "--out", tmp_path / "ask.csv")
    assert told.exit_code == 0, told.output
    assert len(told.stdout.splitlines()) == 5
    assert f"4 rows to label, written to {tmp_path / 'ask.csv'}" in told.stdout
    assert len((tmp_path / "ask.csv").read_text().splitlines()) == 5
    facts = last_line(invoke("ask", done, "-k", 4, "--json"))
    assert [one["row_id"] for one in facts["questions"]] == [line.split()[0] for line in told.stdout.splitlines()[:-1]]


def test_suspects_are_counted_and_named(done: Path) -> None:
    told = invoke("suspects", done)
    assert told.exit_code == 0, told.output
    facts = last_line(invoke("suspects", done, "--json"))["tasks"]["liked"]
    n_suspects, n_held_out = len(facts["suspects"]), facts["n_held_out"]
    assert told.stdout.splitlines()[0] == f"liked: {n_suspects} of {n_held_out} held-out labels are suspects"
    assert len(told.stdout.splitlines()) == 1 + n_suspects


def test_a_real_process_prints_its_answer_and_nothing_else(done: Path) -> None:
    command = [sys.executable, "-m", "cotrain", "ask", str(done), "-k", "2", "--json"]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(json.loads(told.stdout)["questions"]) == 2
    assert told.stderr == ""


# (what is wrong, the command, the exit code, what is told)
WRONG = [
    ("an unknown row", ["why", "RUN", "r012"], 3, "No row of this run has the key 'r012'. Close are 'r"),
    ("no run", ["why", "RUN/nowhere", "r01"], 3, "is not a run: its metrics.json cannot be read"),
    ("no run to ask", ["ask", "RUN/nowhere"], 3, "is not a run"),
    ("no run with suspects", ["suspects", "RUN/nowhere"], 3, "is not a run"),
    ("an unknown task", ["ask", "RUN", "--task", "likes"], 2, "`task` must be a task of this run; got 'likes'"),
    ("nothing asked", ["ask", "RUN", "-k", "0"], 2, "`k` must be at least 1; got 0"),
    ("a file of no kind", ["ask", "RUN", "--out", "RUN/x.xlsx"], 5, "has an unknown suffix"),
    ("a folder that is not there", ["ask", "RUN", "--out", "RUN/none/x.csv"], 5, "cannot be written"),
]


@pytest.mark.parametrize(("command", "code", "told"), [one[1:] for one in WRONG], ids=[one[0] for one in WRONG])
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_question_that_has_no_answer_says_one_sentence(
    done: Path, command: list[str], code: int, told: str, flags: list[str]
) -> None:
    before = sorted(done.rglob("*"))
    answer = invoke(*(part.replace("RUN", str(done)) for part in command), *flags)
    assert answer.exit_code == code, answer.output
    assert answer.stdout == ""
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stderr.count("cotrain: ") == 1
    assert sorted(done.rglob("*")) == before
