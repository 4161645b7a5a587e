"""A PostgreSQL server of the distribution's package, for the tests alone: a folder, a socket in it, no network."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

_USERS = ("postgres", "nobody")
_QUIET = ("fsync=off", "listen_addresses=", "max_connections=60", "shared_buffers=32MB")
"""Nothing here cuts the server's power, so it need not flush."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that runs.

    Attributes:
        folder: holds its data and its socket.
        programs: where its programs are.
        user: who runs it; None for the user of the tests.
    """

    folder: Path
    programs: Path
    user: str | None
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def url(self, database: str) -> str:
        """Return the address of one of its databases."""
        return f"postgresql://counterproof@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """Make an empty database and return its address."""
        name = f"lab{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def control(self, *arguments: str) -> None:
        """Start or stop it."""
        command = [str(self.programs / "pg_ctl"), "-D", str(self.folder / "data"), "-w", *arguments]
        # Its output goes nowhere: the server would inherit a pipe and hold it open.
        subprocess.run(command, user=self.user, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, timeout=60)

    def start(self) -> None:
        """Start it."""
        options = " ".join([f"-k {self.folder}", *(f"-c {setting}" for setting in _QUIET)])
        self.control("-l", str(self.folder / "log"), "-o", options, "start")


@contextmanager
def running_server() -> Iterator[Server]:
    """Run a server in a folder of its own, as a user who is not root, and leave nothing behind."""
    user = _unprivileged() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="counterproof-pg-"))
    server = Server(folder=folder, programs=_programs(), user=user)
    try:
        if user is not None:
            shutil.chown(folder, user)
        making = [str(server.programs / "initdb"), "-D", str(folder / "data"), "-U", "counterproof", "-A", "trust"]
        making += ["-E", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run(making, user=user, check=True, stdout=subprocess.DEVNULL, cwd=folder, timeout=60)
        server.start()
        try:
            yield server
        finally:
            server.control("-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    named = shutil.which("initdb")
    if not found and named is None:
        raise FileNotFoundError("PostgreSQL is not installed. As root: `make postgresql`; else install it yourself.")
    return found[-1].parent if found else Path(str(named)).resolve().parent


def _unprivileged() -> str:
    """Return a user that is not root: a server refuses to run as root."""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(user for user in _USERS if user in known)
