"""A loopback machine: processes and files of their own, without network, behind bubblewrap.

Only for programs of these tests: as root, it is weaker than the local back end, which gives up root first.

As root the machine has a root of its own and other users, as a real one has. As an ordinary user, or where that is
asked for, everything in it is one user, which is the harder case for the adapter.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import queue
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from counterproof.sandbox import Environment

HERE = Path(__file__).parent
_ISOLATE = ("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--new-session")
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/home/user", "LANG": "C.UTF-8"}


class Gone(Exception):
    """The machine has ended."""


class Process:
    """One process inside; its events come in order."""

    def __init__(self, machine: LoopbackMachine, number: int, events: queue.SimpleQueue[dict[str, Any]]) -> None:
        self._machine = machine
        self._number = number
        self._events = events
        self.pid = int(self.next_event()["pid"])

    def next_event(self, timeout_s: float | None = None) -> dict[str, Any]:
        """Return the next event: `out`, `err` (base64) or `exit`; raises `queue.Empty`, or `Gone`."""
        event = self._events.get(timeout=timeout_s) if timeout_s else self._events.get()
        if "gone" in event:
            raise Gone
        return event

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield events up to the exit."""
        while True:
            event = self.next_event()
            yield event
            if "exit" in event or "error" in event:
                return

    def send(self, data: bytes) -> None:
        self._machine.tell({"op": "stdin", "data": base64.b64encode(data).decode()}, self._number)

    def signal(self, number: int) -> None:
        self._machine.tell({"op": "signal", "number": number}, self._number)


class LoopbackMachine:
    """One machine; `close` ends everything in it."""

    def __init__(self, environment: Environment, *, rootless: bool) -> None:
        self.python = "/opt/analysis/bin/python"
        self._folder = Path(tempfile.mkdtemp(prefix="loopback-"))
        home = self._folder / "home"
        home.mkdir(mode=0o755)
        self._folder.chmod(0o755)
        config = self._folder / "pyvenv.cfg"
        config.write_text("home = /opt/python/bin\ninclude-system-site-packages = false\n")
        base, version = environment.base_executable, environment.version
        shown = {
            base.parent.parent: "/opt/python",
            environment.site_packages: f"/opt/analysis/lib/python{version}/site-packages",
            config: "/opt/analysis/pyvenv.cfg",
            HERE: "/opt/loopback",
        }
        ours, theirs = socket.socketpair()
        command = ["bwrap", *_ISOLATE]
        own_root = os.geteuid() == 0 and not rootless
        command += ["--cap-add", "ALL"] if own_root else ["--unshare-user", "--uid", "1000", "--gid", "1000"]
        command += ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"]
        command += ["--tmpfs", "/home"]
        command += ["--bind", str(home), "/home/user", "--chdir", "/home/user"]
        command += ["--tmpfs", "/opt"]
        for folder in ("", "/bin", "/lib", f"/lib/python{version}"):  # made by itself, it would be 0700
            command += ["--perms", "0755", "--dir", f"/opt/analysis{folder}"]
        if str(base).startswith("/root/"):  # an interpreter with a run path that other users must be able to follow
            command += ["--perms", "0755", "--tmpfs", "/root"]
            for parent in list(base.parents)[-3:1:-1]:
                command += ["--perms", "0755", "--dir", str(parent)]
            shown |= {base.parent.parent / "lib": str(base.parent.parent / "lib")}
        for path, inside in shown.items():
            command += ["--ro-bind", str(path), inside]
        command += ["--symlink", f"/opt/python/bin/{base.name}", self.python, "--remount-ro", "/opt"]
        command += [self.python, "-I", "-S", "/opt/loopback/agent.py", str(theirs.fileno())]
        env = {**ENV, "LD_LIBRARY_PATH": "/opt/python/lib"}
        self._process = subprocess.Popen(command, env=env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        self._socket = ours
        self._writer = ours.makefile("w", encoding="ascii")
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._gone = False
        threading.Thread(target=self._listen, args=(ours.makefile("r", encoding="ascii"),), daemon=True).start()

    def _listen(self, reader: Any) -> None:
        with suppress(OSError, ValueError):
            for line in reader:
                event = json.loads(line)
                self._waiting[event["id"]].put(event)
        with self._lock:
            self._gone = True
            for waiting in self._waiting.values():
                waiting.put({"gone": True})

    def tell(self, request: dict[str, Any], number: int) -> None:
        """Send a request to the inside."""
        try:
            with self._lock:
                self._writer.write(json.dumps({"id": number, **request}) + "\n")
                self._writer.flush()
        except (OSError, ValueError) as error:
            raise Gone from error

    def _ask(self, request: dict[str, Any]) -> tuple[int, queue.SimpleQueue[dict[str, Any]]]:
        number = next(self._numbers)
        events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        with self._lock:
            if self._gone:
                raise Gone
            self._waiting[number] = events
        self.tell(request, number)
        return number, events

    def call(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do one thing with a file; raises FileNotFoundError or OSError as inside."""
        _, events = self._ask(request)
        answer = events.get()
        if "gone" in answer:
            raise Gone
        if answer.get("error") in ("FileNotFoundError", "NotADirectoryError"):
            raise FileNotFoundError(answer["message"])
        if "error" in answer:
            raise OSError(answer["message"])
        return answer

    def spawn(self, argv: list[str], *, cwd: str, env: dict[str, str] | None = None, stdin: bool = False) -> Process:
        """Start a process inside."""
        request = {"op": "spawn", "argv": argv, "cwd": cwd, "env": {**ENV, **(env or {})}, "stdin": stdin}
        number, events = self._ask(request)
        return Process(self, number, events)

    def kernel(self, cwd: str) -> Process:
        """Start an interpreter for cells."""
        return self.spawn([self.python, "/opt/loopback/kernel.py"], cwd=cwd, stdin=True)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """End everything inside; may be called again."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._process.kill()
        self._process.wait()
        self._socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)
