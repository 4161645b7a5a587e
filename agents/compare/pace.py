"""How often an endpoint is asked by all workers of a campaign together.

Slots are file locks in the campaign's folder, so a worker that dies gives its slot back at once, and no scheduler has
to be asked; the next time at which a request may begin stands in a file under a lock. Both count every request that
is sent, retries too, and none that is answered from a record.

It does not cover machines whose clocks differ by seconds: requests a minute then come unevenly.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOOK_S = 0.02


class Pace:
    """The pace at one endpoint.

    Args:
        folder: shared by all workers.
        concurrent: requests at the same time; None for any number.
        per_minute: requests a minute; None for any number.
    """

    def __init__(self, folder: Path, *, concurrent: int | None, per_minute: int | None) -> None:
        self._folder = folder
        self._concurrent = concurrent
        self._interval_s = 60 / per_minute if per_minute else 0.0
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Wait for a slot and for the next time, and hold the slot while the request is under way."""
        with self._slot():
            self._wait()
            yield

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if self._concurrent is None:
            yield
            return
        while True:
            for number in range(self._concurrent):
                with (self._folder / f"slot-{number}").open("wb") as file:
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        continue
                    yield
                    return
            time.sleep(_LOOK_S)

    def _wait(self) -> None:
        if not self._interval_s:
            return
        with (self._folder / "next").open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            now = time.time()
            begins = min(max(now, float(file.read() or 0)), now + 3600)
            file.truncate(0)
            file.write(str(begins + self._interval_s))
            file.flush()
        time.sleep(max(0.0, begins - now))
