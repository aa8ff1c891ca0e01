"""How fitted views are put to rest and brought back: JSON settings, arrays, fitted vectorizers.

The names of arrays and estimators start with the view's number, not its name: a name may hold
anything, and these become names of files.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cotrain.errors import BundleError
from cotrain.frozen import Frozen
from cotrain.views.array_map import ArrayMap
from cotrain.views.categories import CategoryMap
from cotrain.views.scaling import Scaler
from cotrain.views.table_map import TableMap
from cotrain.views.view import View

KIND = "views"
SCALER_ARRAYS = ("median", "centre", "scale", "quantiles")


def freeze_maps(maps: Sequence[TableMap | ArrayMap], exclude: Sequence[str]) -> Frozen:
    """All fitted views as one frozen part."""
    settings: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[np.generic]] = {}
    estimators: dict[str, Any] = {}
    for number, one in enumerate(maps):
        scaler = None
        if one.scaler is not None:
            scaler = one.scaler.settings()
            arrays |= {f"{number}.{name}": array for name, array in one.scaler.arrays().items()}
        if isinstance(one, TableMap):
            settings.append(_table_settings(one) | {"scaler": scaler})
            if one.words is not None:
                estimators[f"{number}.words"] = one.words
        else:
            array_settings = {"row_shape": list(one.row_shape), "factor": float(one.factor)}
            settings.append({"source": "array", "view": one.view.settings(), **array_settings, "scaler": scaler})
    return Frozen(KIND, {"views": settings, "exclude": list(exclude)}, arrays, estimators)


def thaw_maps(frozen: Frozen) -> list[TableMap | ArrayMap]:
    """The fitted views, transforming to the same bits.

    Raises
    ------
    BundleError : for a frozen part of another kind
    """
    if frozen.kind != KIND:
        raise BundleError(f'A frozen part of kind "{KIND}" was expected; got "{frozen.kind}".')
    return [_thaw(number, settings, frozen) for number, settings in enumerate(frozen.settings["views"])]


def _table_settings(one: TableMap) -> dict[str, Any]:
    return {
        "source": "table",
        "view": one.view.settings(),
        # Pairs and not an object: their order is the order of the features, and JSON objects have none.
        "kinds": [[column, kind] for column, kind in one.kinds.items()],
        "categories": [[column, categories.settings()] for column, categories in one.categories.items()],
    }


def _thaw(number: int, settings: Mapping[str, Any], frozen: Frozen) -> TableMap | ArrayMap:
    view = View(**settings["view"])
    scaler = None
    if settings["scaler"] is not None:
        arrays: dict[str, Any] = {name: frozen.arrays[f"{number}.{name}"] for name in SCALER_ARRAYS}
        scaler = Scaler(**settings["scaler"], **arrays)
    if settings["source"] == "array":
        return ArrayMap(view, tuple(settings["row_shape"]), scaler, settings["factor"])
    categories = {column: CategoryMap(tuple(one["kept"]), tuple(one["rare"])) for column, one in settings["categories"]}
    return TableMap(view, dict(settings["kinds"]), scaler, categories, frozen.estimators.get(f"{number}.words"))
