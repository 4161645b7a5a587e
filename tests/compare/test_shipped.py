"""The shipped campaign as a person starts it: each scripted model in its place, twice the same, also after kills."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.compare import CampaignPlace
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.record import Record
from counterproof.provenance.verify import verify_bundle
from counterproof.sandbox._watch import processes_of

from ..r import r_or_skip

pytestmark = [pytest.mark.campaign, pytest.mark.crash, pytest.mark.slow]

SCRIPT = Path(sys.executable).with_name("counterproof")
WORKERS = 2
SIDE_BY_SIDE = {"single_shot": 1, "agentic": 1, "gated": 3}
"""How many effects of a cell run at the same time at most; a study's are its two programs and its checks."""
KNOWN = {
    "flaky": (1, "completed", "8 of 8"),
    "good": (1, "completed", "10 of 10"),
    "remembering": (3, "completed", "6 of 8"),  # two cells are of the task whose labels are published
    "astray": (4, "wrong_target", "0 of 8"),
    "broken": (4, "does_not_run", "0 of 10"),
    "careless": (4, "bad_output", "0 of 8"),
    "leaking": (4, "leaked", "0 of 10"),
    "overlong": (4, "over_limit", "0 of 8"),
    "prose": (4, "no_code", "0 of 10"),
    "reaching": (4, "data_access", "0 of 8"),
    "slow": (4, "timeout", "0 of 8"),
}
"""Place, what most cells came to, and how many count."""


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A campaign that was killed several times and then ended.

    Attributes:
        value: what the command printed in the end.
        place: where it is kept.
        bundle: its bundle.
        kept: the results that were there after each kill, by the name of their cell, with their times.
        cut_off: the effects that each kill cut off, by the name of their cell.
        survivors: processes that outlived a kill.
        seed: of the moments.
    """

    value: dict[str, Any]
    place: CampaignPlace
    bundle: Path
    kept: list[dict[str, tuple[bytes, int]]]
    cut_off: list[dict[str, set[str]]]
    survivors: list[int]
    seed: int


def _start(home: Path, *options: str) -> subprocess.Popen[str]:
    """Start the command in a process group of its own."""
    command = [SCRIPT, "compare", "campaigns/dream-style.toml", "--home", home, "--workers", str(WORKERS), "--json"]
    return subprocess.Popen(
        [*map(str, command), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, told = process.communicate()
    assert process.returncode == 0, told[-3000:]
    value: dict[str, Any] = json.loads(out)
    return value


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The campaign done in one go: its store, and what the command printed."""
    r_or_skip()
    home = tmp_path_factory.mktemp("whole")
    return home, _ended(_start(home))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """The campaign in another store, killed at three random moments and then done to its end."""
    r_or_skip()
    home, seed = tmp_path_factory.mktemp("killed"), int.from_bytes(os.urandom(4))
    chance, kept, survivors = random.Random(seed), list[dict[str, tuple[bytes, int]]](), list[int]()
    cut_off = list[dict[str, set[str]]]()
    for until in sorted(chance.sample(range(90), 3)):
        process = _start(home)
        while len(_results(home)) < until and process.poll() is None:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 3))
        survivors += _kill(process)
        kept.append(_results(home))
        known = [(cell, effect) for kill in cut_off for cell, effects in kill.items() for effect in effects]
        found = {cell: {one for one in effects if (cell, one) not in known} for cell, effects in _open(home).items()}
        cut_off.append({cell: effects for cell, effects in found.items() if effects})
    bundle = home / "dream-style.zip"
    value = _ended(_start(home, "-o", str(bundle)))
    place = CampaignPlace(Path(value["folder"]), files=home / "campaigns" / "files")
    return Killed(value=value, place=place, bundle=bundle, kept=kept, cut_off=cut_off, survivors=survivors, seed=seed)


