"""What happened at the door: who signed in, who was refused and why, who signed out, and which accounts were made.

A record of its own (`provenance.record`), append-only and hash-chained. It holds no password and no token. After some
refusals the same account waits: guessing a password gets slow, and stands here.

It does not cover what a person did inside: decisions are in the records of the studies, signed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.events import Actor, Event
from counterproof.provenance.record import Record

Happened = Literal["signin.accepted", "signin.refused", "signin.ended", "account.changed"]
REFUSALS_MAX = 5
WINDOW = timedelta(minutes=15)


class SignIns:
    """The history of signing in.

    Args:
        folder: where it is kept.
        clock: returns the time now.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._record = Record(folder / "signins", blobs=Blobs(folder / "signins" / "blobs"))
        self._clock = clock

    def note(self, what: Happened, *, account: str, how: str, why: str = "") -> None:
        """Write down what happened.

        Args:
            what: what happened.
            account: whose account; as it was typed where it was refused.
            how: "password", the provider's address, or who changed an account.
            why: why it was refused, or what was changed.
        """
        data = {"account": account[:80], "how": how[:300], "why": why[:300]}
        self._record.append(what, actor=Actor(kind="human", id=account[:80] or "nobody"), data=data)

    def events(self) -> list[Event]:
        """Return everything that happened, oldest first.

        Raises:
            VerificationFailed: the record was changed.
        """
        return self._record.events()

    def must_wait(self, account: str) -> bool:
        """Say whether an account was refused so often lately that it has to wait."""
        since = self._clock() - WINDOW
        lately = [
            event
            for event in reversed(self.events())
            if event.data.get("account") == account[:80] and datetime.fromisoformat(event.ts) > since
        ]
        refused = 0
        for event in lately:
            if event.type == "signin.accepted":
                break
            refused += event.type == "signin.refused"
        return refused >= REFUSALS_MAX
