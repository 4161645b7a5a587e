"""Identifiers: each kind is found with its reason, the reason holds no value, and ordinary columns are left alone."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from counterproof.tools.data import read_table
from counterproof.tools.identifier_text import find_in_text
from counterproof.tools.identifiers import find_identifiers


def _reasons(name: str, cells: list[str]) -> list[str]:
    body = "".join(f'"{cell}",{at % 3}\n' for at, cell in enumerate(cells))
    table = read_table("d.csv", f"{name},arm\n{body}".encode())
    return [finding.reason for finding in find_identifiers(table) if finding.column == name]


@pytest.mark.parametrize(
    "name",
    ["id", "ID", "patient_id", "PatientID", "subject.id", "USUBJID", "Subject", "e_mail", "last name", "zip", "mrn"],
)
def test_find_identifiers_names(name: str) -> None:
    assert _reasons(name, ["1", "1", "2"]) == ["its name is that of an identifier"]


@pytest.mark.parametrize(
    "name", ["idle", "hip", "bid", "width", "age", "paid", "treatment", "patient_age", "residence", "surnamed"]
)
def test_find_identifiers_leaves_other_names_alone(name: str) -> None:
    assert _reasons(name, ["1", "1", "2"]) == []


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("ada@example.org", "form of an e-mail address"),
        ("write to ada@example.org!", "form of an e-mail address"),
        ("ada@ward3.intern", "form of an e-mail address"),
        ("078-05-1120", "form of a social security number or its kin"),
        ("SSN 078-05-1120.", "form of a social security number or its kin"),
        ("+49 (30) 1234-567", "form of a telephone number"),
        ("fell down the stairs and was seen by a neighbour", r"free text \(longer than 40 characters\)"),
    ],
)
def test_find_identifiers_patterns(cell: str, reason: str) -> None:
    """One such value among many is enough, and the reason does not repeat it."""
    (found,) = _reasons("note", ["none"] * 30 + [cell])
    assert found.endswith(reason.replace("\\", ""))
    assert cell not in found


@pytest.mark.parametrize("cell", ["stage II", "5 mg/kg", "12-05-1", "a@b", "BRAF@V600.1", "1,234"])
def test_find_identifiers_leaves_ordinary_text_alone(cell: str) -> None:
    assert _reasons("note", ["none"] * 30 + [cell]) == []


@pytest.mark.parametrize(
    ("cells", "reasons"),
    [
        ([f"{at}" for at in range(20)], ["every row has its own value"]),
        ([f"p{at}" for at in range(20)], ["its texts differ too much from row to row to be categories"]),
        ([f"{at}" for at in range(19)], []),
        ([f"{at}" for at in range(19)] + ["0"], []),
        ([f"{at}.5" for at in range(20)], []),
        (["2020-01-01", "2020-01-02"], ["it holds dates of single persons"]),
    ],
    ids=["whole numbers", "text", "fewer than 20 rows", "one value twice", "measurements", "dates"],
)
def test_find_identifiers_own_values_and_dates(cells: list[str], reasons: list[str]) -> None:
    assert _reasons("v", cells) == reasons


def test_find_identifiers_keeps_the_order_of_the_file() -> None:
    table = read_table("d.csv", b"zip,a,id\n1,2,3\n1,2,4\n")
    assert [finding.column for finding in find_identifiers(table)] == ["zip", "id"]


def _expression(row: int, at: int) -> int:
    return (row * 7919 + at * 104729) % 30011 - 500


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (lambda row: 1000 + row, True),
        (lambda row: 100003 + row * 7001, True),
        (lambda row: -50 + row * 7001, False),
        (lambda row: 17 + row * 7001, False),
    ],
    ids=["running", "one length", "below zero", "of several lengths"],
)
def test_in_a_file_of_many_columns_with_own_values_only_numbers_as_they_are_given_out_are_found(
    given: Callable[[int], int], found: bool
) -> None:
    header = ",".join(["v", *(f"g{at}" for at in range(60))])
    rows = [",".join(map(str, [given(row), *(_expression(row, at) for at in range(60))])) for row in range(30)]
    table = read_table("d.csv", "\n".join([header, *rows]).encode())
    assert all(column.values.nunique() == 30 for column in table.columns)
    assert [one.column for one in find_identifiers(table)] == (["v"] if found else [])


@pytest.mark.parametrize("at", [*range(1650, 2050, 7), 3390, 3399, 3400, 3401, 3690, 3699, 3700, 3701, 5100, 5400])
def test_in_a_long_text_an_identifier_is_found_wherever_it_stands_and_once(at: int) -> None:
    said = "mail ada.l@example.org or call +49 431 880-1234."
    text = ("the heart was normal " * 400)[:at] + f" {said} " + "and so were the lungs " * 100
    found = [(span.kind, text[span.start : span.end]) for span in find_in_text(text)]
    assert found == [("email", "ada.l@example.org"), ("phone", "+49 431 880-1234")]


@pytest.mark.parametrize("part", ["a.", "a-", "1;2;", "12345", "ACGT", "x", "aGVsbG8/"])
def test_a_long_text_takes_time_with_its_length_alone(part: str) -> None:
    """Taken whole, some of these took time with the square of it: 20 s for 32,000 characters."""
    took = []
    for size in (16_000, 64_000):
        text = (part * size)[:size]
        began_s = time.process_time()
        find_in_text(text)
        took.append(time.process_time() - began_s)
    assert took[1] < 10 * took[0] + 0.5
