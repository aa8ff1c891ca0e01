"""What a person or a scheduler sees: one JSON line on success; on failure one sentence, a code, and nothing written."""

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cotrain.cli import EXIT_CODES, app
from cotrain.errors import CotrainError

SETTINGS = """
[table]
path = "rows.parquet"
key = "id"

[targets]
liked = "liked"

[views.say]
columns = "say__*"

[views.num]
columns = ["num__a", "num__b"]

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

Change = Callable[[pa.Table], pa.Table]


def some_rows() -> pa.Table:
    generator = np.random.default_rng(5)
    truth = generator.integers(0, 2, 60)
    words = np.array(["dull slow long", "bright quick short"])[truth]
    return pa.table(
        {
            "id": [f"r{number:02d}" for number in range(60)],
            "say__text": [f"{said} word{generator.integers(20)}" for said in words],
            "num__a": truth + generator.normal(size=60) * 0.6,
            "num__b": generator.normal(size=60),
            "liked": pa.array(np.array(["no", "yes"])[truth], mask=generator.random(60) < 0.6),
        }
    )


def with_column(name: str, values: Any) -> Change:
    def change(table: pa.Table) -> pa.Table:
        column = values if isinstance(values, pa.Array) else pa.array(values)
        return table.set_column(table.column_names.index(name), name, column)

    return change


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def files_under(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a job that runs."""
    pq.write_table(some_rows(), tmp_path / "rows.parquet")
    (tmp_path / "job.toml").write_text(SETTINGS)
    (tmp_path / "a file").touch()
    return tmp_path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    pq.write_table(some_rows(), folder / "rows.parquet")
    (folder / "job.toml").write_text(SETTINGS)
    done = invoke("run", folder / "job.toml", "--out", folder / "out")
    assert done.exit_code == 0, done.output
    return folder / "out" / "bundle"


def failed(done: Any, place: Path, before: dict[str, bytes], code: int, told: str) -> None:
    """Asserts the promise that every failure keeps."""
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    sentence = done.stderr[done.stderr.index("cotrain: ") :]
    assert told in sentence
    assert sentence.count("cotrain: ") == 1
    assert files_under(place) == before


# (what is wrong, the change to the table, what is told); all of them are bad data.
BAD_TABLES = [
    ("no labelled row", with_column("liked", pa.nulls(60, pa.string())), 'Task "liked" has no label in any of 60 rows'),
    ("only -1 as text", with_column("liked", ["-1"] * 60), 'Task "liked" has no label in any of 60 rows'),
    ("only -1 as labels", with_column("liked", [-1] * 60), 'Task "liked" has no label in any of 60 rows'),
    ("one class only", with_column("liked", ["yes"] * 60), "has one class only, 'yes' in 60 rows"),
    ("a class with one label", with_column("liked", ["yes"] * 59 + ["no"]), "class 'no' has 1 of 60 labels"),
    ("labels that differ in blanks", with_column("liked", ["yes", "no", "no "] * 20), "which differ in blanks only"),
    ("a target of times", with_column("liked", pa.array(range(60), pa.timestamp("s"))), "is of type timestamp"),
    ("a target of lists", with_column("liked", [["yes"]] * 60), "a class target needs integers, strings or booleans"),
    ("a target of broken numbers", with_column("liked", [0.5, 1.0] * 30), "holds numbers that are not whole"),
    ("no target column", lambda table: table.drop_columns("liked"), "columns that the table does not have: 'liked'"),
    ("no key column", lambda table: table.rename_columns(["ident", *table.column_names[1:]]), "'id'"),
    ("a missing column", lambda table: table.drop_columns("num__a"), 'View "num" asks for "num__a"'),
    ("a missing view", lambda table: table.drop_columns("say__text"), 'View "say" asks for "say__*"'),
    (
        "an infinite value",
        with_column("num__a", [float("inf")] + [0.0] * 59),
        'Column "num__a" is infinite in 1 row: 0',
    ),
    ("an all-null column", with_column("num__b", pa.nulls(60, pa.float64())), "Column 'num__b' of view \"num\" has no"),
    ("an all-NaN column", with_column("num__b", [float("nan")] * 60), 'Column "num__b" has no value in any of 60'),
    ("a view no row has", with_column("say__text", pa.nulls(60, pa.string())), 'View "say" is empty in all of 60 rows'),
    ("a text without words", with_column("say__text", ["?"] * 60), 'The text of view "say" has no word'),
    ("a column of lists", with_column("num__a", [[1.0]] * 60), "Spread it over one column per entry"),
    ("a duplicate key", with_column("id", ["same"] * 60), 'Key column "id" must name each row once'),
    ("a key with gaps", with_column("id", [None] + [str(n) for n in range(59)]), 'Key column "id" is empty in 1 of 60'),
    ("no rows", lambda table: table.slice(0, 0), "The table has 0 rows"),
]


