"""What the kernel says of this machine's clock: whether it follows a time server, and how far it may be off.

Read with `adjtimex`, which changes nothing and needs no rights. Times in a record are those of this clock; a clock
that follows nothing may be off by any amount, and then that is what is said.

It does not cover asking a time server (nothing leaves the machine), nor a time-stamp by somebody else.

Source: Linux man-pages, adjtimex(2).
"""

from __future__ import annotations

import ctypes
import platform
import sys

SOURCE = "the system clock of the machine that made the record (UTC)"
UNKNOWN = "not known"
_UNSYNCHRONISED = 0x40
_ERROR = 5


class _Timex(ctypes.Structure):
    """The beginning of `struct timex` where a long has 64 bits; what comes after is room for the kernel to write."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_int64),
        ("freq", ctypes.c_int64),
        ("maxerror", ctypes.c_int64),
        ("esterror", ctypes.c_int64),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


def clock_facts() -> dict[str, str]:
    """Return the source of the clock, whether it is synchronised, and the largest error in milliseconds.

    What the kernel does not tell is said to be not known; it never fails.
    """
    told = _ask()
    if told is None:
        return {"source": SOURCE, "synchronised": UNKNOWN, "max_error_ms": UNKNOWN}
    state, timex = told
    if state == _ERROR or timex.status & _UNSYNCHRONISED:
        return {"source": SOURCE, "synchronised": "no", "max_error_ms": UNKNOWN}
    return {"source": SOURCE, "synchronised": "yes", "max_error_ms": f"{timex.maxerror / 1000:.0f}"}


def _ask() -> tuple[int, _Timex] | None:
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_long) != 8 or platform.machine() not in ("x86_64", "aarch64"):
        return None
    timex = _Timex(modes=0)
    try:
        state = int(ctypes.CDLL(None).adjtimex(ctypes.byref(timex)))
    except (AttributeError, OSError):
        return None
    return None if state < 0 else (state, timex)
