"""SHA-256 of bytes that pass by, worked out in a second thread while the caller writes them or sums them otherwise.

`hashlib` and `zlib` release the interpreter's lock, so two processors share the work on a large file. At most two
pieces are held at a time, whatever the size of the file; a file of one piece costs no thread at all.

It does not cover bytes that lie on a disk and go nowhere: `digests.sha256_file` does.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

PIECE = 1 << 20
"""How many bytes to pass on at once."""


class PassingHash:
    """Hashes one file after another; use it as a context, so that its thread ends."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hashing")
        self._running: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()

    def update(self, piece: bytes) -> None:
        """Add the next piece of the file; it must not be changed afterwards."""
        self._wait()
        if len(piece) < PIECE:
            self._digest.update(piece)
        else:
            self._running = self._thread.submit(self._digest.update, piece)

    def finish(self) -> str:
        """Return the digest of the file, and begin the next one."""
        self._wait()
        digest, self._digest = self._digest.hexdigest(), hashlib.sha256()
        return digest

    def _wait(self) -> None:
        if self._running is not None:
            self._running.result()
            self._running = None
