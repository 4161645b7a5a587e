"""Reading a data set: right files become columns, wrong ones an error that says what is wrong and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.tools import data
from counterproof.tools.data import MISSING, Table, read_file, read_table

WRONG = {
    "0-byte": (b"", r"d\.csv is empty \(0 bytes\).*header and at least one row"),
    "blank": (b" \n\r\n\t", r"is empty \(5 bytes\)"),
    "only a BOM": (b"\xef\xbb\xbf", r"is empty \(3 bytes\)"),
    "only a BOM and line ends": (b"\xef\xbb\xbf\r\n\r\n", r"is empty \(7 bytes\)"),
    "header only": (b"a,b\n", "has a header and no row.*at least one row"),
    "header only, no line end": (b"a,b", "has a header and no row"),
    "no header, numbers": (b"1,2\n3,4\n", "no header: its first line holds 2 values.*names of the columns"),
    "no header, numbers and missing": (b"1,NA\n3,4\n", "no header: its first line holds 2 values"),
    "no header, mixed": (b"63,M,yes\n63,F,no\n51,M,yes\n", "no header: its first line holds 3 values"),
    "no header, two columns": (b"M,63\nF,51\nM,70\n", "no header: its first line holds 2 values"),
    "header twice": (b"a,b\n1,2\na,b\n3,4\n", "no header: its first line holds 2 values"),
    "unnamed column": (b"a,,c\n1,2,3\n", "column 2 has no name.*Give every column a name"),
    "column named by blanks": (b"a,  \n1,2\n", "column 2 has no name"),
    "duplicate columns": (b"a,b,a\n1,2,3\n", "name 'a' stands 2 times.*must differ.*Rename"),
    "duplicate columns but for blanks": (b"a,b, a \n1,2,3\n", "name 'a' stands 2 times"),
    "short row": (b"a,b\n1,2\n3\n", "line 3: 1 values, and the header has 2 columns.*quote values"),
    "long row": (b"a,b\n1,2,3\n", "line 2: 3 values, and the header has 2"),
    "ragged after a blank line": (b"a,b\n\n1,2\n3\n", "line 4: 1 values"),
    "ragged after a quoted line end": (b'a,b\n"x\ny",2\n3\n', "line 4: 1 values"),
    "unclosed quote": (b'a,b\n"1,2\n3,4\n', "not well-formed.*unclosed quote"),
    "text after a quote": (b'a,b\n"1"x,2\n', "not well-formed.*unclosed quote"),
    "NUL at the start": (b"a,b\x00\n1,2\n", "binary file.*CSV, TSV, semicolon.*ending of its format.*export"),
    "NUL far inside": (b"a,b\n" + b"1,2\n" * 30_000 + b"\x00,1\n", "binary file"),
    "PNG": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary file"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "binary file"),
    "Windows-1252": ("name,b\nM\u00fcller,2\n".encode("cp1252"), r"byte 0xfc at offset 8.*must be in UTF-8.*iconv"),
    "mixed encodings": ("n,b\nMüller,2\n".encode() + "Müller,3\n".encode("cp1252"), "line 3.*mixes encodings.*anew"),
    "gzip by another name": (b"\x1f\x8b\x08\x08abc", "is gzip-compressed, and its name doesn't say so.*Rename"),
    "Excel by another name": (b"PK\x03\x04abc", "is a zip archive or an Excel workbook, and its name.*Rename"),
    "SPSS by another name": (b"$FL2@(#) SPSS", "is an SPSS file.*Rename"),
    "ten thousand columns": (
        ",".join(f"g{at}" for at in range(10_000)).encode() + b"\n1\n",
        r"has 10,000 columns.*At most 8,192.*If variables stand in rows, turn the table",
    ),
    "cut off": (b"a,b,c\n1,2,3\n4,5", "line 3: 2 values.*it may be cut off"),
    "bad quote far inside": (b"a,b\n" + b"1,2\n" * 9_000 + b'x"y,2\n', "a quote in line 9002 neither opens nor closes"),
}
RIGHT = {
    "comma": (b"a,b\n1,x\n2,y\n", ","),
    "tab": (b"a\tb\n1\tx\n2\ty\n", "\t"),
    "semicolon": (b"a;b\n1;x\n2;y\n", ";"),
    "BOM": (b"\xef\xbb\xbfa,b\n1,x\n2,y\n", ","),
    "CRLF": (b"a,b\r\n1,x\r\n2,y\r\n", ","),
    "CR": (b"a,b\r1,x\r2,y\r", ","),
    "no last line end": (b"a,b\n1,x\n2,y", ","),
    "blank lines": (b"\n\na,b\n\n1,x\n2,y\n\n", ","),
    "quoted": (b'"a","b"\n"1","x"\n"2","y"\n', ","),
    "blanks around": (b"a , b\n 1, x\n2 ,y \n", ","),
}


def _column(text: str) -> data.Column:
    return read_table("d.csv", f"v,w\n{text}".encode()).columns[0]


def _cells(*cells: str) -> str:
    return "".join(f"{cell},x{at}\n" for at, cell in enumerate(cells))


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
def test_read_table_wrong_input(content: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){message}"):
        read_table("d.csv", content)


@pytest.mark.parametrize(("content", "separator"), RIGHT.values(), ids=RIGHT)
def test_read_table_right_input(content: bytes, separator: str) -> None:
    table = read_table("folder/d.csv", content)
    assert [(column.name, column.kind) for column in table.columns] == [("a", "integer"), ("b", "text")]
    assert [column.values.tolist() for column in table.columns] == [[1.0, 2.0], ["x", "y"]]
    assert (table.name, table.rows, table.separator) == ("d.csv", 2, separator)
    assert (table.size, table.sha256) == (len(content), sha256_bytes(content))


@pytest.mark.parametrize("header", ['"age, years";"sex, gender"', '"a\tb";c'], ids=["comma", "tab"])
def test_read_table_separator_is_looked_for_outside_quotes(header: str) -> None:
    assert read_table("d.csv", f"{header}\n1;2\n".encode()).separator == ";"


def test_read_table_quoted_line_ends_and_separators() -> None:
    table = read_table("d.csv", b'a,b\n"one\ntwo","x,y"\n"say ""hi""","z\r\nz"\n')
    assert [column.values.tolist() for column in table.columns] == [["one\ntwo", 'say "hi"'], ["x,y", "z\r\nz"]]


