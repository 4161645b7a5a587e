"""The keys of a vault: one a file, wrapped by a master key, which is wrapped by what a person or the system holds.

    protector (passphrase, key file, OS keyring, KMS)  ─wraps─▶  master keys  ─wrap─▶  data key of each file

`master.json` holds the wrapped master keys, `keys/ab/cdef…` the wrapped data key of the file with that digest. All
wraps are AES-256-GCM with a random nonce; what is wrapped is bound to its name, so that keys can't be exchanged.

Rotating makes a new master key, wraps each data key anew and forgets the old one. While that goes on both masters are
kept, so that every file can be read at any moment and an interrupted rotation is finished by the next one. Another
protector needs one file to be written. No data file is ever written anew.

A file is forgotten for good by destroying its data key: what is left of it, here and in backups of the sealed files,
is noise. It does not cover backups of `keys/` and `master.json` together with the secret of the protector, nor what
file systems and disks keep of a file that was overwritten and removed.

Source: NIST SP 800-38D (AES-GCM), RFC 7914 (scrypt).
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from counterproof.provenance.digests import is_digest
from counterproof.provenance.errors import MachineTrouble, UsageError, VerificationFailed
from counterproof.provenance.sealing import KEY_BYTES, new_key

SCRYPT_LOG_N = 17
"""Cost of a try of a passphrase: 128 MiB and about half a second."""
_NONCE = 12
_MASTER = "master.json"
_SERVICE = "counterproof"


class Protector(Protocol):
    """Wraps the master keys with a secret that is not in the vault. A key management service is one of these."""

    def describe(self) -> dict[str, Any]:
        """Return what is needed to find the secret again, `kind` first of all; nothing in it is secret."""
        ...

    def wrap(self, key: bytes, *, about: bytes) -> bytes:
        """Return the key so that only `unwrap` with the same `about` gives it back."""
        ...

    def unwrap(self, wrapped: bytes, *, about: bytes) -> bytes:
        """Return the key.

        Raises:
            UsageError: the secret is another one, or what was wrapped was changed.
        """
        ...


class KeyProtector:
    """Wraps with a key of 32 bytes, wherever that comes from.

    Args:
        key: the secret.
        about: what `describe` gives.
        wrong: what to say where the secret is another one.
    """

    def __init__(self, key: bytes, *, about: Mapping[str, Any], wrong: str) -> None:
        self._cipher = AESGCM(key)
        self._about = dict(about)
        self._wrong = wrong

    def describe(self) -> dict[str, Any]:
        """Return the kind, and where the secret is."""
        return dict(self._about)

    def wrap(self, key: bytes, *, about: bytes) -> bytes:
        """Return the wrapped key."""
        return _wrapped(self._cipher, key, about)

    def unwrap(self, wrapped: bytes, *, about: bytes) -> bytes:
        """Return the key.

        Raises:
            UsageError: the secret is another one, or what was wrapped was changed.
        """
        try:
            return self._cipher.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], about)
        except (InvalidTag, ValueError) as error:
            raise UsageError(f"The vault can't be opened: {self._wrong}.", advice=_OR_CHANGED) from error


def passphrase_protector(passphrase: str, described: Mapping[str, Any] | None = None) -> KeyProtector:
    """Return the protector of a passphrase.

    Args:
        passphrase: the secret.
        described: what the vault says of it; None for a new one, with a salt of its own.
    """
    about = described or {"kind": "passphrase", "scrypt_log_n": SCRYPT_LOG_N, "salt": secrets.token_hex(16)}
    cost, salt = int(about["scrypt_log_n"]), bytes.fromhex(about["salt"])
    if not passphrase:
        raise UsageError("The passphrase of the vault is empty.", advice="Give one of several words.")
    if not 10 <= cost <= 22:
        raise VerificationFailed(f"{_MASTER} asks for scrypt with 2^{cost}.", allowed="2^10 to 2^22.")
    key = Scrypt(salt=salt, length=KEY_BYTES, n=2**cost, r=8, p=1).derive(passphrase.encode())
    return KeyProtector(key, about=about, wrong="the passphrase is wrong")


def key_file_protector(path: Path, *, make: bool = False) -> KeyProtector:
    """Return the protector of a key in a file that only its owner may read.

    Raises:
        UsageError: it is missing, others may read it, or it is none.
        MachineTrouble: it can't be made.
    """
    if make:
        _make_key_file(path)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            mode, text = os.fstat(handle).st_mode, file.read(4096)
        key = bytes.fromhex(text.decode("ascii").strip())
    except (OSError, ValueError) as error:
        raise UsageError(f"The key file {path} of the vault can't be read: {error}.", advice=_KEY_FILE) from error
    if mode & 0o077 or len(key) != KEY_BYTES:
        raise UsageError(
            f"The key file {path} has mode {mode & 0o777:04o} and {len(key)} bytes.",
            allowed=f"Only its owner may read it (0600 or 0400), and it holds {KEY_BYTES} bytes in hexadecimal.",
            advice=_KEY_FILE,
        )
    about = {"kind": "key-file", "path": str(path.absolute())}
    return KeyProtector(key, about=about, wrong=f"{path} holds another key")


def keyring_protector(name: str, *, make: bool = False) -> KeyProtector:
    """Return the protector of a key in the keyring of this user's desktop.

    Args:
        name: what the key is called there.
        make: make it, where there is none.

    Raises:
        UsageError: the extra is not installed, there is no keyring, or no such key.
    """
    try:
        import keyring  # extra: counterproof[keyring]
        from keyring.errors import KeyringError  # extra: counterproof[keyring]
    except ImportError as error:
        raise UsageError(
            "The keys of the vault are in the OS keyring.", advice="Install `counterproof[keyring]`."
        ) from error
    try:
        if make and keyring.get_password(_SERVICE, name) is None:
            keyring.set_password(_SERVICE, name, new_key().hex())
        found = keyring.get_password(_SERVICE, name)
    except KeyringError as error:
        raise UsageError(f"The OS keyring can't be used: {error}.", advice="Unlock it, then try again.") from error
    if found is None:
        raise UsageError(f"The OS keyring has no key {name!r} of {_SERVICE}.", advice="Unlock the right keyring.")
    if not re.fullmatch(f"[0-9a-f]{{{2 * KEY_BYTES}}}", found):
        raise UsageError(
            f"What the OS keyring has as {name!r} of {_SERVICE} is no key.",
            allowed=f"{KEY_BYTES} bytes in hexadecimal.",
            advice="Name another: `counterproof data protect keyring --name NAME`.",
        )
    return KeyProtector(
        bytes.fromhex(found), about={"kind": "keyring", "name": name}, wrong="the keyring has another key"
    )


class VaultKeys:
    """The data keys of one vault.

    Args:
        folder: the vault's.
        protector: unwraps its master keys; asked for when a key is needed first.
    """

    def __init__(self, folder: Path, *, protector: Callable[[Mapping[str, Any]], Protector]) -> None:
        self._folder = folder
        self._find = protector
        self._protector: Protector | None = None
        self._known: dict[str, bytes] = {}

    @staticmethod
    def exist(folder: Path) -> bool:
        """Say whether a vault is sealed."""
        return (folder / _MASTER).exists()

    @staticmethod
    def create(folder: Path, protector: Protector) -> None:
        """Make the first master key of a vault; from now on what is put into it is sealed.

        Raises:
            UsageError: it has one.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _lock(folder):
            if VaultKeys.exist(folder):
                raise UsageError(f"The vault in {folder} is sealed already.", advice="`counterproof data rotate`.")
            _write_masters(folder, protector, {new_id(): new_key()})

    @property
    def are_there(self) -> bool:
        """Whether there is a master key, so that what is written is sealed."""
        return VaultKeys.exist(self._folder)

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self._folder

    def make(self, digest: str) -> bytes:
        """Make and keep the data key of a file; the one that it has, where it has one."""
        with _lock(self._folder):
            if self._place(digest).exists():
                return self.get(digest)
            key, current = new_key(), list(self._masters(fresh=True))[-1]
            self._write(digest, key, current)
            return key

    def get(self, digest: str) -> bytes:
        """Return the data key of a file.

        Raises:
            UsageError: the secret of the protector is another one.
            VerificationFailed: there is no key, because the file was forgotten, or it was changed.
        """
        try:
            text = self._place(digest).read_bytes()
        except FileNotFoundError as error:
            raise VerificationFailed(f"The key of {digest[:12]}… is not there: the file was forgotten.") from error
        try:
            held = _decode_key(text)
            master, wrapped = held.master, base64.b64decode(held.wrapped, validate=True)
            return AESGCM(self._master(master)).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _data_key(digest))
        except (ValueError, KeyError, InvalidTag) as error:
            raise VerificationFailed(f"The key of {digest[:12]}… was changed.", advice=_OR_CHANGED) from error

    def has(self, digest: str) -> bool:
        """Say whether a file has a data key."""
        return self._place(digest).exists()

    def destroy(self, digest: str) -> bool:
        """Overwrite and remove the data key of a file; False where there is none."""
        with _lock(self._folder):
            place = self._place(digest)
            try:
                with place.open("r+b") as file:
                    file.write(secrets.token_bytes(os.fstat(file.fileno()).st_size))
                    file.flush()
                    os.fsync(file.fileno())
            except FileNotFoundError:
                return False
            place.unlink()
            _flush_folder(place.parent)
            return True

    def rotate(self, *, progress: Callable[[int], None] = lambda _left: None) -> int:
        """Make a new master key and wrap each data key with it; finish a rotation that was interrupted.

        Args:
            progress: is told before each key how many are left.

        Returns:
            How many data keys were wrapped.
        """
        with _lock(self._folder):
            masters = dict(self._masters(fresh=True))
            if len(masters) == 1:
                masters[new_id()] = new_key()
                self._save(masters)
            current = list(masters)[-1]
            old = [digest for digest in self.digests() if self._wrapped_by(digest) != current]
            for at, digest in enumerate(old):
                progress(len(old) - at)
                self._write(digest, self.get(digest), current)
            self._save({current: masters[current]})
            return len(old)

    def unlock(self) -> None:
        """Ask for the secret now.

        Raises:
            UsageError: it is another one.
        """
        self._masters(fresh=True)

    def protect(self, protector: Protector) -> None:
        """Wrap the master keys with another secret; the old one opens nothing any more, but old copies of the file.

        Raises:
            UsageError: it does not give back what it wrapped; the old one still counts.
        """
        with _lock(self._folder):
            masters = dict(self._masters(fresh=True))
            _write_masters(self._folder, protector, masters)
            self._protector, self._known = protector, masters

    def described(self) -> dict[str, Any]:
        """Return what the vault says of its protector."""
        return dict(self._file()["protector"])

    def digests(self) -> list[str]:
        """Return the files that have a key."""
        found = (path.parent.name + path.name for path in (self._folder / "keys").glob("??/*"))
        return sorted(name for name in found if is_digest(name))

    def _place(self, digest: str) -> Path:
        return self._folder / "keys" / digest[:2] / digest[2:]

    def _wrapped_by(self, digest: str) -> str:
        return _decode_key(self._place(digest).read_bytes()).master

    def _write(self, digest: str, key: bytes, master: str) -> None:
        wrapped = _wrapped(AESGCM(self._known[master]), key, _data_key(digest))
        held = _HeldKey(master=master, wrapped=base64.b64encode(wrapped).decode())
        _replace(self._place(digest), msgspec.json.encode(held))

    def _save(self, masters: Mapping[str, bytes]) -> None:
        assert self._protector is not None
        _write_masters(self._folder, self._protector, masters)
        self._known = dict(masters)

    def _master(self, name: str) -> bytes:
        masters = self._masters()
        return masters[name] if name in masters else self._masters(fresh=True)[name]

    def _masters(self, *, fresh: bool = False) -> dict[str, bytes]:
        """Return the master keys, the current one last; another process may have made a new one."""
        if fresh or not self._known:
            file = self._file()
            if self._protector is None or self._protector.describe() != file["protector"]:
                self._protector = self._find(file["protector"])
            self._known = {
                name: self._protector.unwrap(base64.b64decode(wrapped), about=_master_key(name))
                for name, wrapped in file["masters"].items()
            }
        return self._known

    def _file(self) -> dict[str, Any]:
        try:
            return msgspec.to_builtins(_decode_masters((self._folder / _MASTER).read_bytes()))  # type: ignore[no-any-return]
        except (OSError, ValueError) as error:
            raise VerificationFailed(f"{_MASTER} of the vault can't be read: {error}.", advice=_OR_CHANGED) from error


