"""Blobs: bytes come back as they were stored, or an error says what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.digests import canonical_json, digest_of, is_digest, sha256_bytes, sha256_file
from counterproof.provenance.errors import MachineTrouble, VerificationFailed

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1

_FULL_DISK = """
import resource, sys
from pathlib import Path
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.errors import MachineTrouble
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    Blobs(Path(sys.argv[1])).put(b"x" * 5000)
except MachineTrouble as error:
    print(error)
"""


@pytest.mark.parametrize("data", [b"", b"abc", b"\r\n\x00\xff", b"x" * 1_000_000], ids=len)
def test_put_then_get_gives_the_same_bytes(tmp_path: Path, data: bytes) -> None:
    blobs = Blobs(tmp_path)
    digest = blobs.put(data)
    assert blobs.get(digest) == data
    assert sha256_file(blobs.path(digest)) == digest


def test_put_twice_stores_once_and_read_only(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    assert blobs.put(b"abc") == blobs.put(b"abc") == ABC
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [blobs.path(ABC)]
    assert files[0].stat().st_mode & 0o777 == 0o444


def test_has_says_what_is_stored(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    assert not blobs.has(ABC)
    blobs.put(b"abc")
    assert blobs.has(ABC)


def test_get_missing_blob_names_it(tmp_path: Path) -> None:
    with pytest.raises(VerificationFailed, match=rf"Blob {ABC} is missing.*Restore it from a backup"):
        Blobs(tmp_path).get(ABC)


@pytest.mark.parametrize("changed", [b"abd", b"ab", b"abcd", b""], ids=["byte", "shorter", "longer", "empty"])
def test_get_changed_blob_names_it_and_both_digests(tmp_path: Path, changed: bytes) -> None:
    blobs = Blobs(tmp_path)
    path = blobs.path(blobs.put(b"abc"))
    path.chmod(0o600)
    path.write_bytes(changed)
    with pytest.raises(VerificationFailed, match=rf"Blob {ABC} has been changed.*{sha256_bytes(changed)}.*Restore"):
        blobs.get(ABC)


@pytest.mark.parametrize(
    "digest",
    ["", "abc", "../../etc/passwd", "..//dev/zero", "/etc/passwd", ABC.upper(), ABC + "\n", ABC[:-1], ABC + "0"],
    ids=["empty", "short", "parent", "absolute-rest", "absolute", "upper", "newline", "63", "65"],
)
def test_a_name_that_is_no_digest_never_becomes_a_path(tmp_path: Path, digest: str) -> None:
    blobs = Blobs(tmp_path)
    for use in (blobs.get, blobs.has, blobs.path):
        with pytest.raises(VerificationFailed, match=r"is no digest\. A blob is named by 64 lower-case"):
            use(digest)


def test_put_on_a_full_disk_is_machine_trouble_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", _FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "(5000 bytes) can't be written" in done.stdout
    assert "Make room" in done.stdout
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_put_where_a_file_blocks_the_folder_is_machine_trouble(tmp_path: Path) -> None:
    (tmp_path / "sha256").write_text("in the way")
    with pytest.raises(MachineTrouble, match=r"\(3 bytes\) can't be written.*mend the permissions"):
        Blobs(tmp_path).put(b"abc")


def test_put_stopped_before_the_rename_leaves_no_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fdatasync", stop)
    with pytest.raises(KeyboardInterrupt):
        Blobs(tmp_path).put(b"abc")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [1, 2.5, None, True]}, b'{"a":[1,2.5,null,true],"b":1}'),
        ({"ü": "µ\n"}, '{"ü":"µ\\n"}'.encode()),
        ("", b'""'),
    ],
    ids=["sorted", "utf8", "empty"],
)
def test_canonical_json_has_one_form(value: object, expected: bytes) -> None:
    assert canonical_json(value) == expected
    assert digest_of(value) == sha256_bytes(expected)


@pytest.mark.parametrize(
    ("value", "text"),
    [(float("nan"), "not JSON compliant"), (float("inf"), "not JSON compliant"), ("\ud800", "surrogates not allowed")],
    ids=["nan", "inf", "surrogate"],
)
def test_canonical_json_refuses_what_json_cannot_say(value: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        canonical_json({"x": value})


@given(st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()))
def test_digest_does_not_depend_on_key_order(value: dict[str, object]) -> None:
    turned = dict(reversed(value.items()))
    assert digest_of(value) == digest_of(turned)
    assert is_digest(digest_of(value))
