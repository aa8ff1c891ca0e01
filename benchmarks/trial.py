"""What every method reaches on one table with one seed: the same rows, labels and features for all of them."""

import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.convention import views_in, with_values
from benchmarks.rivals import RIVALS
from cotrain.estimators import CoTrainingClassifier
from cotrain.learners.blocks import as_matrix
from cotrain.table import stratified_split
from cotrain.tasks import NOT_LABELLED
from cotrain.views import View, ViewSet

ORDER = ("logistic_regression", "random_forest", "self_training", "label_spreading")
METHODS = (*ORDER, "supervised_committee", "cotrain", "ceiling")
TEST_SHARE = 0.3


@dataclass(frozen=True)
class Experiment:
    """One table and one seed; picklable, so that seeds can run side by side."""

    features: pa.Table
    codes: NDArray[np.int64]
    labels_per_class: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class Score:
    """What one method reached in one cell with one seed."""

    labels_per_class: int
    seed: int
    method: str
    accuracy: float
    seconds: float


@dataclass(frozen=True)
class Halves:
    """The two parts of the table: the training rows, and the rows that nothing sees before the end."""

    views: list[View]
    features: pa.Table
    codes: NDArray[np.int64]
    unseen: pa.Table
    truth: NDArray[np.int64]

    def accuracy(self, predicted: NDArray[np.integer]) -> float:
        """Share of the unseen rows that are right."""
        return float(np.mean(predicted == self.truth))


def run(experiment: Experiment) -> list[Score]:
    """Every method in every cell, with one seed.

    Raises
    ------
    TableError : for a table that the views cannot read
    """
    halves = split(experiment)
    blocks = ViewSet(halves.views).fit(halves.features)
    X, X_test = (as_matrix(list(blocks.transform(rows).arrays.values())) for rows in (halves.features, halves.unseen))
    ceiling = _ceiling(halves, experiment.seed)
    scores = []
    for n in experiment.labels_per_class:
        # A generator of its own: which labels a budget keeps does not depend on the other budgets.
        y = hidden(halves.codes, n, np.random.default_rng([experiment.seed, n]))
        for method in ORDER:
            started = time.perf_counter()
            predicted = RIVALS[method](experiment.seed)(X, y, X_test)
            seconds = time.perf_counter() - started
            scores.append(Score(n, experiment.seed, method, halves.accuracy(predicted), seconds))
        scores += _ours(halves, y, n, experiment.seed)
        scores.append(Score(n, experiment.seed, "ceiling", *ceiling))
    return scores


def split(experiment: Experiment) -> Halves:
    """The table cut 70/30, stratified; columns without a value in the training part are in neither."""
    codes = experiment.codes
    train, test = stratified_split(codes, TEST_SHARE, np.random.default_rng(experiment.seed))
    features = with_values(experiment.features, train)
    return Halves(
        views=views_in(features),
        features=features.take(pa.array(train)),
        codes=codes[train],
        unseen=features.take(pa.array(test)),
        truth=codes[test],
    )


def hidden(codes: NDArray[np.int64], per_class: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """[n] the codes with all but `per_class` labels of every class hidden; a class with fewer keeps what it has.

    Not `cotrain.table.hide_labels`, which refuses such a class: there it is a mistake of the user, but in a benchmark
    one rare class must not keep the others from being measured with ten labels each.
    """
    y = np.full(len(codes), NOT_LABELLED, dtype=np.int64)
    for code in np.unique(codes):
        kept = generator.permutation(np.flatnonzero(codes == code))[:per_class]
        y[kept] = code
    return y


def _ours(halves: Halves, y: NDArray[np.int64], n: int, seed: int) -> list[Score]:
    """What is shipped, and the supervised committee inside the same run: `rounds=0` gives the same bits."""
    marks: list[tuple[str, float]] = []
    model = CoTrainingClassifier(views=halves.views, random_state=seed)
    model.fit(halves.features, y, progress=lambda stage: marks.append((stage, time.perf_counter())))
    ends = [begin for _, begin in marks[1:]] + [time.perf_counter()]
    lasted = [(stage, end - begin) for (stage, begin), end in zip(marks, ends, strict=True)]
    of_committee = sum(seconds for stage, seconds in lasted if stage.endswith("labels only"))
    committee = model.classes_[model.staged_predict_proba(halves.unseen)[0].argmax(axis=1)]
    shipped = model.predict(halves.unseen)
    return [
        Score(n, seed, "supervised_committee", halves.accuracy(committee), of_committee),
        Score(n, seed, "cotrain", halves.accuracy(shipped), sum(seconds for _, seconds in lasted)),
    ]


def _ceiling(halves: Halves, seed: int) -> tuple[float, float]:
    """Accuracy and seconds of the supervised committee with all training labels."""
    started = time.perf_counter()
    model = CoTrainingClassifier(views=halves.views, rounds=0, n_folds=2, random_state=seed)
    model.fit(halves.features, halves.codes)
    return halves.accuracy(model.predict(halves.unseen)), time.perf_counter() - started
