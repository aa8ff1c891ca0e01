"""What a frozen model can still do: predict, for any rows, what the model would.

Shapes: n = rows, C = classes of a task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.validation import check_array

from cotrain.engine import each
from cotrain.ensemble import Voice
from cotrain.errors import TableError
from cotrain.estimators.inputs import as_data, is_tabular
from cotrain.estimators.labels import labels_of
from cotrain.rounds import Graduate
from cotrain.table import Roles
from cotrain.tasks import Task
from cotrain.views import Blocks, ViewSet


@dataclass(frozen=True)
class Head:
    """Who speaks for one task.

    Parameters
    ----------
    round : the one that was shipped
    voice : the rule by which the members' opinions become one
    verdict : why that round, in one sentence
    """

    round: int
    voice: Voice
    verdict: str


@dataclass(frozen=True)
class Bundle:
    """A model that was frozen; `cotrain.load(folder)` gives one.

    >>> bundle = load("runs/latest/bundle")  # doctest: +SKIP
    >>> bundle.predict_proba(table)  # doctest: +SKIP

    Parameters
    ----------
    tasks : in the order of training
    heads : {task: who speaks for it}
    views : fitted
    committee : names of all members, in the order of the voices
    graduates : {(round, position in the committee): the member as it stood then}, those whose voice counts
    is_multi_task : whether `y` was a mapping or a table in training; answers are then mappings too
    columns : {view: positions of its columns} where the model was fitted on an array, else None
    n_features : how many columns such an array has
    schema : columns that the views read, with the types they had in training where these are known, else null
    roles : the columns that were no features
    fingerprint : names exactly this bundle
    """

    tasks: tuple[Task, ...]
    heads: Mapping[str, Head]
    views: ViewSet
    committee: tuple[str, ...]
    graduates: Mapping[tuple[int, int], Graduate]
    is_multi_task: bool
    columns: Mapping[str, list[int]] | None
    n_features: int | None
    schema: pa.Schema
    roles: Roles
    fingerprint: str

    @property
    def classes_(self) -> Any:
        """[C] labels in the order of the probability columns; {task: labels} where there are several tasks."""
        return self._one_or_all({task.name: np.array(task.classes) for task in self.tasks})

    def probabilities(self, X: Any) -> dict[str, NDArray[np.floating]]:
        """{task: [n, C]}, for one task too. Rows may be 0; columns that no view reads may be there."""
        return self.combined(self.opinions(self.blocks(X)))

    def blocks(self, X: Any) -> Blocks:
        """X through the fitted views."""
        return each(self.views.transform, [self._data(X)])[0]

    def opinions(self, blocks: Blocks) -> dict[str, list[NDArray[np.floating]]]:
        """{task: what each of the committee says in the shipped round, [n, C]}; NaN where it abstains or is unheard."""
        # One thread, as in training: the same bits whatever machine it is.
        return each(self._opinions, [blocks])[0]

    def combined(self, opinions: Mapping[str, Sequence[NDArray[np.floating]]]) -> dict[str, NDArray[np.floating]]:
        """{task: [n, C]} what the ensemble makes of the committee's opinions."""
        return {task: self.heads[task].voice.combine(told) for task, told in opinions.items()}

    def predict_proba(self, X: Any) -> Any:
        """[n, C] as the model gave it: in the order of `classes_`; {task: [n, C]} for several tasks.

        Parameters
        ----------
        X : as in training: a table or DataFrame, an array, or {view: array}

        Raises
        ------
        TableError, ViewError : a column is missing or of another kind, or infinite; an array has another width
        """
        return self._one_or_all(self.probabilities(X))

    def predict(self, X: Any) -> Any:
        """[n] labels; {task: [n]} for several tasks."""
        told = self.probabilities(X)
        return self._one_or_all({task.name: labels_of(told[task.name], task) for task in self.tasks})

    def _opinions(self, blocks: Blocks) -> dict[str, list[NDArray[np.floating]]]:
        heard = {
            place: graduate.opinions(blocks)
            for place, graduate in self.graduates.items()
            if graduate.member.can_speak(blocks).any()  # none of a few rows may have its views, and rows may be 0
        }
        told = {}
        for task in self.tasks:
            head = self.heads[task.name]
            # Who is not in the bundle had no weight: silent here, as it was unheard there.
            silence = np.full((blocks.n_rows, task.n_classes), np.nan)
            told[task.name] = [
                heard[head.round, position][task.name] if (head.round, position) in heard else silence
                for position in range(len(self.committee))
            ]
        return told

    def _data(self, X: Any) -> Any:
        """X as the views read it, checked as the model checks it."""
        if is_tabular(X) or isinstance(X, Mapping):
            return as_data(X, None)
        array = check_array(
            X,
            accept_sparse="csr",  # type: ignore[arg-type]
            dtype="numeric",
            ensure_all_finite=False,
            ensure_min_samples=0,
        )
        width = array.shape[1] if issparse(array) else np.shape(array)[1]
        if self.n_features is not None and width != self.n_features:
            raise TableError(
                f"X has {width} columns, the model was fitted on {self.n_features}. Give it the same ones."
            )
        return as_data(array, self.columns)

    def _one_or_all(self, by_task: dict[str, Any]) -> Any:
        return by_task if self.is_multi_task else next(iter(by_task.values()))
