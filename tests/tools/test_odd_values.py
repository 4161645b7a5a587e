"""Values that few tables have, and some have: long codes, far days, persons that only one column tells apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from counterproof.tools import take_file
from counterproof.tools.data import Table, read_table
from counterproof.tools.exposure import DataRules, Suppression
from counterproof.tools.identifiers import find_identifiers
from counterproof.tools.looking import Said, look
from counterproof.tools.profile import make_profile
from counterproof.tools.reading.writers import write
from counterproof.tools.rowguard import Guarded, RowGuard, RowInRequest
from counterproof.tools.synth.splitting import split
from counterproof.tools.twin import build_twin

NAMES = ["Ann", "Bob", "Cy", "Dee", "Eve"]
VISITS = 12


def _table(columns: dict[str, list[object]], name: str = "d.csv") -> Table:
    return read_table(name, pd.DataFrame(columns).to_csv(index=False).encode())


def _visits(**more: list[object]) -> Table:
    """Five persons with twelve rows each."""
    rows = range(len(NAMES) * VISITS)
    return _table({"who": [NAMES[at // VISITS] for at in rows], "y": [at % 2 for at in rows], **more})


def _twin(table: Table, subject: str = "", said: tuple[Said, ...] = ()) -> str:
    looked = look(table, said, rules=DataRules(subject=subject), suppression=Suppression(k=10, share_percent=5))
    return build_twin(table, list(looked.hidden)).data.decode()


@pytest.mark.canary
def test_canary_persons_are_counted_by_the_column_that_tells_them_apart() -> None:
    rows = range(len(NAMES) * VISITS)
    table = _visits(
        dx=["Kuru" if at < VISITS else "flu" for at in rows],
        bmi=[round(20 + at // VISITS * 3.37 + at % VISITS / 100, 2) for at in rows],
    )
    twin = _twin(table, "who")
    assert not [name for name in (*NAMES, "Kuru", "20.0", "33.4") if name in twin]
    assert "Kuru" in _twin(table)  # where each row is a person, twelve have it
    assert twin.splitlines()[1].startswith("SYNTHETIC-")


@pytest.mark.canary
def test_canary_another_identifier_does_not_take_the_place_of_the_one_that_was_named() -> None:
    rows = range(len(NAMES) * VISITS)
    table = _visits(
        encounter_id=[f"E{at // 2:04d}" for at in rows],
        dx=["Kuru" if at < VISITS else "flu" for at in rows],
    )
    assert "Kuru" not in _twin(table, "who")


@pytest.mark.canary
def test_canary_a_word_that_it_is_none_does_not_show_the_persons() -> None:
    said = (Said(file="d.csv", column="who", said="not one", why="site codes", by="ada"),)
    assert not [name for name in NAMES if name in _twin(_visits(), "who", said)]


@pytest.mark.canary
def test_canary_rows_without_a_person_count_as_one_person() -> None:
    rows = range(60)
    table = _table({
        "who": [None if at < 20 else f"P{at}" for at in rows],
        "dx": ["Kuru" if at < 20 else "flu" for at in rows],
    })  # fmt: skip
    assert "Kuru" not in _twin(table, "who")


def test_a_split_keeps_the_rows_of_the_named_person_together() -> None:
    rows = range(len(NAMES) * VISITS)
    table = _visits(encounter_id=[f"E{at // 2:04d}" for at in rows])
    sides = split(table, share=0.4, seed=1, hidden={"who", "encounter_id"}, subject="who")
    train, holdout = (set(side.columns[0].values) for side in (sides.train, sides.holdout))
    assert (len(train), len(holdout), train & holdout) == (3, 2, set())


CODES: dict[str, list[object]] = {
    "17 digits": [39113611000001102 + 100 * (at % 3) for at in range(30)],
    "19 digits": [1234567890123456700 + at for at in range(30)],
    "20 digits": [str(89490200001234567890 + at) for at in range(30)],
    "the smallest": [-(2**63) + at % 2 for at in range(30)],
    "one of them": [*range(29), 2**53 + 1],
}


@pytest.mark.parametrize("name", CODES)
def test_long_whole_numbers_are_codes_and_stay_apart(name: str) -> None:
    table = _table({"v": CODES[name], "g": [at % 2 for at in range(30)]})
    column = table.columns[0]
    assert (column.kind, column.distinct()) == ("text", len(set(CODES[name])))
    twin = read_table("t.csv", build_twin(table, find_identifiers(table)).data)
    assert [one.kind for one in twin.columns] == ["text", "integer", "integer"]
    make_profile(table, find_identifiers(table))


def test_long_whole_numbers_of_a_typed_file_are_codes_too(tmp_path: Path) -> None:
    values = [39113611000001102 + 100 * (at % 3) for at in range(30)]
    pd.DataFrame({"v": values}).to_parquet(tmp_path / "d.parquet")
    (tmp_path / "d.jsonl").write_text("".join(json.dumps({"v": value}) + "\n" for value in values))
    for name in ("d.parquet", "d.jsonl"):
        (column,) = take_file(tmp_path / name).table.columns
        assert (column.kind, column.distinct()) == ("text", 3)


@pytest.mark.parametrize("long", ["100000000000000000000", "1e20", "2e16", "9e99"])
def test_a_twin_with_a_huge_number_beside_rare_ones_ends(long: str) -> None:
    table = _table({"c": [long if at % 2 else "1" if at % 8 else "3" for at in range(40)], "z": [1, 0] * 20})
    twin = read_table("t.csv", build_twin(table, []).data)
    assert twin.columns[0].kind == table.columns[0].kind
    assert twin.rows == 40


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "1600-02-29", "2262-04-12"])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_twin_has_days_that_nanoseconds_do_not_reach(day: str, hidden: bool, tmp_path: Path) -> None:
    table = _table({"end": [day if at % 3 else "2020-05-04" for at in range(30)], "g": [1, 0] * 15})
    findings = find_identifiers(table) if hidden else []
    data = build_twin(table, findings).data
    assert [one.kind for one in read_table("t.csv", data).columns] == ["date", "integer", "integer"]
    if not hidden:
        assert day.encode() in data
    for ending in (".parquet", ".jsonl", ".dta"):
        (tmp_path / f"t{ending}").write_bytes(write(ending, data))
        first = take_file(tmp_path / f"t{ending}").table.columns[0]
        assert (first.kind, list(first.values)) == ("date", list(read_table("t.csv", data).columns[0].values)), ending


def test_days_of_json_lines_are_days_and_times_stay_as_they_are_written(tmp_path: Path) -> None:
    lines = [{"day": "2020-01-02", "at": "2020-01-02T10:30:00"}, {"day": None, "at": "2020-01-03T00:00:00"}]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = take_file(tmp_path / "d.jsonl").table
    assert [(one.name, one.kind, list(one.values)) for one in table.columns] == [
        ("day", "date", ["2020-01-02", None]),
        ("at", "text", ["2020-01-02T10:30:00", "2020-01-03T00:00:00"]),
    ]


def test_huge_numbers_stay_numbers_in_each_form() -> None:
    values = [1e25 * (at + 1) for at in range(30)]
    data = pd.DataFrame({"v": values}).to_json(orient="records", lines=True).encode()
    twin = build_twin(read_table("d.jsonl", data), []).data
    made = [json.loads(line)["v"] for line in write(".jsonl", twin).splitlines()]
    assert all(isinstance(value, float) and 1e24 < value < 1e27 for value in made)


def test_an_infinite_number_in_a_statistical_file_is_text(tmp_path: Path) -> None:
    import pyreadstat

    pyreadstat.write_sav(pd.DataFrame({"v": [np.inf, 1.5]}), tmp_path / "d.sav")
    (column,) = take_file(tmp_path / "d.sav").table.columns
    assert (column.kind, list(column.values)) == ("text", ["inf", "1.5"])


@pytest.mark.parametrize(("k", "refused"), [(5, False), (10, True)])
def test_the_guard_lets_pass_what_the_profile_tells(k: int, refused: bool) -> None:
    table = _table({"drug": ["Metformin 500mg" if at % 6 == 0 else "none" for at in range(40)], "y": [1, 0] * 20})
    guard = RowGuard([Guarded(table=table, k=k)])
    body = json.dumps({"messages": [{"role": "user", "content": "Metformin 500mg"}]}).encode()
    told = json.dumps(make_profile(table, [], rules=Suppression(k=k, share_percent=5)))
    assert ("Metformin 500mg" in told) is not refused
    if refused:
        with pytest.raises(RowInRequest):
            guard.check(body)
    else:
        guard.check(body)
