"""The state store: studies, checkpoints, decisions and used approvals, in one SQL database.

The record is the truth; this database is what makes it quick to ask "what waits for me?" and what makes two
people or two tabs unable to decide the same checkpoint or use the same approval twice (primary keys, one
`BEGIN IMMEDIATE` transaction). A row planted here opens nothing: the gate reads decisions from the record and
checks their signatures.

The folder of a store:

    store.sqlite          this database
    registry/             the record of reviewers
    keys/                 the service key, and reviewers' keys that were made here
    vault/                real data, by digest; only intake and the gate open it
    studies/<id>/         record/, blobs/, telemetry/, graph.sqlite, run.lock

It does not cover several machines: SQLite on one machine only.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, IntegrityError

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.record import now


class Status(StrEnum):
    """Where a study stands."""

    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    STOPPED = "stopped"
    DONE = "done"
    CANNOT_CONCLUDE = "cannot_conclude"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


ENDED = frozenset({Status.DONE, Status.CANNOT_CONCLUDE, Status.REJECTED, Status.WITHDRAWN})

_meta = sa.MetaData()
_studies = sa.Table(
    "studies",
    _meta,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("detail", sa.Text, nullable=False, default=""),
    sa.Column("created_at", sa.String(40), nullable=False),
    sa.Column("changed_at", sa.String(40), nullable=False),
    sa.Column("run_asked", sa.Boolean, nullable=False, default=False),
)
_checkpoints = sa.Table(
    "checkpoints",
    _meta,
    sa.Column("id", sa.String(120), primary_key=True),
    sa.Column("study", sa.ForeignKey("studies.id"), nullable=False, index=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False),
    sa.Column("opened_at", sa.String(40), nullable=False),
    sa.Column("decided_by", sa.String(40)),
    sa.Column("decision", sa.String(20)),
)
_uses = sa.Table(
    "approval_uses",
    _meta,
    sa.Column("checkpoint", sa.String(120), primary_key=True),
    sa.Column("order_digest", sa.String(64), primary_key=True),
    sa.Column("effect", sa.String(120), nullable=False),
    sa.Column("used_at", sa.String(40), nullable=False),
)


class Store:
    """The database and folders of one installation.

    Args:
        home: the folder; made when missing, readable by its owner only.

    Raises:
        MachineTrouble: the folder or the database can't be opened.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._engine = _engine(home / "store.sqlite")
            _meta.create_all(self._engine)
        except (OSError, DatabaseError) as error:
            raise MachineTrouble(
                f"The store at {home} can't be opened: {error}.",
                advice="Choose a writable folder with --home, or mend its permissions.",
            ) from error

    def study_folder(self, study: str) -> Path:
        """Return the folder of a study."""
        return self.home / "studies" / study

    def add_study(self, study: str, *, title: str) -> None:
        """Enter a new study as ready.

        Raises:
            UsageError: the id is taken.
        """
        row = {"id": study, "title": title, "status": Status.READY, "created_at": now(), "changed_at": now()}
        try:
            with self._begin() as db:
                db.execute(_studies.insert().values(**row))
        except IntegrityError as error:
            raise UsageError(f"A study {study!r} exists already.", advice="Choose another id.") from error

    def study(self, study: str) -> dict[str, Any]:
        """Return the row of a study.

        Raises:
            UsageError: there is no such study.
        """
        with self._begin() as db:
            row = db.execute(sa.select(_studies).where(_studies.c.id == study)).mappings().first()
        if row is None:
            raise UsageError(
                f"There is no study {study!r} in this store.",
                advice="`counterproof show` lists the studies; another store is chosen with --home.",
            )
        return dict(row)

    def studies(self) -> list[dict[str, Any]]:
        """Return all studies, oldest first."""
        with self._begin() as db:
            return [dict(row) for row in db.execute(sa.select(_studies).order_by(_studies.c.created_at)).mappings()]

    def set_status(self, study: str, status: Status, detail: str = "") -> None:
        """Write down where a study stands."""
        values = {"status": status, "detail": detail, "changed_at": now()}
        with self._begin() as db:
            db.execute(_studies.update().where(_studies.c.id == study).values(**values))

    def ask_run(self, study: str) -> None:
        """Leave word for a worker to go on with a study."""
        with self._begin() as db:
            db.execute(_studies.update().where(_studies.c.id == study).values(run_asked=True))

    def take_run(self) -> str | None:
        """Return a study that should go on, and take the word away; None when there is none."""
        with self._begin() as db:
            asked = sa.select(_studies.c.id).where(_studies.c.run_asked).order_by(_studies.c.changed_at)
            study: str | None = db.execute(asked).scalar()
            if study is not None:
                db.execute(_studies.update().where(_studies.c.id == study).values(run_asked=False))
            return study

    def open_checkpoint(self, checkpoint: str, *, study: str, kind: str, subject: str) -> None:
        """Enter a checkpoint that waits; entering it again changes nothing."""
        row = {"id": checkpoint, "study": study, "kind": kind, "subject": subject, "opened_at": now()}
        with self._begin() as db:
            known = db.execute(sa.select(_checkpoints.c.id).where(_checkpoints.c.id == checkpoint)).first()
            if known is None:
                db.execute(_checkpoints.insert().values(**row))

    def decide_checkpoint(self, checkpoint: str, *, decision: str, by: str) -> str | None:
        """Mark a checkpoint as decided; return who had decided it before, or None when this is the first time."""
        with self._begin() as db:
            where = _checkpoints.c.id == checkpoint
            before: str | None = db.execute(sa.select(_checkpoints.c.decided_by).where(where)).scalar()
            if before is None:
                db.execute(_checkpoints.update().where(where).values(decided_by=by, decision=decision))
            return before

    def waiting(self) -> list[dict[str, Any]]:
        """Return the checkpoints that wait for a person, oldest first, with the title of their study."""
        query = (
            sa.select(_checkpoints, _studies.c.title)
            .join(_studies, _studies.c.id == _checkpoints.c.study)
            .where(_checkpoints.c.decision.is_(None), _studies.c.status.not_in(list(ENDED)))
            .order_by(_checkpoints.c.opened_at)
        )
        with self._begin() as db:
            return [dict(row) for row in db.execute(query).mappings()]

    def claim_use(self, checkpoint: str, *, order: str, effect: str) -> str:
        """Use an approval for one order; return the effect that holds it (this one, or an earlier one)."""
        where = (_uses.c.checkpoint == checkpoint) & (_uses.c.order_digest == order)
        with self._begin() as db:
            holder: str | None = db.execute(sa.select(_uses.c.effect).where(where)).scalar()
            if holder is None:
                row = {"checkpoint": checkpoint, "order_digest": order, "effect": effect, "used_at": now()}
                db.execute(_uses.insert().values(**row))
                return effect
            return holder

    @contextmanager
    def lease(self, study: str) -> Iterator[None]:
        """Hold the right to run a study; the system gives it back when the process dies.

        Raises:
            MachineTrouble: another process runs it now.
        """
        path = self.study_folder(study) / "run.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise MachineTrouble(
                f"Study {study} is being run by another process.",
                advice="Wait until it stops (`counterproof show`), then run again.",
            ) from error
        try:
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except DatabaseError as error:
            raise MachineTrouble(
                f"The store's database can't be used: {error.orig}.",
                advice="Nothing was changed. Try again; if it stays, look at the disk and its permissions.",
            ) from error


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
