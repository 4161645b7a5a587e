"""The gate that this installation's studies go through.

Where `gate.toml` in the store names a socket and a user, the gate is a service of that user: the agent can't read the
vault, and runs programs on the twin itself. Everywhere else the gate is a process of its own under the same user,
started here and ended with this process (docs/gate.md says what holds in which case).
"""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.ui import environment

if TYPE_CHECKING:
    from counterproof.agents.study import OpenStudy
    from counterproof.sandbox.gate_client import GateClient
    from counterproof.sandbox.secure_side import SecureSide

SETTINGS = "gate.toml"


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """Where the gate of another user listens: `gate.toml` in the store.

    Attributes:
        socket: its socket.
        user: the user that it runs as; nobody else is believed.
    """

    socket: Path
    user: str


def gate_settings(home: Path) -> GateSettings | None:
    """Return where the gate of another user is; None where the gate is a process of this one.

    Raises:
        UsageError: the file can't be understood.
    """
    path = home / SETTINGS
    try:
        given = tomllib.loads(path.read_text("utf-8"))
        if set(given) != {"socket", "user"} or not all(isinstance(value, str) and value for value in given.values()):
            raise ValueError(f"it has {', '.join(sorted(given)) or 'nothing'}")
        return GateSettings(socket=Path(given["socket"]), user=given["user"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} can't be understood: {error}.",
            allowed='It has two lines: socket = "/run/counterproof-gate/gate.sock" and user = "counterproof-gate".',
        ) from error


def open_gate(home: Path, *, warm: bool = False) -> GateClient:
    """Return the gate of the studies in a store; one under this user is started.

    Args:
        home: the store.
        warm: begin to warm the sandbox up at once, for a command that surely runs programs.

    Raises:
        UsageError: `gate.toml` is wrong, or the vault's passphrase is missing.
    """
    settings = gate_settings(home)
    dial: Callable[[], socket.socket]
    if settings is None:
        dial, uid, own = ChildGate(home, warm=warm).dial, os.geteuid(), None
    else:
        from counterproof.ui.isolation import sandbox  # lazy: the gate has one of its own in the other case

        dial, uid, own = partial(_connected, settings.socket), user_id(settings.user), sandbox()
    from counterproof.sandbox.gate_client import GateClient  # lazy: the gate's process starts meanwhile

    return GateClient(dial=dial, expected_uid=uid, sandbox=own)


def exporting_side(home: Path, study: OpenStudy) -> SecureSide | None:
    """Return the gate of another user, which the files of a study come from that go into its bundle; else None."""
    if gate_settings(home) is None or not study.settings.share_data:
        return None
    from counterproof.sandbox.gate_line import File  # lazy: with the client

    files = [File(name=file.name, sha256=file.sha256) for file in study.settings.data]
    return open_gate(home).side(study.id, record=study.record, files=files)


def user_id(user: str) -> int:
    """Return the number of a user, who may be named by it.

    Raises:
        UsageError: there is no such user.
    """
    try:
        return int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
    except KeyError as error:
        raise UsageError(f"There is no user {user!r}.", advice="Make it, or name another.") from error


class ChildGate:
    """The gate's process under this user; started at once, and again when it has died.

    It gets the folder of the store, the search path for programs, and none of this process's variables but those that
    the vault's keyring or key management service needs: no key of a model's endpoint is in it. It ends when this
    process does, however that ends.

    Args:
        home: the store.
        warm: begin to warm the sandbox up at once.
    """

    def __init__(self, home: Path, *, warm: bool) -> None:
        self._home = home
        self._warm = warm
        self._lock = threading.Lock()
        self._described = _described(home)
        self._secret = _secret(self._described)
        self._process, self._control = self._start()

    def dial(self) -> socket.socket:
        """Return a new line to it."""
        with self._lock:
            if self._process.poll() is not None:
                self._control.close()
                self._process, self._control = self._start()
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    socket.send_fds(self._control, [b"+"], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
            return ours

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        handles = [theirs.fileno()]
        command = [sys.executable, "-P", "-m", "counterproof.ui.gate_process", str(theirs.fileno()), str(self._home)]
        command += ["warm"] if self._warm else ["cold"]
        if self._secret:
            from counterproof.sandbox._launch import memory_file  # lazy: seldom needed

            handles.append(memory_file(self._secret.encode()))
            command.append(str(handles[-1]))
        try:
            process = subprocess.Popen(
                command,
                env=environment.for_gate(_variables(self._described)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=handles,
            )
        except OSError as error:
            ours.close()
            raise MachineTrouble(f"The gate's process can't be started: {error}.", advice="Try later.") from error
        finally:
            theirs.close()
            for handle in handles[1:]:
                os.close(handle)
        return process, ours


def _described(home: Path) -> Mapping[str, Any]:
    """Return what the vault says of its protector; nothing where it has none."""
    if not (home / "vault" / "master.json").exists():
        return {}
    from counterproof.ui.vaults import open_vault  # lazy: a new store has no vault yet

    return open_vault(home / "vault").keys.described()


def _secret(described: Mapping[str, Any]) -> str:
    """Return the passphrase of the vault where it has one: the gate's process has no terminal."""
    if described.get("kind") != "passphrase":
        return ""
    from counterproof.ui.vaults import ask_passphrase  # lazy: see above

    return ask_passphrase()


def _variables(described: Mapping[str, Any]) -> tuple[str, ...]:
    if not described:
        return ()
    from counterproof.ui.vaults import variables_of  # lazy: see above

    return variables_of(described)


def _connected(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(str(path))
    except OSError:
        sock.close()
        raise
    return sock
