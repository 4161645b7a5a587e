"""Running a study: on to the next checkpoint, or to the end.

One process runs a study at a time, on one machine or several (a lease that is given back when the process dies).
Whatever stops it, the study goes on from where it was: finished effects are read from the record, the graph from its
own checkpoints.

It does not cover choosing which study to run (`ui` commands and the worker do).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from counterproof.agents.bundling import make_bundle
from counterproof.agents.chat import Chat, Pacing
from counterproof.agents.context import StudyContext
from counterproof.agents.graph import RECURSION_LIMIT, Build, StudyGraph, build_graph
from counterproof.agents.graph_store import open_graph
from counterproof.agents.reviews import intake_question, note_refused
from counterproof.agents.secure import AskingGuard, Guard, questions
from counterproof.agents.state import StudyState
from counterproof.agents.study import OpenStudy, Workplace, open_study
from counterproof.agents.synthesis_graph import build_synthesis_graph
from counterproof.agents.third_parties import check_model, check_sandbox
from counterproof.provenance.budgets import BudgetSpent, Ledger, Longest
from counterproof.provenance.conventions import AGENT, OPERATION, UNTRACED_GRAPH
from counterproof.provenance.decisions import Checkpoint
from counterproof.provenance.errors import CounterproofError, UsageError, VerificationFailed
from counterproof.provenance.extensions import Extensions
from counterproof.provenance.journal import Cassette, Journal
from counterproof.provenance.leases import Lease, LeaseLost
from counterproof.provenance.permissions import Purpose
from counterproof.provenance.record import Record
from counterproof.provenance.record_checkpoints import RecordCheckpoints
from counterproof.provenance.signing import service_key
from counterproof.provenance.store import ENDED, Status
from counterproof.provenance.telemetry import span
from counterproof.provenance.trace_links import last_span
from counterproof.sandbox import Environment, Limits, Sandbox, find_environment
from counterproof.sandbox.gate import Gate
from counterproof.sandbox.gate_client import GateClient
from counterproof.sandbox.gate_line import File
from counterproof.sandbox.orders import ROLES, Role
from counterproof.sandbox.secure_side import Enquiries, OwnProcessSide, SecureSide
from counterproof.tools.synth.studies import SETS

ANSWER_TOKENS = 16_384
"""What an answer is reckoned to take at most where the study sends no limit."""
GRAPHS: dict[Purpose, Build] = {"analysis": build_graph, "synthesis": build_synthesis_graph}
"""The graph of each purpose."""
Decide = Callable[[OpenStudy, Checkpoint], bool]
Notify = Callable[[Record, Checkpoint], None]


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs studies of one workplace.

    Attributes:
        workplace: where the studies are.
        sandbox: where programs run in a replay or a test, in this process; None with a gate.
        environment: what they run in, unless the study names another.
        api_key: returns the key for the name of an environment variable.
        progress: is told one line a step.
        endpoint: address to use in place of the study's own; None for the study's own.
        cassette: answers model calls in a replay; None otherwise.
        clock: the time by which approvals expire.
        sleep: waits between two attempts of a model call.
        pace: surrounds each request to the endpoint, where it may be asked only so often.
        find: returns the environment that a study names.
        notify: is told of a checkpoint that waits, after it is written down that it does; tells people, and raises
            nothing.
        gate: the gate's process, which opens the real data; None to do that in this process, for replays and tests.
        exports: whether a study that ends leaves its bundle in its folder; not where whoever runs it makes one anyway.
    """

    workplace: Workplace
    sandbox: Sandbox | None
    environment: Environment
    api_key: Callable[[str], str]
    progress: Callable[[str], None] = lambda _line: None
    endpoint: str | None = None
    cassette: Cassette | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    pace: Pacing = nullcontext
    find: Callable[[str], Environment] = find_environment
    notify: Notify = lambda _record, _checkpoint: None
    gate: GateClient | None = None
    exports: bool = True

    def run(self, study_id: str, *, decide: Decide = lambda _study, _checkpoint: False) -> Status:
        """Run a study until it waits for a person, is over its budget or has ended, and return where it stands.

        Args:
            study_id: which study.
            decide: is asked at each checkpoint; decides it (a scripted reviewer does) and says True, or says False.

        Raises:
            CounterproofError: the study stopped; the same call goes on from there.
        """
        study = open_study(self._place(), study_id)
        store = self.workplace.store
        with store.lease(study_id) as lease:
            # From here on, whoever had the lease before and lost it can't append any more.
            study.record.guard(lease.check)
            study.checkpoints.mend_index()
            stands = Status(store.study(study_id)["status"])
            if stands in ENDED:
                store.drop_ask(study_id)
                return stands
            store.begin_run(study_id, lease=lease)
            try:
                status, detail = self._advance(study, decide, lease)
            except BudgetSpent as error:
                self._rest(study, lease, Status.OVER_BUDGET, str(error))
                return Status.OVER_BUDGET
            except LeaseLost:
                raise  # Another process runs it or will: where it stands is not for this one to say.
            except CounterproofError as error:
                self._rest(study, lease, Status.STOPPED, str(error))
                study.record.append("study.stopped", data={"error": error.what[:2000], "kind": type(error).__name__})
                raise
            except Exception as error:
                self._rest(study, lease, Status.STOPPED, f"A fault of Counterproof: {type(error).__name__}.")
                raise
            self._rest(study, lease, status, detail)
            if status is Status.WAITING:
                self.notify(study.record, study.checkpoints.get(detail))
            return status

    def _advance(self, study: OpenStudy, decide: Decide, lease: Lease) -> tuple[Status, str]:
        config: RunnableConfig = {
            "configurable": {"thread_id": study.id},
            "recursion_limit": RECURSION_LIMIT,
            "metadata": dict(UNTRACED_GRAPH),
        }
        agent = {OPERATION: "invoke_agent", AGENT: "counterproof"}
        begun = span("invoke_agent counterproof", agent, after=last_span(study.record.path))
        with begun, self._graph(study, lease) as graph:
            context, signer = self._context(study), self._signer(study)
            with closing(context.chat):
                while True:
                    signer.sign_due()
                    before = _state(graph, config, study.id)
                    # `next` is empty also after a kill between a node's writes and the next checkpoint; `tasks` is not.
                    if before.created_at is not None and not before.tasks:
                        return self._ended(study)
                    waiting = study.checkpoints.waiting()
                    if before.interrupts and waiting is not None and not decide(study, waiting):
                        return Status.WAITING, waiting.id
                    graph.invoke(_next(before, study.id), config, context=context, durability="sync")

    def _graph(self, study: OpenStudy, lease: Lease) -> AbstractContextManager[StudyGraph]:
        store = self.workplace.store
        if store.shared:
            from counterproof.agents.shared_graph_store import open_shared_graph  # extra: shared

            return open_shared_graph(store.url, lease, build=GRAPHS[study.settings.purpose])
        return open_graph(study.folder / "graph.sqlite", lease, build=GRAPHS[study.settings.purpose])

    def _signer(self, study: OpenStudy) -> RecordCheckpoints:
        return RecordCheckpoints(study.record, service_key(self.workplace.store.home), study=study.id)

    def _ended(self, study: OpenStudy) -> tuple[Status, str]:
        ended = study.record.of_type("study.ended")
        if not ended:
            raise VerificationFailed(
                f"The graph of study {study.id} is at its end, and its record is not.",
                advice="The graph's checkpoints were changed from outside. Restore them from a backup.",
            )
        return Status(ended[-1].data["ended"]), ended[-1].data["reason"]

    def _rest(self, study: OpenStudy, lease: Lease, status: Status, detail: str) -> None:
        """Write down where the study stands, and leave its record as files; what hinders that hinders the next run."""
        self.workplace.store.set_status(study.id, status, detail[:2000], lease=lease)
        with suppress(CounterproofError):
            study.record.rest()

    def _context(self, study: OpenStudy) -> StudyContext:
        settings = study.settings
        roles: tuple[Role, ...] = (*ROLES, "checks") if settings.checks_on_data else ROLES
        environments: dict[Role, Environment] = {role: self._environment(study, role) for role in roles}
        if self.cassette is None:
            check_model(settings.data, self.endpoint or settings.model.base_url)
        if self.sandbox is not None:
            check_sandbox(settings.data, self.sandbox)
        side, policy = self._side(study, environments), study.checkpoints.policy().policy
        budget = self._ledger(study) if self.cassette is None else None
        journal = Journal(study.record, cassette=self.cassette, budget=budget)
        model = settings.model.model_copy(update={"base_url": self.endpoint} if self.endpoint else {})
        chat = Chat(
            model,
            api_key=self.api_key(settings.model.api_key_env),
            journal=journal,
            guard=_Late(lambda: AskingGuard(side, intake_question(settings, study.record, policy))),
            refused=lambda key, body, error: note_refused(study.record, key, body, error),
            sleep=self.sleep,
            pace=self.pace,
        )
        return StudyContext(
            settings=settings,
            record=study.record,
            journal=journal,
            checkpoints=study.checkpoints,
            chat=chat,
            secure=side,
            environments=environments,
            set_folder=self.workplace.store.home / SETS / study.id,
            answers=study.kept_answers,
            progress=self.progress,
            export=lambda: self._export(study, side),
        )

    def _export(self, study: OpenStudy, side: SecureSide) -> None:
        if self.exports:
            make_bundle(self.workplace, study, study.folder / "bundle.zip", side=side)

    def _place(self) -> Workplace:
        """Return the workplace; with a gate, what must be known of the data comes from there."""
        return replace(self.workplace, secret=self.gate.secret) if self.gate else self.workplace

    def _side(self, study: OpenStudy, environments: dict[Role, Environment]) -> SecureSide:
        """Return the secure side of a study: the gate's process, or what does the same in this one."""
        files = [File(name=file.name, sha256=file.sha256) for file in study.settings.data]
        if self.gate is not None:
            return self.gate.side(study.id, record=study.record, files=files)
        if self.sandbox is None:
            raise UsageError("There is neither a gate nor a sandbox.", advice="Give the runner one of the two.")
        gate = Gate(
            study=study.id,
            record=study.record,
            checkpoints=study.checkpoints,
            store=self.workplace.store,
            vault=self.workplace.vault,
            environments=environments,
            clock=self.clock,
            replaying=self.cassette is not None,
        )
        return OwnProcessSide(
            gate=gate,
            record=study.record,
            sandbox=self.sandbox,
            vault=self.workplace.vault,
            files=files,
            enquiries=Enquiries(self.workplace.vault, questions),
        )

    def _ledger(self, study: OpenStudy) -> Ledger:
        settings, rules = study.settings, study.checkpoints.policy()
        added = Extensions(record=study.record, registry=self.workplace.registry, study=study.id, rules=rules)
        longest = Longest(
            answer_tokens=settings.model.max_completion_tokens or ANSWER_TOKENS,
            call_s=settings.model.timeout_s,
            execution_s=Limits(**settings.limits).wall_s,
        )
        return Ledger(record=study.record, budgets=rules.policy.budgets, longest=longest, extended=added.total)

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


class _Late:
    """A guard that is made when something is to be sent first: by then the intake is over.

    Args:
        make: makes it.
    """

    def __init__(self, make: Callable[[], Guard]) -> None:
        self._make = make
        self._guard: Guard | None = None

    def check(self, body: bytes) -> None:
        """Let a request pass.

        Raises:
            RowInRequest: it holds something of the real data.
        """
        self._guard = self._guard or self._make()
        self._guard.check(body)


def _state(graph: StudyGraph, config: RunnableConfig, study: str) -> Any:
    try:
        return graph.get_state(config)
    except CounterproofError:
        raise
    except Exception as error:
        raise VerificationFailed(
            f"The graph of study {study} can't be read: {error!r}.",
            advice="The graph's checkpoints were changed from outside. Restore them from a backup.",
        ) from error


def _next(before: Any, study: str) -> StudyState | Command[Any] | None:
    """Return what the graph is invoked with: the start, the answer to its interrupt, or nothing after a crash."""
    if before.created_at is None:
        return {"study": study}
    return Command(resume={"checkpoint": before.values["checkpoint"]}) if before.interrupts else None
