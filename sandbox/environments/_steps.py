"""One step of building an environment: a command that has to succeed."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from counterproof.provenance.errors import MachineTrouble

_OFFLINE = ("Connection", "Temporary failure", "resolve", "No matching distribution", "timed out")


def step(command: list[str], env: Mapping[str, str] | None, failure: str, *, allow_failure: bool = False) -> str:
    """Run a command and return what it prints.

    Raises:
        MachineTrouble: it failed; the text begins with `failure` and says what it complained about last.
    """
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, umask=0o022, check=False)
    except OSError as error:
        raise MachineTrouble(f"{failure}: {error.strerror}.") from error
    if done.returncode and not allow_failure:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        advice = (
            "The package index can't be reached: connect to it, or set PIP_INDEX_URL or PIP_FIND_LINKS."
            if any(word in done.stderr for word in _OFFLINE)
            else "Correct that and build again; nothing half-built was kept."
        )
        raise MachineTrouble(f"{failure}: {lines[-1].strip()}.", advice=advice)
    return done.stdout
