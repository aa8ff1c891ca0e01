"""A small job: 120 rows, two views, two tasks, members that fit in milliseconds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SETTINGS = """
[table]
path = "rows.parquet"
key = "id"
evaluation = 0.3

[targets]
liked = "liked"
stars = "stars"

[[members]]
learner = "logistic-regression"
views = "say"
settings = { C = 0.5 }

[[members]]
learner = "gaussian-nb"
views = "num"

[[members]]
learner = "graph"

[teaching]
rounds = 1
n_folds = 2
"""


@pytest.fixture
def rows() -> pa.Table:
    """`liked` is text with nulls, `stars` an integer with -1 for no label; both views know something of either."""
    generator = np.random.default_rng(3)
    truth = generator.integers(0, 2, 120)
    hidden = generator.random((2, 120)) < 0.5
    words = np.array(["dull slow long", "bright quick short"])[truth]
    return pa.table(
        {
            "id": [f"r{number:03d}" for number in range(120)],
            "say__text": [f"{said} word{generator.integers(20)}" for said in words],
            "num__a": truth + generator.normal(size=120) * 0.6,
            "num__b": generator.normal(size=120),
            "liked": pa.array(np.array(["no", "yes"])[truth], mask=hidden[0]),
            "stars": np.where(hidden[1], -1, 1 + 2 * truth),
        }
    )


@pytest.fixture
def job(tmp_path: Path, rows: pa.Table) -> Callable[..., Path]:
    """Writes table and settings, with pieces of text replaced; gives the settings file."""

    def write(*replaced: tuple[str, str], table: pa.Table = rows) -> Path:
        pq.write_table(table, tmp_path / "rows.parquet")
        text = SETTINGS
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "job.toml"
        path.write_text(text)
        return path

    return write
