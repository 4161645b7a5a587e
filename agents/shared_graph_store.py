"""Where the study graph keeps its own checkpoints on several machines: LangGraph's checkpointer for PostgreSQL.

The rules are those of `graph_store`: plain values, and nothing without the lease. Errors of the database are machine
trouble here, never a sign that somebody changed the graph. Importing this module needs the extra `shared`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg import Connection, Cursor
from psycopg.rows import DictRow, dict_row

from counterproof.agents.graph import Build, StudyGraph, build_graph
from counterproof.agents.graph_store import LeasedSaver, plain_values
from counterproof.provenance.errors import MachineTrouble
from counterproof.provenance.leases import Lease

SCHEMA = "langgraph"
"""Its tables have a schema of their own: one of them is called `checkpoints`, as one of the store's is."""
_SETUP_LOCK = 0x636F756E746773
_PATIENCE_S = 60


class SharedSaver(LeasedSaver, PostgresSaver):
    """Keeps checkpoints on a server, as long as the lease holds.

    Args:
        connection: a connection of its own.
        lease: the right to run the study.
    """

    def __init__(self, connection: Connection[DictRow], lease: Lease) -> None:
        super().__init__(connection, serde=plain_values())
        self._connection = connection
        self.lease = lease

    def make_tables(self) -> None:
        """Make the tables where they are missing or old, one process at a time.

        The lock is tried again and again: to wait inside of a statement would hold up the building of an index
        (`CREATE INDEX CONCURRENTLY`) by the process that has it.
        """
        until = time.monotonic() + _PATIENCE_S
        while not self._is_set_up():
            if self._ask("SELECT pg_try_advisory_lock(%s)", _SETUP_LOCK):
                try:
                    self._ask(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
                    self.setup()
                finally:
                    self._ask("SELECT pg_advisory_unlock(%s)", _SETUP_LOCK)
            elif time.monotonic() > until:
                raise MachineTrouble(
                    f"Another process has been making the tables of the study graph for {_PATIENCE_S} s.",
                    advice="Look for it in pg_stat_activity; then run the study again.",
                )
            else:
                time.sleep(0.05)

    def _is_set_up(self) -> bool:
        known = self._ask("SELECT to_regclass('checkpoint_migrations') IS NOT NULL")
        return bool(known and self._ask("SELECT max(v) FROM checkpoint_migrations") == len(self.MIGRATIONS) - 1)

    def _ask(self, query: str, *values: Any) -> Any:
        with self._cursor() as cursor:
            cursor.execute(query.encode(), values)
            row = cursor.fetchone() if cursor.description else None
        return None if row is None else next(iter(row.values()))

    @contextmanager
    def _cursor(self, *, pipeline: bool = False) -> Iterator[Cursor[DictRow]]:
        try:
            with super()._cursor(pipeline=pipeline) as cursor:
                yield cursor
        except psycopg.Error as error:
            raise _trouble(error) from error


@contextmanager
def open_shared_graph(url: str, lease: Lease, *, build: Build = build_graph) -> Iterator[StudyGraph]:
    """Open the study graph over the shared PostgreSQL.

    Raises:
        MachineTrouble: the server can't be reached.
    """
    try:
        connection: Connection[DictRow] = psycopg.connect(
            url,
            autocommit=True,
            prepare_threshold=0,
            row_factory=dict_row,
            connect_timeout=10,
            options=f"-c search_path={SCHEMA}",
        )
    except psycopg.Error as error:
        raise _trouble(error) from error
    saver = SharedSaver(connection, lease)
    try:
        saver.make_tables()
        yield build(saver)
    finally:
        with saver.lock:
            connection.close()


def _trouble(error: Exception) -> MachineTrouble:
    return MachineTrouble(
        f"The database of the study graph can't be used: {error}.",
        advice="The study goes on where it was when it is run again.",
    )
