"""The gate's process: `python -m counterproof.ui.gate_process CONTROL HOME warm|cold [SECRET]`, started by `gates`.

CONTROL is a socket through which new lines come, SECRET the descriptor of the vault's passphrase. It ends when the
other end of CONTROL closes: then the programs that run are ended, and what was laid for them is removed.

`serve_home` is the same for `counterproof gate serve`, where lines come from a named socket.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from counterproof.sandbox.warm import WarmSandbox
from counterproof.ui import environment
from counterproof.ui.isolation import sandbox, warming_sandbox
from counterproof.ui.memory import collect_seldom

if TYPE_CHECKING:
    from counterproof.sandbox.secure_side import Question


def serve_home(
    home: Path,
    accept: Iterator[socket.socket],
    *,
    runs_in: WarmSandbox,
    allowed: Callable[[int], bool],
    runs_open: bool,
    laid: Path | None = None,
    passphrase: Callable[[], str] | None = None,
    eager: bool = False,
) -> None:
    """Be the gate of a store until there are no more lines.

    Args:
        home: the store, with the vault and the reviewers.
        accept: gives each new line.
        runs_in: where programs run.
        allowed: says of a user whether its processes may ask.
        runs_open: whether programs on the twin run here too.
        laid: where data lie in the clear while a program runs; None for the memory of the machine.
        passphrase: gives that of the vault.
        eager: load what questions need before the first one comes.
    """
    from counterproof.provenance.blobs import Blobs  # lazy: the sandbox warms up meanwhile
    from counterproof.provenance.record import Record  # lazy: see above
    from counterproof.provenance.reviewers import Registry  # lazy: see above
    from counterproof.provenance.store import Store  # lazy: see above
    from counterproof.sandbox.gate_server import GateServer, serve  # lazy: see above
    from counterproof.sandbox.laid import sweep  # lazy: see above
    from counterproof.sandbox.secure_side import Enquiries  # lazy: see above
    from counterproof.ui.vaults import open_vault  # lazy: see above

    vault = open_vault(home / "vault", passphrase=passphrase, laid=laid)
    for place in (None, vault.laid, vault.folder):
        sweep(place)
    server = GateServer(
        store=Store(home, database=environment.database(), bodies=environment.bodies()),
        registry=Registry(Record(home / "registry", blobs=Blobs(home / "registry" / "blobs"))),
        vault=vault,
        sandbox=runs_in,
        enquiries=Enquiries(vault, _questions),
        runs_open=runs_open,
        laid=vault.laid,
    )
    if eager:
        threading.Thread(target=_questions, name="gate-questions", daemon=True).start()
    try:
        serve(accept, server, allowed=allowed)
    finally:
        runs_in.close()


def main() -> None:
    """Be the gate of the process that started this one."""
    collect_seldom()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other process; its end is the end of this one
    control, home, warm, *secret = sys.argv[1:]
    runs_in = warming_sandbox() if warm == "warm" else sandbox()
    passphrase = _read(int(secret[0])) if secret else ""
    serve_home(
        Path(home),
        _passed(socket.socket(fileno=int(control))),
        runs_in=runs_in,
        allowed=lambda uid: uid == os.geteuid(),
        runs_open=True,
        passphrase=(lambda: passphrase) if secret else None,
        eager=warm == "warm",
    )


def _questions() -> Mapping[str, Question]:
    from counterproof.agents.secure import questions  # lazy: reading tables takes a second to import

    return questions()


def _passed(control: socket.socket) -> Iterator[socket.socket]:
    """Yield the lines that come through a socket until its other end closes."""
    while True:
        data, handles, _, _ = socket.recv_fds(control, 1, 8)
        if not data:
            return
        for handle in handles:
            yield socket.socket(fileno=handle)


def _read(handle: int) -> str:
    with os.fdopen(handle, "rb") as file:
        return file.read().decode()


if __name__ == "__main__":
    main()
