"""Feature tables: exact to the last bit, strict about everything else."""

from __future__ import annotations

import csv
import gzip
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import shared_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radresp.core import FeatureRow
from radresp.errors import CohortError, PlanError
from radresp.io.tables import load_features, save_features
from radresp.io.text_table import load_text_table, protected, unprotected, write_table

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def make_row(case_id: str, *values: float, names: str = "abcdefgh") -> FeatureRow:
    named = dict(zip(names, values, strict=False))
    absent = {name: "no mask" for name, value in named.items() if math.isnan(value)}
    return FeatureRow(case_id, named, absent)


def text_table(folder: Path, text: str, name: str = "features.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def parquet(folder: Path, **columns: list[object]) -> Path:
    pq.write_table(pa.table(columns), folder / "t.parquet")
    return folder / "t.parquet"


def refusal(path: Path, **options: object) -> PlanError:
    with pytest.raises(PlanError) as caught:
        load_features(path, **options)  # type: ignore[arg-type]
    assert int(caught.value.exit_code) == 2
    return caught.value


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.one_of(FINITE, st.just(math.nan)), min_size=1, max_size=6))
def test_numbers_read_back_to_the_last_bit_from_both_files(
    tmp_path: Path, values: list[float]
) -> None:
    rows = [make_row("001", *values), make_row("=1+1", *(v / 3 + 1 for v in values))]
    for path in save_features(rows, tmp_path):
        frame = load_features(path)
        assert list(frame.index) == ["001", "=1+1"]
        assert frame.index.name == "case_id"
        for row in rows:
            read = frame.loc[row.case_id].to_numpy()
            wanted = np.array(list(row.values.values()))
            assert read.tobytes() == wanted.tobytes()


def test_both_files_hold_the_same_and_are_the_same_every_time(tmp_path: Path) -> None:
    rows = [make_row("b", 0.1, math.nan, 1e-300), make_row("a", 2.0, 5e-324, -0.0)]
    first = [path.read_bytes() for path in save_features(rows, tmp_path / "one")]
    paths = save_features(rows, tmp_path / "two")
    assert [path.name for path in paths] == ["features.parquet", "features.csv"]
    assert [path.read_bytes() for path in paths] == first
    pd.testing.assert_frame_equal(*map(load_features, paths))
    assert paths[1].read_text() == "case_id,a,b,c\nb,0.1,,1e-300\na,2.0,5e-324,-0.0\n"
    assert pq.read_schema(paths[0]).names == ["case_id", "a", "b", "c"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_of_text_starts_a_formula(tmp_path: Path, start: str) -> None:
    text = f"{start}cmd|' /C calc'!A0"
    path = tmp_path / "t.csv"
    write_table(path, [{"case_id": "a", "x_note": text, f"{start}name": "1"}])
    with path.open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(start)]
    (row,) = load_text_table(path).records()
    assert row[1] == {"case_id": "a", "x_note": text, f"{start}name": "1"}


@settings(max_examples=200)
@given(text=TEXT)
def test_protection_comes_off_exactly(text: str) -> None:
    assert unprotected(protected(text)) == text


@pytest.mark.parametrize("number", ["-1", "+2.5", "-1.5e-07", "0"])
def test_numbers_need_no_protection(number: str) -> None:
    assert protected(number) == number


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(TEXT.filter(bool), min_size=2, max_size=4))
def test_a_text_table_reads_back_exactly(tmp_path: Path, cells: list[str]) -> None:
    rows = [{"a": cells[0], "b": cell} for cell in cells]
    write_table(tmp_path / "t.csv", rows)
    assert [row for _, row in load_text_table(tmp_path / "t.csv").records()] == rows


def test_rows_with_different_columns_are_written_side_by_side(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", [{"a": "1"}, {"b": "2", "a": "3"}])
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,\n3,2\n"


def test_saving_refuses_no_rows_double_ids_and_differing_names(tmp_path: Path) -> None:
    with pytest.raises(CohortError) as none:
        save_features([], tmp_path)
    assert none.value.code == "NO_CASES"
    for rows, code in (
        ([make_row("a", 1.0), make_row("A", 2.0)], "CASE_DUPLICATE"),
        ([make_row("a", 1.0), make_row("b", 2.0, 3.0)], "FEATURE_SCHEMA"),
        ([make_row("a", 1.0, 2.0), make_row("b", 1.0, 2.0, names="ba")], "FEATURE_SCHEMA"),
        ([FeatureRow("a", {"case_id": 1.0})], "FEATURE_SCHEMA"),
    ):
        with pytest.raises(PlanError) as caught:
            save_features(rows, tmp_path)
        assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_ids_stay_text_and_missing_is_nan(tmp_path: Path) -> None:
    text = "x,ID,label,y\n1,001,a,\n-.5,1e5,b,NA\n2e3,NA,c,NaN\n"
    for name in ("t.csv", "t.csv.gz"):
        frame = load_features(text_table(tmp_path, text, name), id_column="ID", drop=["label"])
        assert list(frame.index) == ["001", "1e5", "NA"]
        assert frame["x"].tolist() == [1.0, -0.5, 2000.0]
        assert frame["y"].isna().all()
        assert {str(kind) for kind in frame.dtypes} == {"float64"}


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("case_id,x\na,1\nb,soft\n", "CSV_FORMAT", "line 3, column 'x': 'soft'"),
        ('case_id,x\na,"1,5"\n', "CSV_FORMAT", "line 2, column 'x': '1,5'"),
        ("case_id,x\na,1_000\n", "CSV_FORMAT", "'1_000'"),
        ("case_id,x\na, 1\n", "CSV_FORMAT", "' 1'"),
        ("case_id,x\na,\u0661\n", "CSV_FORMAT", "column 'x'"),
        ("case_id;x\na;1\n", "CSV_FORMAT", "semicolons"),
        ("case_id,x,x\na,1,2\n", "CSV_FORMAT", "both called 'x'"),
        ("case_id,x\na,1,2\n", "CSV_FORMAT", "line 2: 3 cells"),
        ("id,x\na,1\n", "CSV_FORMAT", "no column 'case_id'"),
        ("case_id\na\n", "CSV_FORMAT", "no feature column"),
        ("case_id,x\na,1\nb,inf\n", "FEATURE_INFINITE", "line 3, column 'x'"),
        ("case_id,x\na,-Infinity\n", "FEATURE_INFINITE", "line 2, column 'x'"),
        ("case_id,x\na,1e400\n", "FEATURE_INFINITE", "line 2, column 'x'"),
        ("case_id,x\na,1\nA,2\n", "CASE_DUPLICATE", "lines 2 and 3"),
        ("case_id,x\n,1\n", "CSV_FORMAT", "line 2, column 'case_id'"),
    ],
)
def test_faults_are_named_by_line_and_column(
    tmp_path: Path, text: str, code: str, said: str
) -> None:
    error = refusal(text_table(tmp_path, text))
    assert error.code == code
    assert said in error.found


