"""Tables made to do harm: each reader of one gives it back, or refuses it soon and in words."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from security.harm import READ, outcome

from radresp import io
from radresp.errors import PlanError
from radresp.io import text_table
from radresp.io.treatment import load_treatment

IMAGES = "case_id,patient_id,pre_t2,post_t2,pre_tumour,age_years,sex\n"
SOUND: dict[str, tuple[Callable[[Path], object], bytes]] = {
    "cohort": (
        io.load_cohort,
        f'{IMAGES}a,p1,a/t2.nii,b/t2.nii,a/m.nii,63,F\nb,p2,x.nii,y.nii,"a,b.nii",,M\n'.encode(),
    ),
    "clinical": (io.load_clinical, b"case_id,age_years,cT,cea_pre\n001,63,3b,4.5\n1e5,,NA,\n"),
    "outcomes": (
        io.load_outcomes,
        b"case_id,outcome,endpoint,patient_id\na,residual,pCR,p\nb,,,\nc,complete,pCR,q\n",
    ),
    "treatment": (
        lambda path: load_treatment(path, b"k" * 32),
        b"patient_id,treatment_start,treatment_end\np,2024-02-01,2024-03-01\nq,2024-01-01,\n",
    ),
    "features": (io.load_features, b"case_id,x,y\n001,0.25,-1e-3\nNA,,2\n1e5,.5,nan\n"),
    "gzip": (io.load_features, b"case_id,x,y\n001,0.25,-1e-3\nNA,,2\n"),
}
PIECES = [
    b",", b'"', b'""', b"\n", b"\r", b"\r\n", b"'", b"=cmd", b"\0", b"\xff\xfe", b"\xef\xbb\xbf",
    b";", b"\t", b"1e999", b"nan", b"-", b"..", b"../x", b"/etc/passwd", b"~", b"C:\\x", b"#",
    b"a#b#c", b"9" * 400, b"2024-99-99", b"0001-01-01", b"9999-12-31", "\u202e\u0301".encode(),
    b"\xed\xa0\x80", b"case_id", b"a" * 9_000, b",,,,", b"<script>", b"%s", b"{}", b" ",
    b"\x1b[2J", b"pCR", b"complete",
]  # fmt: skip


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """A few cells with something else in them, sometimes with bytes lost, changed or repeated."""
    cells = re.split(rb"([,\n])", content)
    for _ in range(rng.integers(1, 3)):
        place = 2 * int(rng.integers(len(cells) // 2))
        cells[place] = PIECES[int(rng.integers(len(PIECES)))]
    made = bytearray(b"".join(cells))
    if rng.random() < 0.3:
        first, last = np.sort(rng.integers(0, len(made) + 1, 2))
        made[first:last] = made[first:last] * int(rng.integers(3))
    if made and rng.random() < 0.1:
        made[int(rng.integers(len(made)))] = int(rng.integers(256))
    return bytes(made)


def fuzz(folder: Path, name: str, count: int, seed: int) -> Counter[str]:
    load, content = SOUND[name]
    path = folder / ("t.csv.gz" if name == "gzip" else "t.csv")
    rng, outcomes = np.random.default_rng(seed), Counter[str]()
    for _ in range(count):
        damaged = mutated(content, rng)
        packed = name == "gzip" and rng.random() < 0.8
        path.write_bytes(gzip.compress(damaged, 1) if packed else damaged)
        outcomes[outcome(load, path)] += 1
    return outcomes


@pytest.mark.parametrize("name", SOUND)
def test_a_little_damage_is_read_or_refused(tmp_path: Path, name: str) -> None:
    load, content = SOUND[name]
    path = tmp_path / ("t.csv.gz" if name == "gzip" else "t.csv")
    path.write_bytes(gzip.compress(content) if name == "gzip" else content)
    assert outcome(load, path) == READ
    assert len(fuzz(tmp_path, name, 300, 1)) > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", SOUND)
def test_much_damage_is_read_or_refused(tmp_path: Path, name: str) -> None:
    assert len(fuzz(tmp_path, name, 17_000, 2)) > 1


def parquet(folder: Path, rows: int = 20) -> Path:
    columns = {"case_id": [f"c{n}" for n in range(rows)], "x": [n / 7 for n in range(rows)]}
    pq.write_table(pa.table(columns), folder / "t.parquet")
    return folder / "t.parquet"


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), *[pa.array([0.5])] * 2], ["case_id", "x", "x"])
    pq.write_table(table, tmp_path / "t.parquet")
    assert outcome(io.load_features, tmp_path / "t.parquet") == "CSV_FORMAT"


def fuzz_parquet(folder: Path, count: int, seed: int) -> Counter[str]:
    path = parquet(folder)
    content, rng, outcomes = path.read_bytes(), np.random.default_rng(seed), Counter[str]()
    for _ in range(count):
        made = bytearray(content)
        for place in rng.integers(0, len(made), rng.integers(1, 5)):
            made[place] = rng.integers(256)
        path.write_bytes(made)
        outcomes[outcome(io.load_features, path)] += 1
    return outcomes


def test_a_little_damage_to_parquet_is_read_or_refused(tmp_path: Path) -> None:
    assert len(fuzz_parquet(tmp_path, 300, 1)) > 1


@pytest.mark.slow
def test_much_damage_to_parquet_is_read_or_refused(tmp_path: Path) -> None:
    assert len(fuzz_parquet(tmp_path, 20_000, 2)) > 1


FLOODS = {
    "columns": b",".join(b"c%d" % n for n in range(text_table.MAX_COLUMNS + 1)) + b"\n",
    "commas": b"case_id,x\n" + b"," * (text_table.MAX_LINE + 1),
    "commas of the header": b"," * (text_table.MAX_LINE + 1),
    "one cell": b"case_id,x\n" + b"a" * (text_table.MAX_LINE + 1),
    "a cell of quotes": b'case_id,x\n"' + b'""' * text_table.MAX_CELL * 20,
    "a cell of lines": b'case_id,x\n"' + b"\n" * text_table.MAX_CELL * 20,
    "empty lines": b"case_id,x\n" + b"\n" * (text_table.MAX_LINES + 1),
    "rows": b"case_id,x\n" + b"a,1\n" * (text_table.MAX_ROWS + 1),
}


@pytest.mark.parametrize("name", FLOODS)
@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_a_flood_is_refused_by_name(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    data = FLOODS[name]
    path.write_bytes(gzip.compress(data, 1) if ending.endswith("gz") else data)
    with pytest.raises(PlanError) as caught:
        text_table.load_text_table(path)
    assert caught.value.code == "CSV_TOO_LARGE"


def test_the_widest_table_is_read() -> None:
    """Names are compared once each, so that many of them cost no more than their number."""
    names = [f"c{n}" for n in range(text_table.MAX_COLUMNS)]
    assert text_table._checked_header(names, Path("t.csv")) == tuple(names)
    with pytest.raises(PlanError, match=f"columns 1 and {text_table.MAX_COLUMNS} are both"):
        text_table._checked_header([*names[:-1], "c0"], Path("t.csv"))
