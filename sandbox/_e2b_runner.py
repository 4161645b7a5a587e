"""Runs one program inside a remote machine: places its files, sets its limits, watches it, takes its outputs.

The idea: it checks every uploaded file against its digest while it copies it to its place, gives the program a
user of its own where it may, and adopts whatever the program leaves behind, so that all of it can be ended before
the outputs are collected, by the same code as on the local machine (`_shim.py`, uploaded beside it).

It does not cover a program that runs as the same user as this process and ends it: then nothing is reported and
the adapter, which keeps a clock of its own, calls the execution lost or timed out.

Runs alone as `python -I -S RUNNER BASE SHIM PLAN` (names of files in BASE/store); imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import resource
import runpy
import select
import signal
import sys
import time
from typing import Any

_DUMPABLE, _CAPBSET_DROP, _SUBREAPER, _NO_NEW_PRIVS, _PDEATHSIG = 4, 24, 36, 38, 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_PROGRAM_UID = 60_000
_SAMPLE_S, _DRAIN_S = 0.1, 1.0
_OVERFLOW, _CROWDED_SAMPLES = 4, 5
_FOLDERS = ("data", "program", "out", "tmp", "report")


def main() -> None:
    """Run the program of the plan and report on it, one JSON object a line."""
    base, shim, plan_name = sys.argv[1:4]
    _LIBC.prctl(_DUMPABLE, 0, 0, 0, 0)
    _LIBC.prctl(_SUBREAPER, 1, 0, 0, 0)
    with open(f"{base}/store/{plan_name}", "rb") as file:
        plan = json.load(file)
    try:
        uid = _prepare(base, plan)
    except (OSError, ValueError) as error:
        _say(event="refused", reason=f"{error}"[:300])
        return
    child = _Child(base, plan, uid)
    if child.start_error:
        _say(event="refused", reason=child.start_error)
        return
    _say(event="started", dropped=uid is not None)
    child.watch()
    _say(event="exited", kill=child.kill, wait_status=child.wait_status)
    _say(event="ended", **_report(base, plan, child, runpy.run_path(f"{base}/store/{shim}")))


def _say(**about: Any) -> None:
    sys.stdout.write(json.dumps(about) + "\n")
    sys.stdout.flush()


def _prepare(base: str, plan: dict[str, Any]) -> int | None:
    """Make the folders and place the files; return the program's user, None where it can't have its own."""
    for name in _FOLDERS:
        os.mkdir(f"{base}/{name}", 0o755)  # an old one: the machine has been used, which is refused
    for file in plan["files"]:
        _place(f"{base}/store/{file['sha256']}", f"{base}/{file['path']}", file["sha256"])
    uid = _PROGRAM_UID if os.geteuid() == 0 and _is_mapped(_PROGRAM_UID) else None
    if uid is None:
        return None
    home = os.path.dirname(base)
    for folder in (home, base):
        os.chmod(folder, os.stat(folder).st_mode & 0o7777 | 0o011)  # noqa: S103  # the program's user must get through
    for name in ("out", "tmp"):
        os.chown(f"{base}/{name}", uid, uid)
    for folder, _, names in os.walk(f"{base}/out"):
        for name in names:
            os.chown(f"{folder}/{name}", uid, uid)
    return uid


def _place(source: str, target: str, sha256: str) -> None:
    os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
    digest = hashlib.sha256()
    with open(source, "rb") as reader, open(target, "xb") as writer:
        while data := reader.read(1 << 20):
            digest.update(data)
            writer.write(data)
    if digest.hexdigest() != sha256:
        raise ValueError(f"the file {sha256[:12]} holds other bytes than its digest says")
    os.chmod(target, 0o644 if "/out/" in target else 0o444)


def _is_mapped(uid: int) -> bool:
    with open("/proc/self/uid_map", encoding="ascii") as file:
        ranges = [[int(item) for item in line.split()] for line in file]
    return any(start <= uid < start + length for start, _, length in ranges)


class _Child:
    """The program and everything that it starts."""

    def __init__(self, base: str, plan: dict[str, Any], uid: int | None) -> None:
        self._plan, self._limits, self._uid = plan, plan["limits"], uid
        self._writable = [f"{base}/out", f"{base}/tmp"]
        self.kill: str | None = None
        self.wait_status: int | None = None
        self.crowded = False
        self._crowded_for = 0
        self.peak_kib = 0
        self.cpu_s = 0.0
        self.streams = {"stdout": bytearray(), "stderr": bytearray()}
        self.totals = {"stdout": 0, "stderr": 0}
        pipes = {name: os.pipe() for name in ("stdout", "stderr", "error")}
        self._pid = os.fork()
        if self._pid == 0:
            self._become_program(pipes)
        for _, writer in pipes.values():
            os.close(writer)
        self._readers = {pipes[name][0]: name for name in self.streams}
        with os.fdopen(pipes["error"][0], "rb") as reader:  # ends with the exec
            self.start_error = reader.read(2000).decode("utf-8", "replace")
        self._born_s = time.monotonic()

    def _become_program(self, pipes: dict[str, tuple[int, int]]) -> None:
        plan, uid = self._plan, self._uid
        try:
            os.setsid()
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.dup2(pipes["stdout"][1], 1)
            os.dup2(pipes["stderr"][1], 2)
            for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            for name, value in plan["rlimits"].items():
                if uid is not None or name != "RLIMIT_NPROC":  # it counts per user: ours would be counted too
                    _limit(getattr(resource, name), value)
            for capability in range(64):
                _LIBC.prctl(_CAPBSET_DROP, capability, 0, 0, 0)
            if uid is not None:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            _LIBC.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
            _LIBC.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            os.umask(0o022)
            os.chdir(plan["cwd"])
            isolated = ["-s", "-P"] if sys.version_info >= (3, 11) else ["-s"]
            os.execve(sys.executable, [sys.executable, *isolated, plan["program"]], plan["env"])  # noqa: S606
        except BaseException as error:
            os.write(pipes["error"][1], f"{type(error).__name__}: {error}".encode()[:2000])
        finally:
            os._exit(71)

    def watch(self) -> None:
        """Wait for the end of the program, or end it at a limit; nothing of it is alive afterwards."""
        due_s = 0.0
        while self.kill is None and not self._reap():
            self._read(0.02)
            now_s = time.monotonic()
            if now_s - self._born_s > self._limits["wall_s"]:
                self.kill = "timeout"
            elif any(self.totals[name] > _OVERFLOW * self._limits[f"{name}_kib"] << 10 for name in self.streams):
                self.kill = "output_limit"
            elif now_s >= due_s:
                self.kill = self._sample()
                due_s = time.monotonic() + _SAMPLE_S
        self._end_all()
        until_s = time.monotonic() + _DRAIN_S
        while self._readers and time.monotonic() < until_s:
            self._read(0.02)
        if self.kill is None and self._too_much_written():
            self.kill = "disk_limit"
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu_s = max(self.cpu_s, used.ru_utime + used.ru_stime)
        self.peak_kib = max(self.peak_kib, used.ru_maxrss)

    def _reap(self) -> bool:
        """Take the ended processes; say whether the program itself has ended."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0] != 0:
                if found[0] == self._pid:
                    self.wait_status = found[1]
        return self.wait_status is not None

    def _read(self, wait_s: float) -> None:
        ready, _, _ = select.select(list(self._readers), [], [], wait_s)
        for handle in ready:
            data = os.read(handle, 1 << 16)
            if not data:
                del self._readers[handle]
                os.close(handle)
                continue
            name = self._readers[handle]
            kept = self.streams[name]
            self.totals[name] += len(data)
            kept += data[: max(0, (self._limits[f"{name}_kib"] << 10) - len(kept))]

    def _sample(self) -> str | None:
        found = [_usage(pid) for pid in _descendants(os.getpid())]
        memory_kib, cpu_s, threads = (sum(column) for column in zip(*found, (0, 0.0, 0), strict=True))
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu_s = max(self.cpu_s, cpu_s + ended.ru_utime + ended.ru_stime)
        self.peak_kib = max(self.peak_kib, memory_kib)
        crowded = threads >= self._limits["processes"]
        self.crowded |= crowded
        self._crowded_for = self._crowded_for + 1 if crowded else 0
        if memory_kib > self._limits["memory_mib"] << 10:
            return "oom"
        if self.cpu_s > self._limits["cpu_s"]:
            return "timeout"
        if self._crowded_for > _CROWDED_SAMPLES:
            return "process_limit"
        return "disk_limit" if self._too_much_written() else None

    def _too_much_written(self) -> bool:
        used, files, folders = 0, 0, list(self._writable)
        while folders:
            with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
                for entry in entries:
                    files += 1
                    with contextlib.suppress(OSError):
                        used += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    if files > self._limits["work_files"] or used > self._limits["work_mib"] << 20:
                        return True
        return False

    def _end_all(self) -> None:
        """Kill until nothing is left; all orphans are this process's children, for it is their subreaper."""
        while True:
            if self._uid is not None:
                _kill_user(self._uid)
            for pid in _descendants(os.getpid()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            try:
                pid, status = os.waitpid(-1, 0)
            except ChildProcessError:
                return
            if pid == self._pid:
                self.wait_status = status


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    most = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (most, most))


