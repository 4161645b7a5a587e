"""Third parties: who outside of this machine may see something of a data file.

Two kinds are asked about: a model's endpoint that is not on the loopback, and a remote sandbox. A file whose rule
forbids them is refused before a study is made, and again each time that it is run, for the endpoint or the sandbox may
be another by then.

It does not cover a process on this machine that passes on what it is sent: the endpoint's address is all that is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from counterproof.agents.models import is_folder
from counterproof.agents.settings import DataFile
from counterproof.provenance.errors import UsageError
from counterproof.sandbox import Sandbox
from counterproof.tools.exposure import is_this_machine

_REMOTE = "remote"


def check_model(data: Sequence[DataFile], base_url: str) -> None:
    """Let a model be asked about these files.

    Raises:
        UsageError: its endpoint is not on this machine, and a file forbids third parties.
    """
    host = urlsplit(base_url).hostname or ""
    here = is_folder(base_url) or is_this_machine(host)
    for file in data:
        if file.third_parties == "forbidden" and not here:
            raise UsageError(
                f"The data file {file.name} forbids third parties, and the model's endpoint is at {host!r}.",
                allowed="A model on this machine: 127.0.0.1, ::1 or localhost, or in a folder.",
                advice="Take a local model, or make the study with --third-parties model, if the data allow it.",
            )


def check_sandbox(data: Sequence[DataFile], sandbox: Sandbox) -> None:
    """Let a sandbox hold these files.

    Raises:
        UsageError: it is on machines of others, and a file does not allow that.
    """
    if getattr(sandbox, "isolation", "") != _REMOTE:
        return
    for file in data:
        if file.third_parties != "allowed":
            raise UsageError(
                f"The data file {file.name} is at third parties {file.third_parties!r}, and the sandbox is not on "
                "this machine.",
                allowed="A sandbox on this machine.",
                advice="Run it here, or make the study with --third-parties allowed, if the data allow it.",
            )
