"""All cells of a campaign, on workers, with what is known as it comes.

Cells are independent, so the engine is thin: each is one task of `distributed`, named by its key. A worker that dies
is replaced and its cell begun again, where it goes on from its record; what a worker can't do (an endpoint that is
down) is told and left for the next run. Of what is done only the results are kept in memory, for the table: the rest
is in the cell's folder.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from distributed import Client, WorkerPlugin, as_completed, get_worker
from distributed.client import Future

from counterproof.agents.compare.campaign import EndpointLimit
from counterproof.agents.compare.cell import Cell, Done
from counterproof.agents.compare.place import CampaignPlace
from counterproof.agents.compare.working import Bench
from counterproof.provenance.errors import CounterproofError
from counterproof.sandbox import WarmSandbox
from counterproof.tools.tasks import PlacedTask

_PLUGIN = "counterproof-compare"
_AHEAD = 4
"""Cells that wait at the scheduler for each worker: enough to keep it busy, few enough to cost nothing."""
_LOOK_S = 1.0
"""How often workers are counted: jobs of a batch system come and go, and asking costs as much as a small cell."""


@dataclass(frozen=True, kw_only=True)
class Seat:
    """What a worker needs to do cells; goes to each as it starts.

    Attributes:
        place: the campaign's folder, which all workers see.
        tasks: the tasks with the places of their answers.
        endpoints: addresses in place of a model's own, by the model's name.
        limits: how often endpoints may be asked.
        api_key: returns the key for the name of a variable of the worker's environment.
        search_path: where the worker finds programs.
        ready: is called first on a worker.
    """

    place: CampaignPlace
    tasks: Mapping[str, PlacedTask]
    endpoints: Mapping[str, str]
    limits: Mapping[str, EndpointLimit]
    api_key: Callable[[str], str]
    search_path: Callable[[], str]
    ready: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What is told after each cell.

    Attributes:
        cell: which has ended.
        done: what came of it; None where it could not be done.
        trouble: why not; "" where it was.
        ended: how many have ended, those of earlier runs too.
        total: how many there are.
    """

    cell: Cell
    done: Done | None
    trouble: str
    ended: int
    total: int


@dataclass(frozen=True, kw_only=True)
class CampaignRun:
    """How a run of a campaign ended.

    Attributes:
        done: what came of each cell that has ended, by its key.
        troubles: why others have not, by key.
        before: how many had ended in earlier runs.
    """

    done: Mapping[str, Done]
    troubles: Mapping[str, str]
    before: int

    @classmethod
    def of_finished(cls, place: CampaignPlace, cells: Sequence[Cell]) -> CampaignRun:
        """Return what came of cells that were done before."""
        done = {cell.key: found for cell in cells if (found := place.done(cell)) is not None}
        return cls(done=done, troubles={}, before=len(done))


def run_campaign(
    cells: Sequence[Cell], seat: Seat, client: Client, *, tell: Callable[[Progress], None] = lambda _progress: None
) -> CampaignRun:
    """Do all cells that are not done, and return what came of all of them.

    Args:
        cells: the cells.
        seat: what workers need.
        client: of the workers.
        tell: is told of each cell that ends.
    """
    place = seat.place
    done = dict(CampaignRun.of_finished(place, cells).done)
    before, troubles = len(done), dict[str, str]()
    left = [cell for cell in cells if cell.key not in done]
    client.register_plugin(_Worker(seat), name=_PLUGIN)
    for cell, trouble in _ended(client, left):
        found = None if trouble else place.done(cell)
        if found is None:
            troubles[cell.key] = trouble or "the worker said that it was done, and it left no result"
        else:
            done[cell.key] = found
        ended = len(done) + len(troubles)
        tell(Progress(cell=cell, done=found, trouble=troubles.get(cell.key, ""), ended=ended, total=len(cells)))
    return CampaignRun(done=done, troubles=troubles, before=before)


def _ended(client: Client, cells: Sequence[Cell]) -> Iterator[tuple[Cell, str]]:
    """Have workers do cells, a few ahead of them, and yield each that ends with its trouble; "" where there is none."""
    waiting, by_key = iter(cells), {_name(cell): cell for cell in cells}
    flying, most, look_s = as_completed(), 0, 0.0

    def fill() -> None:
        nonlocal most, look_s
        if time.monotonic() >= look_s:
            most = _AHEAD * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
            look_s = time.monotonic() + _LOOK_S
        while flying.count() < most:
            cell = next(waiting, None)
            if cell is None:
                return
            flying.add(client.submit(_do, cell.model_dump_json(), key=_name(cell), pure=False))

    fill()
    for future in flying:
        yield by_key[str(future.key)], _trouble(future)
        future.release()
        fill()


def _trouble(future: Future[str]) -> str:
    if future.status == "finished":
        return str(future.result())
    error = future.exception()
    return f"{type(error).__name__}: {error}"[:2000]


def _name(cell: Cell) -> str:
    return f"cell-{cell.key}"


def _do(cell: str) -> str:
    """Do a cell on a worker; returns why it could not be done, "" where it was."""
    plugin = get_worker().plugins[_PLUGIN]
    assert isinstance(plugin, _Worker)
    try:
        plugin.bench.do(Cell.model_validate_json(cell))
    except CounterproofError as error:
        return str(error)
    return ""


class _Worker(WorkerPlugin):
    """Makes a worker ready, and ends its sandbox with it."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def setup(self, worker: object) -> None:  # noqa: ARG002
        seat = self._seat
        seat.ready()
        self._sandbox = WarmSandbox(search_path=seat.search_path())
        self.bench = Bench(
            place=seat.place,
            tasks=seat.tasks,
            sandbox=self._sandbox,
            api_key=seat.api_key,
            endpoints=seat.endpoints,
            limits=seat.limits,
        )
        gc.freeze()  # what is loaded stays: at the end of the process, looking through it all takes seconds

    def teardown(self, worker: object) -> None:  # noqa: ARG002
        self._sandbox.close()
