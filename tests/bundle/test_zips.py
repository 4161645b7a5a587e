"""The canonical zip: one form for one content, read in bounded memory, and no reader is led astray."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.verify import verify_bundle
from counterproof.provenance.zips import FILES_MAX, Source, check_canonical, open_stored, write_zip

from .forging import write_files

_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..")
)


def _check(path: Path) -> dict[str, bytes]:
    with open_stored(path) as archive:
        check_canonical(archive, path)
        return {name: archive.read(name) for name in archive.namelist()}


def _loose(path: Path, *names: str, data: bytes = b"x", method: int = zipfile.ZIP_STORED) -> Path:
    """Write a zip as anybody would, with these names."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return path


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(_NAMES, st.binary(max_size=300), min_size=1, max_size=8))
def test_what_is_written_is_canonical_and_read_back(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_files(Path(folder, "a.zip"), files)
        assert _check(path) == files
        backwards = dict(reversed(files.items()))
        assert write_files(Path(folder, "b.zip"), backwards).read_bytes() == path.read_bytes()


def test_no_zip64_header_is_written_for_files_that_need_none(tmp_path: Path) -> None:
    data = write_files(tmp_path / "a.zip", {"a": b"x" * 100_000, "b": b""}).read_bytes()
    assert b"PK\x06\x06" not in data
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert [info.extra for info in archive.infolist()] == [b"", b""]


def test_a_file_of_more_than_two_gigabytes_gets_its_zip64_header(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    path = write_files(tmp_path / "a.zip", {"a": b"x" * 5000})
    assert _check(path) == {"a": b"x" * 5000}


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../x", "/x", "a\\x", "folder/", "a//x", "./x", "C:\\x", "..", ""],
)
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(VerificationFailed, match="The zip holds a file with the name"):
        open_stored(_loose(tmp_path / "a.zip", name))
    assert not verify_bundle(tmp_path / "a.zip").ok


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VerificationFailed, match="two files of one name"):
        open_stored(_loose(tmp_path / "a.zip", "a", "a"))


def test_more_files_than_any_bundle_has_are_refused_before_they_are_read(tmp_path: Path) -> None:
    central = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0)
    count = 2 * FILES_MAX
    directory = b"".join(central + b"%06x" % at for at in range(count))
    zip64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(directory), 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (tmp_path / "a.zip").write_bytes(directory + zip64 + locator + end)
    with pytest.raises(VerificationFailed, match=f"holds {count} files; a bundle has 1 to {FILES_MAX}"):
        open_stored(tmp_path / "a.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_entry_is_refused_before_it_is_read(tmp_path: Path, method: int) -> None:
    path = _loose(tmp_path / "a.zip", "a", data=bytes(20_000_000), method=method)
    with pytest.raises(VerificationFailed, match="The file a is compressed"):
        open_stored(path)
    (step,) = verify_bundle(path).steps
    assert step.outcome == "failed"


def test_a_declared_size_that_the_file_can_not_have_is_refused(tmp_path: Path) -> None:
    data = bytearray(write_files(tmp_path / "a.zip", {"a": b"x" * 50}).read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 20 : directory + 28] = struct.pack("<2L", 4_000_000_000, 4_000_000_000)
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(VerificationFailed, match="larger than the zip"):
        open_stored(tmp_path / "a.zip")


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """A bomb of overlapping entries: many names, one content."""
    data = write_files(tmp_path / "a.zip", {"a": b"x" * 5000}).read_bytes()
    start = data.index(b"PK\x01\x02")
    entry = data[start : data.index(b"PK\x05\x06")]
    directory = b"".join(entry[:-1] + bytes([97 + at]) for at in range(20))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 20, 20, len(directory), start, 0)
    (tmp_path / "a.zip").write_bytes(data[:start] + directory + end)
    with pytest.raises(VerificationFailed, match="larger than the zip"):
        open_stored(tmp_path / "a.zip")


@pytest.mark.parametrize("bit", [0, 3, 5, 6, 13])
def test_an_entry_that_is_marked_as_encrypted_or_streamed_is_refused(tmp_path: Path, bit: int) -> None:
    data = bytearray(write_files(tmp_path / "a.zip", {"a": b"x"}).read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 8 : directory + 10] = struct.pack("<H", 1 << bit)
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(VerificationFailed, match="marked as encrypted"):
        open_stored(tmp_path / "a.zip")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"no zip", bytes(22), b"PK\x05\x06" + bytes(18), b"PK\x05\x06" + b"\xff" * 18],
    ids=["empty", "start", "text", "zeros", "no entries", "end record of ones"],
)
def test_what_is_no_zip_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    found = verify_bundle(tmp_path / "a.zip")
    assert [(step.number, step.outcome) for step in found.steps] == [(1, "failed")]


def test_a_missing_bundle_or_a_folder_is_the_caller_s_mistake(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.zip"):
        with pytest.raises(UsageError, match="There is no bundle"):
            verify_bundle(path)


@pytest.mark.parametrize("files", [{"a": b"x"}, {"top/data/x": b""}, {"top/bagit.txt": b"x"}], ids=len)
def test_a_canonical_zip_that_is_no_bundle_fails(tmp_path: Path, files: dict[str, bytes]) -> None:
    found = verify_bundle(write_files(tmp_path / "a.zip", files))
    assert [step.name for step in found.steps if step.outcome != "failed"] == ["container"]


def test_an_entry_in_another_order_or_at_another_time_is_not_canonical(tmp_path: Path) -> None:
    path = _loose(tmp_path / "a.zip", "b", "a")
    with open_stored(path) as archive, pytest.raises(VerificationFailed, match=r"Byte \d+ of a\.zip has been changed"):
        check_canonical(archive, path)


_HUGE = """
import resource, sys
from functools import partial
from pathlib import Path
from counterproof.provenance.zips import Source, check_canonical, open_stored, write_zip
folder, size = Path(sys.argv[1]), int(sys.argv[2])
with (folder / "big").open("wb") as file:
    file.truncate(size)
with (folder / "a.zip").open("wb") as file:
    write_zip(file, {"big": Source(open=partial((folder / "big").open, "rb"), size=size)})
with open_stored(folder / "a.zip") as archive:
    check_canonical(archive, folder / "a.zip")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_large_file_is_written_and_checked_in_bounded_memory(tmp_path: Path) -> None:
    """The greatest resident set (`ru_maxrss`) of a process that does it with 1 MiB and of one with 192 MiB."""
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", _HUGE, str(tmp_path), str(size)], capture_output=True, check=True
            ).stdout
        )
        for size in (2**20, 192 * 2**20)
    ]
    assert peaks[1] - peaks[0] < 16 * 1024


def test_a_source_that_does_not_have_the_size_that_it_says_still_makes_a_readable_zip(tmp_path: Path) -> None:
    with (tmp_path / "a.zip").open("wb") as file:
        write_zip(file, {"a": Source(open=partial(io.BytesIO, b"12345"), size=3)})
    assert _check(tmp_path / "a.zip") == {"a": b"12345"}
