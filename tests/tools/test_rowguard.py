"""The row guard: a row of the real data stops a request however it is written; ordinary prompts pass."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from counterproof.tools.data import Table, read_file, read_table
from counterproof.tools.identifiers import find_identifiers
from counterproof.tools.profile import make_profile
from counterproof.tools.rowguard import VALUES_MIN, RowGuard, RowInRequest
from counterproof.tools.twin import make_twin

LUNG = Path(__file__).parents[2] / "scenarios" / "lung-survival" / "data" / "lung.csv"
CONTENT = "arm,age,weight,city,stage,score,visit\nnew drug,71,80.25,Kiel,II,7,\nplacebo,64,77.5,Bonn,NA,NA,3\n"
pytestmark = pytest.mark.canary
LEAKS = {
    "CSV": "new drug,71,80.25,Kiel,II,7",
    "tabs": "new drug\t71\t80.25\tKiel\tII\t7",
    "printed data frame": "0  new drug   71   80.25   Kiel   II   7",
    "JSON": '[["new drug", 71, 80.25, "Kiel", "II", 7]]',
    "other decimals": "new drug,71.0,80.2500,Kiel,II,7.0",
    "missing values left out": "placebo 64 77.5 Bonn 3",
    "missing values as in the file": "placebo,64,77.5,Bonn,NA,NA,3",
    "missing values as pandas prints them": "1  placebo  64  77.5  Bonn  NaN  <NA>  3.0",
    "missing values as JSON": '["placebo", 64, 77.5, "Bonn", null, "", 3]',
    "within text": "The first row was: new drug, 71, 80.25, Kiel, II, 7\nand so on",
}


def _table() -> Table:
    return read_table("d.csv", CONTENT.encode())


def _body(text: str) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()


@pytest.mark.parametrize("text", LEAKS.values(), ids=LEAKS)
def test_check_stops_a_row(text: str) -> None:
    with pytest.raises(RowInRequest, match=r"of the real data; it was not sent\. Found: .*Look at what the last step"):
        RowGuard([_table()]).check(_body(text))


def test_check_does_not_repeat_the_row() -> None:
    with pytest.raises(RowInRequest, match="not sent") as caught:
        RowGuard([_table()]).check(_body(LEAKS["CSV"]))
    assert "Kiel" not in str(caught.value)


@pytest.mark.parametrize("body", [LEAKS["CSV"].encode(), b"\xff new drug,71,80.25,Kiel,II,7 {"], ids=["plain", "bytes"])
def test_check_stops_a_row_in_a_body_that_is_no_json(body: bytes) -> None:
    with pytest.raises(RowInRequest, match="not sent"):
        RowGuard([_table()]).check(body)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "arm,age,weight,city,stage,score",
        "new drug,71,80.25,Kiel",
        "new drug,71,80.25,Kiel,III,7",
        "7 II Kiel 80.25 71",
    ],
    ids=["empty", "header", "part of a row", "one value changed", "backwards"],
)
def test_check_lets_other_text_pass(text: str) -> None:
    RowGuard([_table()]).check(_body(text))


@pytest.mark.parametrize(
    "values",
    [["new drug", 71, 80.25, "Kiel", "II", 7], ["new drug", "71", "80.25", "Kiel", "II", "7"]],
    ids=["an array", "strings of their own"],
)
def test_check_stops_a_row_outside_of_strings(values: list[object]) -> None:
    with pytest.raises(RowInRequest, match="not sent"):
        RowGuard([_table()]).check(json.dumps({"rows": [values]}).encode())


def test_check_of_a_wide_table_is_quick() -> None:
    """2,000 columns with rows of 40 lengths took 0.1 s on the 2 cores this was written on."""
    lines = [",".join("" if (at * row) % 97 == 1 else f"{at * row}.5" for at in range(2000)) for row in range(1, 41)]
    guard = RowGuard([read_table("d.csv", "\n".join([",".join(f"g{at}" for at in range(2000)), *lines]).encode())])
    started = time.process_time()
    guard.check(_body("a prompt, with 5 words, 71.5 and more, " * 2500))
    assert time.process_time() - started < 3
    with pytest.raises(RowInRequest, match="not sent"):
        guard.check(_body(lines[17]))


def test_check_short_rows_are_nobodys() -> None:
    row = ",".join("1" * (VALUES_MIN - 1))
    RowGuard([read_table("d.csv", f"a,b,c,d\n{row}\n".encode())]).check(_body(row))


def test_check_deep_body_does_not_hide_a_row() -> None:
    guard = RowGuard([_table()])
    guard.check(b"[" * 200_000)
    with pytest.raises(RowInRequest, match="not sent"):
        guard.check(b"[" * 200_000 + LEAKS["CSV"].encode())


def test_check_finds_every_row_of_lung_and_nothing_in_its_profile_and_twin() -> None:
    raw, table = read_file(LUNG)
    guard, findings = RowGuard([table]), find_identifiers(table)
    guard.check(_body(json.dumps(make_profile(table, findings))))
    guard.check(_body(make_twin(table, findings).decode()))
    for line in bytes(raw).decode().splitlines()[1:]:
        with pytest.raises(RowInRequest, match="not sent"):
            guard.check(_body(line))


def test_check_without_tables_lets_everything_pass() -> None:
    RowGuard([]).check(_body(LEAKS["CSV"]))
