"""The right to run a study: one process at a time holds it, on one machine or on several.

On one machine it is a file lock, which the system gives back when the process dies; it can't be lost before. On
PostgreSQL it is an advisory lock of a connection of its own, which the server gives back when the connection ends.
That can happen to a process that lives: the network broke, or the server was started anew. Therefore each taking of
the lease counts one up (the *fence*), and `check` compares: who lost the lease is refused before the next line of the
record, the next checkpoint of the graph and the next status.

A connection pooler between must keep sessions (PgBouncer: `pool_mode = session`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from counterproof.provenance.errors import MachineTrouble
from counterproof.provenance.events import now


class LeaseLost(MachineTrouble):
    """The right to run a study was lost while it ran; whoever has it now goes on. Nothing more may be written."""


class Busy(MachineTrouble):
    """Another process runs the study now."""


class Lease(Protocol):
    """The right to run one study, while it is held."""

    @property
    def fence(self) -> int:
        """How often the lease was taken up to now; 0 where it can't be lost."""

    def check(self) -> None:
        """Make sure that it is held still.

        Raises:
            LeaseLost: it is not.
        """


class FileLease:
    """A lease that the system takes back at the end of the process, and not before."""

    fence = 0

    def check(self) -> None:
        """Return: it is held."""


@contextmanager
def file_lease(path: Path, study: str) -> Iterator[Lease]:
    """Hold the lease of a study on this machine.

    Raises:
        Busy: another process has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise _busy(study, "another process") from error
    try:
        yield FileLease()
    finally:
        os.close(handle)


class ServerLease:
    """A lease on a connection of its own.

    Args:
        connection: holds the advisory lock.
        table: the leases.
        study: which study.
        fence: the number of this taking.
    """

    def __init__(self, connection: sa.Connection, table: sa.Table, *, study: str, fence: int) -> None:
        self.fence = fence
        self._connection = connection
        self._query = sa.select(table.c.fence).where(table.c.study == study)
        self._study = study
        self._lock = threading.Lock()

    def check(self) -> None:
        """Ask the server, over the connection that holds the lock.

        Raises:
            LeaseLost: the connection is gone, or somebody took the lease since.
        """
        try:
            with self._lock:
                fence = self._connection.execute(self._query).scalar()
        except SQLAlchemyError as error:  # also what it says of a connection that broke before
            raise self._lost("its connection to the database broke") from error
        if fence != self.fence:
            raise self._lost("another process took it")

    def _lost(self, why: str) -> LeaseLost:
        return LeaseLost(
            f"The right to run study {self._study} was lost: {why}.",
            advice="Nothing more was written here. A worker goes on with it, or run it again.",
        )


@contextmanager
def server_lease(engine: sa.Engine, table: sa.Table, study: str) -> Iterator[Lease]:
    """Hold the lease of a study on a PostgreSQL server.

    Raises:
        Busy: another process has it, on this machine or another.
        MachineTrouble: the server can't be reached.
    """
    key = {"key": lock_key(study)}
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except DBAPIError as error:
        raise MachineTrouble(
            f"The store's database can't be used: {error.orig}.", advice="Nothing was changed. Try again."
        ) from error
    try:
        if not connection.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), key).scalar():
            holder = connection.execute(sa.select(table.c.holder).where(table.c.study == study)).scalar()
            raise _busy(study, f"another process ({holder})")
        try:
            yield ServerLease(connection, table, study=study, fence=_take(connection, table, study))
        finally:
            # Closing alone would do, and later: the server may take a moment to notice.
            with suppress(SQLAlchemyError):
                connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), key)
    finally:
        connection.invalidate()
        connection.close()


def is_free_on_server(engine: sa.Engine, study: str) -> bool:
    """Say whether nobody holds the lease of a study, without taking it."""
    query = sa.text(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database()) AND "
        "(classid::bigint << 32 | objid::bigint) = :key"
    )
    with engine.connect() as connection:
        return connection.execute(query, {"key": lock_key(study)}).first() is None


def lock_key(study: str) -> int:
    """Return the number of a study's advisory lock."""
    return int.from_bytes(hashlib.sha256(f"counterproof study {study}".encode()).digest()[:8], signed=True)


def _take(connection: sa.Connection, table: sa.Table, study: str) -> int:
    """Count one up; the advisory lock is held, so nobody else does."""
    values = {"holder": f"{socket.gethostname()}, process {os.getpid()}", "taken_at": now()}
    counting = table.update().where(table.c.study == study).values(fence=table.c.fence + 1, **values)
    fence: int | None = connection.execute(counting.returning(table.c.fence)).scalar()
    if fence is None:
        fence = 1
        connection.execute(table.insert().values(study=study, fence=fence, **values))
    return fence


def _busy(study: str, by: str) -> Busy:
    return Busy(
        f"Study {study} is being run by {by}.",
        advice="Wait until it stops (`counterproof show`), then run again.",
    )
