"""Counts from outside what all processes of one sandbox use together.

The idea: without a cgroup nothing in the kernel limits the memory of many processes together, nor the number
of files in a tmpfs, so the supervisor looks often enough (every 25 ms) and kills. Everything is read
through /proc from the pid of the sandbox's first process; orphans become its children, so none is missed.

It does not cover pages of the size-limited tmpfs mounts that no process maps; those have a limit of their own,
so the worst case is `memory_mib` plus the writable folders.

Source: proc(5).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from counterproof.sandbox.contract import Limits

INTERVAL_S = 0.025
Reason = Literal["timeout", "oom", "disk_limit", "process_limit"]

_FULL_FOR_S = 1.0
_CLOSER_EVERY = 8
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What a process has from the warm template it was forked from, as long as it has not started another program.

    Attributes:
        anon_kib: memory of the template, shared page by page until it is written to.
        lineage: where the template's code and stack lie; only its forks have the same.
    """

    anon_kib: int
    lineage: tuple[int, int]


NO_BASELINE = Baseline(anon_kib=0, lineage=(0, 0))


def lineage_of(pid: int) -> tuple[int, int]:
    """Return where code and stack of the process lie; (0, 0) when that may not be known."""
    return _stat(pid).lineage


@dataclass(frozen=True, kw_only=True)
class _Stat:
    ticks: int = 0
    threads: int = 0
    lineage: tuple[int, int] = (0, 0)


@dataclass(kw_only=True)
class Watch:
    """Samples one sandbox; remembers the peak and whether a limit was ever touched.

    Attributes:
        init: pid of the sandbox's first process, as this process sees it.
        limits: what is compared.
        writable: paths inside whose files are counted.
        program: pid of the program's process where it is no child of the first, for as long as it lives; else 0.
        baseline: what a warm start shares with its template.
        peak_kib: most memory seen.
        samples: how often it has looked.
        crowded: the limit of processes has been reached.
        files: most files seen in the writable folders.
        cpu_s: processor time seen last.
    """

    init: int
    limits: Limits
    writable: tuple[str, ...]
    program: int = 0
    baseline: Baseline = NO_BASELINE
    peak_kib: int = 0
    samples: int = 0
    crowded: bool = False
    files: int = 0
    cpu_s: float = 0.0
    _next_s: float = field(default=0.0)
    _crowded_since: float | None = field(default=None)

    def due(self, now_s: float) -> bool:
        """Say whether it is time to look again; looking at each event would slow a program that prints."""
        return now_s >= self._next_s

    def sample(self, now_s: float) -> Reason | None:
        """Look once; return the limit that is passed, or None."""
        self.samples += 1
        self._next_s = now_s + INTERVAL_S
        pids = list(processes_of(self.init, self.program))
        ticks = threads = memory_kib = 0
        shared_kib = 0
        for pid in pids:
            used = _stat(pid)
            ticks += used.ticks
            threads += used.threads
            whole_kib = _memory_kib(pid)
            own_kib = max(0, whole_kib - self.baseline.anon_kib) if self._forked(used) else whole_kib
            memory_kib += own_kib
            shared_kib += whole_kib - own_kib
        limit_kib = self.limits.memory_mib * 1024
        # Forks share pages, which counts them several times; and a fork may have given back what it inherited.
        doubtful = shared_kib > 0 and memory_kib + shared_kib > limit_kib and self.samples % _CLOSER_EVERY == 0
        if memory_kib > limit_kib or doubtful:
            memory_kib = sum(map(_proportional_kib, pids))
            if memory_kib > limit_kib:
                # One that ends while the others are looked at leaves its share to them, where it counts once more.
                memory_kib = min(memory_kib, sum(map(_proportional_kib, processes_of(self.init, self.program))))
        self.peak_kib = max(self.peak_kib, memory_kib)
        if memory_kib > limit_kib:
            return "oom"
        self.cpu_s = max(self.cpu_s, ticks / _TICKS)
        if self.cpu_s > self.limits.cpu_s:
            return "timeout"
        if self._count_files() > self.limits.work_files:
            return "disk_limit"
        return self._count_processes(threads, now_s)

    def _forked(self, used: _Stat) -> bool:
        return self.baseline.anon_kib > 0 and used.lineage == self.baseline.lineage != (0, 0)

    def _count_processes(self, threads: int, now_s: float) -> Reason | None:
        if threads < self.limits.processes:
            self._crowded_since = None
            return None
        self.crowded = True
        if self._crowded_since is None:
            self._crowded_since = now_s
        return "process_limit" if now_s - self._crowded_since > _FULL_FOR_S else None

    def _count_files(self) -> int:
        count = 0
        for path in self.writable:
            try:
                about = os.statvfs(f"/proc/{self.init}/root{path}")
            except OSError:
                continue  # the sandbox has just ended
            count += about.f_files - about.f_ffree
        self.files = max(self.files, count)
        return count


def real_uid(pid: int) -> int | None:
    """Return the user id that the kernel knows the process by, None when it has ended."""
    for line in _lines(pid, "status"):
        if line.startswith("Uid:"):
            return int(line.split()[1])
    return None


def processes_of(*roots: int) -> Iterator[int]:
    """Yield the processes and all their descendants; 0 is none."""
    waiting = [root for root in roots if root]
    seen = set(waiting)
    while waiting:
        pid = waiting.pop()
        yield pid
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for thread in threads:
            try:
                children = Path(f"/proc/{pid}/task/{thread}/children").read_text("ascii").split()
            except OSError:
                continue
            fresh = [int(child) for child in children if int(child) not in seen]
            seen.update(fresh)
            waiting += fresh


def _stat(pid: int) -> _Stat:
    """Return ticks of the process and its ended children, its number of threads, and its lineage."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return _Stat()
    fields = text.rpartition(")")[2].split()
    return _Stat(
        ticks=sum(int(item) for item in fields[11:15]),
        threads=int(fields[17]),
        lineage=(int(fields[23]), int(fields[25])),
    )


def _memory_kib(pid: int) -> int:
    return sum(int(line.split()[1]) for line in _lines(pid, "status") if line.startswith(("RssAnon:", "RssShmem:")))


def _proportional_kib(pid: int) -> int:
    """Return the memory with shared pages divided by the processes that share them."""
    lines = _lines(pid, "smaps_rollup")
    if not lines:
        return _memory_kib(pid)
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))


def private_kib(pid: int) -> int:
    """Return the memory that this process shares with no other."""
    return sum(int(line.split()[1]) for line in _lines(pid, "smaps_rollup") if line.startswith("Private_Dirty:"))


def _lines(pid: int, name: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/{name}").read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
