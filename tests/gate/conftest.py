"""Studies at the points where they are attacked, and what an attack must leave as it was."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite import SqliteSaver

from counterproof.agents.graph import StudyGraph
from counterproof.agents.graph_store import open_graph
from counterproof.agents.runner import Runner
from counterproof.provenance.checkpoints import Checkpoints
from counterproof.provenance.errors import CounterproofError, UsageError, VerificationFailed
from counterproof.provenance.store import Status
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.sandbox.errors import GateRefused
from counterproof.sandbox.gate import Gate
from counterproof.sandbox.orders import ROLES, Order

from ..endpoint import Endpoint
from ..lab import Lab, program, script

EVIL = program("Evil.", middle="print(rows)")


@dataclass(kw_only=True)
class Target:
    """A study under attack.

    Attributes:
        lab: where it is.
        id: its id.
    """

    lab: Lab
    id: str

    @property
    def config(self) -> RunnableConfig:
        """What names the study's thread in the graph."""
        return {"configurable": {"thread_id": self.id}, "recursion_limit": 50}

    @contextmanager
    def graph(self) -> Iterator[StudyGraph]:
        """Open the study's graph as somebody does who can write its database, past the runner and its lease."""
        with open_graph(self.lab.study(self.id).folder / "graph.sqlite") as graph:
            yield graph

    def context(self) -> Any:
        """Return real handles for that graph."""
        runner: Runner = self.lab.runner()
        return runner._context(self.lab.study(self.id))

    def invoke(self, graph: StudyGraph, input_: Any, config: RunnableConfig | None = None) -> str:
        """Invoke the graph and return the text of the error, "" when there was none."""
        try:
            graph.invoke(input_, config or self.config, context=self.context(), durability="sync")
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def rewrite(self, config: RunnableConfig | None = None, **changed: Any) -> None:
        """Change the saved state in the graph's database, so that the graph goes on from there."""
        path = self.lab.study(self.id).folder / "graph.sqlite"
        with sqlite3.connect(path) as connection:
            saver = SqliteSaver(connection)
            found = saver.get_tuple(config or self.config)
            assert found is not None
            found.checkpoint["channel_values"].update(changed)
            kind, data = saver.serde.dumps_typed(found.checkpoint)
            connection.execute(
                "UPDATE checkpoints SET type = ?, checkpoint = ? WHERE checkpoint_id = ?",
                (kind, data, found.checkpoint["id"]),
            )

    def go_on(self) -> Status | str:
        """Let the worker go on, and return where the study stands or the text of the error."""
        try:
            return self.lab.run(self.id)
        except CounterproofError as error:
            return f"{type(error).__name__}: {error}"

    def put(self, text: str) -> str:
        """Store a blob in the study and return its digest."""
        return self.lab.study(self.id).record.blobs.put(text.encode())

    def order(self, at: int = 0) -> Order:
        """Return an order that the newest code checkpoint lists."""
        opened = [event for event in self.lab.events(self.id, "checkpoint.opened") if event.data["kind"] == "code"]
        subject = self.lab.study(self.id).checkpoints.subject(opened[-1].data["id"])
        return Order.model_validate(subject["orders"][at])

    def gate(self, **changed: Any) -> Gate:
        """Return the gate of the study, with some parts changed."""
        study, workplace = self.lab.study(self.id), self.lab.workplace
        given: dict[str, Any] = {
            "study": self.id,
            "record": study.record,
            "checkpoints": study.checkpoints,
            "store": workplace.store,
            "vault": workplace.vault,
            "environments": dict.fromkeys(ROLES, self.lab.environment),
        }
        return Gate(**{**given, **changed})

    def open_gate(self, order: Order | None = None, *, effect: str = "attack", **changed: Any) -> None:
        """Ask the gate for the real data."""
        asked = order or self.order()
        self.gate(**changed).open(asked, self.lab.study(self.id).record.blobs.get(asked.program), effect=effect)

    def real_runs(self) -> list[str]:
        """Return the keys of finished executions on real data."""
        events = self.lab.events(self.id, "effect.finished")
        return [event.data["key"] for event in events if event.data.get("synthetic") is False]

    def refusals(self) -> list[str]:
        """Return why the gate refused, oldest first."""
        return [event.data["why"] for event in self.lab.events(self.id, "gate.refused")]

    def assert_unread(self) -> None:
        """Nothing was computed from real data, and the gate was never opened."""
        assert self.real_runs() == []
        assert self.lab.events(self.id, "gate.opened", "results.released") == []


@pytest.fixture(autouse=True)
def refusals_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the gate or a checkpoint refuses in these tests is in the study's record, with the reason."""
    _recorded(monkeypatch, Gate, "open", "gate.refused", GateRefused)
    for method in ("decide", "record"):
        _recorded(monkeypatch, Checkpoints, method, "decision.refused", UsageError | VerificationFailed)


def _recorded(
    monkeypatch: pytest.MonkeyPatch, owner: type, method: str, type_: str, errors: type[Exception] | UnionType
) -> None:
    original: Callable[..., Any] = getattr(owner, method)

    def checked(self: Any, *arguments: Any, **options: Any) -> Any:
        before = len(self._record.events())
        try:
            return original(self, *arguments, **options)
        except CounterproofError as error:
            if isinstance(error, errors):
                new = [event.data for event in self._record.events()[before:] if event.type == type_]
                if not any(data["why"] in str(error) for data in new):
                    pytest.fail(f"{error} is not in the record: {new}")
            raise

    monkeypatch.setattr(owner, method, checked)


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Folders of a laboratory at several points of one study, to be copied."""

    study: str
    folders: dict[str, Path]


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory, sandbox: LocalSandbox, environment: Environment) -> Stages:
    """Run one study and keep its folder at each point."""
    folder = tmp_path_factory.mktemp("stages")
    lab = Lab(home=folder / "home", sandbox=sandbox, environment=environment)
    study, folders = lab.new(), {}
    with Endpoint(script()) as endpoint:
        for stage in ("plan", "code", "release", "signoff"):
            assert lab.run(study, endpoint.base_url) is Status.WAITING
            folders[stage] = Path(shutil.copytree(lab.home, folder / stage))
            lab.decide(study)
            folders[f"{stage} approved"] = Path(shutil.copytree(lab.home, folder / f"{stage} approved"))
        assert lab.run(study, endpoint.base_url) is Status.DONE
        folders["done"] = Path(shutil.copytree(lab.home, folder / "done"))
    return Stages(study=study, folders=folders)


class Begin:
    """Copies a stage into the test's own folder."""

    def __init__(self, stages: Stages, folder: Path, sandbox: LocalSandbox, environment: Environment) -> None:
        self._stages, self._folder, self._sandbox, self._environment = stages, folder, sandbox, environment

    def __call__(self, stage: str) -> Target:
        """Return the study at this stage."""
        home = Path(shutil.copytree(self._stages.folders[stage], self._folder / stage.replace(" ", "-")))
        lab = Lab(home=home, sandbox=self._sandbox, environment=self._environment)
        return Target(lab=lab, id=self._stages.study)


@pytest.fixture
def begin(stages: Stages, tmp_path: Path, sandbox: LocalSandbox, environment: Environment) -> Begin:
    """Start an attack from a stage."""
    return Begin(stages, tmp_path, sandbox, environment)
