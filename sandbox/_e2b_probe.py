"""Attacks a remote machine from inside, as an ordinary program, and says what held.

The idea: this file is uploaded and run like any program; it tries to get out, to change what it was given and to
reach what watches it. Its answer decides which protections are claimed; those that no program can test, because
they are the provider's (other people's machines, the hypervisor), are never claimed here.

It does not cover limits, which are enforced and not probed.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from importlib import metadata

_ADDRESSES = (("1.1.1.1", 443), ("8.8.8.8", 53), ("9.9.9.9", 443), ("2606:4700:4700::1111", 443))
_CONNECT_S, _RESOLVE_S = 2.0, 3.0


def reached() -> list[str]:
    """Return what could be connected to or resolved on the internet."""
    found: list[str] = []

    def connect(host: str, port: int) -> None:
        try:
            socket.create_connection((host, port), timeout=_CONNECT_S).close()
            found.append(f"{host}:{port}")
        except OSError:
            pass

    def resolve() -> None:
        try:
            socket.getaddrinfo("example.com", 443)
            found.append("dns")
        except OSError:
            pass

    threads = [threading.Thread(target=connect, args=address, daemon=True) for address in _ADDRESSES]
    threads.append(threading.Thread(target=resolve, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_RESOLVE_S)
    return sorted(found)


def given() -> dict[str, str]:
    """Return the variables that this process was started with."""
    with open("/proc/self/environ", "rb") as file:
        items = file.read().decode("utf-8", "replace").split("\0")
    return dict(item.partition("=")[::2] for item in items if item)


def changed() -> list[str]:
    """Return what could be changed that is only to be read."""
    found = []
    data = given()["COUNTERPROOF_DATA"]
    for path in (f"{data}/canary.txt", __file__, sys.executable, os.__file__):
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
            found.append(path)
        except OSError:
            pass
    for path in (f"{data}/new", f"{os.path.dirname(__file__)}/new", "/etc/new", "/usr/new"):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            found.append(path)
        except OSError:
            pass
    for path in (f"{data}/canary.txt", data):
        try:
            os.chmod(path, 0o777)  # noqa: S103
            found.append(path)
        except OSError:
            pass
    try:
        with open("/proc/sys/kernel/core_pattern", "r+b"):
            found.append("/proc/sys")
    except OSError:
        pass
    return found


def signalled() -> bool:
    """Say whether the process that watches this one can be signalled."""
    try:
        os.kill(os.getppid(), 0)
    except OSError:
        return False
    return True


def privileges() -> dict[str, str]:
    """Return the kernel's account of this process."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        lines = dict(line.rstrip("\n").partition(":\t")[::2] for line in file)
    return {name: lines.get(name, "") for name in ("NoNewPrivs", "CapEff", "CapPrm")}


def main() -> None:
    """Print the answer as JSON."""
    answer = {
        "reached": reached(),
        "changed": changed(),
        "signalled": signalled(),
        "privileges": privileges(),
        "uid": os.getuid(),
        "env": sorted(given()),
        "python": sys.version.split()[0],
        "kernel": os.uname().release,
        "machine": os.uname().machine,
        "distributions": sorted(
            {f"{item.metadata['Name'].lower()}=={item.version}" for item in metadata.distributions()}
        ),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
