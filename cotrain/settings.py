"""What a job is told, as frozen values: which table, what to predict, from which views, by whom, and how.

Nothing here reads a file or knows a learner: `jobs` reads job.toml into these and passes in, as pydantic's validation
context, a `Catalogue` of the learners there are. Every fault is found in one go.

None means: the default of whatever the setting is for. Only what was written is passed on, so a default has one home.

    [table]      the rows, and which columns are no features
    [targets]    what is to be predicted: task = column
    [views.NAME] which columns make up a view; without any, the prefix before "__" tells
    [[members]]  who learns; without any, the default committee
    [teaching]   how the members teach one another
    [run]        seed, processes, output folder
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.dataclasses import dataclass

# Strict: a number in quotes, or true for 1, is a slip, and a slip is told.
Count = Annotated[int, Field(strict=True, ge=1)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Share = Annotated[float, Field(strict=True, gt=0, le=1)]
Part = Annotated[float, Field(strict=True, gt=0, lt=1)]
Name = Annotated[str, Field(strict=True, min_length=1)]
Label = Annotated[bool, Field(strict=True)] | Annotated[int, Field(strict=True)] | Annotated[str, Field(strict=True)]

_STRICT = ConfigDict(extra="forbid")


@runtime_checkable
class Catalogue(Protocol):
    """Which learners there are, and what can be set about each; each answer is a list of faults in words."""

    def learner_faults(self, learner: str) -> Sequence[str]:
        """Why there is no learner of that name."""
        ...

    def settings_faults(self, learner: str, settings: Mapping[str, Any]) -> Sequence[str]:
        """What is wrong with the settings of a learner that there is."""
        ...


def _as_list(value: Any) -> Any:
    """One name where several may stand."""
    return [value] if isinstance(value, str) else value


def _as_target(value: Any) -> Any:
    """`task = "column"` is short for `task = {column = "column"}`."""
    return {"column": value} if isinstance(value, str) else value


Names = Annotated[tuple[Name, ...], BeforeValidator(_as_list), Field(min_length=1)]


@dataclass(frozen=True, config=_STRICT)
class TableSettings:
    """The rows.

    Parameters
    ----------
    path : one or more files or globs, .parquet, .csv or .csv.gz; relative to the settings file
    key : the column that names each row; None = rows are numbered
    group : rows of one group (one person, one machine) are held out together
    weight : how much a row counts
    evaluation : rows whose labels are locked away and scored at the end only: a share of the labelled rows, or the
        name of a column of true and false; None = no rows
    delimiter : of CSV
    types : {column: Arrow type, such as "string" or "double"} where what the file shows is not what is meant
    """

    path: Names
    key: Name | None = None
    group: Name | None = None
    weight: Name | None = None
    evaluation: Part | Name | None = None
    delimiter: Annotated[str, Field(strict=True, min_length=1, max_length=1)] = ","
    types: Mapping[Name, Name] = Field(default_factory=dict)


@dataclass(frozen=True, config=_STRICT)
class TargetSettings:
    """One task.

    Parameters
    ----------
    column : of its labels; null, NaN, -1 and the text "-1" are rows without one
    classes : every label there is; any other in the column is then an error. None = those that occur
    """

    column: Name
    classes: Annotated[tuple[Label, ...], Field(min_length=2)] | None = None

    @field_validator("classes")
    @classmethod
    def _are_alike(cls, classes: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if classes is not None and len({type(label) for label in classes}) > 1:
            raise ValueError("classes must be of one kind, all text, all numbers or all booleans.")
        if classes is not None and len(set(classes)) < len(classes):
            raise ValueError("every class is named once.")
        return classes


@dataclass(frozen=True, config=_STRICT)
class ViewSettings:
    """One view; see `cotrain.View`, whose names and defaults these are."""

    columns: Names | None = None
    shape: Annotated[tuple[Count, ...], Field(min_length=2, max_length=3)] | None = None
    scaling: Literal["standard", "quantile", "none"] | None = None
    kinds: Mapping[Name, Literal["numeric", "categorical", "text", "boolean"]] | None = None
    max_features: Count | None = None
    min_count: Count | None = None
    max_categories: Count | None = None


@dataclass(frozen=True, config=_STRICT)
class MemberSettings:
    """One member of the committee.

    Parameters
    ----------
    learner : by its name in the catalogue
    name : what the ledger calls it; None = the learner and its views
    views : that it reads; None = all
    settings : of the learner, under the names that it has in Python
    """

    learner: Name
    name: Name | None = None
    views: Names | None = None
    settings: Mapping[str, Any] = Field(default_factory=dict)

    @field_validator("learner")
    @classmethod
    def _is_known(cls, learner: str, info: ValidationInfo) -> str:
        if isinstance(info.context, Catalogue):
            _raise(info.context.learner_faults(learner))
        return learner

    @field_validator("settings")
    @classmethod
    def _can_be_set(cls, settings: Mapping[str, Any], info: ValidationInfo) -> Mapping[str, Any]:
        learner = info.data.get("learner")
        if learner is not None and isinstance(info.context, Catalogue):
            _raise(info.context.settings_faults(learner, settings))
        return settings

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name or f"{self.learner} {' + '.join(self.views) if self.views else 'all'}"


@dataclass(frozen=True, config=_STRICT)
class TeachingSettings:
    """How members teach one another; see `cotrain.CoTrainingClassifier`, whose names and defaults these are."""

    rounds: Whole | None = None
    first_share: Share | None = None
    last_share: Share | None = None
    pseudo_mass: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] | None = None
    least_agreement: Annotated[float, Field(strict=True, ge=0, le=1)] | None = None
    soft_labels: Annotated[bool, Field(strict=True)] | None = None
    patience: Count | None = None
    n_folds: Annotated[int, Field(strict=True, ge=2)] | None = None


@dataclass(frozen=True, config=_STRICT)
class RunSettings:
    """The run itself.

    Parameters
    ----------
    seed : the same seed and the same table give the same bits
    n_jobs : processes; None = 1, -1 = one per core. Does not change the result.
    out : the folder to write, relative to the settings file; None = runs/<run id> in the current folder
    """

    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32)] = 0
    n_jobs: Annotated[int, Field(strict=True)] | None = None
    out: Name | None = None

    @field_validator("n_jobs")
    @classmethod
    def _is_not_zero(cls, n_jobs: int | None) -> int | None:
        _raise(["0 processes can do nothing; write 1 for this process, -1 for one per core."] if n_jobs == 0 else [])
        return n_jobs


@dataclass(frozen=True, config=_STRICT)
class JobSettings:
    """One job, from table to bundle."""

    table: TableSettings
    targets: Annotated[Mapping[Name, Annotated[TargetSettings, BeforeValidator(_as_target)]], Field(min_length=1)]
    views: Annotated[Mapping[Name, ViewSettings], Field(min_length=1)] | None = None
    members: Annotated[tuple[MemberSettings, ...], Field(min_length=1)] | None = None
    teaching: TeachingSettings = Field(default_factory=TeachingSettings)
    run: RunSettings = Field(default_factory=RunSettings)

    @model_validator(mode="after")
    def _fits_together(self) -> "JobSettings":
        _raise([*self._column_faults(), *self._view_faults(), *self._name_faults()])
        return self

    def _column_faults(self) -> list[str]:
        table = self.table
        evaluation = table.evaluation if isinstance(table.evaluation, str) else None
        given = [table.key, table.group, table.weight, evaluation, *(one.column for one in self.targets.values())]
        twice = sorted({column for column in given if column is not None and given.count(column) > 1})
        return [f"Column `{column}` has several roles; give each column one." for column in twice]

    def _view_faults(self) -> list[str]:
        if self.views is None or self.members is None:
            return []
        known = list(self.views)
        return [
            f"`members.{number}.views` names the view `{view}`, which is not set; the views are {', '.join(known)}."
            for number, member in enumerate(self.members)
            for view in member.views or ()
            if view not in known
        ]

    def _name_faults(self) -> list[str]:
        titles = [member.title for member in self.members or ()]
        twice = sorted({title for title in titles if titles.count(title) > 1})
        return [f"Several members are called `{title}`; give each a `name` of its own." for title in twice]


def _raise(faults: Sequence[str]) -> None:
    if faults:
        raise ValueError("\n".join(faults))  # pydantic makes a fault of it, with its path
