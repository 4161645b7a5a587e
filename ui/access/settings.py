"""`oidc.toml` of a store: which OpenID Connect provider people sign in with.

address = "https://idp.example.org"             # the issuer; its discovery document is below it
client_id = "counterproof"
client_secret_env = "COUNTERPROOF_OIDC_SECRET"  # the variable that holds the secret; never the secret itself
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from counterproof.provenance.errors import UsageError

SETTINGS = "oidc.toml"
_KEYS = {"address", "client_id", "client_secret_env"}


@dataclass(frozen=True, kw_only=True)
class ProviderSettings:
    """What `oidc.toml` says."""

    address: str
    client_id: str
    client_secret_env: str


def provider_settings(home: Path) -> ProviderSettings | None:
    """Return the provider that the store names; None where it names none.

    Raises:
        UsageError: the file can't be understood.
    """
    path = home / SETTINGS
    try:
        given = tomllib.loads(path.read_text("utf-8"))
        if set(given) != _KEYS or not all(isinstance(value, str) and value for value in given.values()):
            raise ValueError(f"it has {', '.join(sorted(given)) or 'nothing'}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} can't be understood: {error}.", allowed=f"It has {', '.join(sorted(_KEYS))}, each a text."
        ) from error
    return ProviderSettings(**{**given, "address": given["address"].rstrip("/")})
