"""Folders in which real data lie in the clear while a program may read them, and that nothing outlives for long.

The idea: a folder in the memory of the machine that only its user may enter. It is removed at the end; after a crash
the next gate removes it: each folder is held by a lock on a file in it, which the system gives back when the process
dies, and a folder that nobody holds is nobody's.

It does not cover swap: a machine that pages to an unencrypted disk may write memory there.

Source: flock(2), tmpfs(5).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from counterproof.provenance.errors import MachineTrouble
from counterproof.provenance.vault import Vault
from counterproof.sandbox._private import private_folder, remove

MEMORY = Path("/dev/shm")  # noqa: S108  # a private folder in it, mode 0700
_SPARE = 1 << 20
_LOCK = ".held"
_PREFIX = "counterproof-"


@contextmanager
def laid_folder(parent: Path | None = None, *, room: int = 0) -> Iterator[Path]:
    """Make a folder for data in the clear, and remove it at the end.

    Args:
        parent: below which folder; None for the memory of the machine.
        room: how many bytes will be laid in it.

    Raises:
        MachineTrouble: there is no such room.
    """
    place = parent or MEMORY
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        raise MachineTrouble(f"The data can't be laid in {place}: {error}.", advice=_ADVICE) from error
    if free < room + _SPARE:
        raise MachineTrouble(f"{place} has {free:,} bytes left, and {room:,} are to be laid there.", advice=_ADVICE)
    with private_folder(place) as folder:
        handle = os.open(folder / ".new", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (folder / ".new").rename(folder / _LOCK)  # whoever sweeps finds no lock that isn't held yet
            inner = folder / "data"
            inner.mkdir(0o700)
            yield inner
        finally:
            os.close(handle)


def place_for(vault: Vault, room: int) -> Path | None:
    """Return below which folder data are laid: where the vault says; None for the memory of the machine.

    Files of a plain vault that don't fit into the memory are laid beside it, where they are in the clear anyway.

    Args:
        vault: where they are.
        room: how many bytes will be laid.
    """
    if vault.laid is not None or vault.sealed:
        return vault.laid
    with suppress(OSError):
        if shutil.disk_usage(MEMORY).free >= room + _SPARE:
            return None
    return vault.folder


def sweep(parent: Path | None = None) -> int:
    """Remove the folders of processes that were killed; return how many."""
    removed = 0
    for folder in (parent or MEMORY).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            handle = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(folder)
                removed += 1
            finally:
                os.close(handle)
    return removed


_ADVICE = (
    "Make /dev/shm larger (`mount -o remount,size=…`), or name a folder on an encrypted disk: COUNTERPROOF_LAID, or "
    "`gate serve --laid`."
)
