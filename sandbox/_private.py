"""A folder for one execution, that only its user may enter, and that goes away with all that a program put there.

The idea: whatever a program leaves (folders without permissions, a thousand folders deep, links to elsewhere) is
removed step by step by descriptors that follow no link, and deep folders are moved up rather than walked down.

It does not cover a program that still runs: call `remove` when everything is dead.

Source: the attack list of the project's sandbox study; tempfile's own removal follows links before Python 3.11.8
(CVE-2023-6597) and ends at a thousand folders. Imports nothing of ours, for it runs in the first process too.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

_OPEN_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def private_folder(parent: Path | None) -> Iterator[Path]:
    """Make a folder below `parent` (the system's temporary folder when None), and remove it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="counterproof-", dir=parent))
    try:
        yield folder
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder and everything in it."""
    empty(folder)
    folder.rmdir()


def empty(folder: Path) -> None:
    """Remove everything in a folder."""
    handle = os.open(folder, _OPEN_DIR)
    try:
        fresh = (f"{os.urandom(8).hex()}-{number}" for number in count())
        while names := os.listdir(handle):
            for name in names:
                _remove_or_flatten(handle, name, fresh)
    finally:
        os.close(handle)


def _remove_or_flatten(top: int, name: str, fresh: Iterator[str]) -> None:
    """Remove one entry of the top folder; the folders in it are moved up to the top."""
    if not _is_folder(top, name):
        os.unlink(name, dir_fd=top)
        return
    inner = _opened(top, name)
    try:
        for entry in os.listdir(inner):
            if _is_folder(inner, entry):
                os.close(_opened(inner, entry))  # a folder that may not be written can't be moved
                os.rename(entry, next(fresh), src_dir_fd=inner, dst_dir_fd=top)
            else:
                os.unlink(entry, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=top)


def _is_folder(folder: int, name: str) -> bool:
    return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode & 0o170000 == 0o040000


def _opened(folder: int, name: str) -> int:
    """Open a folder, whatever its permissions are."""
    place = os.open(name, os.O_PATH | _OPEN_DIR, dir_fd=folder)
    try:
        os.chmod(f"/proc/self/fd/{place}", 0o700)
    finally:
        os.close(place)
    return os.open(name, _OPEN_DIR, dir_fd=folder)
