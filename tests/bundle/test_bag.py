"""Writing a bag in one pass: large files in bounded memory, nothing half, and nothing other than was announced."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

import bagit
import pytest

from counterproof.agents.bundling import make_bundle
from counterproof.agents.study import OpenStudy, Workplace
from counterproof.provenance.bag import in_memory, write_bag
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.hashing import PIECE, PassingHash
from counterproof.provenance.verify import verify_bundle
from counterproof.provenance.zips import Source, ZipWriter, check_canonical, open_stored

from ..bench.exporting import ended_study, random_file
from .forging import failed

LARGE = b"x" * (3 * PIECE + 17)


def _bag(target: Path, payload: dict[str, Source]) -> Path:
    with target.open("wb") as file:
        write_bag(file, "top", info={"A": "b"}, payload=payload, sign=lambda _covered: {}, beside={})
    return target


@pytest.fixture
def shared(tmp_path: Path) -> tuple[Workplace, OpenStudy, Path]:
    """A study that shares a file of 3 MiB, and where that is kept."""
    random_file(tmp_path / "large.bin", 3)
    place, study = ended_study(tmp_path / "home", tmp_path / "large.bin")
    return place, study, place.vault.path(study.settings.data[0].sha256)


def test_bagit_finds_a_bag_of_version_one_that_is_whole(tmp_path: Path) -> None:
    payload = {"a/large": in_memory(LARGE), "b": in_memory(b""), "ä": in_memory(b"1")}
    with zipfile.ZipFile(_bag(tmp_path / "bag.zip", payload)) as archive:
        archive.extractall(tmp_path)
    bag = bagit.Bag(str(tmp_path / "top"))
    bag.validate(processes=1)
    assert (bag.version, bag.info["Payload-Oxum"]) == ("1.0", f"{len(LARGE) + 1}.3")
    (tmp_path / "top" / "data" / "b").write_bytes(b"2")
    with pytest.raises(bagit.BagValidationError):
        bag.validate(processes=1)


def test_a_bundle_is_a_whole_bag_for_bagit_too(shared: tuple[Workplace, OpenStudy, Path], tmp_path: Path) -> None:
    place, study, _ = shared
    make_bundle(place, study, tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        archive.extractall(tmp_path / "out")
    bagit.Bag(str(tmp_path / "out" / study.id)).validate(processes=1)


def test_each_file_is_opened_once(tmp_path: Path) -> None:
    opened: list[str] = []

    def source(name: str) -> Source:
        def open_it() -> io.BytesIO:
            opened.append(name)
            return io.BytesIO(LARGE)

        return Source(open=open_it, size=len(LARGE))

    _bag(tmp_path / "bag.zip", {name: source(name) for name in ("b", "a")})
    assert opened == ["a", "b"]


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, len(LARGE)])
def test_the_digest_that_is_taken_on_the_way_is_that_of_the_bytes(size: int) -> None:
    with ZipWriter(io.BytesIO()) as archive:
        for name in ("a", "b"):
            written = archive.add(name, in_memory(LARGE[:size]))
            assert (written.size, written.sha256) == (size, sha256(LARGE[:size]).hexdigest())


def test_a_name_out_of_order_is_refused() -> None:
    with ZipWriter(io.BytesIO()) as archive:
        archive.add("b", in_memory(b""))
        for name in ("a", "b"):
            with pytest.raises(ValueError, match=rf"'{name}' does not come after 'b'"):
                archive.add(name, in_memory(b""))


def test_the_check_gives_the_digest_of_each_file(tmp_path: Path) -> None:
    path = _bag(tmp_path / "bag.zip", {"large": in_memory(LARGE)})
    with open_stored(path) as archive:
        assert check_canonical(archive, path)["top/data/large"] == sha256(LARGE).hexdigest()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (Source(open=partial(io.BytesIO, LARGE), size=len(LARGE) - 1), "has grown past"),
        (Source(open=partial(io.BytesIO, LARGE), size=len(LARGE) + 1), "is not the one that it was"),
        (Source(open=partial(io.BytesIO, LARGE), size=len(LARGE), sha256="0" * 64), "is not the one that it was"),
    ],
    ids=["grown", "shrunk", "other bytes"],
)
def test_a_file_that_is_not_the_one_that_was_announced_stops_the_bag(tmp_path: Path, source: Source, why: str) -> None:
    with pytest.raises(VerificationFailed, match=rf"top/data/a.*{why}.*Nothing was exported"):
        _bag(tmp_path / "bag.zip", {"a": source})


def _other_bytes(kept: Path) -> None:
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))


def _other_size(kept: Path) -> None:
    kept.write_bytes(kept.read_bytes()[:-1])


@pytest.mark.parametrize("change", [_other_bytes, _other_size, Path.unlink], ids=["bytes", "size", "gone"])
def test_data_that_are_no_longer_those_of_the_record_stop_the_export_and_leave_no_file(
    shared: tuple[Workplace, OpenStudy, Path], tmp_path: Path, change: Callable[[Path], None]
) -> None:
    place, study, kept = shared
    change(kept)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(VerificationFailed, match=r"large\.bin is (not the one that it was|missing)"):
        make_bundle(place, study, out / "bundle.zip")
    assert list(out.iterdir()) == []


def test_data_that_change_while_they_are_read_stop_the_export(
    shared: tuple[Workplace, OpenStudy, Path], tmp_path: Path
) -> None:
    place, study, kept = shared
    whole = kept.read_bytes()

    class Changing(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            with kept.open("r+b") as other:
                other.seek(-1, 2)
                other.write(bytes([whole[-1] ^ 1]))
            return super().read(size) or b""

    source = Source(open=partial(Changing, kept), size=len(whole), sha256=sha256(whole).hexdigest())
    with pytest.raises(VerificationFailed, match="is not the one that it was"):
        _bag(tmp_path / "bag.zip", {"a": source})
    assert kept.read_bytes() != whole
    with pytest.raises(VerificationFailed, match="is not the one that it was"):
        make_bundle(place, study, tmp_path / "bundle.zip")


def test_a_large_export_says_how_far_it_is(tmp_path: Path) -> None:
    told: list[str] = []
    zeros = partial(io.FileIO, tmp_path / "zeros")
    with (tmp_path / "zeros").open("wb") as file:
        file.truncate(600 * 2**20)
    payload = {"a": Source(open=zeros, size=600 * 2**20)}
    write_bag(_Nowhere(), "top", info={}, payload=payload, sign=lambda _covered: {}, beside={}, progress=told.append)
    assert told == ["top/data/a: 256 of 600 MiB", "top/data/a: 512 of 600 MiB"]


class _Nowhere(io.BytesIO):
    """Keeps nothing."""

    _at = 0

    def write(self, data: object, /) -> int:
        size = memoryview(data).nbytes  # type: ignore[arg-type]
        self._at += size
        return size

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = offset
        return self._at


_VERIFY = """
import resource, sys
from pathlib import Path
from counterproof.provenance.verify import verify_bundle
assert verify_bundle(Path(sys.argv[1])).ok
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_a_large_bundle_is_exported_and_verified_in_memory_that_does_not_grow(tmp_path: Path) -> None:
    """The greatest resident sets of processes that do it with 1 MiB and with 192 MiB of data, and a body as large."""
    peaks = []
    for mib in (1, 192):
        folder = tmp_path / str(mib)
        folder.mkdir()
        command = [sys.executable, "-m", "tests.bench.exporting", str(folder), str(mib), "1", "body"]
        made = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        command = [sys.executable, "-c", _VERIFY, str(folder / "bundle.zip")]
        checked = float(subprocess.run(command, capture_output=True, check=True).stdout)
        peaks.append((float(made["peak_mib"]), checked))
    assert peaks[1][0] - peaks[0][0] < 16
    assert peaks[1][1] - peaks[0][1] < 16


def test_a_changed_byte_of_a_large_file_is_caught_and_named(
    shared: tuple[Workplace, OpenStudy, Path], tmp_path: Path
) -> None:
    place, study, kept = shared
    make_bundle(place, study, tmp_path / "bundle.zip")
    assert verify_bundle(tmp_path / "bundle.zip").ok
    data = bytearray((tmp_path / "bundle.zip").read_bytes())
    at = data.index(kept.read_bytes()[PIECE : PIECE + 100])
    data[at + 50] ^= 4
    (tmp_path / "bundle.zip").write_bytes(data)
    found = failed(tmp_path / "bundle.zip")
    assert set(found) == {"container", "bag", "copies"}
    assert f"{study.id}/data/inputs/large.bin has been changed" in found["container"]


def test_the_hash_of_a_file_is_not_touched_by_the_one_before() -> None:
    with PassingHash() as hashed:
        for data in (LARGE, b"", LARGE[:5]):
            for at in range(0, len(data), PIECE):
                hashed.update(data[at : at + PIECE])
            assert hashed.finish() == sha256(data).hexdigest()
