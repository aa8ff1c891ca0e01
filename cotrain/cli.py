"""The command line: thin; what it starts are the plain functions of `jobs`.

Progress and errors go to stderr; the last line of stdout is one JSON object, for schedulers to pick up.
Heavy imports stand inside the commands, so that help comes at once.
"""

import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import Annotated, Any

import typer

from cotrain.errors import (
    BundleError,
    CoreError,
    CotrainError,
    LearnerError,
    OutputError,
    SettingError,
    SettingsFileError,
    TableError,
)

EXIT_CODES: dict[type[CotrainError], int] = {
    SettingError: 2,
    SettingsFileError: 2,
    CoreError: 2,
    TableError: 3,
    LearnerError: 3,
    BundleError: 3,
    OutputError: 5,
}

CODES_IN_WORDS = """Exit codes: 0 done; 2 the settings or the command are wrong; 3 the data, the bundle or the run are;
5 a result cannot be written, try again when the disk is well; 1 an error in cotrain itself, please report it."""

LOGGED = ("cotrain", "py.warnings")  # a warning of scikit-learn belongs into run.log too

app = typer.Typer(
    name="cotrain",
    help="Few labels, many unlabelled rows, several views: models that teach each other.",
    epilog=CODES_IN_WORDS,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain text, in a log as well as on a terminal
    pretty_exceptions_enable=False,
)


@app.command(name="run", epilog=CODES_IN_WORDS)
def run_job(
    settings: Annotated[Path, typer.Argument(help="The job: a settings file (job.toml).")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The folder to write; else the one in the settings, else runs/<run id>. Whole or not at all."
        ),
    ] = None,
) -> None:
    """Learn from a table; write predictions and a bundle."""
    with _one_sentence_per_error():
        from cotrain.jobs import n_stages, read_settings, run

        job = read_settings(settings)
        with _bars() as bar:
            stages = bar(total=n_stages(job), unit="stage")
            done = chain([0], repeat(1))  # when the first stage begins none is done

            def begin(stage: str) -> None:
                stages.update(next(done))
                stages.set_description(stage)

            result = run(job, out, progress=begin)
            stages.total = stages.n + 1  # rounds that were not needed do not count
            stages.update()
        _tell(result.as_json())


@app.command(name="score", epilog=CODES_IN_WORDS)
def score_files(
    bundle: Annotated[Path, typer.Argument(help="The bundle that a run wrote.")],
    files: Annotated[list[str], typer.Argument(help="Files to score: .parquet, .csv, .csv.gz; globs work.")],
    out: Annotated[Path, typer.Option(help="The folder for the parts, one for each file; those that stand are kept.")],
    delimiter: Annotated[str, typer.Option(help="Of CSV files.")] = ",",
) -> None:
    """Predict the rows of new files with a bundle."""
    with _one_sentence_per_error():
        from cotrain.jobs import score

        with _bars() as bar:

            def begin(n_rows: int) -> Callable[[int], Any]:
                return bar(total=n_rows, unit="row", unit_scale=True).update

            scored = score(bundle, files, out, delimiter=delimiter, begin=begin)
        _tell(scored.as_json())


Run = Annotated[Path, typer.Argument(help="The folder that a run wrote, or the bundle in it.")]
OneTask = Annotated[str | None, typer.Option(help="Only this task; else all of them.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")]


@app.command(epilog=CODES_IN_WORDS)
def why(
    run: Run,
    row: Annotated[str, typer.Argument(help="The key of the row, as predictions.parquet shows it.")],
    task: OneTask = None,
    as_json: AsJson = False,
) -> None:
    """Say why a row is what it is: who was taught what of it, who was not and why, and what is predicted."""
    with _one_sentence_per_error():
        from cotrain.jobs import in_words, why

        explanation = why(run, row, task=task)
        _answer(explanation.as_json(), in_words(explanation), as_json)


@app.command(epilog=CODES_IN_WORDS)
def ask(
    run: Run,
    k: Annotated[int, typer.Option("-k", help="How many rows, of each task.")] = 20,
    task: OneTask = None,
    out: Annotated[Path | None, typer.Option(help="Write them to this .csv or .parquet, to be labelled.")] = None,
    as_json: AsJson = False,
) -> None:
    """Name the rows to label next: those whose label should help most."""
    with _one_sentence_per_error():
        from cotrain.jobs import questions

        asked = questions(run, k, task=task, out=out)
        _answer(asked.as_json(), asked.in_words(), as_json)


@app.command(epilog=CODES_IN_WORDS)
def suspects(run: Run, task: OneTask = None, as_json: AsJson = False) -> None:
    """Name the labels to doubt: members who never saw them say another."""
    with _one_sentence_per_error():
        from cotrain.jobs import suspected

        found = suspected(run, task=task)
        _answer(found.as_json(), found.in_words(), as_json)


@app.command(epilog=CODES_IN_WORDS)
def doctor() -> None:
    """Say what is installed and what is missing."""
    with _one_sentence_per_error():
        from cotrain.jobs.doctor import examined

        facts = examined()
        width = max(len(what) for what, _ in facts)
        for what, how in facts:
            print(f"{what:<{width}}  {how}")


def main() -> None:
    """The entry point of `cotrain` and `python -m cotrain`."""
    app()


def _answer(result: dict[str, Any], words: Iterable[str], as_json: bool) -> None:
    if as_json:
        _tell(result)
        return
    for line in words:
        print(line)


def _tell(result: dict[str, Any]) -> None:
    print(json.dumps(result))


@contextmanager
def _bars() -> Iterator[Callable[..., Any]]:
    """Makes bars on stderr, below the lines that are logged there; they are closed at the end, however it comes."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    with ExitStack() as opened:

        def bar(**about: Any) -> Any:
            # disable=None: no bar where stderr is no terminal; the log says there how far it is.
            return opened.enter_context(tqdm(**about, file=sys.stderr, disable=None))

        opened.enter_context(logging_redirect_tqdm([logging.getLogger(name) for name in LOGGED]))
        yield bar


@contextmanager
def _one_sentence_per_error() -> Iterator[None]:
    """Logs to stderr; turns what cotrain raises on purpose into its sentence and an exit code, without a traceback."""
    with _logged_to_stderr(), _stopped_cleanly():
        try:
            yield
        except CotrainError as error:
            print(f"cotrain: {error}", file=sys.stderr)
            code = next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)
            raise typer.Exit(code) from error


@contextmanager
def _logged_to_stderr() -> Iterator[None]:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    loggers = [logging.getLogger(name) for name in LOGGED]
    levels = [one.level for one in loggers]
    logging.captureWarnings(True)
    for one in loggers:
        one.addHandler(handler)
        one.setLevel(logging.INFO)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for one, level in zip(loggers, levels, strict=True):
            one.removeHandler(handler)
            one.setLevel(level)


@contextmanager
def _stopped_cleanly() -> Iterator[None]:
    """SIGTERM, as schedulers send it, ends like any error: hidden folders are removed. Exit code 143, as in a shell."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
