"""A store on PostgreSQL: one folder and one database belong together, and who lost a lease can write nothing more."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.database import INSTALLATION_FILE
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.leases import Busy, LeaseLost
from counterproof.provenance.record import Record
from counterproof.provenance.shared_folder import check_locks
from counterproof.provenance.store import Status, Store

from ..postgres import Server

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(tmp_path: Path, database: str) -> Store:
    """A shared store with one study."""
    made = Store(tmp_path / "home", database=database)
    made.add_study("s1", title="One")
    return made


def _end_other_connections(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_second_machine_with_the_same_folder_sees_the_same_store(store: Store) -> None:
    assert [row["id"] for row in Store(store.home, database=store.url).studies()] == ["s1"]


def test_another_folder_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"of two installations.*this folder's None.*Mount the shared folder"):
        Store(tmp_path / "local", database=store.url)


def test_another_database_is_refused(store: Store, postgresql: Server) -> None:
    (store.home / "studies" / "s1").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"of two installations.*database's is named None"):
        Store(store.home, database=postgresql.new_database())


def test_a_folder_of_another_installation_is_refused(store: Store) -> None:
    file = store.home / INSTALLATION_FILE
    file.write_text(json.dumps({**json.loads(file.read_text()), "name": "other"}))
    with pytest.raises(UsageError, match=r"this folder's 'other'"):
        Store(store.home, database=store.url)


def test_a_shared_folder_is_not_opened_without_its_database(store: Store) -> None:
    with pytest.raises(UsageError, match=r"kept in PostgreSQL.*Set COUNTERPROOF_STORE"):
        Store(store.home)


def test_a_folder_of_one_machine_is_not_opened_with_a_database(tmp_path: Path, database: str) -> None:
    Store(tmp_path / "home")
    with pytest.raises(UsageError, match=r"kept in SQLite.*Name an empty shared folder"):
        Store(tmp_path / "home", database=database)


def test_bodies_are_kept_in_one_place_for_good(tmp_path: Path, database: str) -> None:
    Store(tmp_path / "home", database=database, bodies="memory://lab")
    with pytest.raises(UsageError, match=r"kept at 'memory://lab', and 'nothing' was named.*Set COUNTERPROOF_BODIES"):
        Store(tmp_path / "home", database=database)


@pytest.mark.parametrize(
    ("given", "said"),
    [("mysql://ada:secret@db/lab", "begins with 'mysql'"), ("no address", "not readable")],
    ids=["mysql", "no-address"],
)
def test_an_address_of_something_else_is_refused_without_its_password(tmp_path: Path, given: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as met:
        Store(tmp_path / "home", database=given)
    assert "secret" not in str(met.value)


def test_a_server_that_is_not_there_is_machine_trouble_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(MachineTrouble, match=r"ada:\*\*\*@127.0.0.1:9/lab can't be opened") as met:
        Store(tmp_path / "home", database="postgresql://ada:secret@127.0.0.1:9/lab")
    assert "secret" not in str(met.value)


def test_the_holder_of_a_lease_is_named(store: Store) -> None:
    with store.lease("s1"):
        assert not store.is_free("s1")
        with pytest.raises(Busy, match=r"run by another process \(.*, process \d+\)"), store.lease("s1"):
            pass
    assert store.is_free("s1")


@pytest.mark.attack
def test_who_lost_the_lease_can_append_nothing_and_say_nothing(store: Store) -> None:
    record = Record(store.home / "record", blobs=Blobs(store.home / "blobs"))
    with store.lease("s1") as lost:
        record.guard(lost.check)
        record.append("one", data={})
        _end_other_connections(store.url)
        with store.lease("s1") as now:
            store.begin_run("s1", lease=now)
            with pytest.raises(LeaseLost, match="its connection to the database broke"):
                record.append("two", data={})
            with pytest.raises(LeaseLost, match="run by another process since"):
                store.set_status("s1", Status.STOPPED, lease=lost)
    assert [event.type for event in record.events()] == ["one"]
    assert store.study("s1")["status"] == Status.RUNNING


@pytest.mark.attack
def test_a_lease_whose_number_is_old_is_lost_even_if_its_connection_lives(store: Store) -> None:
    with store.lease("s1") as lease:
        lease.check()
        with psycopg.connect(store.url) as other:
            other.execute("UPDATE leases SET fence = fence + 1")
        with pytest.raises(LeaseLost, match="another process took it"):
            lease.check()


def test_a_server_that_was_started_anew_is_used_again(store: Store) -> None:
    _end_other_connections(store.url)
    assert store.study("s1")["status"] == Status.READY


_MOUNTS = "29 1 0:25 / / rw,relatime - ext4 /dev/sda1 rw\n40 29 0:40 / /srv/lab rw - {kind} host:/lab {options}\n"


@pytest.mark.parametrize(
    ("kind", "options", "met"),
    [
        ("nfs", "rw,vers=3,nolock", "nolock"),
        ("nfs4", "rw,vers=4.2,local_lock=flock", "local_lock=flock"),
        ("lustre", "rw,localflock", "localflock"),
        ("lustre", "rw", "no flock"),
    ],
)
def test_a_folder_with_local_locks_is_refused(kind: str, options: str, met: str) -> None:
    with pytest.raises(UsageError, match=rf"on {kind}, mounted at /srv/lab with {met}"):
        check_locks(Path("/srv/lab/store"), mounts=_MOUNTS.format(kind=kind, options=options))


@pytest.mark.parametrize(("kind", "options"), [("nfs4", "rw,vers=4.2,local_lock=none"), ("lustre", "rw,flock")])
def test_a_folder_whose_locks_reach_everybody_is_taken(kind: str, options: str) -> None:
    check_locks(Path("/srv/lab/store"), mounts=_MOUNTS.format(kind=kind, options=options))
    check_locks(Path("/home/store"), mounts=_MOUNTS.format(kind="nfs", options="nolock"))
