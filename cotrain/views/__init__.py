"""What a learner sees of each row: one block of numbers per view.

In: a table, or one array per view; positions of the training rows.
Out: `Blocks`, float32, dense or CSR; which rows have which view; the fitted views at rest (`Frozen`).
Imported by: rounds, estimators, bundle, jobs, report. Views know no learners.
"""

from cotrain.views.blocks import Block, Blocks
from cotrain.views.kinds import kind_of
from cotrain.views.sketching import sketch
from cotrain.views.view import Kind, View, views_by_prefix
from cotrain.views.view_set import ViewSet

__all__ = ["Block", "Blocks", "Kind", "View", "ViewSet", "kind_of", "sketch", "views_by_prefix"]
