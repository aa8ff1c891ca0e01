"""A file is read as it was meant, written whole or not at all, and every broken one gets a sentence."""

import gzip
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cotrain.errors import OutputError, TableError
from cotrain.table import as_table, read_table, require_rows, write_table

TABLE = pa.table(
    {
        "id": pa.array([1, 2, 3]),
        "code": pa.array(["007", "012", None]),
        "size": pa.array([0.5, None, -3.25]),
        "is_new": pa.array([True, None, False]),
        "note": pa.array(['a, "b"\nc', "NA", "ü"]),
    }
)


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.csv.gz"])
def test_a_table_comes_back_as_it_was_written(tmp_path: Path, name: str) -> None:
    write_table(TABLE, tmp_path / name)
    assert read_table(tmp_path / name).to_pydict() == TABLE.to_pydict()
    assert read_table(str(tmp_path / name)).schema.equals(TABLE.schema)


def test_files_are_stacked_in_the_order_given(tmp_path: Path) -> None:
    parts = [tmp_path / f"{i}.parquet" for i in range(3)]
    for i, path in enumerate(parts):
        write_table(TABLE.slice(i, 1), path)
    assert read_table(parts[::-1])["id"].to_pylist() == [3, 2, 1]


def test_columns_come_in_the_order_asked_for_even_with_dots(tmp_path: Path) -> None:
    table = pa.table({"x": [1], "x.1": [2], "x.2": [3]})
    write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", columns=["x.2", "x"]).to_pydict() == {"x.2": [3], "x": [1]}


def test_folder_names_add_no_columns(tmp_path: Path) -> None:
    folder = tmp_path / "year=2026"
    folder.mkdir()
    write_table(TABLE, folder / "t.parquet")
    assert read_table(folder / "t.parquet").column_names == TABLE.column_names


def test_integers_and_floats_of_several_files_meet_as_floats(tmp_path: Path) -> None:
    write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    write_table(pa.table({"a": [0.5]}), tmp_path / "b.parquet")
    assert read_table([tmp_path / "a.parquet", tmp_path / "b.parquet"])["a"].to_pylist() == [1.0, 0.5]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2", ""], [1, 2, None]),
        (["1", "NA", " 3 "], [1, None, 3]),
        (["1", "2.5", "null"], [1.0, 2.5, None]),
        (["007", "12", ""], ["007", "12", None]),
        (["00.5", "1.5", "2"], ["00.5", "1.5", "2"]),
        (["0", "-0.5", "10"], [0.0, -0.5, 10.0]),
        (["True", "false", ""], [True, False, None]),
        (["18446744073709551616", "1", "2"], ["18446744073709551616", "1", "2"]),
        (["NA", "DE", ""], ["NA", "DE", None]),
        (["NA", "NA", "NULL"], ["NA", "NA", "NULL"]),
    ],
)
def test_csv_values_keep_what_they_say(tmp_path: Path, values: list[str], expected: list[object]) -> None:
    path = write(tmp_path / "t.csv", "other,x\n" + "".join(f"a,{value}\n" for value in values))
    found = read_table(path)["x"].to_pylist()
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_a_leading_zero_in_the_last_file_keeps_all_of_them_text(tmp_path: Path) -> None:
    first, last = write(tmp_path / "a.csv", "zip\n10115\n"), write(tmp_path / "b.csv", "zip\n01067\n")
    assert read_table([first, last])["zip"].to_pylist() == ["10115", "01067"]


def test_types_overrule_what_csv_values_look_like(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "code,n\n12,1\n")
    assert read_table(path, types={"code": pa.string()}).to_pydict() == {"code": ["12"], "n": [1]}
    with pytest.raises(TableError, match='"code" cannot be read as date'):
        read_table(path, types={"code": pa.date32()})
    with pytest.raises(TableError, match='did you mean "code"'):
        read_table(path, types={"cod": pa.string()})


def test_a_byte_order_mark_and_iso_dates_are_understood(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "\ufeffday,n\n2026-01-31,1\n,2\n")
    table = read_table(path)
    assert table.column_names == ["day", "n"]
    assert pa.types.is_timestamp(table.schema.field("day").type)


