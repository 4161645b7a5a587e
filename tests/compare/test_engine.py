"""A thousand cells: each once, and no process grows with them."""

from __future__ import annotations

import gc
import os
from collections import Counter
from pathlib import Path

import pytest
from distributed import Client

from counterproof.agents.compare import run_campaign
from counterproof.agents.compare.clusters import local_workers
from counterproof.agents.compare.engine import Progress

from .trivial import OneAnswer, plan_trivial, seat_of

pytestmark = [pytest.mark.campaign, pytest.mark.slow]

CELLS, SETTLED = 1000, 200
MOST_KIB = 8 * 1024
"""Of a cell its result stays, for the table; one that left twenty kilobytes behind in a worker would be seen."""


def _memory_kib(client: Client) -> dict[str, int]:
    """Return the memory of this process, which has the scheduler, and of each worker."""
    return {"scheduler": _resident_kib(), **client.run(_resident_kib)}


def _resident_kib() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def test_a_thousand_cells_leave_no_memory_behind(tmp_path: Path) -> None:
    before: dict[str, int] = {}
    with OneAnswer() as model, local_workers(2) as client:
        planned = plan_trivial(tmp_path, CELLS, endpoint=model.base_url)
        assert len(planned.cells) == CELLS

        def tell(now: Progress) -> None:
            if now.ended == SETTLED:
                before.update(_memory_kib(client))

        run = run_campaign(planned.cells, seat_of(planned), client, tell=tell)
        after = _memory_kib(client)
    assert run.troubles == {}
    assert Counter(done.result.category for done in run.done.values()) == {"completed": CELLS}
    assert {done.spent.attempts for done in run.done.values()} == {1}
    assert set(after) == set(before), "no worker was replaced"
    grown = {name: after[name] - before[name] for name in after}
    print("figure engine_memory_growth_kib", grown)
    assert max(grown.values()) < MOST_KIB, grown
