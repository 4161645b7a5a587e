"""A graph that does nothing but step, with a state of the size that a study's has late on its way."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command

from counterproof.agents.graph_store import FileSaver
from counterproof.agents.state import StudyState
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.leases import FileLease


def digest(number: int) -> str:
    """Return a digest."""
    return sha256_bytes(str(number).encode())


LATE: StudyState = {
    "study": "study-1a2b3c4d",
    "profile": digest(1),
    "twin": {"trial.csv": digest(2)},
    "round": {"plan": 1, "code": 2, "report": 1},
    "opened": {"plan": 1, "code": 2},
    "feedback": digest(3),
    "plan": digest(4),
    "programs": {"primary": digest(5), "replication": digest(6)},
    "turns": {role: [f"assistant:{digest(7)}", f"user:{digest(8)}"] for role in ("primary", "replication")},
    "twin_runs": {"primary": digest(9), "replication": digest(10)},
    "executions": {"primary": digest(11), "replication": digest(12)},
    "checks": digest(13),
    "checkpoint": "study-1a2b3c4d.release.1",
}


def step_through(saver: BaseCheckpointSaver[Any], steps: int) -> None:
    """Step so often, each step flushed before the next."""

    def step(state: StudyState) -> Command[Literal["step", "__end__"]]:
        number = state.get("repairs", 0) + 1
        on: Literal["step", "__end__"] = "step" if number < steps else "__end__"
        return Command(goto=on, update={"repairs": number, "checks": digest(number)})

    graph = StateGraph(StudyState)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    compiled = graph.compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "study-1a2b3c4d"}, "recursion_limit": steps + 5}
    compiled.invoke(LATE, config, durability="sync")


def step_in_file(path: Path, steps: int) -> int:
    """Step over a SQLite file and return how long it is afterwards."""
    with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
        step_through(FileSaver(connection, FileLease()), steps)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size
