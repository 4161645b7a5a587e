"""Where the study graph keeps its own checkpoints on one machine: a SQLite file for each study.

Nothing but plain values is read back, whoever wrote them: no pickle, no objects. Before each checkpoint is written the
lease is looked at, so that a process that lost it leaves the graph as it is.

The graph is not a security boundary: whatever stands here, the gate reads the record. On several machines it is
`shared_graph_store`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from counterproof.agents.graph import Build, StudyGraph, build_graph
from counterproof.provenance.leases import FileLease, Lease


def plain_values() -> JsonPlusSerializer:
    """Return what reads and writes checkpoints, and makes no object of what it reads."""
    return JsonPlusSerializer(allowed_msgpack_modules=None)


class LeasedSaver(BaseCheckpointSaver[str]):
    """Keeps checkpoints as long as the lease holds, in whatever way the class beside it does.

    Attributes:
        lease: the right to run the study.
    """

    lease: Lease

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint."""
        self.lease.check()
        return super().put(config, checkpoint, metadata, new_versions)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what a node left."""
        self.lease.check()
        super().put_writes(config, writes, task_id, task_path)


class FileSaver(LeasedSaver, SqliteSaver):
    """Keeps checkpoints in a file, as long as the lease holds.

    It numbers the versions of channels shortly; LangGraph's own numbers are 49 characters and most of a checkpoint.
    Their random part keeps values of two branches apart where they are stored by version; here each checkpoint holds
    all.

    Args:
        connection: the file.
        lease: the right to run the study.
    """

    def __init__(self, connection: sqlite3.Connection, lease: Lease) -> None:
        super().__init__(connection, serde=plain_values())
        self.lease = lease

    def get_next_version(self, current: str | None, channel: None) -> str:  # noqa: ARG002  # the library's signature
        """Return the version after this one; they are compared as text."""
        return f"{int(current.partition('.')[0]) + 1 if current else 1:08}"


@contextmanager
def open_graph(path: Path, lease: Lease | None = None, *, build: Build = build_graph) -> Iterator[StudyGraph]:
    """Open the graph of a study over its own SQLite file."""
    connection = sqlite3.connect(path, check_same_thread=False)
    saver = FileSaver(connection, lease or FileLease())
    try:
        yield build(saver)
    finally:
        # After an error a thread of the graph may still write; closing under it would crash the process.
        with saver.lock:
            connection.close()
