"""Scoring gives one whole part per file, the same however the rows come in, and never the same work twice."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cotrain import load
from cotrain.errors import OutputError, TableError, ViewError
from cotrain.jobs import read_settings, run, score, scoring
from cotrain.table import write_table


@pytest.fixture
def bundle(job, tmp_path: Path) -> Path:
    run(read_settings(job()), tmp_path / "out")
    return tmp_path / "out" / "bundle"


@pytest.fixture
def fresh(rows: pa.Table, tmp_path: Path) -> Path:
    """New rows, without labels, with a column that no view reads."""
    table = rows.drop_columns(["liked", "stars"]).append_column("price", pa.array(range(120)))
    pq.write_table(table, tmp_path / "fresh.parquet", row_group_size=50)
    return tmp_path / "fresh.parquet"


def test_a_part_says_what_the_bundle_says(bundle: Path, fresh: Path, tmp_path: Path) -> None:
    done = score(bundle, [fresh], tmp_path / "scored")
    part = pq.read_table(tmp_path / "scored" / "fresh.parquet")
    told = load(bundle).predict_proba(pq.read_table(fresh))
    np.testing.assert_array_equal(np.column_stack([part["liked__p_no"], part["liked__p_yes"]]), told["liked"])
    assert part["id"].to_pylist() == pq.read_table(fresh)["id"].to_pylist()
    assert not any("given" in name or "source" in name for name in part.column_names)
    assert (done.parts, done.n_rows, done.n_skipped) == (("fresh.parquet",), 120, 0)


def test_the_size_of_a_batch_does_not_matter(bundle: Path, fresh: Path, tmp_path: Path, monkeypatch) -> None:
    score(bundle, [fresh], tmp_path / "whole")
    monkeypatch.setattr(scoring, "BATCH", 7)
    counted: list[int] = []
    score(bundle, [fresh], tmp_path / "bits", begin=lambda n_rows: counted.append)
    assert sum(counted) == 120
    assert len(counted) > 10
    one, two = (pq.read_table(tmp_path / name / "fresh.parquet") for name in ("whole", "bits"))
    assert one["liked__predicted"].equals(two["liked__predicted"])
    np.testing.assert_allclose(one["liked__p_no"].to_numpy(), two["liked__p_no"].to_numpy(), rtol=1e-6)


def test_csv_and_parquet_give_the_same_part(bundle: Path, fresh: Path, tmp_path: Path) -> None:
    write_table(pq.read_table(fresh), tmp_path / "text.csv")
    write_table(pq.read_table(fresh), tmp_path / "packed.csv.gz")
    done = score(bundle, [fresh, tmp_path / "text.csv", tmp_path / "packed.csv.gz"], tmp_path / "scored")
    assert done.parts == ("fresh.parquet", "text.parquet", "packed.parquet")
    first, second, third = (pq.read_table(tmp_path / "scored" / part) for part in done.parts)
    assert first.replace_schema_metadata().equals(second.replace_schema_metadata())
    assert first.replace_schema_metadata().equals(third.replace_schema_metadata())


def test_scoring_again_does_nothing_until_the_file_or_the_bundle_changes(
    bundle: Path, fresh: Path, tmp_path: Path, job
) -> None:
    part = tmp_path / "scored" / "fresh.parquet"
    score(bundle, [fresh], tmp_path / "scored")
    before = part.stat().st_mtime_ns
    assert score(bundle, [fresh], tmp_path / "scored").n_skipped == 1
    assert part.stat().st_mtime_ns == before
    pq.write_table(pq.read_table(fresh).slice(0, 9), fresh)
    assert score(bundle, [fresh], tmp_path / "scored").n_skipped == 0
    assert pq.read_metadata(part).num_rows == 9
    run(read_settings(job(("rounds = 1", "rounds = 0"))), tmp_path / "other")
    assert score(tmp_path / "other" / "bundle", [fresh], tmp_path / "scored").n_skipped == 0


def test_a_part_that_was_cut_off_is_written_again(bundle: Path, fresh: Path, tmp_path: Path) -> None:
    score(bundle, [fresh], tmp_path / "scored")
    part = tmp_path / "scored" / "fresh.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[:100])
    assert score(bundle, [fresh], tmp_path / "scored").n_skipped == 0
    assert part.read_bytes() == whole


def test_a_file_of_0_rows_beside_others_gives_an_empty_part_with_the_same_columns(
    bundle: Path, fresh: Path, tmp_path: Path
) -> None:
    pq.write_table(pq.read_table(fresh).slice(0, 0), tmp_path / "none.parquet")
    score(bundle, [fresh, tmp_path / "none.parquet"], tmp_path / "scored")
    full, empty = (pq.read_schema(tmp_path / "scored" / name) for name in ("fresh.parquet", "none.parquet"))
    assert empty.remove_metadata().equals(full.remove_metadata())
    with pytest.raises(TableError, match="There are 0 rows to score in 1 file"):
        score(bundle, [tmp_path / "none.parquet"], tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_the_file_at_fault_is_named_and_complete_parts_stay(bundle: Path, fresh: Path, tmp_path: Path) -> None:
    table = pq.read_table(fresh)
    bad = table.set_column(2, "num__a", pa.array([0.0] * 119 + [np.inf]))
    pq.write_table(bad, tmp_path / "bad.parquet")
    with pytest.raises(TableError, match=r'bad.parquet: Column "num__a" is infinite'):
        score(bundle, [fresh, tmp_path / "bad.parquet"], tmp_path / "scored")
    assert [path.name for path in (tmp_path / "scored").iterdir()] == ["fresh.parquet"]


def test_a_column_of_another_type_is_told(bundle: Path, fresh: Path, tmp_path: Path) -> None:
    table = pq.read_table(fresh)
    pq.write_table(table.set_column(2, "num__a", table["say__text"]), tmp_path / "drifted.parquet")
    with pytest.raises(ViewError, match=r'drifted.parquet: View "num" was fitted with column "num__a" as numeric'):
        score(bundle, [tmp_path / "drifted.parquet"], tmp_path / "scored")
    assert not (tmp_path / "scored").exists()


def test_a_part_never_replaces_a_file_that_is_scored_nor_another_part(
    bundle: Path, fresh: Path, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="would replace a file that is to be scored"):
        score(bundle, [fresh], fresh.parent)
    write_table(pq.read_table(fresh), tmp_path / "fresh.csv")
    with pytest.raises(OutputError, match="would share the part"):
        score(bundle, [fresh, tmp_path / "fresh.csv"], tmp_path / "scored")


def test_a_glob_names_files_and_one_that_finds_nothing_is_told(bundle: Path, fresh: Path, tmp_path: Path) -> None:
    assert score(bundle, [tmp_path / "fre*.parquet"], tmp_path / "scored").parts == ("fresh.parquet",)
    with pytest.raises(TableError, match="No file is named"):
        score(bundle, [tmp_path / "frech*.parquet"], tmp_path / "scored")


def test_a_csv_is_read_with_the_types_of_training(bundle: Path, fresh: Path, tmp_path: Path) -> None:
    table = pq.read_table(fresh)
    write_table(table.set_column(2, "num__a", pa.array(["1.5", "many"] * 60)), tmp_path / "words.csv")
    with pytest.raises(TableError, match=r'words.csv: Column "num__a" cannot be read as double'):
        score(bundle, [tmp_path / "words.csv"], tmp_path / "scored")
    whole = table.set_column(2, "num__a", pa.array([2] * 120)).set_column(1, "say__text", pa.array(["007"] * 120))
    write_table(whole, tmp_path / "codes.csv")
    assert score(bundle, [tmp_path / "codes.csv"], tmp_path / "scored").n_rows == 120
