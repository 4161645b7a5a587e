"""The first process inside the sandbox: starts the program, ends everything, hands out the outputs.

The idea: it is pid 1 of the sandbox, so the program can't kill or stop it, and it has made itself
unreadable (not dumpable), so the program can't reach its open files through /proc. It sets the limits in
the program's process only, waits, kills whatever else is alive, and only then walks /out and writes the
allowed files to a pipe that the program never had.

It does not cover time, memory and output limits, which the supervisor enforces from outside, and nothing
that it says about files is believed outside: `_frames.py` counts and checks again.

Runs alone as `python -I -S shim.py PLAN_FD FRAME_FD OUT_FD ERR_FD`; imports nothing of ours, and before the program
has started nothing that takes time: `json`, `re`, `signal`, `typing`, `ctypes` and `contextlib` take 14 ms together,
twice what an interpreter takes to start.
"""

from __future__ import annotations

import _ctypes  # the parts of `ctypes` and `signal` that are written in C
import _signal  # type: ignore[import-not-found]
import marshal
import os
import resource
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_PR_SET_DUMPABLE = 4
_CHUNK = 1 << 18
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_LATER_LETTERS = _LETTERS | {".", "-"}
_MOST_LETTERS = 100
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OPEN_DIR = _OPEN_FILE | os.O_DIRECTORY
_MOST_ENTRIES = 5000
NOTHING_USED = b'{"wait_status": 0, "cpu_s": 0.0, "max_rss_kib": 0, "full": {}}'


def main() -> None:
    """Run the program of the plan and report on it."""
    plan_fd, frame_fd, out_fd, err_fd = (int(item) for item in sys.argv[1:5])
    if os.getpid() != 1:  # outside of a pid namespace, ending everything would end the user's session
        sys.exit("the shim is not pid 1, so this is not a sandbox")
    itself = _ctypes.dlopen(None, os.RTLD_NOW)  # type: ignore[arg-type]  # None is this process itself
    prctl = _ctypes.dlsym(itself, "prctl")
    if _ctypes.call_function(prctl, (_PR_SET_DUMPABLE, 0, 0, 0, 0)) != 0:
        os._exit(70)
    close_others({0, 1, 2, plan_fd, frame_fd, out_fd, err_fd})
    with open(plan_fd, "rb") as file:
        plan = marshal.load(file)  # noqa: S302  # the supervisor has written it
    os.set_inheritable(frame_fd, False)
    child = os.fork()
    if child == 0:
        _become_program(plan, frame_fd, out_fd, err_fd)
    os.close(out_fd)
    os.close(err_fd)
    watch_over(plan, child, frame_fd)


def watch_over(plan: dict[str, Any], child: int, frame_fd: int) -> None:
    """Wait for the program, end all that is left of it, and write status and outputs as frames."""
    _as_json(None)  # imports what takes time while the program starts
    hand_out(plan, _wait_for(child), frame_fd)


def hand_out(
    plan: dict[str, Any], wait_status: int, frame_fd: int, *, cpu_s: float = 0.0, max_rss_kib: int = 0
) -> None:
    """End all that is left of a program that has ended, and write status and outputs as frames.

    Args:
        plan: what is collected.
        wait_status: how it ended.
        frame_fd: where the frames go.
        cpu_s: processor time of a program that was no child of this process.
        max_rss_kib: its memory at its largest.
    """
    full = {name: _full(path) for name, path in plan["watched"].items()}
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    _kill_everything()
    about = {
        "wait_status": wait_status,
        "cpu_s": used.ru_utime + used.ru_stime + cpu_s,
        "max_rss_kib": max(used.ru_maxrss, max_rss_kib),
        "full": full,
    }
    send(frame_fd, b"S", _as_json(about))
    for kind, payload in collect(plan):
        send(frame_fd, kind, payload)
    send(frame_fd, b"E", b"")


def _become_program(plan: dict[str, Any], frame_fd: int, out_fd: int, err_fd: int) -> None:
    try:
        os.setsid()
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(out_fd, 1)
        os.dup2(err_fd, 2)
        close_others({0, 1, 2, frame_fd})
        _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGINT):
            _signal.signal(number, _signal.SIG_DFL)
        for name, value in plan["rlimits"].items():
            resource.setrlimit(getattr(resource, name), (value, value))
        os.umask(0o022)
        os.chdir(plan["cwd"])
        send(frame_fd, b"H", b"")
        os.execve(plan["argv"][0], plan["argv"], plan["env"])  # noqa: S606
    except BaseException as error:
        send(frame_fd, b"X", f"{type(error).__name__}: {error}".encode()[:2000])
    finally:
        os._exit(71)


def close_others(keep: set[int]) -> None:
    """Close every descriptor of this process but these."""
    for handle in [int(name) for name in os.listdir("/proc/self/fd")]:
        if handle not in keep:
            try:
                os.close(handle)
            except OSError:  # the one of the listing itself
                continue


