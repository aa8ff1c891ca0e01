"""How a fitted model becomes one folder, and how that folder predicts again, years later, in another process.

In: a fitted CoTrainingClassifier. Out: a folder of JSON, safetensors and skops files, none of which runs code on
loading; and a `Bundle`, which predicts to the bit what the model did.
May be imported by: report, jobs, cli.

    folder/manifest.json            versions, tasks, who speaks, columns, and the sha256 of every other file
    folder/views.*                  the fitted views
    folder/members/NN-<name>.*      the fitted learners whose voice counts in a round that was shipped

Each part is `.json` (kind, settings), `.safetensors` (arrays, if any) and `.skops` (scikit-learn estimators, if any).
The sums find damage, not forgery: whoever can write the folder can write its sums too.
"""

from cotrain.bundle.bundle import Bundle
from cotrain.bundle.folders import whole_folder
from cotrain.bundle.freezing import freeze
from cotrain.bundle.loading import load

__all__ = ["Bundle", "freeze", "load", "whole_folder"]
