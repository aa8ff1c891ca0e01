"""The command line: thin; what it starts are the plain functions of `jobs`.

Progress and errors go to stderr; the last line of stdout is one JSON object, for schedulers to pick up.
Heavy imports stand inside the commands, so that help comes at once.
"""

import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

CODES_IN_WORDS = """Exit codes: 0 done; 2 the settings or the command are wrong; 3 the data or the bundle are;
5 a result cannot be written, try again when the disk is well; 1 an error in cotrain itself, please report it."""

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
        from cotrain.jobs import read_settings, run

        _tell(run(read_settings(settings), out).as_json())


@app.command(name="score", epilog=CODES_IN_WORDS)
def score_files(
    bundle: Annotated[Path, typer.Argument(help="The bundle that a run wrote.")],
    files: Annotated[list[str], typer.Argument(help="Files to score: .parquet, .csv, .csv.gz; globs work.")],
    out: Annotated[Path, typer.Option(help="The folder for the parts, one for each file; those that stand are kept.")],
    delimiter: Annotated[str, typer.Option(help="Of CSV files.")] = ",",
) -> None:
    """Predict the rows of new files with a bundle."""
    with _one_sentence_per_error():
        from tqdm import tqdm

        from cotrain.jobs import score

        bars: list[Any] = []

        def begin(n_rows: int) -> Callable[[int], Any]:
            # disable=None: no bar where stderr is no terminal; each part is logged there anyway.
            bars.append(tqdm(total=n_rows, unit="row", unit_scale=True, file=sys.stderr, disable=None))
            return bars[0].update

        try:
            scored = score(bundle, files, out, delimiter=delimiter, begin=begin)
        finally:
            for bar in bars:
                bar.close()
        _tell(scored.as_json())


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


def _tell(result: dict[str, Any]) -> None:
    print(json.dumps(result))


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
    loggers = [logging.getLogger("cotrain"), logging.getLogger("py.warnings")]
    levels = [one.level for one in loggers]
    logging.captureWarnings(True)  # a warning of scikit-learn belongs into run.log too
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