def test_read_table_one_column_without_separator() -> None:
    table = read_table("d.csv", b"age\n41\n52\n")
    assert [(column.name, column.values.tolist()) for column in table.columns] == [("age", [41.0, 52.0])]


@pytest.mark.parametrize(
    "content", [b"male,n\nmale,1\nfemale,2\n", b"site,1990,1991\nA,4,5\nB,6,7\n"], ids=["one name", "years"]
)
def test_read_table_names_that_look_like_values_are_names(content: bytes) -> None:
    assert read_table("d.csv", content).rows == 2


@pytest.mark.parametrize("missing", sorted(MISSING), ids=repr)
def test_read_table_missing_spellings(missing: str) -> None:
    numbers, texts = _column(_cells("1", missing, "2")), _column(_cells("m", missing, "f"))
    assert (numbers.kind, numbers.values.isna().tolist()) == ("integer", [False, True, False])
    assert (texts.kind, texts.values.tolist()) == ("text", ["m", None, "f"])


@pytest.mark.parametrize(
    ("cells", "kind", "decimals"),
    [
        (["1", "-2", "+3"], "integer", 0),
        (["1.0", "2.0"], "integer", 1),
        (["1.5", "2.25"], "number", 2),
        (["1e3", "2"], "integer", 0),
        (["1.2e-5", "3e-4"], "number", 6),
        (["NA", ""], "text", 0),
        (["0012", "7"], "integer", 0),
        (["1_000", "2"], "text", 0),
        (["\u0663", "2"], "text", 0),
        (["inf", "2"], "text", 0),
        (["1e400", "2"], "text", 0),
        (["9" * 200, "2"], "text", 0),
        (["1.5", "<0.1"], "text", 0),
        (["True", "False"], "text", 0),
        (["2020-01-31", "NA"], "date", 0),
        (["2020-01-31", "2020-02-30"], "text", 0),
        (["2020-01-31", "31.01.2020"], "text", 0),
        (["2020-01-31"] * 60 + ["2020-1-5"], "text", 0),
    ],
    ids=lambda value: "|".join(value)[:24] if isinstance(value, list) else str(value),
)
def test_read_table_kinds(cells: list[str], kind: str, decimals: int) -> None:
    column = _column(_cells(*cells))
    assert (column.kind, column.decimals) == (kind, decimals)


