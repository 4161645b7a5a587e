"""How the command line and the gate's process collect garbage.

What they import is a million objects that stay. Looking through them again and again while they are made takes a fifth
of the time of starting, and once more at the end half a second; nothing that matters is in what would be found.
"""

from __future__ import annotations

import atexit
import gc

_NEW_OBJECTS = 100_000


def collect_seldom() -> None:
    """Look for garbage after a hundred thousand new objects (Python: seven hundred), and not at the end."""
    gc.set_threshold(_NEW_OBJECTS, 20, 50)
    atexit.register(gc.freeze)
