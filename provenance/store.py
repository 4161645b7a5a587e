"""The state store: studies, checkpoints, decisions and used approvals, in one SQL database.

The record is the truth; this database is what makes it quick to ask "what waits for me?" and what makes two
people or two tabs unable to decide the same checkpoint or use the same approval twice (primary keys, and one
`BEGIN IMMEDIATE` transaction in SQLite or a lock of the row in PostgreSQL). A row planted here opens nothing: the gate
reads decisions from the record and checks their signatures.

The folder of a store:

    store.sqlite          this database, on one machine
    installation.json     on several: the name that this folder and the database on PostgreSQL share
    registry/             the record of reviewers
    keys/                 the service key, and reviewers' keys that were made here
    vault/                real data, by digest; only the gate's side opens it
    body-keys/            the keys under which secure bodies of studies are sealed
    studies/<id>/         record/ (with its log), blobs/, telemetry/, graph.sqlite, run.lock

Word for a worker (`ask_run`) stands until a run begins: `begin_run` takes it away in the transaction that says that the
study runs, so a kill between loses no click.

It does not cover the database itself (`database`) nor the right to run a study (`leases`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from counterproof.provenance.database import (
    begun,
    check_installation,
    plain_url,
    postgresql_engine,
    read_url,
    setting_up,
    sqlite_engine,
)
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.events import now
from counterproof.provenance.leases import (
    Busy,
    FileLease,
    Lease,
    LeaseLost,
    file_lease,
    is_free_on_server,
    server_lease,
)


class Status(StrEnum):
    """Where a study stands."""

    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    STOPPED = "stopped"
    OVER_BUDGET = "over_budget"
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
    sa.Index("studies_asked", "run_asked", "changed_at"),
    sa.Index("studies_status", "status"),
    sa.Index("studies_created", "created_at"),
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
    sa.Index("checkpoints_waiting", "decision", "opened_at"),
)
_uses = sa.Table(
    "approval_uses",
    _meta,
    sa.Column("checkpoint", sa.String(120), primary_key=True),
    sa.Column("order_digest", sa.String(64), primary_key=True),
    sa.Column("effect", sa.String(120), nullable=False),
    sa.Column("used_at", sa.String(40), nullable=False),
)
_leases = sa.Table(
    "leases",
    _meta,
    sa.Column("study", sa.String(80), primary_key=True),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("taken_at", sa.String(40), nullable=False),
)
_installation = sa.Table(
    "installation",
    _meta,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("bodies", sa.Text, nullable=False),
)


class Store:
    """The database and folders of one installation.

    Args:
        home: the folder; made when missing, readable by its owner only. With a database it is shared by all machines.
        database: the address of a PostgreSQL database; "" for SQLite in the folder.
        bodies: where bodies of records are kept instead of the folder (`remote_blobs`); only with a database.

    Attributes:
        home: the folder.
        url: the address as libpq takes it, with its password where it has one: never shown. "" for SQLite.

    Raises:
        UsageError: the address is none, or folder and database are of two installations.
        MachineTrouble: the folder or the database can't be opened.
    """

    def __init__(self, home: Path, *, database: str = "", bodies: str = "") -> None:
        self.home = home
        address = read_url(database) if database else None
        self.url = "" if address is None else plain_url(address)
        if bodies and address is None:
            raise UsageError(
                f"Bodies were to be kept at {bodies!r}, and the store is SQLite.",
                allowed="Only a store on PostgreSQL keeps bodies elsewhere.",
                advice="Leave COUNTERPROOF_BODIES unset, or set COUNTERPROOF_STORE too.",
            )
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._engine = sqlite_engine(home) if address is None else postgresql_engine(home, address)
            if address is None:
                _meta.create_all(self._engine)
                _add_indexes(self._engine)
            else:
                self._set_up(bodies)
        except (OSError, DBAPIError) as error:
            at = f" with {address.render_as_string()}" if address is not None else ""
            raise MachineTrouble(
                f"The store at {home}{at} can't be opened: {error}.",
                advice="Choose a writable folder with --home, or mend its permissions or the database's address.",
            ) from error

    @property
    def shared(self) -> bool:
        """Whether several machines may use it."""
        return bool(self.url)

    def close(self) -> None:
        """Let go of the database's connections; the store opens new ones when it is used again."""
        self._engine.dispose()

    def _set_up(self, bodies: str) -> None:
        with self._engine.begin() as db, setting_up(db):
            _meta.create_all(db)
            _add_indexes(db)
            check_installation(self.home, db, _installation, bodies=bodies)

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

    def newest(self, limit: int, *, skip: int = 0) -> list[dict[str, Any]]:
        """Return some studies, newest first, after leaving out `skip` of them."""
        query = sa.select(_studies).order_by(_studies.c.created_at.desc()).limit(limit).offset(skip)
        with self._begin() as db:
            return [dict(row) for row in db.execute(query).mappings()]

    def count_studies(self) -> int:
        """Return how many studies there are."""
        with self._begin() as db:
            return int(db.execute(sa.select(sa.func.count()).select_from(_studies)).scalar() or 0)

    def set_status(self, study: str, status: Status, detail: str = "", *, lease: Lease | None = None) -> None:
        """Write down where a study stands.

        Args:
            study: which study.
            status: where it stands.
            detail: why, or what it waits for.
            lease: the writer's; None for who has made sure otherwise that nobody runs it.

        Raises:
            LeaseLost: somebody else runs the study since; nothing was written.
        """
        values = {"status": status, "detail": detail, "changed_at": now()}
        self._write_study(study, values, lease)

    def begin_run(self, study: str, *, lease: Lease) -> None:
        """Say that a study runs, and take the word for a worker away, in one transaction.

        Raises:
            LeaseLost: somebody else runs the study since; nothing was written.
        """
        values = {"status": Status.RUNNING, "detail": "", "changed_at": now(), "run_asked": False}
        self._write_study(study, values, lease)

    def _write_study(self, study: str, values: dict[str, Any], lease: Lease | None) -> None:
        with self._begin() as db:
            if lease is not None and not isinstance(lease, FileLease):
                held = sa.select(_leases.c.fence).where(_leases.c.study == study).with_for_update(read=True)
                if db.execute(held).scalar() != lease.fence:
                    raise LeaseLost(f"Study {study} is run by another process since.", advice="Nothing was written.")
            db.execute(_studies.update().where(_studies.c.id == study).values(**values))

    def ask_run(self, study: str) -> None:
        """Leave word for a worker to go on with a study; it stands until a run begins."""
        with self._begin() as db:
            db.execute(_studies.update().where(_studies.c.id == study).values(run_asked=True))

    def drop_ask(self, study: str) -> None:
        """Take the word for a study away that no worker can run."""
        with self._begin() as db:
            db.execute(_studies.update().where(_studies.c.id == study).values(run_asked=False))

    def asked(self) -> list[str]:
        """Return the studies that should go on, longest unchanged first; their words stand."""
        query = sa.select(_studies.c.id).where(_studies.c.run_asked).order_by(_studies.c.changed_at)
        with self._begin() as db:
            return list(db.execute(query).scalars())

    def left_behind(self) -> list[str]:
        """Return studies that nobody goes on with: left running by a dead process, or decided without a word after."""
        waiting = sa.select(_checkpoints.c.study).where(_checkpoints.c.decision.is_(None))
        running = _studies.c.status == Status.RUNNING
        decided = (_studies.c.status == Status.WAITING) & _studies.c.id.not_in(waiting)
        query = sa.select(_studies.c.id, running.label("running")).where(~_studies.c.run_asked, running | decided)
        with self._begin() as db:
            found = list(db.execute(query.order_by(_studies.c.changed_at)))
        return [row.id for row in found if not row.running or self.is_free(row.id)]

    def open_checkpoint(self, checkpoint: str, *, study: str, kind: str, subject: str) -> None:
        """Enter a checkpoint that waits; entering it again changes nothing."""
        row = {"id": checkpoint, "study": study, "kind": kind, "subject": subject, "opened_at": now()}
        with self._begin() as db:
            db.execute(sa.select(_studies.c.id).where(_studies.c.id == study).with_for_update())
            known = db.execute(sa.select(_checkpoints.c.id).where(_checkpoints.c.id == checkpoint)).first()
            if known is None:
                db.execute(_checkpoints.insert().values(**row))

    def decide_checkpoint(self, checkpoint: str, *, decision: str, by: str) -> str | None:
        """Mark a checkpoint as decided; return who had decided it before, or None when this is the first time."""
        with self._begin() as db:
            where = _checkpoints.c.id == checkpoint
            looking = sa.select(_checkpoints.c.decided_by).where(where).with_for_update()
            before: str | None = db.execute(looking).scalar()
            if before is None:
                db.execute(_checkpoints.update().where(where).values(decided_by=by, decision=decision))
            return before

    def waiting(
        self, *, kinds: Sequence[str] | None = None, study: str = "", limit: int | None = None, skip: int = 0
    ) -> list[dict[str, Any]]:
        """Return the checkpoints that wait for a person, oldest first, with the title of their study.

        Args:
            kinds: only these kinds of checkpoints; None for all.
            study: only those of one study; "" for all.
            limit: how many at most; None for all.
            skip: how many of the oldest to leave out.
        """
        query = _waits(sa.select(_checkpoints, _studies.c.title), kinds, study).order_by(_checkpoints.c.opened_at)
        with self._begin() as db:
            return [dict(row) for row in db.execute(query.limit(limit).offset(skip)).mappings()]

    def count_waiting(self, *, kinds: Sequence[str] | None = None) -> int:
        """Return how many checkpoints of these kinds wait for a person."""
        with self._begin() as db:
            return int(db.execute(_waits(sa.select(sa.func.count()), kinds, "")).scalar() or 0)

    def claim_use(self, checkpoint: str, *, order: str, effect: str) -> str:
        """Use an approval for one order; return the effect that holds it (this one, or an earlier one)."""
        try:
            return self._claim(checkpoint, order=order, effect=effect)
        except IntegrityError:
            # On a server somebody may have claimed it between the look and the writing; now the look finds it.
            return self._claim(checkpoint, order=order, effect=effect)

    def _claim(self, checkpoint: str, *, order: str, effect: str) -> str:
        where = (_uses.c.checkpoint == checkpoint) & (_uses.c.order_digest == order)
        with self._begin() as db:
            holder: str | None = db.execute(sa.select(_uses.c.effect).where(where).with_for_update()).scalar()
            if holder is None:
                row = {"checkpoint": checkpoint, "order_digest": order, "effect": effect, "used_at": now()}
                db.execute(_uses.insert().values(**row))
                return effect
            return holder

    def lease(self, study: str) -> AbstractContextManager[Lease]:
        """Hold the right to run a study; it is given back when the process dies.

        Raises:
            Busy: another process runs it now, on this machine or another.
        """
        if self.shared:
            return server_lease(self._engine, _leases, study)
        return file_lease(self.study_folder(study) / "run.lock", study)

    def is_free(self, study: str) -> bool:
        """Say whether nobody runs a study now."""
        if self.shared:
            return is_free_on_server(self._engine, study)
        try:
            with self.lease(study):
                return True
        except Busy:
            return False

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        with begun(self._engine) as connection:
            yield connection


def _waits(query: sa.Select[Any], kinds: Sequence[str] | None, study: str) -> sa.Select[Any]:
    """Narrow a query to checkpoints that wait for a person."""
    found = (
        query.select_from(_checkpoints)
        .join(_studies, _studies.c.id == _checkpoints.c.study)
        .where(_checkpoints.c.decision.is_(None), _studies.c.status.not_in(list(ENDED)))
    )
    if kinds is not None:
        found = found.where(_checkpoints.c.kind.in_(list(kinds)))
    return found.where(_checkpoints.c.study == study) if study else found


def _add_indexes(bind: sa.Engine | sa.Connection) -> None:
    """Give a store that an earlier version made the indexes that came since."""
    for table in _meta.sorted_tables:
        for index in table.indexes:
            index.create(bind, checkfirst=True)
