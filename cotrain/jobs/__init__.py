"""One run, from settings to outputs; the scoring of new files with what it left behind, and answers about it.

In: settings (`read_settings`), tables. Out: a folder with predictions, ledger, metrics, bundle and log, or none at all.
Plain functions with small results that pickle, for any scheduler to call.
May be imported by: cli.
"""

from cotrain.jobs.asking import Questions, questions
from cotrain.jobs.explaining import Explanation, why
from cotrain.jobs.running import Result, n_stages, run
from cotrain.jobs.scoring import Scored, score
from cotrain.jobs.settings_file import read_settings, settings_from
from cotrain.jobs.suspecting import Suspected, suspected
from cotrain.jobs.telling import in_words

__all__ = [
    "Explanation",
    "Questions",
    "Result",
    "Scored",
    "Suspected",
    "in_words",
    "n_stages",
    "questions",
    "read_settings",
    "run",
    "score",
    "settings_from",
    "suspected",
    "why",
]
