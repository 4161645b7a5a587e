"""Waits until there is something to read.

The idea: `select` can't take descriptors above 1023, which a server with many sessions has; `poll` can.

It does not cover the loop of a supervision (`_supervise.py`), which waits for many things at once.
"""

from __future__ import annotations

import select


def readable(*handles: int, within_s: float | None = 0) -> bool:
    """Say whether one of the descriptors has something to read, or has ended.

    Args:
        handles: the descriptors.
        within_s: how long to wait for it; None for as long as it takes.
    """
    waiting = select.poll()
    for handle in handles:
        waiting.register(handle, select.POLLIN)
    return bool(waiting.poll(None if within_s is None else within_s * 1000))
