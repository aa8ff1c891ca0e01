"""One run, from settings to outputs, and the scoring of new files with what it left behind.

In: settings (`read_settings`), tables. Out: a folder with predictions, ledger, metrics, bundle and log, or none at all.
Plain functions with small results that pickle, for any scheduler to call.
May be imported by: cli.
"""

from cotrain.jobs.running import Result, n_stages, run
from cotrain.jobs.scoring import Scored, score
from cotrain.jobs.settings_file import read_settings, settings_from

__all__ = ["Result", "Scored", "n_stages", "read_settings", "run", "score", "settings_from"]
