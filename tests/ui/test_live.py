"""How far a comparison is: a bar on a terminal, lines elsewhere, and what is being done when nothing ends."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from counterproof.agents.compare.cell import Cell, CellResult, Done, Spent
from counterproof.agents.compare.engine import Progress
from counterproof.sandbox import LocalSandbox
from counterproof.ui.live import live

from ..compare.tiny import Small, make_campaign, plan_small

pytestmark = pytest.mark.campaign

SPENT = Spent(calls=1, failed_calls=0, tokens_in=0, tokens_out=0, cost=0, trials=1, programs_s=0, wall_s=0, attempts=1)


class _Screen(io.StringIO):
    """A terminal of which everything that was drawn is kept."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """Return what was drawn, one drawing after another."""
        return self.getvalue().split("\r")


@pytest.fixture
def small(tmp_path: Path) -> Small:
    """Four cells, of which none is done."""
    names = ["good", "broken", "prose", "slow"]
    return plan_small(make_campaign(tmp_path, names), tmp_path / "home", sandbox=LocalSandbox(), endpoint="http://none")


def _ended(cell: Cell, *, ended: int, trouble: str = "") -> Progress:
    result = CellResult(
        cell=cell.key,
        name=cell.name,
        task=cell.task.id,
        language=cell.language,
        arm=cell.arm,
        repeat=1,
        category="completed",
        detail="",
        value=0.75,
    )
    done = None if trouble else Done(result=result, spent=SPENT)
    return Progress(cell=cell, done=done, trouble=trouble, ended=ended, total=4)


def _until(said: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 20
    while not said():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def test_a_line_says_what_came_of_a_cell_and_how_long_the_rest_takes(small: Small) -> None:
    told: list[str] = []
    with live(small.place, small.planned.cells, told.append) as ended:
        for number, cell in enumerate(small.planned.cells[:3], start=1):
            ended(_ended(cell, ended=number, trouble="the endpoint is down" if number == 2 else ""))
    assert told[:2] == [
        "1/4 good, tiny, python, single_shot: completed 0.750",
        "2/4 broken, tiny, python, single_shot: not done: the endpoint is down",
    ]
    assert told[2].startswith("3/4 prose, tiny, python, single_shot: completed 0.750, about 0 s left")


def test_when_nothing_ends_a_line_says_what_is_being_done(small: Small) -> None:
    told: list[str] = []
    slow = small.cell("slow")
    with (
        small.place.cell(slow.key).mine(),
        live(small.place, small.planned.cells, told.append, silent_s=0.1),
    ):
        _until(lambda: len(told) > 1)
    assert set(told) == {"4 left, now slow, tiny, python, single_shot"}


def test_a_bar_says_the_same_on_one_line_of_a_terminal(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, told = _Screen(), list[str]()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "150")
    good, slow = small.cell("good"), small.cell("slow")
    with (
        small.place.cell(slow.key).mine(),
        live(small.place, small.planned.cells, told.append) as ended,
    ):
        ended(_ended(good, ended=1))
        _until(lambda: "1/4" in screen.lines()[-1])
    assert "last good, tiny, python, single_shot: completed 0.750; now slow, tiny, python, single_shot" in (
        screen.getvalue()
    )
    assert all(len(line.replace("\x1b[?25l", "").rstrip()) <= 150 for line in screen.lines())
    assert told == []


def test_a_bar_begins_where_the_last_run_ended(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, good = _Screen(), small.cell("good")
    before = _ended(good, ended=1).done
    assert before is not None
    with small.place.cell(good.key).mine():
        small.place.cell(good.key).finish(before)
    monkeypatch.setattr(sys, "stderr", screen)
    with live(small.place, small.planned.cells, lambda _line: None) as ended:
        ended(_ended(small.cell("prose"), ended=2))
    assert "2/4" in screen.lines()[-1]


def test_a_cell_is_running_while_a_process_is_at_work_on_it(small: Small) -> None:
    good = small.cell("good")
    assert small.place.running(small.planned.cells) == []
    with small.place.cell(good.key).mine():
        assert small.place.running(small.planned.cells) == [good]
    assert small.place.running(small.planned.cells) == []
