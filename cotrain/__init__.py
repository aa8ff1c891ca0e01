"""Few labels, many unlabelled rows, several views: networks and scikit-learn models that teach each other."""

__version__ = "0.1.0"