@pytest.mark.parametrize(("change", "told"), [one[1:] for one in BAD_TABLES], ids=[one[0] for one in BAD_TABLES])
def test_a_run_on_bad_data_says_one_sentence_and_leaves_nothing(place: Path, change: Change, told: str) -> None:
    pq.write_table(change(some_rows()), place / "rows.parquet")
    before = files_under(place)
    failed(invoke("run", place / "job.toml", "--out", place / "deep" / "out"), place, before, 3, told)


BAD_FILES = [
    ("empty", b"", "is empty (0 bytes)"),
    ("truncated", None, "is not a complete Parquet file"),
    ("not Parquet", b"id,liked\n1,yes\n", "is not a complete Parquet file"),
]


def spoilt(path: Path, content: bytes | None) -> None:
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)


@pytest.mark.parametrize(("content", "told"), [one[1:] for one in BAD_FILES], ids=[one[0] for one in BAD_FILES])
def test_a_run_on_a_bad_file_says_one_sentence_and_leaves_nothing(
    place: Path, content: bytes | None, told: str
) -> None:
    spoilt(place / "rows.parquet", content)
    before = files_under(place)
    failed(invoke("run", place / "job.toml", "--out", place / "out"), place, before, 3, told)


# (what is wrong, what is replaced in the settings, by what, exit code, what is told)
BAD_SETTINGS = [
    ("a typo", "rounds", "rouds", 2, "Unknown setting `teaching.rouds` in job.toml; did you mean `rounds`?"),
    (
        "a value out of range",
        "n_folds = 2",
        "n_folds = 1",
        2,
        "`teaching.n_folds` should be greater than or equal to 2",
    ),
    ("an unknown learner", "gaussian-nb", "gausian-nb", 2, "did you mean `gaussian-nb`?"),
    ("an unknown view", 'views = "num"', 'views = "nun"', 2, "names the view `nun`, which is not set"),
    ("not TOML", "[targets]", "[targets", 2, "It is not TOML"),
    ("a view that cannot be", '"num__b"]', '"num__b"]\nshape = [1, 2]\nscaling = "quantile"', 2, "`scaling` must be"),
    ("an unknown type", 'key = "id"', 'key = "id"\ntypes = { num__a = "flaot" }', 2, "must be an Arrow type"),
    ("a table that is not there", "rows.parquet", "row.parquet", 3, "row.parquet does not exist"),
    ("a glob that finds nothing", "rows.parquet", "raw?.parquet", 3, "No file is named"),
    ("an unknown suffix", "rows.parquet", "rows.xlsx", 3, "has an unknown suffix"),
    ("a class not named", '"liked"\n', '{ column = "liked", classes = ["no", "maybe"] }\n', 3, "are 'yes'"),
    ("no such evaluation", 'key = "id"', 'key = "id"\nevaluation = "lokked"', 3, "'lokked'"),
    ("an odd evaluation", 'key = "id"', 'key = "id"\nevaluation = "num__a"', 3, "must hold true or false"),
    ("all kept for evaluation", 'key = "id"', 'key = "id"\nevaluation = 0.99', 3, "kept for evaluation: Task"),
    ("an output that is a file", "[teaching]", '[run]\nout = "a file"\n[teaching]', 5, "is a file"),
    ("an output under a file", "[teaching]", '[run]\nout = "a file/out"\n[teaching]', 5, "cannot be written"),
    ("an output of other files", "[teaching]", '[run]\nout = "."\n[teaching]', 5, "holds other files"),
]


@pytest.mark.parametrize(
    ("old", "new", "code", "told"), [one[1:] for one in BAD_SETTINGS], ids=[one[0] for one in BAD_SETTINGS]
)
def test_a_run_with_bad_settings_says_one_sentence_and_leaves_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, code: int, told: str
) -> None:
    assert old in SETTINGS
    (place / "job.toml").write_text(SETTINGS.replace(old, new, 1))
    monkeypatch.chdir(place)
    before = files_under(place)
    failed(invoke("run", "job.toml"), place, before, code, told)


def test_a_run_without_its_settings_says_so(place: Path) -> None:
    before = files_under(place)
    failed(invoke("run", place / "jop.toml"), place, before, 2, "jop.toml has 1 fault:\n  - It cannot be read")


# (what is wrong, the change to the rows to score, what is told)
BAD_SCORES = [
    ("0 rows to score", lambda table: table.slice(0, 0), "There are 0 rows to score"),
    ("a missing column", lambda table: table.drop_columns("num__b"), "columns that the table does not have: 'num__b'"),
    ("a missing key", lambda table: table.drop_columns("id"), "columns that the table does not have: 'id'"),
    ("an infinite value", with_column("num__a", [float("inf")] * 60), 'Column "num__a" is infinite'),
    ("a column of another type", with_column("num__a", ["many"] * 60), 'fitted with column "num__a" as numeric'),
]


@pytest.mark.parametrize(("change", "told"), [one[1:] for one in BAD_SCORES], ids=[one[0] for one in BAD_SCORES])
def test_scoring_bad_data_says_one_sentence_and_leaves_nothing(
    place: Path, bundle: Path, change: Change, told: str
) -> None:
    pq.write_table(change(some_rows()), place / "rows.parquet")
    before = files_under(place)
    done = invoke("score", bundle, place / "rows.parquet", "--out", place / "scored")
    failed(done, place, before, 3, told)


