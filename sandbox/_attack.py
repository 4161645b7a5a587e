"""Runs inside the sandbox as a program and tries to get out; `_probe.py` judges what it reports.

The idea: each attack is one that was seen to succeed on some machine or with some weaker profile. An attack that
succeeds is reported with the name of the protection that gave way; each protection counts its attacks, for one
that was never attacked did not hold.

It does not cover limits that the supervisor enforces; `_probe.py` runs a second program for memory.

Runs alone; imports nothing of ours. What it needs to know about the host is in /data/probe.json.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ABOUT: dict[str, Any] = {}
LIBC = ctypes.CDLL(None, use_errno=True)
TRIED: dict[str, int] = {}
GAVE_WAY: list[str] = []


def attempt(protection: str, name: str, attack: Callable[..., object], *args: object) -> None:
    """Run one attack; it has failed when it returns False or raises OSError."""
    TRIED[protection] = TRIED.get(protection, 0) + 1
    with contextlib.suppress(OSError):
        if attack(*args) is not False:
            GAVE_WAY.append(f"{protection}: {name}")


def connects(family: int, address: Any) -> None:
    """Reach something of the host that listens."""
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        client.connect(address)


def writes(path: str) -> None:
    """Open an existing file for writing."""
    os.close(os.open(path, os.O_WRONLY))


def creates(folder: str) -> None:
    """Make a new file in the folder."""
    os.close(os.open(f"{folder}/planted", os.O_WRONLY | os.O_CREAT))


def calls(name: str, *args: object) -> bool:
    """Say whether a function of the C library succeeds."""
    return int(getattr(LIBC, name)(*args)) >= 0


def same_namespace(name: str, foreign: list[str]) -> bool:
    """Say whether we are in one of the host, or of the warm template."""
    return os.readlink(f"/proc/self/ns/{name}") in foreign


def has_capability(field: str) -> bool:
    """Say whether a set of capabilities is not empty."""
    return int(status(field), 16) != 0


def status(field: str) -> str:
    """Return a field of /proc/self/status."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{field}:"))


def strange_environment() -> bool:
    """Say whether any process shows a variable that we did not give."""
    names: set[str] = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            items = path.read_bytes().split(b"\0")
            names |= {item.partition(b"=")[0].decode("utf-8", "replace") for item in items if item}
    return not names <= set(ABOUT["variables"])


def fills(folder: str) -> bool:
    """Say whether more can be written than the folder's limit."""
    path = f"{folder}/fill"
    written = 0
    try:
        with open(path, "wb", buffering=0) as file:
            while written <= 4 * ABOUT["folder_bytes"]:
                written += file.write(bytes(1 << 16))
    except OSError:
        return bool(written > ABOUT["folder_bytes"])
    finally:
        os.unlink(path)
    return True


def forks_too_often() -> bool:
    """Say whether more processes than allowed can exist at the same time."""
    made: list[int] = []
    try:
        while len(made) <= 2 * ABOUT["processes"]:
            pid = os.fork()
            if pid == 0:
                time.sleep(60)
                os._exit(0)
            made.append(pid)
    except OSError:
        return bool(len(made) > ABOUT["processes"])
    finally:
        for pid in made:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return True


def attack_files_and_network() -> None:
    """Try to reach what belongs to the host, or is read-only."""
    attempt("network", "TCP to the host", connects, socket.AF_INET, ("127.0.0.1", ABOUT["port"]))
    attempt("network", "abstract socket", connects, socket.AF_UNIX, "\0" + ABOUT["abstract"])
    attempt("network", "an interface", lambda: len(socket.if_nameindex()) > 1)
    for path in (ABOUT["canary"], "/etc/shadow"):
        attempt("fs_read", path, lambda path: Path(path).read_bytes(), path)
    for path in ("/root", "/home", "/var/log", "/sys/kernel", "/run/user"):
        attempt("fs_read", path, os.stat, path)
    for path in ("/data/probe.json", "/program/program.py", sys.executable, "/etc/passwd"):
        attempt("fs_write", path, writes, path)
    for name in ("sys/kernel/core_pattern", "sys/kernel/hostname", "sysrq-trigger"):
        attempt("fs_write", f"/proc/{name}", writes, f"/proc/{name}")
    for path in ("/", "/usr", "/opt/python/lib", "/data", "/dev", "/etc", "/proc"):
        attempt("fs_write", path, creates, path)
    attempt("fs_write", "chmod of an input", os.chmod, "/data/probe.json", stat.S_IRWXU)


def attack_processes_and_kernel() -> None:
    """Try to reach other processes, other namespaces and calls that are refused."""
    visible = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    attempt("processes", "foreign processes", lambda: not visible <= {1, os.getpid()})
    attempt("signals", "the supervisor", os.kill, ABOUT["supervisor"], 0)
    attempt("signals", "open files of pid 1", os.listdir, "/proc/1/fd")
    attempt("signals", "memory of pid 1", writes, "/proc/1/mem")
    for name, foreign in ABOUT["namespaces"].items():
        named = {"ipc": "ipc", "net": "network", "pid": "processes", "mnt": "fs_read"}
        attempt(named.get(name, "privileges"), f"{name} namespace", same_namespace, name, foreign)
    attempt("fs_write", "inherited descriptors", lambda: len(os.listdir("/proc/self/fd")) > 4)
    attempt("ipc", "shared memory", calls, "shmget", 0, 4096, 0o1600)
    attempt("env", "variables", strange_environment)
    attempt("syscalls", "AF_ALG", socket.socket, 38, socket.SOCK_SEQPACKET)
    attempt("syscalls", "no filter", lambda: status("Seccomp") != "2")
    attempt("syscalls", "memory file", os.memfd_create, "planted")
    attempt("syscalls", "personality", calls, "personality", 0xFFFFFFFF)
    for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        attempt("privileges", field, has_capability, field)
    attempt("privileges", "NoNewPrivs", lambda: status("NoNewPrivs") != "1")
    attempt("privileges", "setuid", os.setuid, 0)
    attempt("privileges", "user namespace", calls, "unshare", 0x10000000)
    attempt("privileges", "mount", calls, "mount", b"none", b"/tmp", b"tmpfs", 0, None)


def main() -> None:
    """Attack everything and write what was found to results.json."""
    ABOUT.update(json.loads(Path("/data/probe.json").read_text("utf-8")))
    attack_files_and_network()
    attack_processes_and_kernel()
    attempt("proc_count", "process flood", forks_too_often)
    for folder in ("/out", "/tmp", "/dev/shm"):
        attempt("disk_total", folder, fills, folder)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    TRIED["orphans"] = 1
    Path("results.json").write_text(json.dumps({"tried": TRIED, "gave_way": GAVE_WAY}), "utf-8")
    time.sleep(ABOUT["stay_s"])


if __name__ == "__main__":
    main()
