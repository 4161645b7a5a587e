"""The database under a store: SQLite in the store's folder, or PostgreSQL for several machines.

On PostgreSQL the folder of the store must be one shared folder, the same for each machine: the record, its lock and the
vault are files there. A file of the folder (`installation.json`) and a row of the database carry the same random name,
so that a machine that mounted another folder, or was told of another database, is refused before it writes anything.

It does not cover the tables (`store`), nor who runs a study (`leases`).
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.shared_folder import check_locks

SQLITE_FILE = "store.sqlite"
INSTALLATION_FILE = "installation.json"
SETUP_LOCK = 0x636F756E746572
"""Advisory lock under which tables are made, so that machines that start together don't make them twice."""
_KEEPALIVE = {"keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 35_000}
_SERVER_KEEPALIVE = "-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
"""A machine that lost power is noticed after about 35 s; the server gives its locks back then."""


def read_url(given: str) -> sa.URL:
    """Return the address of a PostgreSQL database.

    Raises:
        UsageError: it is no such address. The text never shows a password.
    """
    try:
        url = sa.make_url(given)
    except ArgumentError as error:
        raise UsageError(
            "The address of the store is not readable.",
            allowed="postgresql://USER@HOST/DATABASE; the password is better kept in ~/.pgpass.",
            advice="Mend COUNTERPROOF_STORE, or leave it unset for SQLite.",
        ) from error
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise UsageError(
            f"The address of the store begins with {url.drivername!r}.",
            allowed="postgresql://USER@HOST/DATABASE.",
            advice="Mend COUNTERPROOF_STORE, or leave it unset for SQLite.",
        )
    return url.set(drivername="postgresql+psycopg")


def plain_url(url: sa.URL) -> str:
    """Return an address as libpq and psycopg take it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def sqlite_engine(home: Path) -> sa.Engine:
    """Open the database of one machine."""
    if (home / INSTALLATION_FILE).exists():
        raise UsageError(
            f"The store at {home} is kept in PostgreSQL, and no database was named.",
            allowed="A store has one database; a second one beside it would know of no decision.",
            advice="Set COUNTERPROOF_STORE to its address, or name another folder with --home.",
        )
    engine = sa.create_engine(f"sqlite:///{home / SQLITE_FILE}", connect_args={"timeout": 30})

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def postgresql_engine(home: Path, url: sa.URL) -> sa.Engine:
    """Open the database of several machines.

    Raises:
        UsageError: the folder has a store of one machine.
        MachineTrouble: the driver is missing, or locks of the shared folder don't reach other machines.
    """
    if (home / SQLITE_FILE).exists():
        raise UsageError(
            f"The store at {home} is kept in SQLite, and COUNTERPROOF_STORE names {url.render_as_string()}.",
            allowed="A store has one database; studies are not moved from one to another.",
            advice="Name an empty shared folder with --home, or leave COUNTERPROOF_STORE unset.",
        )
    check_locks(home)
    arguments = {**_KEEPALIVE, "connect_timeout": 10, "application_name": "counterproof", "options": _SERVER_KEEPALIVE}
    try:
        return sa.create_engine(url, pool_pre_ping=True, connect_args=arguments)
    except ImportError as error:
        raise MachineTrouble(
            "The driver of PostgreSQL is not installed.", advice="Install it: `pip install 'counterproof[shared]'`."
        ) from error


@contextmanager
def setting_up(connection: sa.Connection) -> Iterator[None]:
    """Hold off other machines that set up at the same moment, until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": SETUP_LOCK})
    yield


def check_installation(home: Path, connection: sa.Connection, table: sa.Table, *, bodies: str) -> None:
    """Hold the folder against the database; a new pair of both gets its name here.

    Args:
        home: the shared folder.
        connection: in the transaction that made the tables.
        table: holds the one row.
        bodies: where the bodies of records are kept; "" for the folder itself.

    Raises:
        UsageError: they are of two installations, or bodies are kept elsewhere.
    """
    path = home / INSTALLATION_FILE
    here = json.loads(path.read_text()) if path.exists() else None
    row = connection.execute(sa.select(table.c.name, table.c.bodies)).first()
    there = None if row is None else {"name": row.name, "bodies": row.bodies}
    if there is None and (here is None or not any(home.glob("studies/*"))):
        here = here or {"name": secrets.token_hex(16), "bodies": bodies}
        _write_once(path, json.dumps(here))
        connection.execute(table.insert().values(**here))
        there = here
    if here != there:
        raise UsageError(
            f"The folder {home} and the database are of two installations.",
            allowed=f"Every machine has the same shared folder; the database's is named {(there or {}).get('name')!r} "
            f"in {INSTALLATION_FILE}, this folder's {(here or {}).get('name')!r}.",
            advice="Mount the shared folder, or mend COUNTERPROOF_STORE. Nothing was changed.",
        )
    if there is not None and there["bodies"] != bodies:
        raise UsageError(
            f"Bodies of this installation are kept at {there['bodies'] or 'its folder'!r}, and {bodies or 'nothing'!r} "
            "was named.",
            allowed="One place for all machines, for good.",
            advice="Set COUNTERPROOF_BODIES to that place on this machine too.",
        )


@contextmanager
def begun(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection in a transaction of its own.

    Raises:
        IntegrityError: a row is there already, or speaks of one that isn't.
        MachineTrouble: the database can't be used.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise MachineTrouble(
            f"The store's database can't be used: {error.orig}.",
            advice="Nothing was changed. Try again; if it stays, look at the disk or the server and its permissions.",
        ) from error


def _write_once(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    with new.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
