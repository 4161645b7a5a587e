"""A cell done once, wherever it runs: the arm works, the scoring looks, the result is written down.

What is finished is never done again: neither a cell with a result, nor inside of a cell that was cut off a model call
or a run that ended (the journal answers them).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from counterproof.agents.chat import Chat, Pacing
from counterproof.agents.compare.arms import agentic, gated, single_shot
from counterproof.agents.compare.arms.gated import study_of
from counterproof.agents.compare.campaign import EndpointLimit
from counterproof.agents.compare.cell import Arm, Cell, CellResult, Done, Spent
from counterproof.agents.compare.guard import HeldOutGuard
from counterproof.agents.compare.outside import check_outside
from counterproof.agents.compare.pace import Pace
from counterproof.agents.compare.place import CampaignPlace, CellPlace
from counterproof.agents.compare.scoring import Truth, read_truth, score_cell
from counterproof.agents.compare.spending import added, spent_so_far
from counterproof.agents.compare.trials import TrialRoom
from counterproof.agents.compare.workbench import Attempt, Workbench
from counterproof.agents.runner import Runner
from counterproof.agents.software import software
from counterproof.agents.study import Workplace
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import MachineTrouble
from counterproof.provenance.events import Event
from counterproof.provenance.journal import Journal
from counterproof.sandbox import Environment, Language, Limits, Sandbox, find_environment
from counterproof.tools.tasks import PlacedTask

_ARMS: Mapping[Arm, Callable[[Workbench], Attempt]] = {"single_shot": single_shot, "agentic": agentic, "gated": gated}


@dataclass(kw_only=True)
class Bench:
    """What one worker does cells with; it remembers what it has read.

    Attributes:
        place: the campaign's folder.
        tasks: the tasks with their answers, by id.
        sandbox: runs the programs.
        api_key: returns the key for the name of an environment variable.
        endpoints: addresses in place of a model's own, by the model's name.
        limits: how often endpoints may be asked, by host and port.
    """

    place: CampaignPlace
    tasks: Mapping[str, PlacedTask]
    sandbox: Sandbox
    api_key: Callable[[str], str]
    endpoints: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, EndpointLimit] = field(default_factory=dict)
    _truths: dict[str, Truth] = field(default_factory=dict)
    _guards: dict[str, HeldOutGuard] = field(default_factory=dict)
    _environments: dict[Language, Environment] = field(default_factory=dict)

    def do(self, cell: Cell) -> Done:
        """Do a cell, or return what came of it before.

        Raises:
            MachineTrouble: an endpoint, a sandbox or a file system can't be used; the same call goes on from there.
            UsageError: programs could read held-out answers.
        """
        place = self.place.cell(cell.key)
        with place.mine():
            done = place.done()
            if done is None:
                done = self._do(cell, place)
                place.finish(done)
            return done

    def environment(self, language: Language) -> Environment:
        """Return what programs of a language run in, once it is known that they can't read the answers there.

        Raises:
            UsageError: they could.
            MachineTrouble: there is no such environment, or it could not be tried.
        """
        if language not in self._environments:
            found = find_environment(language)
            check_outside(self.sandbox, found, self.tasks.values())
            self._environments[language] = found
        return self._environments[language]

    def _do(self, cell: Cell, place: CellPlace) -> Done:
        record, environment = place.record, self.environment(cell.language)
        if environment.digest != cell.environment:
            raise MachineTrouble(
                f"This worker's environment for {cell.language} is {environment.digest[:12]}…, and the campaign was "
                f"begun with {cell.environment[:12]}….",
                advice="Build the same environment on all machines: `counterproof sandbox build`.",
            )
        if not record.events():
            definition = record.put("definition", canonical_json(cell.model_dump(mode="json")))
            record.append("cell.created", data=_facts(cell), refs=[definition])
        scored = record.of_type("cell.scored")
        if not scored:
            scored = [self._work(cell, place, environment)]
        result = CellResult.model_validate_json(record.blobs.get(scored[0].ref("result").sha256))
        return Done(result=result, spent=self._spent(cell, place))

    def _work(self, cell: Cell, place: CellPlace, environment: Environment) -> Event:
        """Have the arm work and the scoring look, and write down what came of it."""
        placed, record = self.tasks[cell.task.id], place.record
        journal = Journal(record)
        endpoint = self.endpoints.get(cell.name, cell.model.base_url)
        pace = self._pace(endpoint)
        limits = Limits(wall_s=cell.limits.wall_s, cpu_s=4 * cell.limits.wall_s, memory_mib=cell.limits.memory_mib)
        room = TrialRoom(
            record=record,
            journal=journal,
            sandbox=self.sandbox,
            environment=environment,
            files=self.place.files,
            limits=limits,
            seed=cell.seed,
        )
        chat = Chat(
            cell.model.model_copy(update={"base_url": endpoint}),
            api_key=self.api_key(cell.model.api_key_env),
            journal=journal,
            guard=self._guard(placed),
            pace=pace,
        )

        def runner(workplace: Workplace) -> Runner:
            return Runner(
                workplace=workplace,
                sandbox=self.sandbox,
                environment=environment,
                api_key=self.api_key,
                endpoint=self.endpoints.get(cell.name),
                pace=pace,
            )

        with closing(chat):
            workbench = Workbench(cell=cell, place=place, chat=chat, room=room, runner=runner)
            attempt = _ARMS[cell.arm](workbench)
        result = score_cell(cell, attempt, room, placed, self._truth(placed))
        body = record.put("result", canonical_json(result.model_dump(mode="json")))
        facts = {"cell": cell.key, "category": result.category, "value": result.value}
        return record.append("cell.scored", data=facts, refs=[body])

    def _guard(self, placed: PlacedTask) -> HeldOutGuard:
        return self._guards.setdefault(placed.task.digest, HeldOutGuard(placed))

    def _truth(self, placed: PlacedTask) -> Truth | None:
        if placed.task.prediction is None:
            return None
        digest = placed.task.digest
        if digest not in self._truths:
            self._truths[digest] = read_truth(placed)
        return self._truths[digest]

    def _spent(self, cell: Cell, place: CellPlace) -> Spent:
        spent = spent_so_far(cell, place.record)
        if cell.arm != "gated":
            return spent
        return added(spent, spent_so_far(cell, study_of(place).record))

    def _pace(self, endpoint: str) -> Pacing:
        parts = urlsplit(endpoint)
        host = parts.netloc
        found = self.limits.get(host, EndpointLimit())
        folder = self.place.folder / "pace" / host.replace(":", "_")
        return Pace(folder, concurrent=found.concurrent, per_minute=found.per_minute).request


def _facts(cell: Cell) -> dict[str, object]:
    return {
        "cell": cell.key,
        "model": cell.name,
        "task": cell.task.id,
        "language": cell.language,
        "arm": cell.arm,
        "repeat": cell.repeat,
        "software": software(),
    }