@pytest.mark.parametrize(("content", "told"), [one[1:] for one in BAD_FILES], ids=[one[0] for one in BAD_FILES])
def test_scoring_a_bad_file_says_one_sentence_and_leaves_nothing(
    place: Path, bundle: Path, content: bytes | None, told: str
) -> None:
    spoilt(place / "rows.parquet", content)
    before = files_under(place)
    done = invoke("score", bundle, place / "rows.parquet", "--out", place / "scored")
    failed(done, place, before, 3, told)


@pytest.mark.parametrize(
    ("out", "code", "told"), [("a file", 5, "cannot be written to"), ("a file/out", 5, "cannot be written to")]
)
def test_scoring_to_a_place_that_is_no_folder_says_one_sentence(
    place: Path, bundle: Path, out: str, code: int, told: str
) -> None:
    before = files_under(place)
    failed(invoke("score", bundle, place / "rows.parquet", "--out", place / out), place, before, code, told)


def test_scoring_with_what_is_no_bundle_says_one_sentence(place: Path) -> None:
    before = files_under(place)
    done = invoke("score", place, place / "rows.parquet", "--out", place / "scored")
    failed(done, place, before, 3, "is not a bundle: its manifest.json cannot be read")


def test_the_last_line_of_stdout_is_one_json_object(place: Path, bundle: Path) -> None:
    run = invoke("run", place / "job.toml", "--out", place / "out")
    told = json.loads(run.stdout.splitlines()[-1])
    assert (told["status"], told["n_rows"]) == ("done", 60)
    assert told["tasks"]["liked"]["verdict"]
    assert "training on all rows, labels only" in run.stderr
    score = invoke("score", bundle, place / "rows.parquet", "--out", place / "scored")
    assert json.loads(score.stdout)["parts"] == ["rows.parquet"]
    assert "rows.parquet written: 60 rows" in score.stderr


def test_doctor_says_what_serves_and_what_was_built() -> None:
    done = invoke("doctor")
    assert done.exit_code == 0
    lines = {line.split("  ")[0].strip(): line for line in done.stdout.splitlines()}
    assert {"python", "torch", "scikit-learn", "GPU", "operators", "CUDA kernels"} <= set(lines)
    assert "native" in lines["operators"] or "what to do" in lines


def test_help_documents_every_exit_code() -> None:
    for arguments in (["--help"], *([name, "--help"] for name in ("run", "score", "why", "ask", "suspects"))):
        told = " ".join(invoke(*arguments).stdout.split())
        for code in {0, 1, *EXIT_CODES.values()}:
            assert f" {code} " in told


def test_every_error_of_ours_has_an_exit_code() -> None:
    assert set(CotrainError.__subclasses__()) == set(EXIT_CODES)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "cotrain", *map(str, arguments)]


def test_a_real_process_fails_with_one_sentence_and_its_code(place: Path) -> None:
    (place / "job.toml").write_text(SETTINGS.replace("rounds", "rouds"))
    done = subprocess.run(command("run", place / "job.toml"), capture_output=True, text=True, check=False, cwd=place)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "cotrain: job.toml has 1 fault:",
        "  - Unknown setting `teaching.rouds` in job.toml; did you mean `rounds`?",
    ]
    assert not (place / "runs").exists()


def test_a_real_process_scores_and_prints_nothing_but_its_result(place: Path, bundle: Path) -> None:
    arguments = command("score", bundle, place / "rows.parquet", "--out", place / "scored")
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["n_rows"] == 60
    assert pq.read_metadata(place / "scored" / "rows.parquet").num_rows == 60


def test_a_bar_is_shown_on_a_terminal_and_nowhere_else(place: Path) -> None:
    arguments = command("run", place / "job.toml", "--out", place / "out")
    silent = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert "predicting every row" in silent.stderr
    assert "\r" not in silent.stderr
    assert "%|" not in silent.stderr
    shown = shown_on_a_terminal(arguments)
    assert "reading the table:   0%" in shown
    assert "predicting every row: 100%" in shown.splitlines()[-1]
    assert "training on all rows, labels only" in shown


def shown_on_a_terminal(arguments: list[str]) -> str:
    """What a process that ends well writes to stderr where that is a terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))  # one of no width shows nothing
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=theirs) as running:
        os.close(theirs)
        told = b""
        with suppress(OSError):  # how Linux says that the other side has closed
            while piece := os.read(ours, 4096):
                told += piece
    os.close(ours)
    assert running.returncode == 0, told.decode()
    return told.decode()


def test_a_process_that_is_told_to_stop_leaves_nothing(place: Path) -> None:
    forest = 'learner = "random-forest"\nsettings = { n_estimators = 1000000 }'
    (place / "job.toml").write_text(SETTINGS.replace('learner = "gaussian-nb"', forest))
    before = files_under(place)
    arguments = command("run", place / "job.toml", "--out", place / "out")
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 60
        while not list(place.glob(".out.*.tmp/run.log")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)  # in the middle of its work
        assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=60) == 143
    assert files_under(place) == before
