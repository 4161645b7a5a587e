"""Landlock: a process gives up rights to files, ports, abstract sockets and signals, for itself and its children.

The idea: three system calls. What a ruleset handles is refused unless a rule allows it, and nothing can take that
back. Rules name files by open descriptors, so nothing that happens to a path afterwards changes them.

It does not cover what Landlock (ABI 7) can't: `stat`, `chmod` and times of files, sockets with a path, UDP, other
kinds of system calls, and how much of anything is used.

Source: landlock(7), Linux `include/uapi/linux/landlock.h`. The bindings on PyPI were looked at and not taken: this
runs before the program, in an interpreter without packages, and is three calls. Imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from typing import Any

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # equal on all architectures
_ASK_VERSION, _PATH_BENEATH = 1, 1
_PR_SET_NO_NEW_PRIVS = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG, _MAKE_FIFO = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 10
_MAKE_SYM, _REFER, _TRUNCATE = 1 << 12, 1 << 13, 1 << 14
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE

ALL_FILES = (1 << 16) - 1
ALL_PORTS = 0b11  # to bind and to connect, TCP
ABSTRACT_SOCKETS, SIGNALS = 1, 2
READ_ONLY = EXECUTE | READ_FILE | READ_DIR
READ_WRITE = (
    READ_FILE | READ_DIR | WRITE_FILE | _TRUNCATE | _REFER
    | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_FIFO | _MAKE_SYM
)  # fmt: skip
DEVICE = READ_FILE | WRITE_FILE

_LIBC = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """Return the version of Landlock that the kernel speaks, 0 when it has none or it is switched off."""
    return max(0, int(_LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)))


def restrict(ruleset: dict[str, Any]) -> None:
    """Restrict this process for good.

    Args:
        ruleset: `files`, `ports`, `scopes`: what is handled; `rules`: rights by path, for paths that exist.

    Raises:
        OSError: the kernel refused; the process must end.
    """
    attributes = struct.pack("=QQQ", ruleset["files"], ruleset["ports"], ruleset["scopes"])
    handle = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    for path, rights in ruleset["rules"].items():
        _allow(handle, path, rights & ruleset["files"])
    if _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError("no_new_privs was refused")
    _call(_RESTRICT_SELF, handle, 0)
    os.close(handle)


def _allow(ruleset: int, path: str, rights: int) -> None:
    target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not stat.S_ISDIR(os.fstat(target).st_mode):
        rights &= _OF_FILES
    if rights:
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, target), 0)
    os.close(target)


def _call(number: int, *arguments: object) -> int:
    result = int(_LIBC.syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"landlock call {number}: {os.strerror(code)}")
    return result
