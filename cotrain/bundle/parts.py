"""How one part at rest (`Frozen`) becomes up to three files and comes back.

<stem>.json          kind and settings
<stem>.safetensors   its arrays, if it has any
<stem>.skops         its scikit-learn estimators, if it has any
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as arrays_from_bytes
from safetensors.numpy import save as arrays_as_bytes

from cotrain.bundle.estimators_at_rest import estimators_as_bytes, estimators_from_bytes
from cotrain.errors import BundleError
from cotrain.frozen import Frozen

Read = Callable[[str], bytes | None]
"""Gives the checked bytes of a file in the bundle by its name; None = the bundle has no such file."""


def write_part(folder: Path, stem: str, frozen: Frozen, owner: str) -> None:
    """Write the files of one part.

    Parameters
    ----------
    stem : the files' path in the bundle, without suffix
    owner : whose part it is, for messages, as in "Member 'words'"

    Raises
    ------
    BundleError : for a part that would not come back as it is
    """
    path = folder / stem
    path.parent.mkdir(exist_ok=True)
    _file(path, ".json").write_bytes(_settings_as_bytes(frozen, owner))
    if frozen.arrays:
        arrays = {name: np.asarray(array, order="C") for name, array in frozen.arrays.items()}
        odd = [f"{name} ({array.dtype})" for name, array in arrays.items() if array.dtype.kind not in "fiub"]
        if odd:
            raise BundleError(f"{owner} has arrays that are not of numbers: {', '.join(odd)}. Freeze them as settings.")
        _file(path, ".safetensors").write_bytes(arrays_as_bytes(arrays))
    if frozen.estimators:
        _file(path, ".skops").write_bytes(estimators_as_bytes(frozen.estimators, owner))


def read_part(read: Read, stem: str, owner: str) -> Frozen:
    """The part that `write_part` wrote.

    Raises
    ------
    BundleError : for a file that is missing or not what it should be
    """
    settings, arrays, estimators = (read(stem + suffix) for suffix in (".json", ".safetensors", ".skops"))
    if settings is None:
        raise BundleError(f"{owner} has no {stem}.json in this bundle. Copy the bundle again, or train again.")
    try:
        told = json.loads(settings)
        return Frozen(
            told["kind"],
            told["settings"],
            {} if arrays is None else arrays_from_bytes(arrays),
            {} if estimators is None else estimators_from_bytes(estimators, owner),
        )
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{owner} cannot be read ({error}). Copy the bundle again, or train again.") from error


def _file(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)  # not with_suffix: a name may hold a dot


def _settings_as_bytes(frozen: Frozen, owner: str) -> bytes:
    try:
        told = json.dumps({"kind": frozen.kind, "settings": dict(frozen.settings)}, default=_plain, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BundleError(
            f"{owner} has settings that JSON cannot hold: {error}. Use plain numbers and text."
        ) from error
    return told.encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} {value!r}")
