"""The stage: what a thread sees while it starts a sandbox as root, and that it comes back to where it was."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.record import Body, Record
from counterproof.sandbox._stage import staged

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a stage")
_IN_A_ROOT_OF_ITS_OWN = """
set -e
mount --rbind / "$1"
mount -t tmpfs none "$1/mnt"
touch "$1/mnt/marker"
cd /usr
exec chroot "$1" sh -c 'cd /mnt; shift; exec "$@"' sh "$@"
"""
_COMES_BACK = """
import os, pathlib
from counterproof.sandbox._stage import staged
with staged({}, {}, at="/tmp"):
    assert os.listdir("/tmp") == []
assert pathlib.Path("/mnt/marker").exists() and os.listdir(".") == ["marker"]
assert os.listdir("/tmp") != []
"""


def test_binds_are_seen_and_what_others_may_not_read_is_copied(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "file").write_text("a")
    (tmp_path / "closed.csv").write_text("b")
    (tmp_path / "closed.csv").chmod(0o600)
    with staged({"shown": tmp_path / "open"}, {"data/closed.csv": tmp_path / "closed.csv"}, at="/tmp"):
        assert sorted(path.name for path in Path("/tmp").iterdir()) == ["data", "shown"]
        assert Path("/tmp/shown/file").read_text() == "a"
        assert Path("/tmp/data/closed.csv").stat().st_mode & 0o777 == 0o444
    assert (tmp_path / "closed.csv").stat().st_mode & 0o777 == 0o600


def test_other_threads_see_nothing_of_it(tmp_path: Path) -> None:
    marker, seen = Path("/tmp") / f"seen-{tmp_path.name}", list[bool]()
    look, looked = threading.Event(), threading.Event()

    def other() -> None:
        look.wait()
        seen.append(marker.exists())
        looked.set()

    thread = threading.Thread(target=other)
    thread.start()
    with staged({marker.name: tmp_path}, {}, at="/tmp"):
        assert marker.is_dir()
        look.set()
        looked.wait()
    thread.join()
    assert seen == [False]
    assert not marker.exists()


def test_a_thread_that_begins_there_does_not_hold_it_back(tmp_path: Path) -> None:
    with staged({}, {}, at="/tmp"):
        thread = threading.Thread(target=threading.Event().wait, args=(0.2,))
        thread.start()
    assert tmp_path.is_dir()
    thread.join()


def test_nobodys_garbage_is_finalized_there(tmp_path: Path) -> None:
    class Kept:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            (tmp_path / "finalized").mkdir(parents=True)

    others, go, gone, done = list[list[int]](), threading.Event(), threading.Event(), threading.Event()

    def other() -> None:
        go.wait()
        with staged({}, {}, at="/tmp"):
            gone.set()
            done.wait()

    before = gc.get_threshold()
    gc.set_threshold(1)
    thread = threading.Thread(target=other)
    try:
        Kept().itself = None  # type: ignore[assignment]
        (tmp_path / "finalized").rmdir()
        thread.start()
        with staged({}, {}, at="/tmp"):
            go.set()
            gone.wait()
            Kept()
            others.extend([number] for number in range(5000))
        assert not (tmp_path / "finalized").exists(), "the other thread is on its stage still"
        assert not gc.isenabled()
        done.set()
        thread.join()
        assert gc.isenabled()
        others.extend([number] for number in range(5000))
    finally:
        go.set()
        done.set()
        gc.set_threshold(*before)
    assert (tmp_path / "finalized").is_dir()


@pytest.mark.parametrize("enabled", [True, False])
def test_collection_is_on_again_where_it_was_on(*, enabled: bool) -> None:
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(FileNotFoundError), staged({"x": Path("/missing")}, {}, at="/tmp"):
            pass
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()


def test_a_record_that_is_let_go_of_there_loses_nothing(tmp_path: Path) -> None:
    record = Record(tmp_path / "record", blobs=Blobs(tmp_path / "blobs"))
    event = record.append("note", data={}, refs=[Body(role="request", data=b"of the study")])
    with staged({}, {}, at="/tmp"):
        del record
        gc.collect()
    again = Record(tmp_path / "record", blobs=Blobs(tmp_path / "blobs"))
    assert again.blobs.get(event.refs[0].sha256) == b"of the study"


def test_folder_and_mask_are_those_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o027)
    try:
        with staged({}, {}, at="/tmp"):
            pass
        assert Path.cwd() == tmp_path
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_a_path_that_is_not_there_leaves_nothing_changed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), staged({"x": tmp_path / "missing"}, {}, at="/tmp"):
        pass
    assert tmp_path.is_dir()


def test_a_root_of_its_own_is_kept(tmp_path: Path) -> None:
    """As in a chroot: going back to a mount namespace takes on its root, which is another."""
    command = ["unshare", "-m", "sh", "-c", _IN_A_ROOT_OF_ITS_OWN, "sh", str(tmp_path)]
    env = {"PATH": f"{os.defpath}:/usr/sbin:/sbin", "PYTHONPATH": str(Path(__file__).resolve().parents[2] / ".links")}
    done = subprocess.run(
        [*command, sys.executable, "-c", _COMES_BACK], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
