"""The one place that reads the environment.

Counterproof reads `COUNTERPROOF_HOME`, `XDG_DATA_HOME` and `HOME` (where the store is), `COUNTERPROOF_STORE` and
`COUNTERPROOF_BODIES` (the database and the place of bodies that several machines share), `COUNTERPROOF_PASSPHRASE` (of
a reviewer's key, for scripts), `COUNTERPROOF_VAULT_PASSPHRASE` (of the vault), `SSH_AUTH_SOCK` (where ssh-agent
listens), `COUNTERPROOF_LAID` (a folder in which data may lie in the clear for a while), `PATH` (to find bubblewrap and
OpenSSH) and the variables that a model configuration names for keys.
`COUNTERPROOF_PASSWORD` is that of an account of the pages, for scripts; `oidc.toml` names the variable of its secret.
`OTEL_EXPORTER_OTLP_*` name where spans are sent, if anywhere.
It takes `LANGSMITH_*` and `LANGCHAIN_*` away, which would send prompts elsewhere, `OTEL_INSTRUMENTATION_GENAI_*`, which
would keep them in spans or upload them, and limits of spans, which would cut them; and it makes LangGraph read back
nothing but plain values.
"""

from __future__ import annotations

import getpass
import os
import pwd
from collections.abc import Iterable
from pathlib import Path

from counterproof.provenance.errors import UsageError

KEYRING = (
    "DBUS_SESSION_BUS_ADDRESS", "HOME", "PYTHON_KEYRING_BACKEND", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
)  # fmt: skip
"""What `keyring` finds the keyring of the desktop by."""
_AWAY = ("LANGSMITH_", "LANGCHAIN_", "OTEL_INSTRUMENTATION_GENAI_")


def clean() -> None:
    """Take away what would send data elsewhere, before the libraries that read it are imported."""
    for name in list(os.environ):
        if name.startswith(_AWAY) or (name.startswith("OTEL_") and name.endswith("_LIMIT")):
            del os.environ[name]
    os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
    os.environ["LANGSMITH_TRACING"] = "false"


def default_home() -> Path:
    """Return the folder of the store where none is named.

    Raises:
        UsageError: this user has no home folder.
    """
    named = os.environ.get("COUNTERPROOF_HOME")
    if named:
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME")
    if data:
        return Path(data) / "counterproof"
    home = os.environ.get("HOME")
    if not home:
        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError as error:
            raise UsageError(
                f"User {os.getuid()} has no home folder.", advice="Name a folder for the store with --home."
            ) from error
    return Path(home) / ".local" / "share" / "counterproof"


def secret(name: str) -> str:
    """Return the password or secret that `notices.toml` names.

    Raises:
        UsageError: the variable is not set.
    """
    found = os.environ.get(name, "")
    if not found:
        raise UsageError(f"The environment variable {name} is not set.", advice="Set it to what notices.toml means.")
    return found


def database() -> str:
    """Return the address of the PostgreSQL database that machines share; "" for SQLite in the store's folder."""
    return os.environ.get("COUNTERPROOF_STORE", "")


def bodies() -> str:
    """Return where bodies of records are kept, as fsspec names it; "" for the store's folder."""
    return os.environ.get("COUNTERPROOF_BODIES", "")


def laid() -> Path | None:
    """Return where data may lie in the clear while they are looked at or a program runs; None for the memory."""
    named = os.environ.get("COUNTERPROOF_LAID", "")
    return Path(named) if named else None


def api_key(name: str) -> str:
    """Return the key of a model endpoint.

    Args:
        name: the variable that holds it; "" for an endpoint without a key.

    Raises:
        UsageError: the variable is not set, or holds what can't be sent as a key. The text never shows the value.
    """
    if not name:
        return "none"
    key = os.environ.get(name, "")
    if not key:
        raise UsageError(
            f"The environment variable {name} is not set.",
            advice="Set it to the endpoint's key and run again. For an endpoint without a key, make the study with "
            "`--api-key-env ''`.",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(
            f"The environment variable {name} holds space or characters that no key has.",
            allowed="Printable ASCII without space.",
            advice="Set it to the endpoint's key alone; look for a line end that was copied with it.",
        )
    return key


def otlp_variables() -> dict[str, str]:
    """Return the variables that say where spans are sent."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("OTEL_EXPORTER_OTLP_", "OTEL_TRACES_EXPORTER"))
    }


def has_variable(name: str) -> bool:
    """Say whether a variable is set now."""
    return bool(os.environ.get(name))


def user_name() -> str:
    """Return who is working here, for the registry's history."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def passphrase() -> str | None:
    """Return the passphrase that a script gives, or None.

    Raises:
        UsageError: it is not UTF-8. The text never shows it.
    """
    given = os.environ.get("COUNTERPROOF_PASSPHRASE") or None
    if given is not None and any("\ud800" <= character <= "\udfff" for character in given):
        raise UsageError("COUNTERPROOF_PASSPHRASE is not UTF-8.", advice="Set it in UTF-8, or leave it unset.")
    return given


def password() -> str | None:
    """Return the password of an account that a script gives, or None.

    Raises:
        UsageError: it is not UTF-8. The text never shows it.
    """
    given = os.environ.get("COUNTERPROOF_PASSWORD") or None
    if given is not None and any("\ud800" <= character <= "\udfff" for character in given):
        raise UsageError("COUNTERPROOF_PASSWORD is not UTF-8.", advice="Set it in UTF-8, or leave it unset.")
    return given


def vault_passphrase() -> str | None:
    """Return the passphrase of the vault that a script gives, or None.

    Raises:
        UsageError: it is not UTF-8. The text never shows it.
    """
    given = os.environ.get("COUNTERPROOF_VAULT_PASSPHRASE") or None
    if given is not None and any("\ud800" <= character <= "\udfff" for character in given):
        raise UsageError("COUNTERPROOF_VAULT_PASSPHRASE is not UTF-8.", advice="Set it in UTF-8, or leave it unset.")
    return given


def for_gate(also: Iterable[str] = ()) -> dict[str, str]:
    """Return the variables of the gate's process: where programs and data are, and the store that machines share.

    Args:
        also: names of variables without which it can't open the vault.
    """
    names = ("COUNTERPROOF_STORE", "COUNTERPROOF_BODIES", "COUNTERPROOF_LAID", *also)
    return {**{name: os.environ[name] for name in names if name in os.environ}, "PATH": search_path()}


def agent_socket() -> str:
    """Return where ssh-agent listens, "" where none is named."""
    return os.environ.get("SSH_AUTH_SOCK", "")


def search_path() -> str:
    """Return where programs are looked for."""
    return os.environ.get("PATH", os.defpath)


def for_subprocess() -> dict[str, str]:
    """Return the variables for a helper that may use the network (pip) or the browser."""
    return dict(os.environ)
