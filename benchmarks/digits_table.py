"""Writes scikit-learn's digits in the convention of the benchmarks: columns `<view>__<feature>`, target `y`.

python -m benchmarks.digits_table --out runs/digits_table.parquet
"""

import argparse
from pathlib import Path

from cotrain.table import write_table
from pipelines.digits.run import layout


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    table = layout(seed=0, all_labels=True).drop_columns(["row", "is_evaluation"])
    names = ["y" if name == "digit" else name for name in table.column_names]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_table(table.rename_columns(names), options.out)


if __name__ == "__main__":
    main()
