"""The one place that reads the environment.

Counterproof reads `COUNTERPROOF_HOME`, `XDG_DATA_HOME` and `HOME` (where the store is), `COUNTERPROOF_PASSPHRASE` (of a
reviewer's key, for scripts), `PATH` (to find bubblewrap) and the variables that a model configuration names for keys.
It takes `LANGSMITH_*` and `LANGCHAIN_*` away, which would send prompts elsewhere, and makes LangGraph read back nothing
but plain values.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from counterproof.provenance.errors import UsageError


def clean() -> None:
    """Take away what would send data elsewhere, before the libraries that read it are imported."""
    for name in list(os.environ):
        if name.startswith(("LANGSMITH_", "LANGCHAIN_")):
            del os.environ[name]
    os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
    os.environ["LANGSMITH_TRACING"] = "false"


def default_home() -> Path:
    """Return the folder of the store where none is named."""
    named = os.environ.get("COUNTERPROOF_HOME")
    if named:
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME")
    if data:
        return Path(data) / "counterproof"
    home = os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    return Path(home) / ".local" / "share" / "counterproof"


def api_key(name: str) -> str:
    """Return the key of a model endpoint.

    Args:
        name: the variable that holds it; "" for an endpoint without a key.

    Raises:
        UsageError: the variable is not set.
    """
    if not name:
        return "none"
    key = os.environ.get(name, "")
    if not key:
        raise UsageError(
            f"The environment variable {name} is not set.",
            advice="Set it to the endpoint's key, or name another with --api-key-env (`--api-key-env ''` for none).",
        )
    return key


def passphrase() -> str | None:
    """Return the passphrase that a script gives, or None."""
    return os.environ.get("COUNTERPROOF_PASSPHRASE") or None


def search_path() -> str:
    """Return where programs are looked for."""
    return os.environ.get("PATH", os.defpath)


def for_subprocess() -> dict[str, str]:
    """Return the variables for a helper that may use the network (pip) or the browser."""
    return dict(os.environ)
