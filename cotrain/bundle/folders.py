"""How a folder of results reaches the disk whole or not at all.

It is filled under a hidden name beside its place, forced to the disk, and takes its name in one step. A reader sees
the old folder or the new one; a failed job leaves nothing, a killed one only the hidden folder.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

from cotrain.errors import OutputError


@contextmanager
def whole_folder(folder: str | PathLike[str], marker: str) -> Iterator[Path]:
    """A folder to write into; it becomes `folder` at the end, and is removed on any failure.

    Parameters
    ----------
    marker : a file that every folder of this sort holds. A folder that stands there already is replaced if it is empty
        or holds that file; any other is somebody else's and is never touched.

    Raises
    ------
    OutputError : for a place that cannot be written to, before anything is done; or for a full disk
    """
    folder = Path(folder).absolute()
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    made: list[Path] = []
    try:
        _check_replaceable(folder, marker)
        made = _make_parents(folder)
        draft.mkdir()
        yield draft
        _to_disk(draft)
        _take_place(draft, folder)
        made = []
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written: {error.strerror or error}. "
            "Choose a folder that you may write to, on a disk with room."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        for parent in made:
            with suppress(OSError):  # another job may have put something there meanwhile
                parent.rmdir()


def _check_replaceable(folder: Path, marker: str) -> None:
    if folder.is_dir():
        if any(folder.iterdir()) and not (folder / marker).is_file():
            raise OutputError(f"{folder} holds other files, no {marker}; it is not replaced. Choose another folder.")
    elif folder.exists() or folder.is_symlink():
        raise OutputError(f"{folder} is a file; a folder is to be written there. Choose another name.")


def _make_parents(folder: Path) -> list[Path]:
    """Makes the folders above; returns those that were not there, innermost first."""
    missing = [parent for parent in folder.parents if not parent.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    return missing


def _to_disk(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb+") as file:
                os.fsync(file.fileno())


def _take_place(draft: Path, folder: Path) -> None:
    if not folder.exists():
        os.rename(draft, folder)
        return
    old = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.old")
    os.rename(folder, old)
    try:
        os.rename(draft, folder)
    except OSError:
        os.rename(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
