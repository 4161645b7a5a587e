"""Bodies at a place that fsspec knows: as true as those on the disk."""

from __future__ import annotations

import uuid
from pathlib import Path

import fsspec
import pytest

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.errors import MachineTrouble, UsageError, VerificationFailed
from counterproof.provenance.remote_blobs import RemoteBlobs, blobs_at, check_place

DATA = b"a body"
SECRET = b"s" * 32


@pytest.fixture(params=["memory", "local"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"memory://{uuid.uuid4()}" if request.param == "memory" else f"local://{tmp_path}/far"


@pytest.fixture
def blobs(url: str, tmp_path: Path) -> RemoteBlobs:
    return RemoteBlobs(url, tmp_path / "near", secret=lambda: SECRET)


def _spoil(url: str, digest: str, data: bytes) -> None:
    files, top = fsspec.core.url_to_fs(url)
    files.pipe_file(f"{top}/sha256/{digest[:2]}/{digest[2:]}", data)


def test_a_body_comes_back_on_another_machine(blobs: RemoteBlobs, url: str, tmp_path: Path) -> None:
    digest = blobs.put(DATA)
    other = RemoteBlobs(url, tmp_path / "elsewhere")
    assert (other.get(digest), other.open(digest).read(), other.has(digest)) == (DATA, DATA, True)
    assert other.path(digest).read_bytes() == DATA
    other.check(digest)


def test_a_secure_body_has_the_name_that_it_has_on_the_disk(blobs: RemoteBlobs, tmp_path: Path) -> None:
    commitment = blobs.commit(DATA)
    disk = Blobs(tmp_path / "disk", secret=lambda: SECRET)
    assert commitment == disk.commit(DATA)
    assert (blobs.get(commitment), blobs.salt(commitment)) == (DATA, disk.salt(commitment))
    assert blobs.has(commitment)


def test_a_changed_body_is_an_error(blobs: RemoteBlobs, url: str) -> None:
    digest = blobs.put(DATA)
    _spoil(url, digest, b"a b0dy")
    for read in (blobs.get, blobs.path, blobs.check):
        with pytest.raises(VerificationFailed, match="has been changed: its bytes now hash to"):
            read(digest)


def test_what_a_dead_writer_left_is_written_whole(blobs: RemoteBlobs, url: str) -> None:
    digest = blobs.put(DATA)
    _spoil(url, digest, DATA[:3])
    assert blobs.get(blobs.put(DATA)) == DATA


def test_a_missing_body_is_an_error(blobs: RemoteBlobs) -> None:
    for read in (blobs.get, blobs.path, blobs.open, blobs.check, blobs.salt):
        with pytest.raises(VerificationFailed, match=r"Blob a+ is missing\. Restore it"):
            read("a" * 64)
    assert not blobs.has("a" * 64)


@pytest.mark.attack
@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, ""])
def test_what_is_no_digest_is_no_path(blobs: RemoteBlobs, name: str) -> None:
    for read in (blobs.get, blobs.path, blobs.open, blobs.has, blobs.salt):
        with pytest.raises(VerificationFailed, match="is no digest"):
            read(name)


def test_a_place_that_refuses_is_machine_trouble(tmp_path: Path) -> None:
    (tmp_path / "far").write_bytes(b"no folder")
    with pytest.raises(MachineTrouble, match=r"can't be (written|looked for) at .*then run again"):
        RemoteBlobs(f"local://{tmp_path}/far", tmp_path / "near").put(DATA)


def test_a_folder_named_as_a_place_is_an_ordinary_folder(tmp_path: Path) -> None:
    blobs = blobs_at(f"file://{tmp_path}/far", tmp_path / "near", secret=lambda: SECRET)
    digest = blobs.put(DATA)
    assert blobs.path(digest).is_relative_to(tmp_path / "far")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/srv/bodies", "names no place for bodies"),
        ("s3://", "names no place for bodies"),
        ("sftp://ada:secret@host/bodies", "holds a user or a password"),
        ("nowhere://bodies", "fsspec knows no place like"),
    ],
)
def test_a_place_that_cannot_be_one_is_the_caller_s_mistake(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as met:
        check_place(url)
    assert "secret" not in str(met.value)


def test_a_place_whose_library_is_missing_names_it() -> None:
    with pytest.raises(MachineTrouble, match=r"What reads s3:// is not installed: .*s3fs"):
        check_place("s3://bucket/folder")
