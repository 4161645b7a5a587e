"""The inside of a loopback machine: starts processes and touches files, as told over one socket.

One JSON object a line in both directions. Requests: `spawn` (argv, env, cwd), `stdin`, `signal`, `write`, `read`,
`list`; each has an id, which its answers carry.

Runs alone as `python -I -S agent.py FD`; imports nothing of ours.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any


class Agent:
    """Serves one socket until it closes; then everything in the machine dies with this process."""

    def __init__(self, connection: socket.socket) -> None:
        self._lines = connection.makefile("r", encoding="ascii")
        self._out = connection.makefile("w", encoding="ascii")
        self._lock = threading.Lock()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def serve(self) -> None:
        for line in self._lines:
            request = json.loads(line)
            try:
                getattr(self, f"do_{request['op']}")(request["id"], request)
            except OSError as error:
                self._say(request["id"], error=type(error).__name__, message=str(error))

    def _say(self, number: int, **about: Any) -> None:
        with self._lock:
            self._out.write(json.dumps({"id": number, **about}) + "\n")
            self._out.flush()

    def do_spawn(self, number: int, request: dict[str, Any]) -> None:
        process = subprocess.Popen(
            request["argv"],
            env=request["env"],
            cwd=request["cwd"],
            stdin=subprocess.PIPE if request["stdin"] else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._processes[number] = process
        self._say(number, pid=process.pid)
        threading.Thread(target=self._follow, args=(number, process), daemon=True).start()

    def _follow(self, number: int, process: subprocess.Popen[bytes]) -> None:
        streams = {"out": process.stdout, "err": process.stderr}
        readers = [
            threading.Thread(target=self._forward, args=(number, name, stream), daemon=True)
            for name, stream in streams.items()
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        self._say(number, exit=process.wait())

    def _forward(self, number: int, name: str, stream: Any) -> None:
        while data := os.read(stream.fileno(), 1 << 16):
            self._say(number, **{name: base64.b64encode(data).decode()})

    def do_stdin(self, number: int, request: dict[str, Any]) -> None:
        stream = self._processes[number].stdin
        if stream is not None:
            stream.write(base64.b64decode(request["data"]))
            stream.flush()

    def do_signal(self, number: int, request: dict[str, Any]) -> None:
        self._processes[number].send_signal(request["number"])

    def do_write(self, number: int, request: dict[str, Any]) -> None:
        path = Path(request["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(request["data"]))
        self._say(number, done=True)

    def do_read(self, number: int, request: dict[str, Any]) -> None:
        data = Path(request["path"]).read_bytes()
        self._say(number, done=True, data=base64.b64encode(data).decode())

    def do_list(self, number: int, request: dict[str, Any]) -> None:
        entries = []
        with os.scandir(request["path"]) as found:
            for entry in found:
                about = entry.stat(follow_symlinks=False)
                entries.append(
                    {
                        "name": entry.name,
                        "path": entry.path,
                        "type": "FILE_TYPE_DIRECTORY" if stat.S_ISDIR(about.st_mode) else "FILE_TYPE_FILE",
                        "size": str(about.st_size),
                        "mode": stat.S_IMODE(about.st_mode),
                    }
                )
        self._say(number, done=True, entries=entries)


def main() -> None:
    """Serve, and take along whatever is left at the end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    Agent(socket.socket(fileno=int(sys.argv[1]))).serve()


if __name__ == "__main__":
    main()