def _wait_for(child: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == child and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
            return status


def _kill_everything() -> None:
    """End all other processes of this pid namespace; kill(-1) spares only the caller and pid 1."""
    while True:
        try:  # noqa: SIM105  # `contextlib` takes time to import
            os.kill(-1, _signal.SIGKILL)
        except ProcessLookupError:
            pass
        try:
            os.wait()
        except ChildProcessError:
            return


def _full(path: str) -> bool:
    about = os.statvfs(path)
    return about.f_bavail == 0 or (about.f_files > 0 and about.f_ffree == 0)


def frame(kind: bytes, payload: bytes) -> bytes:
    """Return one frame."""
    return kind + len(payload).to_bytes(4, "big") + payload


def send(handle: int, kind: bytes, payload: bytes) -> None:
    """Write one frame."""
    data = memoryview(frame(kind, payload))
    while data:
        data = data[os.write(handle, data) :]


def collect(plan: dict[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    """Yield a frame for each allowed file and one for each thing that was left behind."""
    left_files = int(plan["artifact_files"])
    left_bytes = int(plan["artifact_bytes"])
    entries = 0
    root = os.open(plan["cwd"], _OPEN_DIR)
    for name, folder, reason in _walk(root, "", int(plan["artifact_depth"]), plan["folders"]):
        entries += 1
        if entries > _MOST_ENTRIES:
            yield b"R", _rejection("...", f"more than {_MOST_ENTRIES} entries; the rest was not looked at")
            return
        if name in plan["given"]:
            continue
        if not reason and not _is_output(name, plan):
            reason = "not one of results.json, flow.json, tables/*.csv, figures/*.png, figures/*.svg"
        if not reason and left_files == 0:
            reason = f"more than {plan['artifact_files']} files"
        if reason:
            yield b"R", _rejection(name, reason)
            continue
        handle, size, reason = _open_regular(folder, name.rpartition("/")[2], left_bytes)
        if reason:
            yield b"R", _rejection(name, reason)
            continue
        left_files -= 1
        left_bytes -= size
        yield from _file_frames(handle, name, size)


def _walk(folder: int, prefix: str, depth: int, known: list[str]) -> Iterator[tuple[str, int, str]]:
    """Yield name, the folder's descriptor and a reason against it ("" for none) for each entry."""
    subfolders: list[str] = []
    with os.scandir(folder) as found:
        for entry in found:
            raw = os.fsencode(entry.name).decode("utf-8", "backslashreplace")
            if not _is_plain(raw):
                yield prefix + raw, folder, "the name has characters that are not allowed"
            elif not entry.is_dir(follow_symlinks=False):
                yield prefix + raw, folder, ""
            elif depth <= 1:
                yield prefix + raw, folder, "the folder is too deep"
            elif prefix + raw not in known:
                yield prefix + raw, folder, f"only the folders {', '.join(known)} are looked into"
            else:
                subfolders.append(raw)
    for name in subfolders:
        inner = os.open(name, _OPEN_DIR, dir_fd=folder)
        yield from _walk(inner, f"{prefix}{name}/", depth - 1, known)
        os.close(inner)


def _is_plain(name: str) -> bool:
    """Say whether the name has 1 to 100 ASCII letters, digits, `_`, and after the first also `.` and `-`."""
    return 0 < len(name) <= _MOST_LETTERS and name[0] in _LETTERS and _LATER_LETTERS.issuperset(name)


def _is_output(name: str, plan: dict[str, Any]) -> bool:
    """Say whether the name is one of those that are handed out, or right in one of the folders with its ending."""
    if name in plan["names"]:
        return True
    folder, slash, last = name.rpartition("/")
    return any(folder + slash == under and last.endswith(end) and last != end for under, end in plan["kinds"])


def _open_regular(folder: int, name: str, left_bytes: int) -> tuple[int, int, str]:
    """Open the file when it is a plain one; the last item says why it is not, and is "" when it is."""
    try:
        handle = os.open(name, _OPEN_FILE, dir_fd=folder)
    except OSError as error:
        return -1, 0, f"it is a link or can't be opened ({os.strerror(error.errno or 0)})"
    about = os.fstat(handle)
    reason = ""
    if not stat.S_ISREG(about.st_mode):
        reason = "it is not a regular file"
    elif about.st_nlink != 1:
        reason = "it has more than one name (hard link)"
    elif about.st_blocks * 512 < about.st_size:
        reason = "it is sparse"
    elif about.st_size > left_bytes:
        reason = f"its {about.st_size} bytes are more than is left of the limit for outputs"
    if reason:
        os.close(handle)
        return -1, 0, reason
    return handle, about.st_size, ""


def _file_frames(handle: int, name: str, size: int) -> Iterator[tuple[bytes, bytes]]:
    yield b"F", _as_json({"name": name, "size": size})
    while size > 0:
        data = os.read(handle, min(_CHUNK, size))
        if not data:
            break
        size -= len(data)
        yield b"D", data
    os.close(handle)


def _rejection(name: str, reason: str) -> bytes:
    return _as_json({"name": name, "reason": reason})


def _as_json(value: object) -> bytes:
    import json  # lazy: it takes 7 ms, and the program must not wait for it

    return json.dumps(value).encode()


if __name__ == "__main__":
    main()
