"""What a process has open, while it opens and closes other files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def opened_by(pid: int) -> set[Path]:
    """Return the files, sockets and pipes that a process has open; none where it ended or lets nobody look.

    Nobody but root may look at the first process of a sandbox.
    """
    found = set[Path]()
    with suppress(FileNotFoundError, PermissionError, ProcessLookupError):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                found.add(handle.readlink())
    return found
