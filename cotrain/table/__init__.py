"""Which rows there are, what their columns are for, and how they are split without a leak.

In: files (Parquet, CSV), DataFrames, dicts of columns.
Out: a `pyarrow.Table`, stable row ids, tasks with class codes, weights, groups, positions of splits.
Imported by: every floor above (views, rounds, estimators, jobs, report).
"""

from cotrain.table.convert import as_table, require_columns, require_rows
from cotrain.table.folds import label_folds
from cotrain.table.labels import check_labels, decode, decode_as_text, encode_target
from cotrain.table.lock import EvaluationLock
from cotrain.table.read import read_table
from cotrain.table.roles import Roles, groups, row_ids, weights
from cotrain.table.splits import hide_labels, stratified_split
from cotrain.table.write import write_table

__all__ = [
    "EvaluationLock",
    "Roles",
    "as_table",
    "check_labels",
    "decode",
    "decode_as_text",
    "encode_target",
    "groups",
    "hide_labels",
    "label_folds",
    "read_table",
    "require_columns",
    "require_rows",
    "row_ids",
    "stratified_split",
    "weights",
    "write_table",
]
