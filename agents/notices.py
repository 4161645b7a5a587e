"""Telling people that a checkpoint waits, by e-mail and by webhook.

A notice says which checkpoint of which study waits and where to look, and nothing else: no title, question, data or
result; those may be confidential, and a mailbox or a chat is no safe place. It is sent once a checkpoint and channel.
What comes of it stands in the record (`notice.given`), and a notice that can't be sent stops nothing.

All settings are in one file, `notices.toml` in the store's folder (docs/notices.md). Secrets stand in environment
variables that it names. A webhook's body can be signed, so that its receiver knows the sender.

It does not cover answers: nothing that comes back decides anything.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import smtplib
import ssl
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from counterproof.provenance.decisions import Checkpoint
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import CounterproofError, UsageError
from counterproof.provenance.record import Record
from counterproof.tools import faults

FILE = "notices.toml"
SIGNATURE = "X-Counterproof-Signature"
_TIMEOUT_S = 10


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Email(_Settings):
    """Where e-mail goes."""

    host: str = Field(min_length=1)
    """The mail server."""
    port: int = Field(default=587, ge=1, le=65535)
    """Its port."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is secured; `none` is for a server on this machine only."""
    ca: str = ""
    """File with the certificate of a private authority; "" for those that the system trusts."""
    sender: str = Field(min_length=3)
    """The address that it comes from."""
    to: tuple[str, ...] = Field(min_length=1)
    """Who is told."""
    user: str = ""
    """Name to sign in with; "" for none."""
    password_env: str = ""
    """The environment variable that holds the password."""

    @field_validator("sender", "to")
    @classmethod
    def _addresses(cls, given: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for address in (given,) if isinstance(given, str) else given:
            if "@" not in address or not address.isprintable() or any(mark in address for mark in " ,;<>"):
                raise ValueError(f"{address!r} is no address; write it like ada@example.org")
        return given

    @model_validator(mode="after")
    def _secured(self) -> Email:
        if self.tls == "none" and not _is_here(self.host):
            raise ValueError(f"tls = 'none' and host = {self.host!r}: without TLS only to this machine (127.0.0.1)")
        if bool(self.user) != bool(self.password_env):
            raise ValueError("user and password_env belong together: give both or none")
        return self


class Webhook(_Settings):
    """Where a POST goes."""

    url: str
    """Its address: https, or http on this machine."""
    secret_env: str = ""
    """The environment variable with the secret that the body is signed with (HMAC-SHA256); "" for none."""
    ca: str = ""
    """File with the certificate of a private authority; "" for those that the system trusts."""

    @field_validator("url")
    @classmethod
    def _secured(cls, url: str) -> str:
        parts = urlsplit(url)
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname))):
            raise ValueError("the webhook is no https address; http is for a server on this machine only")
        return url


class Notices(_Settings):
    """The settings of `notices.toml`."""

    link: str = ""
    """Address of the page on which one decides; `{checkpoint}` and `{study}` are filled in. "" for none."""
    email: Email | None = None
    """E-mail; absent for none."""
    webhook: Webhook | None = None
    """Webhook; absent for none."""


def read_notices(home: Path) -> Notices:
    """Read the settings; without the file nobody is told.

    Raises:
        UsageError: the file can't be used; the text names the place.
    """
    path = home / FILE
    if not path.exists():
        return Notices()
    try:
        return Notices.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UsageError(f"{path} can't be used: {faults(error)}.", advice="Mend it, or move it away.") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no TOML: {error}.", advice="Mend it, or move it away.") from error


