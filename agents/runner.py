"""Running a study: on to the next checkpoint, or to the end.

One process runs a study at a time (a lease that the system gives back when the process dies). Whatever stops it, the
study goes on from where it was: finished effects are read from the record, the graph from its own checkpoints.

It does not cover choosing which study to run (`ui` commands and the worker do).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from counterproof.agents.chat import Chat
from counterproof.agents.context import StudyContext
from counterproof.agents.graph import RECURSION_LIMIT, StudyGraph, build_graph
from counterproof.agents.state import StudyState
from counterproof.agents.study import OpenStudy, Workplace, open_study
from counterproof.provenance.bundle import export_bundle, service_key
from counterproof.provenance.decisions import Checkpoint
from counterproof.provenance.errors import CounterproofError, UsageError, VerificationFailed
from counterproof.provenance.journal import Cassette, Journal
from counterproof.provenance.store import ENDED, Status
from counterproof.provenance.telemetry import span
from counterproof.sandbox import Environment, Sandbox, find_environment
from counterproof.sandbox.gate import Gate
from counterproof.sandbox.orders import ROLES, Role
from counterproof.tools import read_table
from counterproof.tools.rowguard import RowGuard

Decide = Callable[[OpenStudy, Checkpoint], bool]


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs studies of one workplace.

    Attributes:
        workplace: where the studies are.
        sandbox: where programs run.
        environment: what they run in, unless the study names another.
        api_key: returns the key for the name of an environment variable.
        progress: is told one line a step.
        endpoint: address to use in place of the study's own; None for the study's own.
        cassette: answers model calls in a replay; None otherwise.
        clock: the time by which approvals expire.
        sleep: waits between two attempts of a model call.
        find: returns the environment that a study names.
    """

    workplace: Workplace
    sandbox: Sandbox
    environment: Environment
    api_key: Callable[[str], str]
    progress: Callable[[str], None] = lambda _line: None
    endpoint: str | None = None
    cassette: Cassette | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    find: Callable[[str], Environment] = find_environment

    def run(self, study_id: str, *, decide: Decide = lambda _study, _checkpoint: False) -> Status:
        """Run a study until it waits for a person or has ended, and return where it stands.

        Args:
            study_id: which study.
            decide: is asked at each checkpoint; decides it (a scripted reviewer does) and says True, or says False.

        Raises:
            CounterproofError: the study stopped; the same call goes on from there.
        """
        study = open_study(self.workplace, study_id)
        with self.workplace.store.lease(study_id):
            study.checkpoints.mend_index()
            if Status(self.workplace.store.study(study_id)["status"]) in ENDED:
                return Status(self.workplace.store.study(study_id)["status"])
            self._set(study, Status.RUNNING)
            try:
                status = self._advance(study, decide)
            except CounterproofError as error:
                self._set(study, Status.STOPPED, str(error))
                study.record.append("study.stopped", data={"error": error.what[:2000], "kind": type(error).__name__})
                raise
            except Exception as error:
                self._set(study, Status.STOPPED, f"A fault of Counterproof: {type(error).__name__}.")
                raise
            return status

    def _advance(self, study: OpenStudy, decide: Decide) -> Status:
        config: RunnableConfig = {"configurable": {"thread_id": study.id}, "recursion_limit": RECURSION_LIMIT}
        agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "counterproof"}
        with span("invoke_agent counterproof", agent), _graph(study.folder / "graph.sqlite") as graph:
            context = self._context(study)
            while True:
                before = graph.get_state(config)
                if before.created_at is not None and not before.next:
                    return self._ended(study)
                waiting = study.checkpoints.waiting()
                if before.interrupts and waiting is not None and not decide(study, waiting):
                    self._set(study, Status.WAITING, waiting.id)
                    return Status.WAITING
                graph.invoke(_next(before, study.id), config, context=context, durability="sync")

    def _ended(self, study: OpenStudy) -> Status:
        ended = study.record.of_type("study.ended")
        if not ended:
            raise VerificationFailed(
                f"The graph of study {study.id} is at its end, and its record is not.",
                advice="`graph.sqlite` was changed from outside. Restore it from a backup.",
            )
        status = Status(ended[-1].data["ended"])
        self._set(study, status, ended[-1].data["reason"])
        return status

    def _set(self, study: OpenStudy, status: Status, detail: str = "") -> None:
        self.workplace.store.set_status(study.id, status, detail[:2000])

    def _context(self, study: OpenStudy) -> StudyContext:
        vault, settings = self.workplace.vault, study.settings
        tables = tuple(read_table(file.name, vault.get(file.sha256)) for file in settings.data)
        journal = Journal(study.record, cassette=self.cassette)
        model = settings.model.model_copy(update={"base_url": self.endpoint} if self.endpoint else {})
        chat = Chat(
            model,
            api_key=self.api_key(settings.model.api_key_env),
            journal=journal,
            guard=RowGuard(list(tables)),
            sleep=self.sleep,
        )
        environments: dict[Role, Environment] = {role: self._environment(study, role) for role in ROLES}
        gate = Gate(
            study=study.id,
            record=study.record,
            checkpoints=study.checkpoints,
            store=self.workplace.store,
            vault=vault,
            environments=environments,
            clock=self.clock,
        )
        return StudyContext(
            settings=settings,
            tables=tables,
            record=study.record,
            journal=journal,
            checkpoints=study.checkpoints,
            chat=chat,
            gate=gate,
            sandbox=self.sandbox,
            environments=environments,
            vault=vault,
            progress=self.progress,
            export=lambda: make_bundle(self.workplace, study, study.folder / "bundle.zip"),
        )

    def _environment(self, study: OpenStudy, role: Role) -> Environment:
        """Return what a program of the study runs in."""
        name, language = study.settings.environment_of(role), study.settings.language_of(role)
        found = self.environment if name == self.environment.name else self.find(name)
        if found.language != language:
            raise UsageError(
                f"The study's {role} program is in {language}, and its environment {name!r} is for {found.language}.",
                advice="Make a new study with an environment for that language: `counterproof env list`.",
            )
        return found


def make_bundle(workplace: Workplace, study: OpenStudy, target: Path) -> None:
    """Write the bundle of a study that has ended."""
    shared = [file.name for file in study.settings.data] if study.settings.share_data else []
    inputs = {file.name: workplace.vault.path(file.sha256) for file in study.settings.data if file.name in shared}
    export_bundle(
        study.record,
        target,
        study=study.id,
        service_key=service_key(workplace.store.home),
        inputs=inputs,
        spans=study.folder / "telemetry" / "spans.otlp.jsonl",
    )


def _next(before: Any, study: str) -> StudyState | Command[Any] | None:
    """Return what the graph is invoked with: the start, the answer to its interrupt, or nothing after a crash."""
    if before.created_at is None:
        return {"study": study}
    return Command(resume={"checkpoint": before.values["checkpoint"]}) if before.interrupts else None


@contextmanager
def _graph(path: Path) -> Iterator[StudyGraph]:
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        # Nothing but plain values is read back, whoever wrote the file.
        serde = JsonPlusSerializer(allowed_msgpack_modules=None)
        yield build_graph(SqliteSaver(connection, serde=serde))
    finally:
        connection.close()
