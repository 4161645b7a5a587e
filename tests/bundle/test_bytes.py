"""Any one byte: changed, dropped, added, swapped or cut off, anywhere in the file, `verify` says so and where."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterproof.provenance.verify import verify_bundle

from .forging import failures

pytestmark = pytest.mark.tamper
SLICES = 16
OFFSETS = 25
"""Looked at in each slice."""


def _flip(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[:at] + bytes([data[at] ^ chance.randint(1, 255)]) + data[at + 1 :]


def _flip_bit(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _drop(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[:at] + data[at + 1 :]


def _double(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[:at] + data[at : at + 1] + data[at:]


def _insert(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[:at] + bytes([chance.randrange(256)]) + data[at:]


def _swap(data: bytes, at: int, chance: random.Random) -> bytes:
    while data[at] == data[at - 1]:
        at -= 1
    return data[: at - 1] + data[at : at + 1] + data[at - 1 : at] + data[at + 1 :]


def _truncate(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[:at]


def _append(data: bytes, at: int, chance: random.Random) -> bytes:
    return data + data[at : at + chance.randint(1, 40)]


def _prepend(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[at : at + chance.randint(1, 40)] + data


Change = Callable[[bytes, int, random.Random], bytes]
CHANGES: tuple[Change, ...] = (_flip_bit, _drop, _double, _insert, _swap, _truncate, _append, _prepend)


def _caught(data: bytes, place: Path, *, named: str = "") -> None:
    """Verify these bytes as a bundle; the evidence must name a file, or an offset of the zip."""
    place.write_bytes(data)
    bad = failures(verify_bundle(place))
    assert bad, named
    evidence = " ".join(text for step in bad for text in step.evidence)
    assert named in evidence
    assert named or any(word in evidence for word in ("data/", ".txt", "Byte ", "The zip", place.name)), evidence


@pytest.mark.parametrize("part", range(SLICES))
def test_a_changed_byte_is_caught(reviewed: Path, tmp_path: Path, part: int) -> None:
    data = reviewed.read_bytes()
    chance = random.Random(part)
    size = len(data) // SLICES
    for _ in range(OFFSETS):
        at = part * size + chance.randrange(size)
        _caught(_flip(data, at, chance), tmp_path / "changed.zip")


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_a_byte_that_is_dropped_added_or_moved_is_caught(reviewed: Path, tmp_path: Path, change: Change) -> None:
    data = reviewed.read_bytes()
    chance = random.Random(change.__name__)
    for _ in range(OFFSETS):
        changed = change(data, chance.randrange(1, len(data)), chance)
        assert changed != data
        _caught(changed, tmp_path / "changed.zip")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_byte_of_the_demo_counts(demo: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = demo.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    _caught(whole[:at] + bytes([other]) + whole[at + 1 :], tmp_path / "changed.zip")


@pytest.mark.parametrize("which", ["reviewed", "demo"])
def test_a_changed_byte_in_each_file_is_caught_and_the_file_is_named(
    which: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bundle: Path = request.getfixturevalue(which)
    data, chance, seen = bundle.read_bytes(), random.Random(which), 0
    for name, start, size in _contents(bundle):
        if size:
            _caught(_flip(data, start + chance.randrange(size), chance), tmp_path / "changed.zip", named=name)
            seen += 1
    assert seen > 60


def test_a_changed_byte_in_headers_and_directory_is_caught(reviewed: Path, tmp_path: Path) -> None:
    data, chance = reviewed.read_bytes(), random.Random(2)
    with zipfile.ZipFile(reviewed) as archive:
        heads = [info.header_offset for info in archive.infolist()]
        directory = archive.start_dir
    for head in chance.sample(heads, 20):
        _caught(_flip(data, head + chance.randrange(30), chance), tmp_path / "changed.zip")
    for at in chance.sample(range(directory, len(data)), 60):
        _caught(_flip(data, at, chance), tmp_path / "changed.zip")


def test_every_byte_of_the_end_record_counts(reviewed: Path, tmp_path: Path) -> None:
    data, chance = reviewed.read_bytes(), random.Random(1)
    for at in range(len(data) - 22, len(data)):
        _caught(_flip(data, at, chance), tmp_path / "changed.zip")


def _contents(bundle: Path) -> Iterator[tuple[str, int, int]]:
    """Give name, first offset and size of the content of each file."""
    with zipfile.ZipFile(bundle) as archive:
        for info in archive.infolist():
            yield info.filename, info.header_offset + 30 + len(info.filename.encode()), info.file_size
