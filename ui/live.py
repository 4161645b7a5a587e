"""How far a comparison is, while it runs: a bar on a terminal, and elsewhere a line for each cell.

The bar is drawn anew each second, with how many cells have ended, about how long the rest takes, which ones are being
done and what came of the last. Lines say the same once a cell, and once a minute in which none has ended: a cell of a
large model may take longer. Both go to standard error.

It does not cover the page of the app, which reads the store (`ui.campaigns`).
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from counterproof.agents.compare.cell import Cell
from counterproof.agents.compare.engine import Progress
from counterproof.agents.compare.place import CampaignPlace
from counterproof.ui.output import plain

_BAR, _BESIDE, _NAMED, _FEWEST = 20, 58, 2, 3
Told = Callable[[Progress], None]


@contextmanager
def live(
    place: CampaignPlace, cells: Sequence[Cell], tell: Callable[[str], None], *, silent_s: float = 60.0
) -> Iterator[Told]:
    """Show how far a comparison is while the block runs, and yield what is to be told of each cell that ends.

    Args:
        place: where it is kept.
        cells: its cells.
        tell: writes a line, where standard error is no terminal.
        silent_s: after so many seconds without a line one says what is being done.
    """
    left = {cell.key: cell for cell in cells if place.done(cell) is None}
    lock, over = threading.Lock(), threading.Event()
    shown = _bar if sys.stderr.isatty() else _lines
    with shown(place, left, len(cells), tell, silent_s) as (ended, again):

        def told(now: Progress) -> None:
            with lock:
                left.pop(now.cell.key, None)
                ended(now)

        def draw() -> None:
            while not over.wait(min(1.0, silent_s)):
                with lock:
                    again()

        thread = threading.Thread(target=draw, name="progress", daemon=True)
        thread.start()
        try:
            yield told
        finally:
            over.set()
            thread.join()


Shown = tuple[Told, Callable[[], None]]
"""What is told of a cell that has ended, and what is called from time to time."""


@contextmanager
def _bar(
    place: CampaignPlace, left: dict[str, Cell], total: int, _tell: Callable[[str], None], _silent_s: float
) -> Iterator[Shown]:
    last = ""

    def beside(_item: object) -> str:
        room = shutil.get_terminal_size().columns - _BESIDE
        now = f"now {_running(place, left)}" if left else ""
        return plain("; ".join(part for part in (last, now) if part))[: max(0, room)]

    with click.progressbar(
        length=total, label="cells", width=_BAR, show_pos=True, item_show_func=beside, file=sys.stderr
    ) as bar:
        bar.pos = total - len(left)

        def ended(now: Progress) -> None:
            nonlocal last
            last = f"last {_came_to(now)}"
            bar.update(1)

        yield ended, bar.render_progress


@contextmanager
def _lines(
    place: CampaignPlace, left: dict[str, Cell], _total: int, tell: Callable[[str], None], silent_s: float
) -> Iterator[Shown]:
    began_s = said_s = time.monotonic()
    count = 0

    def ended(now: Progress) -> None:
        nonlocal said_s, count
        said_s, count = time.monotonic(), count + 1
        rest = f", about {_time((said_s - began_s) / count * len(left))} left" if count >= _FEWEST and left else ""
        tell(f"{now.ended}/{now.total} {_came_to(now)}{rest}")

    def again() -> None:
        nonlocal said_s
        if time.monotonic() - said_s >= silent_s:
            said_s = time.monotonic()
            tell(f"{len(left)} left, now {_running(place, left)}")

    yield ended, again


def _came_to(now: Progress) -> str:
    """Return a cell and what came of it, in one line."""
    what = now.done.result.category if now.done else f"not done: {now.trouble[:200]}"
    value = now.done.result.value if now.done else None
    return f"{_named(now.cell)}: {what}{'' if value is None else f' {value:.3f}'}"


def _running(place: CampaignPlace, left: dict[str, Cell]) -> str:
    running = place.running(left.values())
    more = f" and {len(running) - _NAMED} more" if len(running) > _NAMED else ""
    return "; ".join(map(_named, running[:_NAMED])) + more if running else "none"


def _named(cell: Cell) -> str:
    return f"{cell.name}, {cell.task.id}, {cell.language}, {cell.arm}"


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
