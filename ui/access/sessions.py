"""Sessions: who is signed in. Each is a file named by the digest of its token, so that a server restart ends none.

A session ends when nobody used it for `IDLE_S`, at the latest after `LONGEST_S`, when its person signs out, and when
the account is removed. The token is in a cookie of the browser and nowhere here.

It does not cover a token that was stolen from the browser of an unlocked machine.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from counterproof.provenance.digests import sha256_bytes

IDLE_S = 30 * 60
LONGEST_S = 12 * 3600
_TOUCH_S = 20
"""A session that is used is written down at most this often."""


class Sessions:
    """The sessions of an installation.

    Args:
        folder: where they are kept.
        clock: returns the seconds since 1970.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder / "sessions"
        self._clock = clock

    def begin(self, account: str) -> str:
        """Begin a session and return its token."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep()
        token = secrets.token_urlsafe(32)
        path = self._path(token)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump({"account": account, "began": self._clock()}, file)
        os.utime(path, (self._clock(), self._clock()))
        return token

    def account(self, token: str) -> str:
        """Return who is signed in with this token; "" for nobody. Asking counts as using it."""
        path = self._path(token)
        try:
            kept = json.loads(path.read_text("utf-8"))
            used, now = path.stat().st_mtime, self._clock()
            if now - used > IDLE_S or now - kept["began"] > LONGEST_S:
                path.unlink(missing_ok=True)
                return ""
            if now - used > _TOUCH_S:
                os.utime(path, (now, now))
            return str(kept["account"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def end(self, token: str) -> None:
        """End a session."""
        self._path(token).unlink(missing_ok=True)

    def end_all(self, account: str) -> int:
        """End every session of an account, and return how many there were."""
        mine = [path for path in self._files() if _account(path) == account]
        for path in mine:
            path.unlink(missing_ok=True)
        return len(mine)

    def _path(self, token: str) -> Path:
        return self._folder / sha256_bytes(token.encode("utf-8", "replace"))

    def _files(self) -> list[Path]:
        return list(self._folder.iterdir()) if self._folder.is_dir() else []

    def _sweep(self) -> None:
        for path in self._files():
            try:
                if self._clock() - path.stat().st_mtime > IDLE_S:
                    path.unlink(missing_ok=True)
            except FileNotFoundError:
                continue


def _account(path: Path) -> str:
    try:
        return str(json.loads(path.read_text("utf-8"))["account"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
