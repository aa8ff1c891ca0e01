"""A settings file is read whole or refused whole, with every fault of it and the nearest right name."""

import json
from pathlib import Path

import pytest

from cotrain.errors import SettingError, SettingsFileError
from cotrain.jobs import read_settings, settings_from
from cotrain.jobs.catalogue import LEARNERS, build
from cotrain.jobs.settings_file import settings_as_json
from cotrain.learners import Learner
from cotrain.settings import JobSettings, TableSettings, TargetSettings

LEAST = {"table": {"path": "a.parquet"}, "targets": {"y": "label"}}


def faults(**sections: object) -> str:
    with pytest.raises(SettingsFileError) as caught:
        settings_from({**LEAST, **sections}, "job.toml")
    return str(caught.value)


def test_the_least_that_can_be_said_is_a_table_and_a_target() -> None:
    settings = settings_from(LEAST)
    assert settings == JobSettings(TableSettings(("a.parquet",)), {"y": TargetSettings("label")})
    assert settings.views is None
    assert settings.members is None
    assert settings.run.seed == 0


def test_what_can_be_set_is_read(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(
        """
        [table]
        path = ["a/*.csv", "b.csv"]
        types = { zip = "string" }
        delimiter = ";"
        [targets]
        y = { column = "label", classes = ["no", "yes"] }
        [views.pixels]
        columns = "pix__*"
        shape = [2, 3]
        [[members]]
        name = "trees"
        learner = "extra-trees"
        views = "pixels"
        settings = { n_estimators = 5 }
        [teaching]
        rounds = 0
        least_agreement = 1
        [run]
        seed = 7
        out = "results"
        """
    )
    settings = read_settings(tmp_path / "job.toml")
    assert settings.table.path == (str(tmp_path / "a/*.csv"), str(tmp_path / "b.csv"))
    assert settings.run.out == str(tmp_path / "results")
    assert settings.targets["y"].classes == ("no", "yes")
    assert settings.views is not None
    assert settings.views["pixels"].shape == (2, 3)
    assert settings.members is not None
    assert settings.members[0].title == "trees"


def test_what_a_run_writes_down_reads_back_as_the_same_settings(job, tmp_path: Path) -> None:
    settings = read_settings(job())
    (tmp_path / "settings.json").write_text(settings_as_json(settings))
    assert read_settings(tmp_path / "settings.json") == settings


def test_a_typo_is_told_with_the_name_that_was_meant() -> None:
    assert "Unknown setting `teaching.rouds` in job.toml; did you mean `rounds`?" in faults(teaching={"rouds": 3})
    assert "Unknown setting `runn` in job.toml; did you mean `run`?" in faults(runn={})
    told = faults(views={"text": {"colums": ["a"]}})
    assert "Unknown setting `views.text.colums` in job.toml; did you mean `columns`?" in told
    assert "there are seed, n_jobs, out." in faults(run={"zzz": 1})


def test_all_faults_are_told_at_once_each_with_its_place() -> None:
    told = faults(
        table={"path": 3, "evaluation": 1.5},
        members=[{"learner": "extra-tree"}, {"learner": "graph", "settings": {"alfa": 0.9}}, {}],
        teaching={"rounds": "3", "first_share": 95},
        run={"n_jobs": True},
    )
    assert told.startswith("job.toml has 8 faults:")
    for place in (
        "`members.0.learner`: Unknown learner `extra-tree`; did you mean `extra-trees`?",
        "`members.1.settings`: Unknown setting `alfa` of graph; did you mean `alpha`?",
        "`members.2.learner` is missing from job.toml",
        "`table.path` should be a list; got 3.",
        "`table.evaluation` should be less than 1 or a text; got 1.5.",
        "`teaching.rounds` should be a whole number; got '3'.",
        "`teaching.first_share` should be less than or equal to 1; got 95.",
        "`run.n_jobs` should be a whole number; got True.",
    ):
        assert place in told


@pytest.mark.parametrize(
    ("member", "told"),
    [
        ({"learner": "logistic-regression", "settings": {"C": -1.0}}, "'C' parameter"),
        ({"learner": "svc", "settings": {"kernel": "cubic"}}, "'kernel' parameter"),
        ({"learner": "graph", "settings": {"alpha": 2.0}}, "`alpha` must be between 0 and 1"),
        ({"learner": "graph", "settings": {"n_neighbors": "many"}}, "Settings of graph"),
        ({"learner": "network", "settings": {"dropout": 2.0}}, "`dropout` must be"),
        ({"learner": "network", "settings": {"hiden": 2}}, "did you mean `hidden`?"),
    ],
)
def test_a_value_that_a_learner_cannot_take_is_found_before_any_data_are_read(member: dict, told: str) -> None:
    assert told in faults(members=[member])


def test_parts_that_do_not_fit_together_are_told() -> None:
    both = [{"learner": "graph"}, {"learner": "graph"}]
    assert "Several members are called `graph all`" in faults(members=both)
    assert "names the view `txt`, which is not set; the views are text." in faults(
        views={"text": {}}, members=[{"learner": "graph", "views": "txt"}]
    )
    assert "Column `label` has several roles" in faults(table={"path": "a.csv", "key": "label"})
    assert "0 processes" in faults(run={"n_jobs": 0})
    assert "of one kind" in faults(targets={"y": {"column": "l", "classes": ["no", 1]}})
    assert "named once" in faults(targets={"y": {"column": "l", "classes": ["no", "no"]}})


@pytest.mark.parametrize("sections", [{"table": {}}, {"targets": {}}, {"targets": 3}, {"members": []}, {"views": {}}])
def test_a_section_that_says_too_little_is_a_fault(sections: dict) -> None:
    assert "1 fault" in faults(**sections)


@pytest.mark.parametrize("text", ["[table", "path = a.parquet", "", "\x00"])
def test_a_file_that_is_no_settings_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.toml").write_text(text)
    with pytest.raises(SettingsFileError):
        read_settings(tmp_path / "job.toml")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes("[table]\npath = 'é'".encode("latin-1"))
    (tmp_path / "list.json").write_text(json.dumps([1]))
    for name in ("nothing.toml", ".", "latin.toml", "list.json"):
        with pytest.raises(SettingsFileError):
            read_settings(tmp_path / name)


@pytest.mark.parametrize("learner", list(LEARNERS))
def test_every_learner_of_the_catalogue_can_be_built_as_it_stands(learner: str) -> None:
    assert isinstance(build(learner, {}), Learner)


def test_a_learner_built_in_code_is_checked_as_in_a_file() -> None:
    with pytest.raises(SettingError, match="did you mean `alpha`"):
        build("graph", {"alfa": 0.5})
    assert list(LEARNERS) == sorted(LEARNERS)
