"""Accounts: which reviewers may sign in to the pages, with a password or as whom an OpenID Connect provider knows.

Passwords are kept as scrypt hashes in a file that only the store's user can read. It does not cover how somebody proves
to be the reviewer when the account is made: whoever may use the store's folder vouches for that.

Source: parameters of scrypt from OWASP's Password Storage Cheat Sheet (N = 2^17, r = 8, p = 1).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import unicodedata
from pathlib import Path
from typing import Any

from counterproof.provenance.errors import MachineTrouble, UsageError

PASSWORD_MIN = 12
PASSWORD_MAX = 1000
_COST = {"n": 2**17, "r": 8, "p": 1, "maxmem": 2**28}
_NOBODY = "0" * 32 + "$" + "0" * 64


class Accounts:
    """The accounts of an installation.

    Args:
        folder: where they are kept; made when the first one is.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "accounts.json"

    def exist(self) -> bool:
        """Say whether anybody has an account, so that everybody must sign in."""
        return bool(self._read())

    def listed(self) -> dict[str, str]:
        """Return each account with how it signs in, in words."""
        return {
            name: f"{one['issuer']}, as {one['subject']}" if "issuer" in one else "password"
            for name, one in sorted(self._read().items())
        }

    def set_password(self, account: str, password: str) -> None:
        """Let an account sign in with a password.

        Raises:
            UsageError: the password is too short or too long.
        """
        if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
            raise UsageError(
                f"The password has {len(password)} characters.",
                allowed=f"{PASSWORD_MIN} to {PASSWORD_MAX}.",
                advice="Take some words that don't belong together.",
            )
        salt = secrets.token_hex(16)
        self._write({**self._read(), account: {"password": f"{salt}${_hashed(password, salt)}"}})

    def set_identity(self, account: str, *, issuer: str, subject: str) -> None:
        """Let an account sign in as whom a provider knows under `subject`.

        Raises:
            UsageError: one of them is empty, or another account has this identity.
        """
        if not issuer.startswith(("https://", "http://127.0.0.1", "http://localhost")) or not subject:
            raise UsageError(
                f"The identity {subject!r} of {issuer!r} can't be used.",
                allowed="The provider's address (https) and the subject that it knows the person by.",
            )
        other = self.of_identity(issuer, subject)
        if other not in ("", account):
            raise UsageError(f"{subject!r} of {issuer} is the account {other} already.", advice="Remove that one.")
        self._write({**self._read(), account: {"issuer": issuer, "subject": subject}})

    def remove(self, account: str) -> None:
        """Take an account away.

        Raises:
            UsageError: there is none.
        """
        known = self._read()
        if account not in known:
            raise UsageError(f"{account!r} has no account.", allowed=f"Accounts: {', '.join(known) or 'none'}.")
        self._write({name: one for name, one in known.items() if name != account})

    def is_password(self, account: str, password: str) -> bool:
        """Say whether a password is the account's; takes the same time where there is no such account."""
        kept = self._read().get(account, {}).get("password", _NOBODY)
        salt, _, digest = kept.partition("$")
        found = _hashed(password[:PASSWORD_MAX], salt)
        return hmac.compare_digest(found, digest) and kept != _NOBODY

    def of_identity(self, issuer: str, subject: str) -> str:
        """Return the account of whom a provider knows; "" where there is none."""
        wanted = {"issuer": issuer, "subject": subject}
        return next((name for name, one in self._read().items() if one == wanted), "")

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            found: dict[str, dict[str, Any]] = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise MachineTrouble(
                f"{self._path} can't be read: {error}.", advice="Nobody can sign in until it is mended."
            ) from error
        return found

    def _write(self, accounts: dict[str, dict[str, Any]]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = self._path.with_name(f".{self._path.name}-{secrets.token_hex(4)}")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(accounts, file, indent=1, sort_keys=True)
        new.replace(self._path)


def _hashed(password: str, salt: str) -> str:
    plain = unicodedata.normalize("NFKC", password).encode()
    return hashlib.scrypt(plain, salt=bytes.fromhex(salt), dklen=32, **_COST).hex()
