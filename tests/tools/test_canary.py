"""Canaries: nothing that was planted for one person gets into the profile, the twin, or the reasons of findings."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from counterproof.tools.data import Table, read_file, read_table
from counterproof.tools.identifiers import find_identifiers
from counterproof.tools.profile import K, is_coded, make_profile, shown_range
from counterproof.tools.twin import build_twin, make_twin
from counterproof.tools.twin.columns import SENTINELS

LUNG = Path(__file__).parents[2] / "scenarios" / "lung-survival" / "data" / "lung.csv"
PLANTED = {
    "rare category": ("arm", "Creutzfeldt"),
    "rare code": ("grade", "771"),
    "extreme": ("weight", "8391.7"),
    "negative extreme": ("weight", "-8391.7"),
    "extreme whole number": ("days", "86013"),
    "e-mail address": ("arm", "ada.l@example.org"),
    "e-mail address in text": ("arm", "see ada.l@example.org"),
    "telephone number": ("arm", "+49 431 880-1234"),
    "social security number": ("arm", "078-05-1120"),
    "name": ("name", "Lovelace"),
    "id": ("patient_id", "MRN-48213"),
    "free text": ("arm", "was found by her sister in Kiel on the second of May"),
    "text among numbers": ("weight", "Lovelace 71 kg"),
    "date": ("born", "1931-07-19"),
    "text among dates": ("born", "about 1931-07-19"),
    "quoted line end": ("arm", "Creutz\nfeldt"),
}
pytestmark = pytest.mark.canary


def _rows(seed: int, size: int) -> list[dict[str, str]]:
    source = random.Random(seed)
    return [
        {
            "patient_id": f"MRN-{at:05d}",
            "name": source.choice(["Noether", "Hopper"]),
            "arm": source.choice(["drug", "placebo", ""]),
            "grade": str(source.randint(0, 3)),
            "weight": f"{source.gauss(70, 9):.1f}",
            "days": str(source.randint(1, 900)),
            "born": f"19{source.randint(40, 69)}-0{source.randint(1, 9)}-12",
        }
        for at in range(size)
    ]


def _table(rows: list[dict[str, str]]) -> Table:
    lines = [",".join(rows[0]), *(",".join(f'"{cell}"' for cell in row.values()) for row in rows)]
    return read_table("d.csv", "\n".join(lines).encode())


def _told(table: Table) -> str:
    """Everything that a model may be given of a table at exposure `metadata`."""
    findings = find_identifiers(table)
    profile = json.dumps(make_profile(table, findings), ensure_ascii=False)
    reasons = json.dumps([finding.reason for finding in findings])
    return profile + reasons + make_twin(table, findings).decode()


@pytest.mark.parametrize(("column", "value"), PLANTED.values(), ids=PLANTED)
@pytest.mark.parametrize("at", [0, 57, 119], ids=["first row", "inside", "last row"])
def test_canary_planted_once_is_not_told(column: str, value: str, at: int) -> None:
    rows = _rows(11, 120)
    rows[at][column] = value
    assert value not in _told(_table(rows))


@pytest.mark.parametrize("copies", [2, K - 1], ids=["twice", "K - 1 times"])
@pytest.mark.parametrize(("column", "value"), PLANTED.values(), ids=PLANTED)
def test_canary_planted_up_to_k_minus_one_times_is_not_told(column: str, value: str, copies: int) -> None:
    rows = _rows(12, 120)
    for at in range(copies):
        rows[at * 7][column] = value
    assert value not in _told(_table(rows))


@pytest.mark.parametrize("what", ["e-mail address", "e-mail address in text", "social security number", "free text"])
def test_canary_identifier_that_many_rows_share_is_not_told(what: str) -> None:
    column, value = PLANTED[what]
    rows = _rows(13, 120)
    for row in rows[: 3 * K]:
        row[column] = value
    assert value not in _told(_table(rows))


def test_canary_category_of_k_rows_is_told() -> None:
    """The control: these tests can see what they look for."""
    rows = _rows(14, 120)
    for row in rows[:K]:
        row["arm"] = "Creutzfeldt"
    assert "Creutzfeldt" in _told(_table(rows))


@given(
    st.integers(0, 2**32),
    st.integers(1, 90),
    st.text(string.ascii_letters, min_size=8, max_size=12),
    st.integers(1, K - 1),
)
@settings(max_examples=40, deadline=None)
def test_canary_rare_category_of_any_table_is_not_told(seed: int, size: int, value: str, copies: int) -> None:
    rows = _rows(seed, size)
    for row in rows[:copies]:
        row["arm"] = value
    assert value not in _told(_table(rows))


@given(st.integers(0, 2**32), st.integers(1, 90), st.integers(10**6, 10**9), st.sampled_from(["", "-"]))
@settings(max_examples=40, deadline=None)
def test_canary_extreme_of_any_table_is_not_told(seed: int, size: int, extreme: int, sign: str) -> None:
    rows = _rows(seed, size)
    for row in rows[: K - 1]:
        row["weight"], row["days"] = f"{sign}{extreme}.3", f"{sign}{extreme}"
    assert str(extreme) not in _told(_table(rows))


@given(st.lists(st.integers(0, 400), min_size=1, max_size=120))
@example([0] * 18 + [1, 4 * 88])
@settings(max_examples=60, deadline=None)
def test_canary_no_end_of_a_range_or_twin_lies_beyond_k_rows(values: list[int]) -> None:
    """Also where the extremes are round numbers close to the rest, so that rounding could give them away."""
    table = read_table("d.csv", "\n".join(["v,w", *(f"{value / 4},z" for value in values)]).encode())
    (column, _), findings = table.columns, find_identifiers(table)
    if is_coded(column) or "range" not in (shown := make_profile(table, findings)["columns"][0]):
        return
    if shown["range"] == "not shown":
        return
    made = build_twin(table, findings)
    twin = read_table("d.csv", made.data).columns[0].values.dropna()
    # Where a code for "missing" stands alone, the twin has another such code, which is nobody's.
    twin = twin[~twin.isin([SENTINELS[value] for value in column.values if value in SENTINELS])]
    # Where no K rows stand behind two ends, values are drawn around a rounded mean: they come from no row.
    if {"how": "rounded mean and spread", "columns": ["v"]} not in made.facts["made"]:
        assert (column.values <= twin.min()).sum() >= K
        assert (column.values >= twin.max()).sum() >= K
    present, (low, high) = sorted(column.values.dropna()), shown["range"]
    assert low <= present[K - 1] <= high
    assert low <= present[-K] <= high
    without = present[K - 1 : len(present) - K + 1]  # the ends follow from what K rows lie at or beyond, alone
    moved = [without[0]] * (K - 1) + without + [without[-1]] * (K - 1)
    other = read_table("d.csv", "\n".join(["v,w", *(f"{value},z" for value in moved)]).encode())
    assert len(moved) == len(present)
    assert other.columns[0].kind != column.kind or shown_range(other.columns[0]) == (low, high)


def test_canary_lung_tells_no_row_and_no_extreme() -> None:
    raw, table = read_file(LUNG)
    findings = find_identifiers(table)
    twin = make_twin(table, findings)
    assert not set(bytes(raw).decode().splitlines()[1:]) & {
        line.rsplit(",", 1)[0] for line in twin.decode().splitlines()
    }
    for real, made in zip(table.columns, read_table("lung.csv", twin).columns, strict=False):
        # A made-up code stands for rare levels, and may lie outside: nobody has it.
        values = made.values.where(made.values.isin(real.values)).dropna() if is_coded(real) else made.values
        assert (real.values <= values.min()).sum() >= K
        assert (real.values >= values.max()).sum() >= K