def _kill_user(uid: int) -> None:
    """Kill all processes of a user at once; only kill(-1) can't be outrun by forking."""
    helper = os.fork()
    if helper == 0:
        with contextlib.suppress(OSError):
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        os._exit(0)
    os.waitpid(helper, 0)


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                children.setdefault(int(_stat(int(name))[1]), []).append(int(name))
    found, left = [], [root]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def _stat(pid: int) -> list[str]:
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def _usage(pid: int) -> tuple[int, float, int]:
    """Return memory in KiB (shared pages by share where the kernel tells), processor seconds and threads."""
    try:
        fields = _stat(pid)
        threads = int(fields[17])
        cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Pss:")), cpu_s, threads
        return int(fields[21]) * (os.sysconf("SC_PAGESIZE") >> 10), cpu_s, threads
    except (OSError, ValueError, IndexError, StopIteration):
        return 0, 0.0, 0


def _report(base: str, plan: dict[str, Any], child: _Child, shim: dict[str, Any]) -> dict[str, Any]:
    """Write what was printed and what was collected, and say how much that is."""
    files: dict[str, Any] = {}
    frames = f"{base}/report/frames"
    handle = os.open(frames, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    if child.kill is None and child.wait_status is not None:
        about = {
            "wait_status": child.wait_status,
            "cpu_s": float(child.cpu_s),
            "max_rss_kib": int(child.peak_kib),
            "full": {"out": os.statvfs(plan["cwd"]).f_bavail == 0},
        }
        shim["send"](handle, b"H", b"")
        shim["send"](handle, b"S", json.dumps(about).encode())
        if child._uid is not None:  # with the program's own rights, so that nothing else can be taken
            os.setegid(child._uid)
            os.seteuid(child._uid)
        for kind, payload in shim["collect"](plan):
            shim["send"](handle, kind, payload)
        shim["send"](handle, b"E", b"")
        os.seteuid(os.getuid())
        os.setegid(os.getgid())
    os.close(handle)
    for name, data in child.streams.items():
        with open(f"{base}/report/{name}", "xb") as file:
            file.write(data)
        files[f"{name}_total"] = child.totals[name]
    for name in ("frames", "stdout", "stderr"):
        files[name] = _about(f"{base}/report/{name}")
    return {**files, "crowded": child.crowded, "cpu_s": float(child.cpu_s), "max_rss_kib": int(child.peak_kib)}


def _about(path: str) -> dict[str, Any]:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return {"size": os.stat(path).st_size, "sha256": digest.hexdigest()}


if __name__ == "__main__":
    main()
