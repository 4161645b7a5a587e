"""As root: makes the files that a sandbox needs reachable for the unprivileged user that everything runs as.

The idea: bubblewrap must never run with kernel uid 0 (measured: /proc/sys stays writable from inside). The user that
it runs as can't pass through folders like a 0700 home, so the thread that starts it takes a mount namespace of its
own meanwhile, binds each needed path below a small private tmpfs, and copies inputs that only root may read into that
tmpfs. What is started there keeps the namespace; the thread goes back. The tmpfs goes away with the last process of
the sandbox; no copy of an input touches a disk.

Python may finalize anybody's garbage in any thread, and what is written there below the covered folder would go with
the tmpfs: measured, a record that was let go of there lost its bodies. So no garbage is looked for meanwhile.

It does not cover giving up root, which whoever starts a process here must do, nor isolation, which is bubblewrap's.

Source: unshare(2) and setns(2): namespaces, and folder and mask for new files beside them, belong to a thread.
"""

from __future__ import annotations

import ctypes
import gc
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

_CLONE_FS, _CLONE_NEWNS = 0x00000200, 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 1 << 18
_MS_NOSUID, _MS_NODEV = 2, 4
_HERE = "/proc/thread-self/ns/mnt"
_LIBC = ctypes.CDLL(None, use_errno=True)


class _NoCollection:
    """No garbage is looked for, in no thread, while at least one thread is in here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._was_on = False

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._was_on = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._was_on:
                gc.enable()


_NO_COLLECTION = _NoCollection()


@contextmanager
def staged(binds: Mapping[str, Path], inputs: Mapping[str, Path], *, at: str) -> Iterator[None]:
    """Let this thread, and what it starts, see these paths below `at`, in a mount namespace of its own.

    Args:
        binds: folders and files that everybody may read, by their names below `at`.
        inputs: the same, or copies where somebody may not read them.
        at: a folder, which is covered.

    Raises:
        OSError: this process may not do that, or a path is not there.
    """
    with _NO_COLLECTION, ExitStack() as stack:
        home, root, folder = (_opened(path, os.O_RDONLY, stack) for path in (_HERE, "/", "."))
        _go_back(home, root, folder)  # whoever may not go back may not go
        stack.callback(_go_back, home, root, folder)
        _call("unshare", _CLONE_NEWNS)
        _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
        shown = {name: _opened(path, os.O_PATH, stack) for name, path in binds.items()}
        read = {name: _opened(path, os.O_RDONLY, stack) for name, path in inputs.items()}
        _call("mount", b"tmpfs", at.encode(), b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=0755,size=90%")
        stack.callback(os.umask, os.umask(0))
        for name, handle in shown.items():
            _bind(handle, f"{at}/{name}")
        for name, handle in read.items():
            (_bind if _readable_by_all(handle) else _copy)(handle, f"{at}/{name}")
        yield


def _go_back(home: int, root: int, folder: int) -> None:
    """Take on a mount namespace, and what this thread had there as root and as its folder: going there forgets both.

    From then on they are this thread's alone, as they have to be for that.
    """
    _call("unshare", _CLONE_FS)
    _call("setns", home, _CLONE_NEWNS)
    os.fchdir(root)
    os.chroot(".")
    os.fchdir(folder)


def _opened(path: str | Path, how: int, stack: ExitStack) -> int:
    handle = os.open(path, how | os.O_CLOEXEC)
    stack.callback(os.close, handle)
    return handle


def _call(name: str, *arguments: object) -> None:
    if getattr(_LIBC, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _bind(handle: int, target: str) -> None:
    os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
    if stat.S_ISDIR(os.fstat(handle).st_mode):
        os.mkdir(target, 0o755)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444))
    source = f"/proc/self/fd/{handle}".encode()
    _call("mount", source, target.encode(), None, _MS_BIND | _MS_REC, None)


def _readable_by_all(handle: int) -> bool:
    """Say whether the unprivileged user may read this file, or all of this folder."""
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return bool(mode & stat.S_IROTH)
    for _, _, files, folder in os.fwalk(".", dir_fd=handle):
        if os.fstat(folder).st_mode & 0o005 != 0o005:
            return False
        for name in files:
            about = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(about.st_mode) and not about.st_mode & stat.S_IROTH:
                return False
    return True


def _copy(handle: int, target: str) -> None:
    """Copy regular files and folders, with modes that everybody may read; links and devices are left out."""
    os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        _copy_file(handle, target)
        return
    for place, _, files, folder in os.fwalk(".", dir_fd=handle):
        here = os.path.normpath(f"{target}/{place}")
        os.mkdir(here, 0o755)
        for name in files:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            try:
                file = os.open(name, flags, dir_fd=folder)
            except OSError:
                continue
            if stat.S_ISREG(os.fstat(file).st_mode):
                _copy_file(file, f"{here}/{name}")
            os.close(file)


def _copy_file(handle: int, target: str) -> None:
    out = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o444)
    while data := os.read(handle, 1 << 20):
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(out, rest) :]
    os.close(out)
