"""A folder of results is there whole or not at all, and nobody else's folder is ever replaced."""

from pathlib import Path

import pytest

from cotrain.bundle import whole_folder
from cotrain.errors import OutputError, TableError

MARKER = "marker.json"


def write(folder: Path, text: str) -> None:
    with whole_folder(folder, MARKER) as draft:
        (draft / MARKER).write_text(text)


def fail(folder: Path, error: BaseException) -> None:
    with whole_folder(folder, MARKER) as draft:
        (draft / MARKER).write_text("half")
        raise error


def test_nothing_is_seen_before_everything_is_written(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with whole_folder(target, MARKER) as draft:
        (draft / MARKER).write_text("new")
        assert not target.exists()
    assert (target / MARKER).read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["out"]


def test_a_failure_leaves_nothing_not_even_the_folders_above(tmp_path: Path) -> None:
    with pytest.raises(TableError):
        fail(tmp_path / "deep" / "out", TableError("no"))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_folder_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")
    with pytest.raises(KeyboardInterrupt):
        fail(tmp_path / "out", KeyboardInterrupt())
    assert (tmp_path / "out" / MARKER).read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_complete_folder_replaces_the_old_one_altogether(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")
    (tmp_path / "out" / "left over").touch()
    write(tmp_path / "out", "new")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [MARKER]
    assert (tmp_path / "out" / MARKER).read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", "new")
    assert (tmp_path / "out" / MARKER).exists()


def test_a_folder_of_other_files_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("ten years")
    with pytest.raises(OutputError, match=r"holds other files, no marker.json; it is not replaced"):
        write(tmp_path / "out", "new")
    assert (tmp_path / "out" / "thesis.tex").read_text() == "ten years"


@pytest.mark.parametrize("where", ["file", "file/out"])
def test_a_place_that_is_no_folder_is_an_output_error(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError):
        write(tmp_path / where, "new")
    assert (tmp_path / "file").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1
