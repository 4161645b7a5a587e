"""The profile: what is shown, what is held back, and that the order of the rows plays no part."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterproof.tools.data import Column, Table, read_table
from counterproof.tools.identifiers import find_identifiers
from counterproof.tools.profile import CODES_MAX, WIDE, K, make_profile, shown_range, told


def _profile(header: str, rows: list[str]) -> dict[str, Any]:
    table = read_table("d.csv", "\n".join([header, *rows]).encode())
    return make_profile(table, find_identifiers(table))


def _only(cells: list[str]) -> dict[str, Any]:
    column: dict[str, Any] = _profile("v,w", [f"{cell},{at % 2}" for at, cell in enumerate(cells)])["columns"][0]
    return column


def _numbers(cells: list[str]) -> Column:
    return read_table("d.csv", "\n".join(["v,w", *(f"{cell},z" for cell in cells)]).encode()).columns[0]


def test_make_profile_has_the_file_rows_and_columns_and_is_json() -> None:
    profile = _profile("age,sex", [f"{40 + at % 30}.5,{'MF'[at % 2]}" for at in range(60)])
    assert (profile["file"], profile["rows"]) == ("d.csv", 60)
    assert [column["name"] for column in profile["columns"]] == ["age", "sex"]
    assert json.loads(json.dumps(profile, allow_nan=False)) == profile


def test_make_profile_shows_nothing_but_the_name_of_an_identifier() -> None:
    profile = _profile("zip,arm", [f"1011{at % 3},a" for at in range(60)])
    assert profile["columns"][0] == {"name": "zip", "type": "identifier", "missing": "not shown"}
    assert profile["held_back"][0]["why"] == "its name is that of an identifier"


@pytest.mark.parametrize(("rows", "shown"), [(K, True), (K - 1, False)], ids=["K rows", "one fewer"])
@pytest.mark.parametrize("level", ["amyloid", "7"], ids=["text", "code"])
def test_make_profile_levels_need_k_rows(level: str, rows: int, shown: bool) -> None:
    other = "9" if level.isdigit() else "none"
    assert (level in _only([other] * 50 + [level] * rows)["levels"]) is shown


def test_make_profile_says_how_many_levels_it_holds_back_but_not_which() -> None:
    profile = _profile("v,w", [f"{cell},0" for cell in ["none"] * 30 + ["amyloid", "kuru"]])
    assert profile["held_back"] == [{"column": "v", "what": "2 rare levels", "why": "fewer than 10 persons each"}]
    assert profile["columns"][0]["other_levels"] == "held back"
    assert "kuru" not in json.dumps(profile)


@pytest.mark.parametrize(
    ("gone", "text"),
    [(0, "none"), (1, "under 5 %"), (4, "under 5 %"), (5, "about 5 %"), (33, "about 35 %"), (100, "about 100 %")],
)
def test_make_profile_rounds_missingness(gone: int, text: str) -> None:
    assert _only(["NA"] * gone + ["x"] * (100 - gone))["missing"] == text


def test_make_profile_few_whole_numbers_are_codes_and_many_are_a_range() -> None:
    few, many = ([str(at % count) for at in range(420)] for count in (CODES_MAX, CODES_MAX + 1))
    assert "levels" in _only(few)
    assert _only(many)["range"] == [0.0, 20.0]


@pytest.mark.parametrize(
    ("cells", "ends"),
    [
        ([f"{at}.5" for at in range(100)], (9.0, 91.0)),
        ([f"{at * 1000 + 1}" for at in range(100)], (9000.0, 91000.0)),
        ([f"-{at}.5" for at in range(100)], (-91.0, -9.0)),
        ([f"{at}e-7" for at in range(100)], (9e-7, 9e-6)),
        (["5.37"] * 100, (5.37, 5.37)),
        (["5.37"] * 90 + [f"{at}.1" for at in range(100, 109)], (5.37, 5.37)),
        ([f"{at}.5" for at in range(2 * K - 1)], None),
        ([f"{at}.5" for at in range(2 * K)], (9.0, 11.0)),
        ([f"{at}.123" for at in range(2 * K)], (9.0, 11.0)),
        ([f"{at}.5" for at in range(4 * K)], (9.0, 31.0)),
        (["NA"] * 50 + ["1.5"] * (2 * K - 1), None),
        ([f"{at * 2}.5" for at in range(2 * K)], (18.0, 21.0)),
        ([str(at * 3 + 4) for at in range(2 * K)], (30.0, 40.0)),
        (["-100.5"] * 9 + ["3.3", "3.4"] + ["100.5"] * 9, (3.0, 4.0)),
        ([f"2020-01-{at % 28 + 1:02d}" for at in range(3 * K)], None),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_shown_range_table(cells: list[str], ends: tuple[float, float] | None) -> None:
    assert shown_range(_numbers(cells)) == ends


@given(st.lists(st.decimals(-(10**6), 10**6, places=3), min_size=1, max_size=80))
@settings(max_examples=60, deadline=None)
def test_shown_range_holds_all_that_lies_between_the_ends_and_hides_them_when_few_lie_there(values: list[Any]) -> None:
    column = _numbers([str(value) for value in values])
    ends, ordered = shown_range(column), sorted(column.values)
    assert (ends is None) == (len(ordered) < 2 * K)
    if ends is not None:
        low, high = ordered[K - 1], ordered[-K]
        assert ends[0] <= low <= high <= ends[1]
        if len(ordered) < 4 * K and low < high:
            assert max(len(str(end).partition(".")[2]) for end in ends) < 3


@given(
    st.lists(st.floats(-1e100, 1e100, allow_nan=False) | st.floats(-1e-300, 1e-300), min_size=20, max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_shown_range_any_size_of_number(values: list[float]) -> None:
    ends = shown_range(_numbers([repr(value) for value in values]))
    assert ends is None or ends[0] <= ends[1]


@given(st.integers(0, 2**32), st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_make_profile_does_not_depend_on_the_order_of_rows(seed: int, size: int) -> None:
    source = random.Random(seed)
    rows = [
        f"{source.choice(['a', 'b', 'NA'])},{source.gauss(50, 10):.2f},{source.randint(0, 4)},2020-01-{at % 28 + 1:02d}"
        for at in range(size)
    ]
    profile = _profile("arm,weight,grade,day", rows)
    source.shuffle(rows)
    assert _profile("arm,weight,grade,day", rows) == profile


def _wide(columns: int, cell: Callable[[int, int], object]) -> Table:
    header = ",".join([*(f"g{at}" for at in range(columns)), "arm"])
    rows = [",".join([*(str(cell(at, row)) for at in range(columns)), "ab"[row % 2]]) for row in range(60)]
    return read_table("wide.csv", "\n".join([header, *rows]).encode())


def _measured(at: int, row: int) -> str:
    return f"{at * row % 97}.{row:02}"


def test_told_takes_columns_that_are_alike_together_in_a_wide_file() -> None:
    whole = {"files": [make_profile(_wide(WIDE, _measured), [])]}
    (file,) = told(whole)["files"]
    together, arm = file["columns"]
    assert together["columns_alike"] == WIDE
    assert together["first_names"] == [f"g{at}" for at in range(10)]
    ranges = [column["range"] for column in whole["files"][0]["columns"][:-1]]
    assert together["range"] == [min(low for low, _ in ranges), max(high for _, high in ranges)]
    assert arm == whole["files"][0]["columns"][-1]
    assert len(json.dumps(file["columns"])) < 600


def test_told_keeps_the_levels_of_columns_that_are_alike() -> None:
    genotypes = make_profile(_wide(WIDE, lambda at, row: (at + row) % 3), [])
    together, _arm = told({"files": [genotypes]})["files"][0]["columns"]
    assert (together["columns_alike"], together["levels"]) == (WIDE, ["0", "1", "2"])


def test_told_leaves_a_file_of_few_columns_as_it_is() -> None:
    whole = {"files": [make_profile(_wide(WIDE - 1, _measured), [])]}
    assert told(whole)["files"][0]["columns"] == whole["files"][0]["columns"]


def test_told_of_a_wide_file_keeps_apart_what_the_codebook_describes() -> None:
    codebook = {"g1": {"label": "Age"}, "g2": {"label": "Height"}}
    whole = {"files": [make_profile(_wide(WIDE, _measured), [], codebook=codebook)]}
    columns = told(whole)["files"][0]["columns"]
    assert [column["codebook"]["label"] for column in columns if "codebook" in column] == ["Age", "Height"]
    assert max(column.get("columns_alike", 0) for column in columns) == WIDE - 2
