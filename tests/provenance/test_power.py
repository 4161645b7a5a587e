"""A loss of power, as a disk sees it: a file system in a file, copied as it lies there while a study is written.

What the kernel holds back and has not brought to the disk is not in the copy. The copy is mounted, which plays the file
system's journal, and the record is opened: nothing that was acknowledged may be missing. Needs root and a loop device.

Source: ext4(5) on `data=ordered`; fdatasync(2).
"""

from __future__ import annotations

import filecmp
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.events import Event, read_chain
from counterproof.provenance.record import Record

_WRITER = """
import sys
from pathlib import Path
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.journal import Journal, Response
from counterproof.provenance.record import Record
folder = Path(sys.argv[1])
record = Record(folder, blobs=Blobs(folder / "blobs"))
journal = Journal(record)
for number in range(300):
    if number % 7 == 3:
        program = record.put("program", f"program {number}".encode() * 200)
        record.append("note", data={"key": number}, refs=[program], durable=False)
    def effect(attempt):
        print("effect.started", number, flush=True)
        return Response(body=f"answer {number}".encode() * 500)
    journal.perform(str(number), effect, kind="model", request=f"ask {number}".encode() * 5000)
    print("effect.finished", number, flush=True)
    if number % 5 == 4:
        record.append("decided", data={"key": number})
        print("decided", number, flush=True)
"""

_STOPS_BEHIND_THE_LOG = """
import os, signal, sys
from pathlib import Path
from counterproof.provenance.ahead import Ahead
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.record import Body, Record
folder = Path(sys.argv[1])
record = Record(folder, blobs=Blobs(folder / "blobs"))
record.append("note", data={"key": 0}, refs=[Body(role="request", data=b"before" * 200)])  # the log has its length
program = record.put("program", b"program" * 200)
if sys.argv[2] == "earlier":
    record.append("note", data={"key": 1}, refs=[program], durable=False)
write = Ahead.write
def stopping(log, entry):
    write(log, entry)
    print("written", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
Ahead.write = stopping
own = [program] if sys.argv[2] == "same" else []
record.append("note", data={"key": 2}, refs=[*own, Body(role="request", data=b"ask" * 200)])
"""


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


@contextmanager
def _mounted(image: Path, place: Path) -> Iterator[Path]:
    place.mkdir()
    _run("mount", "-o", "loop", image, place)
    try:
        yield place
    finally:
        _run("umount", "-l", place)  # a record may be open there still


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Return a file with an empty file system in it."""
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(100 * 2**20)
    try:
        _run("mkfs.ext4", "-q", image)
        with _mounted(image, tmp_path / "tried"):
            pass
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted from a file here: {error}")
    return image


def _copied(disk: Path) -> Path:
    """Copy a disk when nothing is on its way to it."""
    copy = disk.with_name("copy")
    for _ in range(60):
        shutil.copyfile(disk, copy)
        if filecmp.cmp(disk, copy, shallow=False):
            return copy
        time.sleep(0.2)
    pytest.fail("the disk did not come to rest")


def _open(folder: Path) -> Record:
    return Record(folder, blobs=Blobs(folder / "blobs"))


def _told(event: Event) -> str:
    return f"{event.type} {event.data.get('key')}"


@pytest.mark.crash
@pytest.mark.parametrize("after_s", [random.Random(seed).uniform(0.05, 0.5) for seed in range(4)])
def test_what_was_acknowledged_is_on_the_disk(tmp_path: Path, disk: Path, after_s: float) -> None:
    with _mounted(disk, tmp_path / "running") as running:
        writer = subprocess.Popen(
            [sys.executable, "-P", "-c", _WRITER, str(running / "study")], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().strip()]
        time.sleep(after_s)
        os.kill(writer.pid, signal.SIGSTOP)
        copy = _copied(disk)
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged += [line for line in writer.communicate()[0].split("\n")[:-1] if line]
    assert len(acknowledged) > 3
    with _mounted(copy, tmp_path / "after") as after:
        record = _open(after / "study")
        events = record.events()
        assert set(acknowledged) <= {_told(event) for event in events}
        assert all(len(record.blobs.get(ref.sha256)) == ref.size for event in events for ref in event.refs)
        record.append("after", data={})
        assert list(read_chain(record.path.read_bytes())) == _open(after / "study").events()


@pytest.mark.crash
@pytest.mark.parametrize("event", ["earlier", "same"])
def test_what_is_put_back_names_no_file_that_is_not_there(tmp_path: Path, disk: Path, event: str) -> None:
    """A file that was made on its own is named by an event in the log; the power goes before anything else happens."""
    with _mounted(disk, tmp_path / "running") as running:
        command = [sys.executable, "-P", "-c", _STOPS_BEHIND_THE_LOG, str(running / "study"), event]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        copy = _copied(disk)
        writer.kill()
        writer.communicate()
    with _mounted(copy, tmp_path / "after") as after:
        record = _open(after / "study")
        events = record.events()
        assert [one.data.get("key") for one in events if one.type == "note"] == (
            [0, 1, 2] if event == "earlier" else [0, 2]
        )
        assert all(len(record.blobs.get(ref.sha256)) == ref.size for one in events for ref in one.refs)
