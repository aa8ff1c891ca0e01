"""One run: table, views, rounds, ensemble, bundle, predictions; a folder that is complete or not there.

<out>/predictions.parquet   what is predicted of every row, beside what was given
<out>/ledger.parquet        who taught which row what, what was left out or taken back, and why
<out>/opinions.parquet      what each member thinks of the rows that a person could label; `cotrain ask` reads it
<out>/suspects.parquet      given labels that members who never saw them contradict
<out>/metrics.json          per task: evidence for every round, what was shipped and why, scores on locked rows
<out>/bundle/               the model; `cotrain score` and `cotrain.load` read it
<out>/settings.json         the settings in full; `cotrain run` on it repeats the run
<out>/run.log               what happened when
"""

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from time import perf_counter
from typing import Any

from cotrain.bundle import freeze, load, whole_folder
from cotrain.estimators import CoTrainingClassifier
from cotrain.jobs.catalogue import build
from cotrain.jobs.materials import Materials, gather
from cotrain.jobs.measuring import METRICS, measured, write_json
from cotrain.jobs.opinions import opinions_of
from cotrain.jobs.predicting import predictions_of
from cotrain.jobs.run_folder import LEDGER, OPINIONS, PREDICTIONS, SUSPECTS
from cotrain.jobs.settings_file import settings_as_json
from cotrain.jobs.suspecting import stacked
from cotrain.settings import JobSettings
from cotrain.table import write_table

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """What a run has to say for itself; small, and it pickles.

    Parameters
    ----------
    out : the folder that was written
    n_rows : of the table
    stop_reason : why teaching ended
    tasks : {task: n_labelled, shipped (a round), verdict, evaluation (scores on locked rows, or None)}
    seconds : wall clock
    """

    out: str
    n_rows: int
    stop_reason: str
    tasks: dict[str, dict[str, Any]]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"status": "done", **asdict(self)}


def run(settings: JobSettings, out: str | PathLike[str] | None = None, *, progress: Progress | None = None) -> Result:
    """Run a job.

    Parameters
    ----------
    settings : see `read_settings`
    out : the folder to write; None = what the settings say, or else runs/<run id>. A run that stands there is replaced
        when this one is complete.
    progress : called with a few words whenever a stage begins; they are logged too

    Raises
    ------
    SettingError, TableError, ViewError, LearnerError : before any training where that can be known; nothing is written
    OutputError : the folder cannot be written to; found before the table is read
    """
    began = perf_counter()
    folder = Path(out or settings.run.out or Path("runs") / run_id())

    def tell(stage: str) -> None:
        logger.info("%s", stage)
        if progress is not None:
            progress(stage)

    with whole_folder(folder, METRICS) as draft:
        with _logged_to(draft / "run.log"):
            metrics = _perform(settings, draft, tell)
        seconds = round(perf_counter() - began, 3)
        write_json(draft / METRICS, {**metrics, "seconds": seconds})
    return Result(
        out=str(folder),
        n_rows=metrics["n_rows"],
        stop_reason=metrics["stop_reason"]["code"],
        tasks={task: _summary(facts) for task, facts in metrics["tasks"].items()},
        seconds=seconds,
    )


def n_stages(settings: JobSettings) -> int:
    """How many stages a run tells of at most: rounds that turn out not to be needed are passed over."""
    rounds = settings.teaching.rounds
    taught = 1 + (CoTrainingClassifier().rounds if rounds is None else rounds)  # labels only, then every round
    return 2 * taught + 3  # cross-validation and all rows; and to read, to freeze, to predict


def run_id() -> str:
    """A name that sorts by time and that no other run has."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def _perform(settings: JobSettings, draft: Path, tell: Progress) -> dict[str, Any]:
    """All of it; returns what metrics.json is to hold."""
    (draft / "settings.json").write_text(settings_as_json(settings), encoding="utf-8")
    tell("reading the table")
    materials = gather(settings)
    logger.info(
        "%d rows to learn from, %d locked away, views %s",
        len(materials.training),
        len(materials.evaluation),
        [view.name for view in materials.views],
    )
    model = _fitted(settings, materials, tell)
    tell("freezing the bundle")
    freeze(model, draft / "bundle", roles=materials.roles, schema=materials.features.schema)
    tell("predicting every row")
    # What predicts is the bundle as it was read back: what is measured here is what `cotrain score` will say.
    bundle = load(draft / "bundle")
    blocks = bundle.blocks(materials.features)
    opinions = bundle.opinions(blocks)
    told = bundle.combined(opinions)
    write_table(predictions_of(bundle, materials, told), draft / PREDICTIONS)
    write_table(opinions_of(bundle, materials, blocks, opinions), draft / OPINIONS)
    write_table(model.ledger_, draft / LEDGER)
    write_table(stacked(model.suspects_), draft / SUSPECTS)
    return measured(model, materials, settings.run.seed)


def _fitted(settings: JobSettings, materials: Materials, tell: Progress) -> CoTrainingClassifier:
    asked = {name: value for name, value in asdict(settings.teaching).items() if value is not None}
    members = None
    if settings.members is not None:
        members = [(member.title, build(member.learner, member.settings), member.views) for member in settings.members]
    model = CoTrainingClassifier(
        members, views=materials.views, n_jobs=settings.run.n_jobs, random_state=settings.run.seed, **asked
    )
    rows = materials.training
    return model.fit(
        materials.features_at(rows),
        materials.training_labels(),
        None if materials.weight is None else materials.weight[rows],
        groups=None if materials.groups is None else materials.groups[rows],
        row_ids=materials.row_ids[rows],
        progress=tell,
    )


def _summary(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: facts[name] for name in ("n_labelled", "shipped", "verdict", "evaluation")}


@contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """What cotrain logs, and warnings where the caller captures them, also go to this file."""
    loggers = [logging.getLogger("cotrain"), logging.getLogger("py.warnings")]
    levels = [one.level for one in loggers]
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for one in loggers:
        one.addHandler(handler)
        one.setLevel(min(one.getEffectiveLevel(), logging.INFO))
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.removeHandler(handler)
            one.setLevel(level)
        handler.close()
