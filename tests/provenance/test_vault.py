"""The vault: sealed files that were changed in any way, keys that were changed, exchanged, rotated or destroyed."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterproof.provenance import vault_keys
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.ledger import Entry
from counterproof.provenance.sealing import CHUNK, new_key, seal, unseal
from counterproof.provenance.vault import Vault
from counterproof.provenance.vault_keys import VaultKeys, key_file_protector, passphrase_protector

pytestmark = pytest.mark.tamper
DATA = b"arm,score\n" + b"0,51.25\n" * 100_000
CHEAP = {"kind": "passphrase", "scrypt_log_n": 10, "salt": "00" * 16}


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """A vault under a key file."""
    VaultKeys.create(tmp_path / "vault", key_file_protector(tmp_path / "vault.key", make=True))
    return Vault(tmp_path / "vault")


def _sealed(data: bytes, key: bytes, about: bytes = b"x") -> bytes:
    return b"".join(seal([data], key, about=about))


def _unsealed(sealed: bytes, key: bytes, about: bytes = b"x") -> bytes:
    return b"".join(unseal(io.BytesIO(sealed), key, about=about))


@settings(max_examples=30, deadline=None)
@given(size=st.sampled_from([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7]), cuts=st.integers(1, 9))
def test_what_is_sealed_comes_back_whole(size: int, cuts: int) -> None:
    key, data = new_key(), os.urandom(size)
    pieces = [data[at * size // cuts : (at + 1) * size // cuts] for at in range(cuts)]
    assert _unsealed(b"".join(seal(pieces, key, about=b"x")), key) == data


@settings(max_examples=60, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_found(at: float, bit: int) -> None:
    key = bytes(32)
    sealed = bytearray(_sealed(DATA[: CHUNK + 99], key))
    sealed[int(at * len(sealed))] ^= 1 << bit
    with pytest.raises(VerificationFailed, match=r"Restore it from a backup; nothing of it was used\."):
        _unsealed(bytes(sealed), key)


_HEAD, _WHOLE = 29, CHUNK + 16
CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "nothing left": lambda _: b"",
    "the head alone": lambda sealed: sealed[:_HEAD],
    "cut within a chunk": lambda sealed: sealed[:-1],
    "cut at the end of a chunk": lambda sealed: sealed[: _HEAD + _WHOLE],
    "the last chunk alone": lambda sealed: sealed[:_HEAD] + sealed[_HEAD + 2 * _WHOLE :],
    "a byte more": lambda sealed: sealed + b"\0",
    "a chunk twice": lambda sealed: sealed[: _HEAD + _WHOLE] + sealed[_HEAD:],
    "two chunks exchanged": lambda sealed: (
        sealed[:_HEAD] + sealed[_HEAD + _WHOLE : _HEAD + 2 * _WHOLE] + sealed[_HEAD : _HEAD + _WHOLE]
        + sealed[_HEAD + 2 * _WHOLE :]
    ),
    "another prefix": lambda sealed: sealed[: _HEAD - 7] + bytes(7) + sealed[_HEAD:],
    "plain bytes": lambda _: DATA,
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_sealed_file_is_refused(change: Callable[[bytes], bytes]) -> None:
    key = new_key()
    with pytest.raises(VerificationFailed, match="sealed file"):
        _unsealed(change(_sealed(DATA[: 2 * CHUNK + 9], key)), key)


def test_another_key_or_another_file_is_refused() -> None:
    key = new_key()
    for wrong, about in ((new_key(), b"x"), (key, b"y")):
        with pytest.raises(VerificationFailed, match="Chunk 0"):
            _unsealed(_sealed(DATA, key), wrong, about)


def test_nothing_of_the_data_is_on_the_disk(vault: Vault, tmp_path: Path) -> None:
    digest = vault.put(DATA)
    assert vault.get(digest) == DATA
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 4
    assert not any(b"51.25" in path.read_bytes() for path in files)


def test_a_changed_file_leaves_nothing_laid(vault: Vault, tmp_path: Path) -> None:
    digest = vault.put(DATA)
    place = vault.path(digest)
    place.chmod(0o600)
    place.write_bytes(place.read_bytes()[:-3])
    with pytest.raises(VerificationFailed, match="was changed, or the file was cut off"):
        vault.lay(digest, tmp_path / "laid")
    assert not (tmp_path / "laid").exists()


def test_exchanged_keys_and_files_are_refused(vault: Vault) -> None:
    one, two = vault.put(DATA), vault.put(DATA[:-1])
    keys = [vault.folder / "keys" / digest[:2] / digest[2:] for digest in (one, two)]
    first, second = (path.read_bytes() for path in keys)
    keys[0].write_bytes(second)
    with pytest.raises(VerificationFailed, match=r"The key of .* was changed"):
        vault.get(one)
    keys[0].write_bytes(first)
    vault.path(two).replace(vault.path(one))
    with pytest.raises(VerificationFailed, match="Chunk 0"):
        vault.get(one)


def test_the_wrong_passphrase_opens_nothing(tmp_path: Path) -> None:
    VaultKeys.create(tmp_path, passphrase_protector("right", CHEAP))
    digest = Vault(tmp_path, protector=lambda about: passphrase_protector("right", about)).put(DATA)
    with pytest.raises(UsageError, match="the passphrase is wrong"):
        Vault(tmp_path, protector=lambda about: passphrase_protector("wrong", about)).get(digest)
    with pytest.raises(UsageError, match=r"The vault is locked: its keys are under a 'passphrase'"):
        Vault(tmp_path).get(digest)
    with pytest.raises(UsageError, match="The vault is locked"):
        Vault(tmp_path).put(b"more data,that\nwould,be plain\n")
    assert not (tmp_path / "sha256").exists()


def test_another_protector_writes_no_data_anew(vault: Vault) -> None:
    digest = vault.put(DATA)
    before = vault.path(digest).stat().st_mtime_ns
    vault.keys.unlock()
    vault.keys.protect(passphrase_protector("long words", CHEAP))
    opened = Vault(vault.folder, protector=lambda about: passphrase_protector("long words", about))
    assert opened.get(digest) == DATA
    assert opened.path(digest).stat().st_mtime_ns == before


@pytest.mark.parametrize("stop", [5, 3, 1])
def test_an_interrupted_rotation_loses_nothing_and_is_finished(vault: Vault, stop: int) -> None:
    digests = [vault.put(DATA + bytes([at])) for at in range(5)]

    def until(left: int) -> None:
        if left == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vault.keys.rotate(progress=until)
    again = Vault(vault.folder)
    assert [again.get(digest)[-1] for digest in digests] == list(range(5))
    more = again.put(DATA + b"\5")
    assert len(json.loads((vault.folder / "master.json").read_bytes())["masters"]) == 2
    assert again.keys.rotate() == stop
    assert len(json.loads((vault.folder / "master.json").read_bytes())["masters"]) == 1
    assert [Vault(vault.folder).get(digest)[-1] for digest in (*digests, more)] == list(range(6))


def test_a_rotation_by_another_process_is_noticed(vault: Vault) -> None:
    other = Vault(vault.folder)
    one = vault.put(DATA)
    assert other.get(one) == DATA
    vault.keys.rotate()
    two = other.put(DATA[:-1])
    assert (other.get(one), vault.get(two)) == (DATA, DATA[:-1])


def test_old_master_keys_open_nothing_after_a_rotation(vault: Vault) -> None:
    digest = vault.put(DATA)
    before = (vault.folder / "master.json").read_bytes()
    vault.keys.rotate()
    (vault.folder / "master.json").write_bytes(before)
    with pytest.raises(VerificationFailed, match="was changed"):
        Vault(vault.folder).get(digest)


def test_a_forgotten_file_is_noise_even_with_the_sealed_bytes(vault: Vault) -> None:
    digest = vault.put(DATA)
    place, backup = vault.path(digest), vault.path(digest).read_bytes()
    vault.destroy(digest)
    assert not vault.has(digest)
    place.write_bytes(backup)
    with pytest.raises(VerificationFailed, match="the file was forgotten"):
        vault.get(digest)
    assert vault.put(DATA) == digest
    assert vault.get(digest) == DATA


def test_what_was_plain_is_sealed(tmp_path: Path) -> None:
    plain = Vault(tmp_path / "vault")
    digest = plain.put(DATA)
    assert plain.path(digest).read_bytes() == DATA
    VaultKeys.create(tmp_path / "vault", key_file_protector(tmp_path / "vault.key", make=True))
    assert plain.seal_all() == 1
    assert not list((tmp_path / "vault" / "sha256").rglob("*/*"))
    assert Vault(tmp_path / "vault").get(digest) == DATA


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    key_file_protector(tmp_path / "key", make=True)
    (tmp_path / "key").chmod(mode)
    with pytest.raises(UsageError, match=rf"has mode {mode:04o}.*Only its owner may read it"):
        key_file_protector(tmp_path / "key")


def test_a_costlier_scrypt_than_sane_is_refused() -> None:
    with pytest.raises(VerificationFailed, match=r"2\^40"):
        passphrase_protector("x", {**CHEAP, "scrypt_log_n": 40})
    assert vault_keys.SCRYPT_LOG_N == 17


def test_epsilon_is_added_up_over_all_uses_of_a_file(vault: Vault) -> None:
    entry = Entry(sha256=vault.put(DATA), name="trial.csv", size=len(DATA), epsilon=4.0)
    vault.ledger.added(entry, by="ada")
    vault.ledger.take("a" * 64, 20, use="twin of another file, which nobody added")
    for use, taken in (("twin 1", 1.5), ("s1 make/1", 3.0), ("s1 make/1", 3.0)):
        vault.ledger.take(entry.sha256, 1.5, use=use)
        assert Vault(vault.folder).ledger.taken(entry.sha256) == taken
    with pytest.raises(UsageError, match=r"epsilon of 4 .*took 3, and 1\.1 is asked for.*At most 1\."):
        vault.ledger.take(entry.sha256, 1.1, use="s2 make/1")
    vault.ledger.take(entry.sha256, 1.0, use="s2 make/1")
    assert vault.ledger.taken(entry.sha256) == 4.0
    vault.ledger.added(msgspec.structs.replace(entry, epsilon=5.0), by="ada")
    vault.ledger.take(entry.sha256, 1.0, use="s3 make/1")
    vault.ledger.forgotten(entry.sha256, by="ada", reason="consent withdrawn")
    assert vault.ledger.taken(entry.sha256) == 5.0


def test_two_processes_do_not_take_the_same_epsilon(vault: Vault) -> None:
    entry = Entry(sha256=vault.put(DATA), name="trial.csv", size=len(DATA), epsilon=10.0)
    vault.ledger.added(entry, by="ada")

    def taken(at: int) -> bool:
        try:
            Vault(vault.folder).ledger.take(entry.sha256, 1.0, use=f"set {at}")
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(taken, range(40))) == 10
    assert vault.ledger.taken(entry.sha256) == 10.0


def test_the_ledger_keeps_terms_and_what_was_forgotten(vault: Vault) -> None:
    entry = Entry(sha256=vault.put(DATA), name="trial.csv", size=len(DATA), licence="CC0-1.0")
    vault.ledger.added(entry, by="ada")
    vault.ledger.added(entry, by="bob")
    assert vault.ledger.find("trial.csv").added_by == "ada"
    assert vault.ledger.find(entry.sha256[:9]).licence == "CC0-1.0"
    vault.ledger.forgotten(entry.sha256, by="eve", reason="consent withdrawn")
    gone = Vault(vault.folder).ledger.find(entry.sha256)
    assert (gone.forgotten_by, gone.reason) == ("eve", "consent withdrawn")
    with pytest.raises(UsageError, match=r"was forgotten on .* by eve"):
        vault.ledger.forgotten(entry.sha256, by="eve", reason="again")
    with pytest.raises(UsageError, match="means 0 files of the vault"):
        vault.ledger.find("trial.csv")
