"""The store: an index that many may use at once, and that makes single decisions and single uses single."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.store import ENDED, Status, Store

from ..postgres import Server

PLAN = "s1.plan.1"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    """The address of a database; "" for SQLite."""
    if request.param == "sqlite":
        return ""
    server: Server = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture
def store(tmp_path: Path, database: str) -> Store:
    """A store with one study that has one checkpoint."""
    made = Store(tmp_path / "home", database=database)
    made.add_study("s1", title="One")
    made.open_checkpoint(PLAN, study="s1", kind="plan", subject="ab" * 32)
    return made


def test_a_new_store_is_the_owner_s_alone(tmp_path: Path) -> None:
    Store(tmp_path / "home")
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


def test_a_study_is_ready_until_it_is_said_otherwise(store: Store) -> None:
    assert store.study("s1")["status"] == Status.READY
    store.set_status("s1", Status.STOPPED, "no room")
    assert (store.study("s1")["status"], store.study("s1")["detail"]) == (Status.STOPPED, "no room")


def test_an_id_is_taken_once(store: Store) -> None:
    with pytest.raises(UsageError, match=r"A study 's1' exists already\. Choose another id"):
        store.add_study("s1", title="Two")
    assert store.study("s1")["title"] == "One"


def test_an_unknown_study_is_the_caller_s_mistake(store: Store) -> None:
    with pytest.raises(UsageError, match=r"no study 's2' in this store\. `counterproof show` lists"):
        store.study("s2")


def test_studies_come_oldest_first(store: Store) -> None:
    store.add_study("s0", title="Later")
    assert [row["id"] for row in store.studies()] == ["s1", "s0"]


def test_a_checkpoint_waits_until_it_is_decided(store: Store) -> None:
    assert [(row["id"], row["title"]) for row in store.waiting()] == [(PLAN, "One")]
    assert store.decide_checkpoint(PLAN, decision="approve", by="ada") is None
    assert store.waiting() == []


def test_opening_a_checkpoint_again_changes_nothing(store: Store) -> None:
    store.decide_checkpoint(PLAN, decision="approve", by="ada")
    store.open_checkpoint(PLAN, study="s1", kind="plan", subject="cd" * 32)
    assert store.waiting() == []


@pytest.mark.parametrize("status", sorted(ENDED))
def test_nothing_waits_in_a_study_that_ended(store: Store, status: Status) -> None:
    store.set_status("s1", status)
    assert store.waiting() == []


def test_a_checkpoint_of_no_study_is_not_entered(store: Store) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        store.open_checkpoint("s2.plan.1", study="s2", kind="plan", subject="ab" * 32)


def test_the_second_decision_is_told_of_the_first(store: Store) -> None:
    store.decide_checkpoint(PLAN, decision="approve", by="ada")
    assert store.decide_checkpoint(PLAN, decision="reject", by="eve") == "ada"


@pytest.mark.attack
def test_twenty_who_decide_at_once_make_one_decision(store: Store) -> None:
    barrier = threading.Barrier(20)

    def decide(number: int) -> str | None:
        barrier.wait()
        return store.decide_checkpoint(PLAN, decision="approve", by=f"r{number}")

    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(decide, range(20)))
    (winner,) = [f"r{number}" for number, before in enumerate(told) if before is None]
    assert {before for before in told if before is not None} == {winner}


@pytest.mark.attack
def test_an_approval_is_used_by_one_effect_per_order(store: Store) -> None:
    assert store.claim_use("s1.code.1", order="a", effect="one") == "one"
    assert store.claim_use("s1.code.1", order="a", effect="one") == "one"
    assert store.claim_use("s1.code.1", order="a", effect="two") == "one"
    assert store.claim_use("s1.code.1", order="b", effect="two") == "two"


_CLAIM = """
import sys
from pathlib import Path
from counterproof.provenance.store import Store
store = Store(Path(sys.argv[1]), database=sys.argv[3])
print(store.claim_use("s1.code.1", order="a", effect=sys.argv[2]))
"""


@pytest.mark.attack
def test_processes_that_claim_at_once_agree_on_one_holder(store: Store) -> None:
    command = [sys.executable, "-c", _CLAIM, str(store.home)]
    running = [
        subprocess.Popen([*command, f"effect{at}", store.url], stdout=subprocess.PIPE, text=True) for at in range(3)
    ]
    assert len({process.communicate()[0] for process in running}) == 1


def test_a_word_for_the_worker_stands_until_a_run_begins(store: Store) -> None:
    store.ask_run("s1")
    store.ask_run("s1")
    assert (store.asked(), store.asked()) == (["s1"], ["s1"])
    with store.lease("s1") as lease:
        store.begin_run("s1", lease=lease)
    assert (store.asked(), store.study("s1")["status"]) == ([], Status.RUNNING)


def test_a_word_that_no_worker_can_follow_is_dropped(store: Store) -> None:
    store.ask_run("s1")
    store.drop_ask("s1")
    assert store.asked() == []


def test_what_a_dead_process_left_running_is_found(store: Store) -> None:
    store.set_status("s1", Status.RUNNING)
    with store.lease("s1"):
        assert store.left_behind() == []
    assert store.left_behind() == ["s1"]


def test_a_study_whose_decision_nobody_followed_is_found(store: Store) -> None:
    store.set_status("s1", Status.WAITING)
    assert store.left_behind() == []
    store.decide_checkpoint(PLAN, decision="approve", by="ada")
    assert store.left_behind() == ["s1"]


def test_a_lease_is_held_by_one(store: Store) -> None:
    other = Store(store.home, database=store.url)
    with (
        store.lease("s1"),
        pytest.raises(MachineTrouble, match="Study s1 is being run by another process"),
        other.lease("s1"),
    ):
        pass
    with other.lease("s1"):
        pass


_DIE = """
import os, signal, sys
from pathlib import Path
from counterproof.provenance.store import Store
with Store(Path(sys.argv[1]), database=sys.argv[2]).lease("s1"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.crash
def test_a_lease_ends_with_its_process(store: Store) -> None:
    assert subprocess.run([sys.executable, "-c", _DIE, str(store.home), store.url]).returncode == -9
    until = time.monotonic() + 10  # a server notices a moment later
    while not store.is_free("s1") and time.monotonic() < until:
        time.sleep(0.02)
    with store.lease("s1"):
        pass


def test_a_place_that_is_no_folder_is_machine_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MachineTrouble, match="Choose a writable folder with --home"):
        Store(tmp_path / "file")


def test_a_database_that_is_none_is_machine_trouble(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(MachineTrouble, match="can't be opened"):
        Store(tmp_path)


def test_a_database_that_is_spoilt_later_is_machine_trouble(store: Store) -> None:
    connect = psycopg.connect(store.url) if store.shared else sqlite3.connect(store.home / "store.sqlite")
    with connect as other:
        other.execute("DROP TABLE approval_uses")
    with pytest.raises(MachineTrouble, match="The store's database can't be used"):
        store.claim_use("s1.code.1", order="a", effect="one")


def test_the_store_survives_being_opened_by_many_at_once(tmp_path: Path, database: str) -> None:
    def make(number: int) -> None:
        Store(tmp_path / "home", database=database).add_study(f"s{number}", title="x")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    assert len(Store(tmp_path / "home", database=database).studies()) == 8
    assert os.listdir(tmp_path) == ["home"]  # noqa: PTH208
