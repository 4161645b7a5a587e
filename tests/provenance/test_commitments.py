"""Commitments: only the true salt and body open one, and the same body has the same one in one study alone."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.commitments import SALT_BYTES, commits_to, salted, study_secret
from counterproof.provenance.errors import UsageError, VerificationFailed

SECRET = study_secret("s1", [io.BytesIO(b"the data")])
BODY = b"n = 7"
WHOLE = salted(SECRET, BODY)
SALT, COMMITMENT = WHOLE[:SALT_BYTES], sha256(WHOLE).hexdigest()

_DIE_AFTER_STORING = """
import os, signal, sys
from pathlib import Path
from counterproof.provenance.blobs import Blobs
import io
from counterproof.provenance.commitments import study_secret
blobs = Blobs(Path(sys.argv[1]), secret=lambda: study_secret("s1", [io.BytesIO(b"the data")]))
print(blobs.commit(b"n = 7"), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _blobs(folder: Path) -> Blobs:
    return Blobs(folder, secret=lambda: SECRET)


def _stored(folder: Path) -> Path:
    (stored,) = (path for path in folder.rglob("*") if path.is_file())
    return stored


def test_the_true_salt_and_body_open_a_commitment() -> None:
    assert commits_to(COMMITMENT, SALT.hex(), BODY)


@pytest.mark.parametrize(
    ("salt", "body"),
    {
        "another body": (SALT.hex(), b"n = 8"),
        "another salt": (bytes(SALT_BYTES).hex(), BODY),
        "no salt": ("", BODY),
        "the salt as a piece of the body": ("", WHOLE),
        "a piece of the salt in the body": (WHOLE[:31].hex(), WHOLE[31:]),
        "a piece of the body in the salt": (WHOLE[:33].hex(), WHOLE[33:]),
        "no hexadecimal": ("x" * 64, BODY),
        "upper case": (SALT.hex().upper(), BODY),
        "white space": (SALT.hex() + "\n", BODY),
    }.values(),
)
def test_nothing_else_opens_it(salt: str, body: bytes) -> None:
    assert not commits_to(COMMITMENT, salt, body)


@given(body=st.binary(max_size=50), other=st.binary(max_size=50))
def test_bodies_have_one_commitment_each(body: bytes, other: bytes) -> None:
    whole = salted(SECRET, body)
    assert whole[SALT_BYTES:] == body
    assert (whole == salted(SECRET, other)) == (body == other)
    assert commits_to(sha256(whole).hexdigest(), whole[:SALT_BYTES].hex(), other) == (body == other)


def test_secrets_differ_by_study_by_data_and_by_where_a_file_ends() -> None:
    made = [
        study_secret("s1", [io.BytesIO(b"the data")]),
        study_secret("s2", [io.BytesIO(b"the data")]),
        study_secret("s1", [io.BytesIO(b"the datA")]),
        study_secret("s1", [io.BytesIO(b"the "), io.BytesIO(b"data")]),
        study_secret("s1", [io.BytesIO(b"the data"), io.BytesIO()]),
        study_secret("s1", []),
    ]
    assert len(set(made)) == len(made)
    assert {len(secret) for secret in made} == {32}


def test_the_secret_can_not_be_made_from_the_digest_of_the_data() -> None:
    digest = sha256(b"the data")
    for known in (digest.digest(), digest.hexdigest().encode()):
        assert study_secret("s1", [io.BytesIO(known)]) != SECRET


def test_a_body_comes_back_without_its_salt(tmp_path: Path) -> None:
    blobs = _blobs(tmp_path)
    assert blobs.commit(BODY) == COMMITMENT
    assert (blobs.get(COMMITMENT), blobs.salt(COMMITMENT), blobs.has(COMMITMENT)) == (BODY, SALT.hex(), True)
    assert commits_to(COMMITMENT, blobs.salt(COMMITMENT), blobs.get(COMMITMENT))
    assert not blobs.has(sha256(BODY).hexdigest())


def test_other_programs_check_the_stored_file(tmp_path: Path) -> None:
    _blobs(tmp_path).commit(BODY)
    stored = _stored(tmp_path)
    summed = subprocess.run(["sha256sum", stored], capture_output=True, text=True, check=True)
    assert summed.stdout.split()[0] == COMMITMENT
    assert subprocess.run(["tail", "-c", "+33", stored], capture_output=True, check=True).stdout == BODY
    assert stored.relative_to(tmp_path).parts == ("salted", COMMITMENT[:2], COMMITMENT[2:])
    assert stored.stat().st_mode & 0o777 == 0o444


def test_an_open_body_and_a_secure_one_lie_side_by_side(tmp_path: Path) -> None:
    blobs = _blobs(tmp_path)
    plain = blobs.put(BODY)
    assert plain == sha256(BODY).hexdigest()
    assert blobs.get(blobs.commit(BODY)) == blobs.get(plain) == BODY
    with pytest.raises(VerificationFailed, match=rf"Blob {plain} is missing"):
        blobs.salt(plain)


@pytest.mark.parametrize("at", [0, SALT_BYTES - 1, SALT_BYTES, -1], ids=["salt", "end of salt", "body", "end"])
def test_a_changed_byte_is_refused(tmp_path: Path, at: int) -> None:
    blobs = _blobs(tmp_path)
    blobs.commit(BODY)
    stored, changed = _stored(tmp_path), bytearray(WHOLE)
    changed[at] ^= 1
    stored.chmod(0o600)
    stored.write_bytes(changed)
    for read in (blobs.get, blobs.salt):
        with pytest.raises(VerificationFailed, match=rf"Blob {COMMITMENT} has been changed"):
            read(COMMITMENT)


def test_a_kill_after_storing_changes_nothing(tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", _DIE_AFTER_STORING, tmp_path], capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL
    assert died.stdout.strip() == _blobs(tmp_path).commit(BODY) == COMMITMENT
    assert _stored(tmp_path).read_bytes() == WHOLE


def test_a_store_from_before_commitments_is_read(tmp_path: Path) -> None:
    digest = Blobs(tmp_path).put(b"a secure body of then")
    assert _blobs(tmp_path).get(digest) == b"a secure body of then"


def test_without_a_study_there_is_no_commitment(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"are of no study.*Give `Blobs` the secret"):
        Blobs(tmp_path).commit(BODY)
    assert not list(tmp_path.iterdir())


def test_the_secret_is_asked_for_once_and_only_when_needed(tmp_path: Path) -> None:
    asked: list[int] = []

    def secret() -> bytes:
        asked.append(1)
        return SECRET

    blobs = Blobs(tmp_path, secret=secret)
    blobs.put(BODY)
    assert not asked
    for _ in range(3):
        blobs.commit(BODY)
    assert len(asked) == 1
