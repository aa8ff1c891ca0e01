"""What a bundle says of itself, and whether its files are still what they were.

manifest.json is written last, over files that are complete; it is read first, and nothing else is opened before
its format and versions are found to fit.
"""

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from cotrain.errors import BundleError

MANIFEST = "manifest.json"
FORMAT = "cotrain bundle"
VERSION = 1
"""Goes up when an older cotrain could no longer read what this one writes."""

PACKAGES = ("cotrain", "scikit-learn", "torch", "numpy", "scipy")
DAMAGED = "Copy the bundle again, or train again."


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Write manifest.json: the facts, the versions, and the size and sha256 of every file that is there."""
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path.read_bytes())}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    made_with = {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}}
    manifest = {"format": FORMAT, "version": VERSION, "made_with": made_with, **facts, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n")


class SealedFiles:
    """A bundle's manifest, and its files, each checked against it when read.

    Parameters
    ----------
    folder : of the bundle

    Attributes
    ----------
    manifest : what it says
    fingerprint : sha256 of the manifest, which holds those of all files: the name of exactly this bundle

    Raises
    ------
    BundleError : for a folder that is no bundle, and one that this cotrain or this scikit-learn cannot read
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            told = (folder / MANIFEST).read_bytes()
        except OSError as error:
            raise BundleError(
                f"{folder} is not a bundle: its {MANIFEST} cannot be read ({error.strerror}). "
                "Name the folder that `cotrain run` or `freeze` wrote."
            ) from error
        self.fingerprint = _sha256(told)
        self.manifest = _parsed(told, folder)
        _check_versions(self.manifest, folder)

    def read(self, name: str) -> bytes | None:
        """The bytes of one file; None where the bundle has no such file.

        Raises
        ------
        BundleError : for a file that is listed and not there, or not what it was
        """
        sealed = self.manifest["files"].get(name)
        if sealed is None:
            return None
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or "\\" in name:
            raise BundleError(f"{self.folder} lists a file outside the bundle, {name!r}; it is not opened.")
        try:
            data = (self.folder / name).read_bytes()
        except OSError as error:
            raise BundleError(f"{self.folder} lacks {name} ({error.strerror}). {DAMAGED}") from error
        if _sha256(data) != sealed["sha256"]:
            raise BundleError(
                f"{self.folder / name} is not the file that was frozen: it has {len(data)} bytes, "
                f"{sealed['bytes']} were written, and its sha256 differs. {DAMAGED}"
            )
        return data


def _parsed(told: bytes, folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(told)
        is_ours = manifest["format"] == FORMAT and isinstance(manifest["version"], int)
        is_whole = isinstance(manifest["files"], dict) and isinstance(manifest["made_with"], dict)
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder / MANIFEST} is not a bundle's manifest ({error!r}). {DAMAGED}") from error
    if not is_ours or not is_whole:
        raise BundleError(f"{folder / MANIFEST} is not a bundle's manifest. {DAMAGED}")
    return manifest


def _check_versions(manifest: dict[str, Any], folder: Path) -> None:
    if manifest["version"] > VERSION:
        raise BundleError(
            f"{folder} is of bundle format {manifest['version']}; this cotrain {version('cotrain')} reads up to "
            f"{VERSION}. Upgrade it: pip install --upgrade cotrain"
        )
    was, now = manifest["made_with"].get("scikit-learn", "unknown"), version("scikit-learn")
    has_estimators = any(name.endswith(".skops") for name in manifest["files"])
    if has_estimators and _minor(was) != _minor(now):
        raise BundleError(
            f"{folder} was made with scikit-learn {was}, this is {now}: fitted estimators do not carry over. "
            f'Install the other one (pip install "scikit-learn=={_minor(was)}.*"), or train again with this one.'
        )


def _minor(release: str) -> str:
    return ".".join(release.split(".")[:2])


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
