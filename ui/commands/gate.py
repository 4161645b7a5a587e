"""`counterproof gate`: which gate opens the real data here, and being the gate of another user's studies."""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType

import click

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.ui.common import home_option, workplace
from counterproof.ui.environment import user_name
from counterproof.ui.gate_process import serve_home
from counterproof.ui.gates import gate_settings, open_gate, user_id
from counterproof.ui.isolation import sandbox
from counterproof.ui.output import emit, json_option, say


@click.group(name="gate")
def command() -> None:
    """Say which gate opens the real data; serve as the gate of another user's studies."""


@command.command()
@home_option
@json_option
def check(home: Path, as_json: bool) -> None:
    """Ask the gate of this store, and say whether the data are apart from the agent."""
    settings = gate_settings(home)
    client = open_gate(home)
    files = len(client.entries())
    client.close()
    name = workplace(home).registry.installation()
    value = {
        "separate": settings is not None,
        "user": settings.user if settings else "",
        "files": files,
        "installation": name,
    }
    text = (
        f"The gate runs as {settings.user}: this user's programs can't open the vault. It holds {files} files."
        if settings
        else f"The gate is a process of its own under this user, whose files are open to all its programs; see "
        f"docs/gate.md. The vault holds {files} files."
    )
    emit(value, f"{text}\nThis installation is {name}.", as_json=as_json)


@command.command()
@click.argument("installation")
@home_option
def join(installation: str, home: Path) -> None:
    """Serve the studies of INSTALLATION, which `gate check` prints on the agent's side, from the gate in this store."""
    workplace(home).registry.join(installation, by=user_name())
    say(f"This gate counts for the installation {installation}.")


@command.command()
@click.option("--socket", "path", required=True, type=click.Path(path_type=Path), help="Where to listen.")
@click.option("--allow", "users", multiple=True, required=True, help="User whose processes may ask; may be repeated.")
@click.option("--laid", type=click.Path(path_type=Path), help="Where data lie in the clear meanwhile, not /dev/shm.")
@home_option
def serve(path: Path, users: tuple[str, ...], laid: Path | None, home: Path) -> None:
    """Be the gate of the vault in this store for studies of other users, until it is stopped (SIGTERM).

    Run it as a user of its own, who alone may read the store. Reviewers who may open these data are added in this
    store too (`counterproof reviewers add --home`).
    """
    uids = frozenset(user_id(user) for user in users)
    if os.geteuid() in uids:
        raise UsageError(
            f"The gate runs as user {os.geteuid()}, and so does an agent.",
            advice="Run it as a user of its own; docs/gate.md shows how.",
        )
    _check_home(home)
    listening = _listen(path)
    signal.signal(signal.SIGTERM, _end)
    say(f"The gate listens at {path} for {', '.join(users)}.")
    try:
        with suppress(InterruptedError):
            serve_home(
                home,
                _accepted(listening),
                runs_in=sandbox(),
                allowed=uids.__contains__,
                runs_open=False,
                laid=laid,
            )
    finally:
        path.unlink(missing_ok=True)


def _accepted(listening: socket.socket) -> Iterator[socket.socket]:
    """Yield each new line until SIGTERM or Ctrl-C."""
    with listening:
        while True:
            try:
                sock, _ = listening.accept()
            except (KeyboardInterrupt, InterruptedError):
                return
            yield sock


def _end(_number: int, _frame: FrameType | None) -> None:
    raise InterruptedError


def _listen(path: Path) -> socket.socket:
    """Listen at a path; a socket that nobody listens at any more is replaced."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
                if other.connect_ex(str(path)) == 0:
                    raise UsageError(f"Another gate listens at {path}.", advice="Stop it, or name another path.")
            path.unlink()
        sock.bind(str(path))
        path.chmod(0o666)  # the kernel says who is at the other end, and users who are not allowed get no answer
        sock.listen(16)
    except OSError as error:
        sock.close()
        raise MachineTrouble(f"The gate can't listen at {path}: {error}.", advice="Name another path.") from error
    return sock


def _check_home(home: Path) -> None:
    try:
        about = home.stat()
    except OSError as error:
        raise UsageError(f"There is no store at {home}: {error.strerror}.", advice="Add data first.") from error
    if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
        raise UsageError(
            f"The store {home} belongs to user {about.st_uid} and has mode {stat.S_IMODE(about.st_mode):04o}.",
            allowed="It belongs to the gate's user, and nobody else may enter it (0700).",
            advice=f"chown -R {os.geteuid()} {home} && chmod 0700 {home}",
        )