class _HeldKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    master: str
    wrapped: str


class _Masters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    protector: dict[str, Any]
    masters: dict[str, str]
    version: int = 1


_decode_key = msgspec.json.Decoder(_HeldKey).decode
_decode_masters = msgspec.json.Decoder(_Masters).decode
_OR_CHANGED = "If the secret is the right one, the file was changed: restore the vault's keys from a backup."
_KEY_FILE = "Put the key file back where it was; without it nothing in the vault can be read."


def new_id() -> str:
    """Return a name for a master key."""
    return secrets.token_hex(8)


def _data_key(digest: str) -> bytes:
    return b"counterproof/data-key/1/" + digest.encode()


def _master_key(name: str) -> bytes:
    return b"counterproof/master-key/1/" + name.encode()


def _wrapped(cipher: AESGCM, key: bytes, about: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + cipher.encrypt(nonce, key, about)


def _write_masters(folder: Path, protector: Protector, masters: Mapping[str, bytes]) -> None:
    """Write the master keys, wrapped; not before the protector gave each of them back."""
    wrapped = {}
    for name, key in masters.items():
        made = protector.wrap(key, about=_master_key(name))
        if protector.unwrap(made, about=_master_key(name)) != key:
            raise UsageError(
                f"What was to protect the vault ({protector.describe()['kind']}) does not give back what it wrapped.",
                advice="Nothing was changed. Use another one.",
            )
        wrapped[name] = base64.b64encode(made).decode()
    file = {"version": 1, "protector": protector.describe(), "masters": wrapped}
    _replace(folder / _MASTER, json.dumps(file, indent=1).encode() + b"\n")


def _make_key_file(path: Path) -> None:
    """Write a new key; one that is there stays."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".key-") as new, contextlib.suppress(FileExistsError):
            new.write(new_key().hex().encode() + b"\n")
            new.flush()
            os.fsync(new.fileno())
            os.link(new.name, path)
            _flush_folder(path.parent)
    except OSError as error:
        raise MachineTrouble(f"The key file {path} can't be written: {error}.", advice="Name another place.") from error


def _replace(path: Path, data: bytes) -> None:
    """Put a file in the place of another one so that either is there whole, whenever the power goes."""
    new = path.with_name(f".new-{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        new.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise MachineTrouble(
            f"A key of the vault can't be written: {error}.", advice="Make room, then try again."
        ) from error


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the vault's keys against other processes."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
