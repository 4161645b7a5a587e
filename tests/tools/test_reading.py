"""Every format that labs have: read as another program wrote it; damaged, cut off or too large, refused by name."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as arrow_parquet
import pyreadr
import pyreadstat
import pytest

from counterproof.provenance.errors import UsageError
from counterproof.provenance.mapped import Room
from counterproof.tools.data import Table, read_table
from counterproof.tools.reading.writing import check_writable, in_form_of

FRAME = pd.DataFrame(
    {
        "age": [41.0, 52.0, None],
        "score": [1.5, 2.25, 3.0],
        "sex": ["m", None, "f"],
        "born": pd.to_datetime(["1980-01-31", "1971-05-01", "1990-12-24"]),
    }
)
CSV = b"age,score,sex,born\n41,1.5,m,1980-01-31\n52,2.25,,1971-05-01\n,3,f,1990-12-24\n"


def _saved(ending: str, save: Callable[[str], object], folder: Path) -> bytes:
    save(str(folder / f"d{ending}"))
    return (folder / f"d{ending}").read_bytes()


def _zip(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return out.getvalue()


def _write(ending: str, folder: Path) -> bytes:
    days = FRAME.assign(born=FRAME["born"].dt.date)
    match ending:
        case ".csv.gz":
            return gzip.compress(CSV)
        case ".csv.zip":
            return _zip(d__csv=CSV)
        case ".parquet":
            out = io.BytesIO()
            arrow_parquet.write_table(pa.Table.from_pandas(days), out)
            return out.getvalue()
        case ".jsonl":
            return days.assign(born=days["born"].astype(str)).to_json(orient="records", lines=True).encode()
        case ".sav":
            return _saved(ending, lambda path: pyreadstat.write_sav(days, path), folder)
        case ".dta":
            return _saved(ending, lambda path: pyreadstat.write_dta(FRAME, path), folder)
        case ".xpt":
            return _saved(ending, lambda path: pyreadstat.write_xport(days, path), folder)
        case _:
            return _saved(ending, lambda path: pyreadr.write_rds(path, FRAME), folder)


FORMATS = [".csv.gz", ".csv.zip", ".parquet", ".jsonl", ".sav", ".dta", ".xpt", ".rds"]


def _same(table: Table) -> None:
    assert [column.name for column in table.columns] == ["age", "score", "sex", "born"]
    age, score, sex, born = table.columns
    assert (age.kind, age.values.tolist()[:2], age.missing) == ("integer", [41.0, 52.0], 1)
    assert (score.kind, score.decimals, score.values.tolist()) == ("number", 2, [1.5, 2.25, 3.0])
    assert (sex.kind, sex.values.tolist()) == ("text", ["m", None, "f"])
    assert [day[:10] for day in born.values] == ["1980-01-31", "1971-05-01", "1990-12-24"]


@pytest.mark.parametrize("ending", FORMATS)
def test_read_table_of_a_format_as_another_library_writes_it(ending: str, tmp_path: Path) -> None:
    content = _write(ending, tmp_path)
    table = read_table(f"folder/d{ending}", content)
    _same(table)
    assert (table.name, table.size, table.rows) == (f"d{ending}", len(content), 3)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("kept", [0.5, 0.1])
def test_read_table_cut_off(ending: str, kept: float, tmp_path: Path) -> None:
    content = _write(ending, tmp_path)
    with pytest.raises(UsageError, match=r"d\.\w+"):
        read_table(f"d{ending}", content[: int(kept * len(content))])


@pytest.mark.parametrize("ending", [*FORMATS, ".xlsx", ".sas7bdat", ".rdata"])
def test_read_table_of_something_else(ending: str) -> None:
    with pytest.raises(UsageError, match=rf"d\{ending}"):
        read_table(f"d{ending}", b"this is no table at all\n" * 9)


PACKED = {
    "two files": ("d.zip", _zip(a__csv=CSV, b__csv=CSV), r"holds 2 files.*just one data file.*Unpack"),
    "no file": ("d.zip", _zip(), "holds 0 files"),
    "gzip bomb": ("d.csv.gz", gzip.compress(bytes(80 * 2**20)), r"unpacked.*At most 200 times as many"),
    "zip bomb": ("d.zip", _zip(d__csv=bytes(80 * 2**20)), r"unpacked.*At most 200 times as many"),
    "workbook bomb": ("d.xlsx", _zip(sheet__xml=bytes(80 * 2**20)), r"unpacked.*At most 200 times as many"),
    "zip in zip": ("d.zip", _zip(d__zip=_zip(d__csv=CSV)), "zip archive or an Excel workbook, and its name"),
    "nested": ("d.jsonl", b'{"a": {"b": 1}}\n', "'a' holds values of the type struct.*a column of its own"),
    "two types": ("d.jsonl", b'{"a": 1}\n{"a": "x"}\n', "can't be read as JSON lines.*same type"),
    "list of objects": ("d.jsonl", b'[{"a": 1}]\n', "can't be read as JSON lines"),
}


@pytest.mark.parametrize(("name", "content", "message"), PACKED.values(), ids=PACKED)
def test_read_table_refuses_what_is_packed_or_nested_wrongly(name: str, content: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){message}"):
        read_table(name, content)


def test_read_table_keeps_labels_and_what_spss_declares_missing(tmp_path: Path) -> None:
    frame = pd.DataFrame({"smoke": [0.0, 1.0, 9.0]})

    def save(path: str) -> None:
        pyreadstat.write_sav(
            frame,
            path,
            column_labels={"smoke": "smokes"},
            variable_value_labels={"smoke": {0: "no", 1: "yes", 9: "not asked"}},
            missing_ranges={"smoke": [9]},
        )

    (column,) = read_table("d.sav", _saved(".sav", save, tmp_path)).columns
    assert (column.label, column.codes["9"], column.user_missing) == ("smokes", "not asked", ("9",))
    assert column.values.tolist() == [0.0, 1.0, 9.0]


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".csv.zip", ".parquet", ".jsonl", ".dta"])
def test_in_form_of_is_read_as_the_data_are(ending: str) -> None:
    first, second = (in_form_of(f"d{ending}", CSV) for _ in range(2))
    _same(read_table(f"d{ending}", first))
    assert ending == ".dta" or first == second


@pytest.mark.parametrize("name", ["d.xlsx", "d.sas7bdat", "d.xpt", "d.rdata", "d.xlsx.gz"])
def test_check_writable_names_the_way_out(name: str) -> None:
    with pytest.raises(UsageError, match=r"programs in Python and R don't both read.*Add it again.*converted then"):
        check_writable(name)


def test_read_table_needs_little_memory_beside_the_file() -> None:
    row = "".join(f"{at}.125,{at % 7},group{at % 3}," for at in range(10, 20)) + "1\n"
    content = (",".join(f"c{at}" for at in range(31)) + "\n" + row * 40_000).encode()
    tracemalloc.start()
    table = read_table("d.csv", content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert table.rows == 40_000
    assert peak < len(content)
    assert sum(column.cells.nbytes for column in table.columns) < len(content)


@pytest.mark.parametrize("room", [None, 0], ids=["in memory", "on the disk"])
def test_a_file_that_sas_wrote(tmp_path: Path, room: int | None) -> None:
    data = Path(__file__).with_name("survey.sas7bdat").read_bytes()
    table = read_table("survey.sas7bdat", data, room=None if room is None else Room(folder=tmp_path, above=room))
    assert [(one.name, one.kind, one.missing) for one in table.columns] == [
        ("id", "integer", 0),
        ("workshop", "integer", 0),
        ("gender", "text", 1),
        *((f"q{at}", "integer", int(at == 3)) for at in range(1, 5)),
    ]
    assert table.columns[2].values.tolist() == ["f", "f", "f", None, "m", "m", "m", "m"]
    assert table.columns[6].values.tolist() == [1, 1, 3, 3, 4, 5, 4, 5]
    assert table.columns[4].label == "The instructor communicated well"


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_a_file_that_sas_wrote_cut_off(kept: float) -> None:
    data = Path(__file__).with_name("survey.sas7bdat").read_bytes()
    with pytest.raises(UsageError, match=r"survey\.sas7bdat can't be read: .*damaged, cut off"):
        read_table("survey.sas7bdat", data[: int(kept * len(data))])