def _results(home: Path) -> dict[str, tuple[bytes, int]]:
    """Return what came of the cells that are done, with the times of their files."""
    paths = home.glob("campaigns/dream-style-*/cells/*/result.json")
    return {path.parent.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def _open(home: Path) -> dict[str, set[str]]:
    """Return the effects that began and did not end, each with its attempt, by the name of their cell."""
    found = dict[str, set[str]]()
    for cell in home.glob("campaigns/dream-style-*/cells/*"):
        effects = [event for record in _records(cell) for event in record.events() if event.type.startswith("effect.")]
        begun, ended = (
            {f"{event.data['key']}, attempt {event.data['attempt']}" for event in effects if event.type in types}
            for types in (("effect.started",), ("effect.finished", "effect.failed"))
        )
        found[cell.name] = begun - ended
    return found


def _kill(process: subprocess.Popen[str]) -> list[int]:
    """Kill the whole process group, and return what lives on below it ten seconds later."""
    below = [pid for pid in processes_of(process.pid) if pid != process.pid]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    until_s = time.monotonic() + 10
    while (left := [pid for pid in below if _lives(pid)]) and time.monotonic() < until_s:
        time.sleep(0.1)
    return left


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("model", KNOWN)
def test_each_scripted_model_has_its_known_place_and_category(whole: tuple[Path, dict[str, Any]], model: str) -> None:
    standings = {one["name"]: one for one in whole[1]["table"]["standings"]}
    found = standings[model]
    assert (found["place"], found["category"], f"{found['counted']} of {found['cells']}") == KNOWN[model]
    assert set(standings) == set(KNOWN)


def test_leaking_cells_are_caught_in_every_task_language_and_way(whole: tuple[Path, dict[str, Any]]) -> None:
    rows = [row for row in whole[1]["table"]["rows"] if row["name"] == "leaking"]
    assert len(rows) == 4 * 2 + 2
    assert all((row["rank"], row["categories"], row["value"]) == (None, {"leaked": 1}, None) for row in rows)
    assert all(row["claimed"] is not None for row in rows)


def test_no_honest_model_is_called_a_leak(whole: tuple[Path, dict[str, Any]]) -> None:
    rows = [row for row in whole[1]["table"]["rows"] if row["name"] in ("good", "flaky")]
    assert len(rows) == 8 + 8 + 2
    assert all((row["probed"], row["rank"]) == ({"clean": 1}, 1) for row in rows)


def test_a_second_call_does_nothing_and_gives_the_same_table(whole: tuple[Path, dict[str, Any]]) -> None:
    home, first = whole
    before = _results(home)
    second = _ended(_start(home))
    assert second == {**first, "before": len(before)}
    assert _results(home) == before


def test_another_store_with_kills_in_between_gives_the_same_table(
    whole: tuple[Path, dict[str, Any]], killed: Killed
) -> None:
    assert killed.value["table"] == whole[1]["table"], f"seed {killed.seed}"


def test_no_cell_is_done_twice_and_no_effect_ends_twice(killed: Killed) -> None:
    cells = sorted((killed.place.folder / "cells").iterdir())
    assert len(cells) == 96
    for cell in cells:
        types = Counter(event.type for event in killed.place.cell(cell.name).record.events())
        assert (types["cell.created"], types["cell.scored"]) == (1, 1), f"{cell.name}, seed {killed.seed}"
        for one in _records(cell):
            finished = Counter(event.data["key"] for event in one.of_type("effect.finished"))
            assert set(finished.values()) <= {1}, f"{cell.name}, seed {killed.seed}"
    types = Counter(event.type for event in killed.place.record.events())
    assert types == {"campaign.created": 1, "campaign.ended": 1}


def test_what_was_done_before_a_kill_is_not_touched_after_it(killed: Killed) -> None:
    last = {path.parent.name: path for path in killed.place.folder.glob("cells/*/result.json")}
    for kept in killed.kept:
        now = {name: (last[name].read_bytes(), last[name].stat().st_mtime_ns) for name in kept}
        assert now == kept, f"seed {killed.seed}"
    assert killed.value["before"] == len(killed.kept[-1])


def test_a_kill_costs_each_worker_what_one_cell_was_at(killed: Killed) -> None:
    cells = {path.name for path in (killed.place.folder / "cells").iterdir()}
    arms = {name: killed.place.cell(name).record.of_type("cell.created")[0].data["arm"] for name in cells}
    for kill in killed.cut_off:
        assert len(kill) <= WORKERS, f"seed {killed.seed}"
        assert all(len(effects) <= SIDE_BY_SIDE[arms[cell]] for cell, effects in kill.items()), f"seed {killed.seed}"
    assert killed.survivors == []


def test_what_a_kill_cut_off_is_begun_once_more(killed: Killed) -> None:
    cells = sorted((killed.place.folder / "cells").iterdir())
    again = Counter(
        f"{cell.name}, {event.data['key']}, attempt {event.data['attempt'] - 1}"
        for cell in cells
        for record in _records(cell)
        for event in record.of_type("effect.started")
        if event.data["after_kill"]
    )
    cut_off = [f"{cell}, {effect}" for kill in killed.cut_off for cell, effects in kill.items() for effect in effects]
    assert again == Counter(cut_off), f"seed {killed.seed}"
    tried = {cell.name: json.loads((cell / "result.json").read_bytes())["spent"]["attempts"] - 1 for cell in cells}
    assert tried == {cell.name: sum(cell.name in kill for kill in killed.cut_off) for cell in cells}


def test_the_bundle_of_a_killed_campaign_is_verified(killed: Killed) -> None:
    found = verify_bundle(killed.bundle)
    assert found.ok, [step for step in found.steps if step.outcome == "failed"]
    assert found.ended == "done"


def _records(cell: Path) -> list[Record]:
    """Return the record of a cell, and that of its study in the gated arm."""
    records = cell.glob("record/events.jsonl"), cell.glob("home/studies/*/record/events.jsonl")
    return [Record(path.parent, blobs=Blobs(path.parent.parent / "blobs")) for paths in records for path in paths]
