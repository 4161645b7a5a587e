"""Files that programs don't read: made into delimited text with the same values, the same bytes each time."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pyreadr
import pyreadstat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.tools.data import take_file
from counterproof.tools.reading.conversion import converted
from counterproof.tools.reading.reader import read_table
from counterproof.tools.reading.table import Column, Table

from ..workbook import workbook

FRAME = pd.DataFrame(
    {
        "age": [41.0, 52.0, None, 9.0],
        "score": [1.5, 2.25, 0.1 + 0.2, 1e-7],
        "sex": ["m", None, 'f, "x"', "é"],
    }
)
DAYS = pd.to_datetime(pd.Series(["1980-01-31", "1971-05-01", "1990-12-24", "2000-02-29"]))


def _write(path: Path) -> None:
    match path.suffix:
        case ".xlsx":
            path.write_bytes(workbook(FRAME))
        case ".gz":
            path.write_bytes(gzip.compress(workbook(FRAME)))
        case ".xpt":
            pyreadstat.write_xport(FRAME, str(path))
        case ".sav":
            pyreadstat.write_sav(FRAME, str(path))
        case ".rds":
            pyreadr.write_rds(str(path), FRAME)
        case _:
            pyreadr.write_rdata(str(path), FRAME, df_name="trial")


@pytest.mark.parametrize("name", ["d.xlsx", "d.xlsx.gz", "d.xpt", "d.sav", "d.rds", "d.RData"])
def test_the_values_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    _write(path)
    taken = take_file(path)
    age, score, sex = taken.table.columns
    assert taken.table.name == "d.csv"
    assert (age.kind, score.kind, sex.kind) == ("integer", "number", "text")
    assert age.values.tolist()[:2] == [41.0, 52.0]
    assert age.missing == 1
    assert score.values.tolist() == pytest.approx(FRAME["score"].tolist(), rel=1e-14)  # XPT has IBM's numbers
    assert sex.values.tolist() == FRAME["sex"].tolist()


@pytest.mark.parametrize("name", ["d.xlsx", "d.sav", "d.rds"])
def test_the_same_file_gives_the_same_bytes_and_names_its_original(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    _write(path)
    first, second = take_file(path), take_file(path)
    assert first.content == second.content
    assert first.table.sha256 == sha256_bytes(first.content)
    assert first.original is not None
    assert (first.original.name, first.original.sha256) == (name, sha256_bytes(path.read_bytes()))


def test_days_stay_days(tmp_path: Path) -> None:
    pyreadr.write_rds(str(tmp_path / "d.rds"), pd.DataFrame({"seen": DAYS.dt.date, "x": [1.0, 2.0, 3.0, 4.0]}))
    assert bytes(take_file(tmp_path / "d.rds").content).splitlines()[1] == b"1980-01-31,1"


@pytest.mark.parametrize("name", ["d.csv", "d.parquet"])
def test_what_programs_read_stays_as_it_is(name: str, tmp_path: Path) -> None:
    if name.endswith(".csv"):
        FRAME.to_csv(tmp_path / name, index=False)
    else:
        FRAME.to_parquet(tmp_path / name)
    taken = take_file(tmp_path / name)
    assert (taken.original, taken.content) == (None, (tmp_path / name).read_bytes())


def test_labels_of_the_file_become_part_of_the_codebook(tmp_path: Path) -> None:
    pyreadstat.write_sav(
        FRAME,
        str(tmp_path / "d.sav"),
        column_labels={"age": "Age at entry"},
        variable_value_labels={"age": {9: "not asked"}},
        missing_ranges={"age": [9]},
    )
    taken = take_file(tmp_path / "d.sav")
    (age,) = taken.variables
    assert (age.name, age.label, age.levels, age.missing) == ("age", "Age at entry", {"9": "not asked"}, ("9",))
    assert age.is_of(taken.table.name)


def test_a_damaged_file_is_refused_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "d.xlsx").write_bytes(workbook(FRAME)[:200])
    with pytest.raises(UsageError, match=r"d\.xlsx can't be read as a workbook.*export the sheet as CSV"):
        take_file(tmp_path / "d.xlsx")


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1).map(str.strip)


@given(
    numbers=st.lists(st.floats(-1e100, 1e100, allow_subnormal=False) | st.none(), min_size=2, max_size=5),
    texts=st.lists(_TEXT, min_size=5, max_size=5),
)
def test_delimited_text_is_read_back_as_the_same_values(numbers: list[float | None], texts: list[str]) -> None:
    words = pd.Series([f"w{text}" for text in texts[: len(numbers)]], dtype="object")
    columns = (
        Column(name="a", kind="number", values=pd.Series(numbers, dtype="float64")),
        Column(name="b", kind="text", values=words),
    )
    table = Table(name="d.xlsx", sha256="0" * 64, size=1, separator=",", columns=columns, rows=len(numbers))
    first, second = read_table("d.csv", converted(table)).columns
    present = [number for number in numbers if number is not None]
    assert first.values.dropna().tolist() == present or not present
    assert second.values.tolist() == [word.strip() for word in words]