def test_a_header_alone_is_a_table_of_0_rows(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", "a,b\n"))
    assert (table.num_rows, table.column_names) == (0, ["a", "b"])
    with pytest.raises(TableError, match="The training table has 0 rows"):
        require_rows(table, "The training table")


BROKEN_CSV = {
    "ragged": ("a,b\n1,2\n3\n", r"Row #3: Expected 2 columns, got 1"),
    "duplicate names": ("a,a\n1,2\n", "several columns of one name: 'a'"),
    "wrong delimiter": ("a;b\n1;2\n", "Pass the `delimiter`"),
    "no name": (",a\n0,1\n", "Column 1 of .* has no name"),
    "blank": ("\n\n", "cannot be read as CSV"),
}


@pytest.mark.parametrize("case", BROKEN_CSV)
def test_a_broken_csv_file_gets_a_sentence(tmp_path: Path, case: str) -> None:
    text, message = BROKEN_CSV[case]
    with pytest.raises(TableError, match=message):
        read_table(write(tmp_path / "t.csv", text))


@pytest.mark.parametrize("text", ["a,b\nü,1\n", "ü,b\n1,2\n"])
def test_latin_1_is_not_taken_for_utf_8(tmp_path: Path, text: str) -> None:
    with pytest.raises(TableError, match="is not UTF-8 text"):
        read_table(write(tmp_path / "t.csv", text, "latin-1"))


def test_another_delimiter_is_read_when_it_is_named(tmp_path: Path) -> None:
    assert read_table(write(tmp_path / "t.csv", "a;b\n1;2\n"), delimiter=";").to_pydict() == {"a": [1], "b": [2]}


@pytest.mark.parametrize("keep", [3, 0.5, -4])
def test_a_truncated_parquet_file_gets_a_sentence(tmp_path: Path, keep: float) -> None:
    write_table(TABLE, tmp_path / "t.parquet")
    data = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(data[: int(len(data) * keep) if 0 < keep < 1 else int(keep)])
    with pytest.raises(TableError, match="is not a complete Parquet file"):
        read_table(tmp_path / "t.parquet")


def test_a_truncated_gzip_file_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1000)[:30])
    with pytest.raises(TableError, match="cannot be read as CSV"):
        read_table(tmp_path / "t.csv.gz")


def test_what_is_no_file_to_read_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.parquet").touch()
    (tmp_path / "t.xlsx").touch()
    (tmp_path / "folder.csv").mkdir()
    cases = {"none.csv": "does not exist", "empty.parquet": "0 bytes", "t.xlsx": "suffix", "folder.csv": "is a folder"}
    for name, message in cases.items():
        with pytest.raises(TableError, match=message):
            read_table(tmp_path / name)
    with pytest.raises(TableError, match="No file was named"):
        read_table([])
    with pytest.raises(TableError, match="one kind"):
        read_table([tmp_path / "a.csv", tmp_path / "b.parquet"])


def test_files_that_do_not_fit_together_name_the_column(tmp_path: Path) -> None:
    a, b, c = (tmp_path / f"{name}.parquet" for name in "abc")
    write_table(pa.table({"n": [1], "x": ["u"]}), a)
    write_table(pa.table({"n": [1], "x": [2]}), b)
    write_table(pa.table({"n": [1], "z": [2]}), c)
    with pytest.raises(TableError, match=r'column "x" is string in .*a.parquet and int64 in .*b.parquet'):
        read_table([a, b])
    with pytest.raises(TableError, match="missing: 'x', added: 'z'"):
        read_table([a, c])
    with pytest.raises(TableError, match='For "nn", did you mean "n"'):
        read_table(a, columns=["nn"])


def test_duplicate_column_names_in_parquet_are_refused(tmp_path: Path) -> None:
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(TableError, match="several columns of one name"):
        read_table(tmp_path / "t.parquet")
    with pytest.raises(TableError, match="several columns of one name"):
        write_table(twice, tmp_path / "out.parquet")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_table(TABLE, path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="Parquet holds every type"):
        write_table(pa.table({"a": [[1, 2]]}), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["t.csv"]


def test_an_unwritable_place_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "t.parquet").mkdir()
    for path in (tmp_path / "none" / "t.csv", tmp_path / "file" / "t.csv", tmp_path / "t.parquet", tmp_path / "t.txt"):
        with pytest.raises(OutputError):
            write_table(TABLE, path)
    assert sorted(os.listdir(tmp_path)) == ["file", "t.parquet"]


def test_csv_can_hold_halves_and_dictionaries(tmp_path: Path) -> None:
    table = pa.table({"h": pa.array(np.array([0.5, 2], np.float16)), "d": pa.array(["u", None]).dictionary_encode()})
    write_table(table, tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv").to_pydict() == {"h": [0.5, 2.0], "d": ["u", None]}


def test_any_tabular_thing_is_a_table() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2, 3], "s": ["x", None, "z"]})
    assert as_table(frame).to_pydict() == {"a": [1, 2, 3], "s": ["x", None, "z"]}
    assert as_table(frame[frame["a"] > 1]).column_names == ["a", "s"], "an index is no column"
    assert as_table(frame.set_index("a").reset_index()).column_names == ["a", "s"], "a reset one is"
    assert as_table({"a": np.array([1.0, np.nan]), "b": ["x", "y"]})["a"].null_count == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "A table was expected; got int"),
        ({"a": [1], "b": [1, 2]}, "same number of rows"),
        ({"a": np.zeros((2, 2))}, r"one dimension; got an array of shape \(2, 2\)"),
        ({"a": [1, "x"]}, 'Column "a" has no single type'),
    ],
)
def test_what_is_no_table_gets_a_sentence(data: object, message: str) -> None:
    with pytest.raises(TableError, match=message):
        as_table(data)


def test_a_frame_of_mixed_values_gets_a_sentence() -> None:
    pd = pytest.importorskip("pandas")
    with pytest.raises(TableError, match="DataFrame cannot be read as a table"):
        as_table(pd.DataFrame({"a": [1, "x"]}))
