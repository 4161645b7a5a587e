"""A script of ours as bytecode, so that an interpreter which runs it need not compile it each time.

The idea: `python FILE` takes bytecode too and knows it by its first bytes, whatever the file is called. Compiling the
scripts of a cold start takes longer than loading an interpreter's own modules (3.7 ms together on CPython 3.11).

It does not cover other interpreters than the one that this process runs on: they get the source.

Source: CPython's `Python/pythonrun.c` (`maybe_pyc_file`), PEP 552 for the header.
"""

from __future__ import annotations

import importlib.util
import marshal
from functools import lru_cache

_HEADER = importlib.util.MAGIC_NUMBER + bytes(12)  # no flags, and nobody compares time and size of what is run by name


@lru_cache(maxsize=8)
def bytecode(source: bytes, name: str) -> bytes:
    """Return a script as what `python` runs without compiling it.

    Args:
        source: the script.
        name: its file, for tracebacks.
    """
    return _HEADER + marshal.dumps(compile(source, name, "exec", dont_inherit=True))