def test_read_table_leaves_nothing_to_guessing() -> None:
    """One text value makes the whole column text, wherever it stands; pandas' guess would depend on the chunk."""
    for at in (0, 5_000):
        cells = ["1.50"] * 5_000
        cells.insert(at, "unknown")
        assert set(_column(_cells(*cells)).values) == {"1.50", "unknown"}


@given(st.permutations(["1", "2.5", "NA", "x", "2020-01-01", "2020-1-1", ""]), st.integers(1, 7))
def test_read_table_kind_does_not_depend_on_the_order(cells: list[str], first: int) -> None:
    chosen = cells[:first]
    assert _column(_cells(*chosen)).kind == _column(_cells(*sorted(chosen))).kind


def test_read_file_gives_the_exact_bytes(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbfa;b\r\n1;x\r\n"
    (tmp_path / "d.csv").write_bytes(content)
    raw, table = read_file(tmp_path / "d.csv")
    assert (raw, table.name, table.sha256) == (content, "d.csv", sha256_bytes(content))


def test_read_file_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.csv does not exist.*path after --data"):
        read_file(tmp_path / "nowhere.csv")


def test_read_file_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is no file.*path of one data file"):
        read_file(tmp_path)


def test_read_file_a_device() -> None:
    with pytest.raises(UsageError, match=r"/dev/zero is no file"):
        read_file(Path("/dev/zero"))


def test_read_file_a_pipe_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=r"pipe is no file"):
        read_file(tmp_path / "pipe")


def test_read_file_unreadable() -> None:
    """The memory of a process is a regular file that gives an I/O error to everybody, root too."""
    with pytest.raises(UsageError, match=r"/proc/self/mem can't be read: .*who may read it"):
        read_file(Path("/proc/self/mem"))


def test_read_file_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes(b"a\n1\n")
    with pytest.raises(UsageError, match=r"can't be read: Not a directory.*Check the path"):
        read_file(tmp_path / "d.csv" / "x")


@given(st.binary(max_size=200) | st.text(alphabet='a1,;\t"\r\n -.e\ufeff\u0663', max_size=60).map(str.encode))
@example(b"\xef\xbb\xbf\n")
@example(b"\x1c\n\x1d")
@example(b'"\n')
def test_read_table_any_bytes_give_a_table_or_a_usage_error(content: bytes) -> None:
    try:
        table = read_table("d.csv", content)
    except UsageError:
        return
    assert isinstance(table, Table)
    assert all(len(column.values) == table.rows >= 1 for column in table.columns)


@pytest.mark.parametrize("repeats", [1, 50])
def test_counts_and_different_values_are_those_of_the_series(repeats: int) -> None:
    rows = ["1,a ,2.5", "2,a,", "2,,2.5", "1, a,-1"] * repeats
    for column in read_table("d.csv", "\n".join(["x,y,z", *rows]).encode()).columns:
        expected = column.values.value_counts()
        assert dict(column.counts()) == dict(expected)
        assert column.different().to_pylist() == list(column.values.dropna().unique())
        assert column.distinct() == len(expected)
