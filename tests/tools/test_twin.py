"""The twin: same shape and kinds as the real data, marked in every row, the same bytes each time, quick when wide."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterproof.provenance.errors import UsageError
from counterproof.tools.data import Column, Table, read_file, read_table
from counterproof.tools.identifiers import find_identifiers
from counterproof.tools.profile import make_profile
from counterproof.tools.twin import MARK, make_twin

LUNG = Path(__file__).parents[2] / "scenarios" / "lung-survival" / "data" / "lung.csv"
ROWS = 120


def _mixed(separator: str) -> str:
    """One column of each kind, with missing values, a name that needs quotes, and an identifier."""
    source = random.Random(7)
    lines = [separator.join(["id", "arm", '"wei""ght, kg"', "grade", "day", "karno", "crp", "empty", "site"])]
    for at in range(ROWS):
        cells = [f"P{at:04d}", source.choice(["drug", "placebo", "NA"]), f"{source.gauss(70, 9):.1f}"]
        cells += [str(source.randint(0, 3)), f"2019-0{1 + at % 9}-11", f"{source.randint(4, 10) * 10}.0"]
        cells += [f"{source.lognormvariate(-9, 1):.3e}", "", '"Kiel; north, a"']
        lines.append(separator.join(cells))
    return "\n".join(lines) + "\n"


def _read(content: str) -> Table:
    return read_table("d.csv", content.encode())


def _twin(table: Table) -> Table:
    return read_table(table.name, make_twin(table, find_identifiers(table)))


def _modelled(table: Table) -> list[Column]:
    hidden = {finding.column for finding in find_identifiers(table)}
    return [column for column in table.columns if column.name not in hidden]


@pytest.mark.parametrize("separator", [",", "\t", ";"], ids=["comma", "tab", "semicolon"])
def test_make_twin_has_the_columns_kinds_rows_and_separator_of_the_data(separator: str) -> None:
    table = _read(_mixed(separator))
    twin = _twin(table)
    kinds = {column.name: column.kind for column in twin.columns}
    assert list(kinds) == [*(column.name for column in table.columns), MARK]
    assert {column.name: column.kind for column in _modelled(table)}.items() <= kinds.items()
    assert (twin.rows, twin.separator, twin.name) == (ROWS, separator, "d.csv")


def test_make_twin_of_lung_has_the_kinds_and_rows_of_the_data() -> None:
    _, table = read_file(LUNG)
    twin = _twin(table)
    assert [(column.name, column.kind) for column in twin.columns[:-1]] == [
        (column.name, column.kind) for column in table.columns
    ]
    assert twin.rows == table.rows == 228


@pytest.mark.parametrize("name", ["inst", "time", "meal.cal"])
def test_make_twin_is_read_by_pandas_with_the_types_of_the_data(name: str) -> None:
    """A program must not meet int64 on the twin and float64 on the data."""
    raw, table = read_file(LUNG)
    twin = make_twin(table, [])
    assert pd.read_csv(io.BytesIO(twin))[name].dtype == pd.read_csv(io.BytesIO(raw))[name].dtype


def test_make_twin_writes_whole_numbers_as_the_data_do() -> None:
    table = _read(_mixed(","))
    rows = list(csv.DictReader(io.StringIO(make_twin(table, []).decode())))
    assert all(row["karno"].endswith("0.0") for row in rows)
    assert all(row["grade"] in "0123" for row in rows)


@pytest.mark.parametrize("separator", [",", ";"], ids=["comma", "semicolon"])
def test_make_twin_marks_every_row(separator: str) -> None:
    table = _read(_mixed(separator))
    rows = list(csv.reader(io.StringIO(make_twin(table, []).decode()), delimiter=separator))
    assert rows[0][-1] == MARK
    assert [row[-1] for row in rows[1:]] == ["1"] * ROWS


def test_make_twin_refuses_a_twin() -> None:
    table = _read(_mixed(","))
    with pytest.raises(UsageError, match=rf"column '{MARK}': it is synthetic.*must be real.*file that this twin"):
        make_twin(_twin(table), [])


def test_make_twin_gives_the_same_bytes_each_time_and_others_for_other_data() -> None:
    content = _mixed(",")
    first, second = (make_twin(_read(content), []) for _ in range(2))
    assert first == second
    assert make_twin(_read(content + content.splitlines()[1] + "\n"), []) != first


def test_make_twin_keeps_missing_shares_and_levels_roughly() -> None:
    rows = [f"{'NA' if at % 4 == 0 else at % 7}.5,{'ab'[at % 5 == 0]}" for at in range(400)]
    twin = _twin(_read("\n".join(["v,arm", *[row.replace("NA.5", "NA") for row in rows]])))
    assert twin.columns[0].values.isna().mean() == pytest.approx(0.25, abs=0.08)
    assert (twin.columns[1].values == "b").mean() == pytest.approx(0.2, abs=0.08)


def test_make_twin_keeps_the_rank_correlation_roughly() -> None:
    source = random.Random(3)
    pairs = [(at, at + source.gauss(0, 80)) for at in (source.gauss(0, 100) for _ in range(600))]
    real = _read("\n".join(["a,b", *(f"{a:.3f},{b:.3f}" for a, b in pairs)]))
    twin = _twin(real)
    ranks = [table.columns[0].values.rank().corr(table.columns[1].values.rank()) for table in (real, twin)]
    assert ranks[1] == pytest.approx(ranks[0], abs=0.1)


def test_make_twin_of_an_identifier_keeps_how_often_it_repeats() -> None:
    """Programs for repeated measures need fewer subjects than rows on the twin too."""
    table = _read("\n".join(["subject,y", *(f"S{at % 18},{at % 9}.25" for at in range(180))]))
    subjects = _twin(table).columns[0].values
    assert subjects.nunique() == 18
    assert subjects.str.startswith("SYNTHETIC-").all()


@pytest.mark.parametrize(
    "content",
    ["a\n1\n", "a,b\nNA,\n", "a,b\n1,x\n2,\n", "a,b\n2020-01-01,1\n", 'a,"b\rc"\n1,2\n'],
    ids=["one cell", "nothing present", "two rows", "a date", "a CR in a name"],
)
def test_make_twin_of_tiny_tables(content: str) -> None:
    table = _read(content)
    twin = _twin(table)
    assert [column.name for column in twin.columns] == [*(column.name for column in table.columns), MARK]
    assert twin.rows == table.rows


def test_make_twin_of_few_measurements_is_still_a_number() -> None:
    assert _twin(_read("a,b\n" + "1.5,x\n2.5,y\n")).columns[0].kind == "number"


@pytest.mark.parametrize("size", range(1, 22))
def test_make_twin_of_few_persons_below_zero(size: int) -> None:
    """Of so few that no bounds may be told, a mean and a deviation are; nothing says where they end below zero."""
    rows = [f"{at - 7.5},{at - 7},{1940 + at}-03-12" for at in range(size)]
    twin = _twin(_read("\n".join(["change,score,born", *rows])))
    assert (twin.rows, [column.kind for column in twin.columns][:1]) == (size, ["number"])


def test_make_twin_of_a_wide_table_ends_and_has_every_column() -> None:
    """Relations are looked for among the first columns only; with all of 7,000 it would not end."""
    values = np.random.default_rng(5).normal(size=(40, 7000))
    lines = [",".join(f"g{at}" for at in range(7000)), *(",".join(f"{cell:.3f}" for cell in row) for row in values)]
    table = _read("\n".join(lines))
    twin = make_twin(table, find_identifiers(table))
    assert twin.count(b"\n") == 41
    assert twin.split(b"\n", 1)[0].count(b",") >= 7000 - 1


@given(
    st.lists(
        st.lists(
            st.sampled_from(["", "1", "2.50", "-3e-7", "x", 'a "b"', "2020-01-01", "1e99", "\r"]),
            min_size=2,
            max_size=2,
        ),
        min_size=1,
        max_size=60,
    )
)
@settings(max_examples=60, deadline=None)
def test_make_twin_of_any_table(rows: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["left", "right"], *rows])
    table = _read(file.getvalue())
    for findings in (find_identifiers(table), []):
        make_profile(table, findings)
        twin = read_table("d.csv", make_twin(table, findings))
        assert [column.name for column in twin.columns] == ["left", "right", MARK]
        assert twin.rows == len(rows)
