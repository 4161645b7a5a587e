"""One execution on this machine, run in a thread of its own; common to the cold and the warm start.

The idea: the thread that starts a helper must live as long as that helper, which dies with it; so each session has
one thread, and everything that blocks happens there.

It does not cover how the program is started; `start` does.

Follows: `contract.Session`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from counterproof.provenance.errors import UsageError
from counterproof.sandbox.contract import Execution, check_given

Start = Callable[[Mapping[str, bytes], int], Execution]


class LocalSession:
    """One execution on this machine; see `contract.Session`.

    Args:
        start: runs the program with the given files until its end, or until the descriptor becomes readable.
    """

    def __init__(self, start: Start) -> None:
        self._start = start
        self._given: dict[str, bytes] = {}
        self._cancel_fd = os.eventfd(0)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="sandbox")
        self._running: asyncio.Future[Execution] | None = None
        self._closed = False

    async def put(self, name: str, data: bytes) -> None:
        """Place a file in the working folder; see `contract.Session.put`.

        Raises:
            UsageError: the name can't be used, or the session has run or is closed.
        """
        self._require_fresh()
        check_given(name)
        self._given[name] = bytes(data)

    async def run(self) -> Execution:
        """Run the program and wait for its end; when the waiting is cancelled, so is the program.

        Raises:
            MachineTrouble: the sandbox could not be started, so the program did not run.
            UsageError: the session has run already or is closed.
        """
        self._require_fresh()
        loop = asyncio.get_running_loop()
        self._running = loop.run_in_executor(self._worker, self._start, self._given, self._cancel_fd)
        try:
            return await asyncio.shield(self._running)
        except asyncio.CancelledError:
            await self.close()
            raise

    async def cancel(self) -> None:
        """Kill the running program; harmless when nothing runs."""
        if not self._closed:
            os.eventfd_write(self._cancel_fd, 1)

    async def close(self) -> None:
        """End everything that belongs to the session; may be called again."""
        if self._closed:
            return
        os.eventfd_write(self._cancel_fd, 1)
        self._closed = True
        if self._running is not None:
            await asyncio.wait([self._running])
        self._worker.shutdown()
        os.close(self._cancel_fd)

    def _require_fresh(self) -> None:
        if self._closed or self._running is not None:
            raise UsageError("This session has run or is closed.", advice="Open a new one; it runs once.")
