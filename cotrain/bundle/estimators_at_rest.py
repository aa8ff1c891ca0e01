"""How fitted scikit-learn estimators become bytes and come back, without pickle.

skops writes an estimator down as JSON and arrays, and rebuilds it from types that are trusted: scikit-learn's public
estimators, and those named here. The list is code: no file can add to it.
"""

import zipfile
from collections.abc import Mapping
from typing import Any

import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from cotrain.errors import BundleError

TRUSTED = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)
"""Parts of scikit-learn's own estimators that skops does not trust by itself: none of them runs code from a file."""


def estimators_as_bytes(estimators: Mapping[str, Any], owner: str) -> bytes:
    """The named estimators as one skops file.

    Parameters
    ----------
    owner : whose they are, for the message

    Raises
    ------
    BundleError : names the types that could not be loaded again
    """
    try:
        # Trees shrink to a seventh; level 6 is where more work stops paying.
        data = skops.io.dumps(dict(estimators), compression=zipfile.ZIP_DEFLATED, compresslevel=6)
        unknown = skops.io.get_untrusted_types(data=data)
    except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
        raise BundleError(f"{owner} cannot be written into a bundle: {error}. {_WAY_OUT}") from error
    unknown = sorted(set(unknown) - set(TRUSTED))
    if unknown:
        raise BundleError(f"{owner} is made of types that a bundle does not trust: {', '.join(unknown)}. {_WAY_OUT}")
    return data


def estimators_from_bytes(data: bytes, owner: str) -> dict[str, Any]:
    """The estimators that `estimators_as_bytes` wrote; they predict in one thread, to the same bits on every machine.

    Raises
    ------
    BundleError : for types that are not trusted, and for bytes that are no skops file
    """
    try:
        estimators: dict[str, Any] = skops.io.loads(data, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise BundleError(f"{owner} holds types that a bundle does not trust, and is not loaded: {error}") from error
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise BundleError(f"{owner} cannot be read ({error}). Copy the bundle again, or train again.") from error
    _in_one_thread(estimators, set())
    return estimators


def _in_one_thread(thing: Any, seen: set[int]) -> None:
    """Forests add up their trees in the order in which threads finish: the last bits would change from call to call."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, Mapping):
        inside = list(thing.values())
    elif isinstance(thing, (list, tuple)):
        inside = list(thing)
    elif type(thing).__module__.startswith("sklearn.") and hasattr(thing, "__dict__"):
        inside = list(vars(thing).values())
        if "n_jobs" in vars(thing):
            thing.n_jobs = None
    else:
        return
    for part in inside:
        _in_one_thread(part, seen)


_WAY_OUT = "Use scikit-learn's own estimators and no function of yours in them, or keep the model in memory."
