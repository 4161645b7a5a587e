"""Started as root: gives up root, and makes the files that the sandbox needs reachable before that.

The idea: bubblewrap must never run with kernel uid 0 (measured: /proc/sys stays writable from inside). The
unprivileged user that it runs as can't pass through folders like a 0700 home, so this process takes a mount
namespace of its own, binds each needed path below a small private tmpfs, copies inputs that only root may
read into that tmpfs, and then drops to the unprivileged user and becomes bubblewrap. The tmpfs goes away
with the last process of the sandbox; no copy of an input touches a disk.

It does not cover isolation, which is bubblewrap's, and it is not used when the caller is not root.

Runs alone as `python -I -S CODE PLAN_FD` (`_bytecode.py`); imports nothing of ours, and nothing that takes time.
"""

from __future__ import annotations

import _ctypes  # the part of `ctypes` that is written in C: all of it takes 2 ms to import
import marshal
import os
import stat
import sys

_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 1 << 18
_MS_NOSUID, _MS_NODEV = 2, 4
_PR_SET_PDEATHSIG, _SIGKILL = 1, 9
_LIBRARIES = "bubblewrap.libs"
_HANDLES = "/proc/self/fd/"
_LIBC = _ctypes.dlopen(None, os.RTLD_NOW)  # type: ignore[arg-type]  # None is this process itself


class _Int(_ctypes._SimpleCData):  # type: ignore[type-arg]  # it takes none when it runs
    _type_ = "i"


class _Function(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
    _restype_ = _Int


def main() -> None:
    """Stage, drop root and become bubblewrap; anything that fails ends this process with a message."""
    plan_fd = int(sys.argv[1])
    if sys.argv[0].startswith(_HANDLES):
        os.close(int(sys.argv[0].removeprefix(_HANDLES)))  # it was read; bubblewrap is not to inherit it
    with open(plan_fd, "rb") as file:
        plan = marshal.load(file)  # noqa: S302  # the supervisor has written it
    parent = os.getppid()
    stage = plan["stage"]
    _call("unshare", _CLONE_NEWNS)
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    sources = {name: os.open(path, os.O_PATH | os.O_CLOEXEC) for name, path in plan["binds"].items()}
    inputs = {name: os.open(path, os.O_RDONLY | os.O_CLOEXEC) for name, path in plan["inputs"].items()}
    program = os.open(plan["bwrap"], os.O_PATH | os.O_CLOEXEC)
    libraries = os.open(plan["libraries"], os.O_PATH | os.O_CLOEXEC) if plan.get("libraries") else None
    os.set_inheritable(program, True)  # a script on PATH would have to be read through it
    _call("mount", b"tmpfs", stage.encode(), b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=0755,size=90%")
    os.umask(0)
    for name, handle in sources.items():
        _bind(handle, f"{stage}/{name}")
    for name, handle in inputs.items():
        if _readable_by_all(handle):
            _bind(handle, f"{stage}/{name}")
        else:
            _copy(handle, f"{stage}/{name}")
    env = {}
    if libraries is not None:  # it would look for them beside its own path, which the stage may cover
        _bind(libraries, f"{stage}/{_LIBRARIES}")
        env["LD_LIBRARY_PATH"] = f"{stage}/{_LIBRARIES}"
    os.setgroups([])
    os.setresgid(plan["gid"], plan["gid"], plan["gid"])
    os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    _call("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent or os.geteuid() == 0:
        os._exit(1)
    os.execve(program, plan["argv"], env)  # noqa: S606  # a shell is what must not be here


def _call(name: str, *arguments: object) -> None:
    if _Function(_ctypes.dlsym(_LIBC, name))(*arguments) != 0:
        code = _ctypes.get_errno()
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


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.stderr.write(f"stage: {error}\n")
        sys.exit(70)