@dataclass(frozen=True, kw_only=True)
class Notifier:
    """Sends notices.

    Attributes:
        settings: where they go.
        secret: returns the value of an environment variable.
        say: is told of what could not be sent.
    """

    settings: Notices
    secret: Callable[[str], str]
    say: Callable[[str], None]

    def tell(self, record: Record, waiting: Checkpoint) -> None:
        """Send what was not sent yet for a checkpoint; whatever goes wrong is said and recorded, and nothing raised."""
        for channel, send in self._channels().items():
            try:
                if not _was_sent(record, waiting.id, channel):
                    self._send(record, waiting, channel, send)
            except CounterproofError as error:
                self.say(f"notice of {waiting.id} by {channel}: {error}")

    def _channels(self) -> dict[str, Callable[[Checkpoint], None]]:
        found: dict[str, Callable[[Checkpoint], None]] = {}
        if self.settings.email is not None:
            found["email"] = self._mail
        if self.settings.webhook is not None:
            found["webhook"] = self._post
        return found

    def _send(self, record: Record, waiting: Checkpoint, channel: str, send: Callable[[Checkpoint], None]) -> None:
        data = {"checkpoint": waiting.id, "channel": channel}
        try:
            send(waiting)
        except (OSError, ValueError, http.client.HTTPException, smtplib.SMTPException, CounterproofError) as error:
            # The text may hold addresses or what a server said; the record keeps the class alone.
            self.say(f"notice of {waiting.id} by {channel} was not sent: {type(error).__name__}: {error}")
            record.append("notice.given", data={**data, "sent": False, "error": type(error).__name__})
        else:
            record.append("notice.given", data={**data, "sent": True, "error": ""})

    def _mail(self, waiting: Checkpoint) -> None:
        given = self.settings.email
        assert given is not None
        message = EmailMessage()
        message["From"], message["To"] = given.sender, ", ".join(given.to)
        message["Subject"] = f"Counterproof: {waiting.id} waits for a decision"
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=given.sender.partition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_text(waiting, self._link(waiting)))
        trust = ssl.create_default_context(cafile=given.ca or None)
        if given.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(given.host, given.port, timeout=_TIMEOUT_S, context=trust)
        else:
            server = smtplib.SMTP(given.host, given.port, timeout=_TIMEOUT_S)
        with server:
            if given.tls == "starttls":
                server.starttls(context=trust)
            if given.user:
                server.login(given.user, self.secret(given.password_env))
            server.send_message(message)

    def _post(self, waiting: Checkpoint) -> None:
        given = self.settings.webhook
        assert given is not None
        link = self._link(waiting)
        body = canonical_json(
            {
                "event": "checkpoint.waiting",
                "study": waiting.study,
                "checkpoint": waiting.id,
                "kind": str(waiting.kind),
                "link": link,
                "text": _text(waiting, link),
            }
        )
        headers = {"Content-Type": "application/json", "User-Agent": "counterproof"}
        if given.secret_env:
            made = hmac.new(self.secret(given.secret_env).encode(), body, hashlib.sha256).hexdigest()
            headers[SIGNATURE] = f"sha256={made}"
        request = urllib.request.Request(given.url, data=body, headers=headers, method="POST")  # noqa: S310  # checked
        trust = ssl.create_default_context(cafile=given.ca or None)
        opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=trust))
        with opener.open(request, timeout=_TIMEOUT_S):
            return

    def _link(self, waiting: Checkpoint) -> str:
        names = {"{checkpoint}": waiting.id, "{study}": waiting.study}
        link = self.settings.link
        for name, value in names.items():
            link = link.replace(name, quote(value, safe=""))
        return link


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else: a notice is meant for one address."""

    def redirect_request(self, *_given: Any, **_named: Any) -> None:
        """Take the redirect as the error that it is."""


def _text(waiting: Checkpoint, link: str) -> str:
    look = f"Look at it and decide: {link}" if link else f"Look at it with `counterproof show {waiting.id}`."
    return f"The {waiting.kind} of study {waiting.study} waits for a decision (checkpoint {waiting.id}).\n{look}\n"


def _was_sent(record: Record, checkpoint: str, channel: str) -> bool:
    given = [event.data for event in record.of_type("notice.given")]
    return any(data["sent"] and (data["checkpoint"], data["channel"]) == (checkpoint, channel) for data in given)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
