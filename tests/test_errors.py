"""An error says what, what was given and what to do, in this process or in another."""

import pickle

import pytest

from cotrain.errors import CotrainError, SettingError, SettingsFileError, TableError


def test_a_setting_error_says_what_was_given_and_what_to_do() -> None:
    error = SettingError("floor", 95, "a confidence between 0 and 1", hint="For 95 % write 0.95.")
    assert str(error) == "`floor` must be a confidence between 0 and 1; got 95. For 95 % write 0.95."


def test_all_faults_of_a_file_are_told_at_once() -> None:
    assert str(SettingsFileError("job.toml", ["one", "two"])) == "job.toml has 2 faults:\n  - one\n  - two"


@pytest.mark.parametrize(
    "error",
    [
        SettingError("floor", 95, "a confidence", hint="Write 0.95."),
        SettingsFileError("job.toml", ["one"]),
        TableError("no rows"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_raised_in_a_worker_reaches_the_caller_unchanged(error: CotrainError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert isinstance(back, ValueError)
