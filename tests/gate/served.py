"""A gate that attends its lines in threads of the test's process, with everything of the gate's process but that."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

from counterproof.agents.secure import questions
from counterproof.sandbox.gate_client import GateClient, RemoteSide
from counterproof.sandbox.gate_line import VERSION, Execute, File, Hello, Line, Welcome
from counterproof.sandbox.gate_server import GateServer
from counterproof.sandbox.secure_side import Enquiries

from .conftest import Target


def server_of(target: Target, **changed: Any) -> GateServer:
    """Return the gate of a laboratory."""
    place = target.lab.workplace
    given: dict[str, Any] = {
        "store": place.store,
        "registry": place.registry,
        "vault": place.vault,
        "sandbox": target.lab.sandbox,
        "enquiries": Enquiries(place.vault, questions),
        "runs_open": True,
    }
    return GateServer(**{**given, **changed})


def client_of(target: Target, **changed: Any) -> GateClient:
    """Return the agent's end of the lines to that gate."""
    server = server_of(target, **changed)

    def dial() -> socket.socket:
        ours, theirs = socket.socketpair()
        threading.Thread(target=server.attend, args=(Line(theirs, other="the agent"),), daemon=True).start()
        return ours

    return GateClient(dial=dial, expected_uid=os.geteuid())


def side_of(target: Target, client: GateClient) -> RemoteSide:
    """Return the secure side of the study."""
    study = target.lab.study(target.id)
    files = [File(name=file.name, sha256=file.sha256) for file in study.settings.data]
    return client.side(target.id, record=study.record, files=files)


def greeted(client: GateClient) -> Line:
    """Return a line on which both have said hello."""
    line = Line(client.dial(), other="the gate")
    line.send(Hello(version=VERSION))
    assert isinstance(line.receive(wait_s=30), Welcome)
    return line


def order_message(target: Target, **changed: Any) -> Execute:
    """Return what the agent asks for the approved order."""
    record, order = target.lab.study(target.id).record, target.order()
    given: dict[str, Any] = {
        "study": target.id,
        "effect": "attack",
        "order": order.model_dump_json().encode(),
        "program": record.blobs.get(order.program),
        "record": record.path.read_bytes(),
    }
    return Execute(**{**given, **changed})