def test_a_decimal_comma_comes_with_advice(tmp_path: Path) -> None:
    error = refusal(text_table(tmp_path, 'case_id,x\na,"1,5"\n'))
    assert "decimals with a point" in error.action


def test_an_empty_table_and_an_unknown_drop_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError):
        load_features(text_table(tmp_path, "case_id,x\n"))
    with pytest.raises(CohortError):
        load_features(parquet(tmp_path, case_id=[], x=[]))
    error = refusal(text_table(tmp_path, "case_id,label,x\na,1,2\n"), drop=["lable"])
    assert "did you mean 'label'" in error.found


def test_the_same_case_under_two_ids_is_refused(tmp_path: Path) -> None:
    rows = [make_row(i, 0.1, 0.2, 0.3, 0.4, 0.5, math.nan) for i in ("a", "b")]
    for path in save_features(rows, tmp_path):
        error = refusal(path)
        assert error.code == "ROW_DUPLICATE"
    coarse = [make_row(i, 1.0, 2.0, 0.3, 0.4, 5.0, math.nan) for i in ("a", "b")]
    assert [len(load_features(path)) for path in save_features(coarse, tmp_path)] == [2, 2]


def test_parquet_columns_must_be_numbers_and_ids_text(tmp_path: Path) -> None:
    good = parquet(tmp_path, case_id=["a", "b"], x=[1, None], y=[True, False], z=[None, None])
    frame = load_features(good)
    assert frame["x"].tolist()[0] == 1.0
    assert frame["y"].tolist() == [1.0, 0.0]
    assert frame["z"].isna().all()
    assert list(load_features(parquet(tmp_path, case_id=[7, 8], x=[1.0, 2.0])).index) == ["7", "8"]
    for columns, said in (
        ({"case_id": ["a", "b"], "x": ["1", "2"]}, "column 'x' holds string"),
        ({"case_id": ["a", None], "x": [1.0, 2.0]}, "1 empty cells"),
        ({"case_id": [1.0, 2.0], "x": [1.0, 2.0]}, "column 'case_id' holds double"),
    ):
        error = refusal(parquet(tmp_path, **columns))
        assert (error.code, said in error.found) == ("CSV_FORMAT", True)
    assert refusal(parquet(tmp_path, case_id=["a"], x=[math.inf])).code == "FEATURE_INFINITE"


@pytest.mark.parametrize(("limit", "most"), [("MAX_ROWS", 2), ("MAX_VALUES", 5)])
def test_parquet_that_would_fill_the_memory_is_refused_by_what_it_declares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(f"radresp.io.tables.{limit}", most)
    error = refusal(parquet(tmp_path, case_id=["a", "b", "c"], x=[1.0, 2.0, 3.0]))
    assert (error.code, "3 rows, 6 values" in error.found) == ("CSV_TOO_LARGE", True)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path, case_id=["a"], x=[1.0])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert refusal(path).code == "TABLE_FORMAT"
    packed = text_table(tmp_path, "case_id,x\na,1\n" * 50, "t.csv.gz")
    packed.write_bytes(packed.read_bytes()[:-6])
    assert refusal(packed).code == "CSV_FORMAT"
    assert refusal(text_table(tmp_path, "case_id,x\na,1\n", "t.xlsx")).code == "TABLE_FORMAT"
    assert refusal(tmp_path / "none.parquet").code == "MISSING_FILE"
    assert refusal(tmp_path / "none.csv").code == "MISSING_FILE"
    (tmp_path / "folder.csv").mkdir()
    assert refusal(tmp_path / "folder.csv").code == "NOT_A_FILE"


@pytest.mark.parametrize("name", ["Ahn2021", "C4KC-KiTS", "Ramella2018"])
def test_published_tables_read_the_same_as_by_pandas(name: str) -> None:
    path = shared_data("radml_tables", f"{name}.csv.gz")
    frame = load_features(path, id_column="ID", drop=["Target"])
    plain = pd.read_csv(path, dtype={"ID": str}).set_index("ID")
    np.testing.assert_array_equal(frame.to_numpy(), plain.drop(columns="Target").to_numpy(float))
    assert list(frame.index) == list(plain.index)


def test_a_published_table_that_holds_one_case_twice_is_refused() -> None:
    """Patients N26 and N27 of this table have the same 264 numbers."""
    path = shared_data("radml_tables", "Song2020.csv.gz")
    error = refusal(path, id_column="ID", drop=["Target"])
    assert (error.code, "lines 124 and 130" in error.found) == ("ROW_DUPLICATE", True)
