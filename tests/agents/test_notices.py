"""Notices over real servers on loopback: what they say, what they never say, and that none of them stops a study."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from counterproof.agents.notices import FILE, SIGNATURE, Email, Notices, Notifier, Webhook, read_notices
from counterproof.provenance.errors import UsageError
from counterproof.provenance.store import Status

from ..endpoint import Endpoint
from ..lab import Lab, script

LINK = "https://lab.example.org/?page=decide&checkpoint={checkpoint}"


class _Mailbox:
    """Keeps what it is handed."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.encrypted: list[bool] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.messages.append(message_from_bytes(envelope.content))
        self.encrypted.append(session.ssl is not None)
        return "250 OK"


class _MailServer(Controller):
    """Takes any free port."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd has types, and none here


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine, and return it and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private.write_bytes(key.private_bytes(*form))
    return certificate, private


@contextmanager
def _mail_server(mailbox: _Mailbox, context: ssl.SSLContext | None = None) -> Iterator[int]:
    controller = _MailServer(mailbox, hostname="127.0.0.1", port=0, tls_context=context, require_starttls=bool(context))
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


class _Hook(BaseHTTPRequestHandler):
    answer = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(self.answer)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *given: Any) -> None:
        """Say nothing."""


@contextmanager
def _hook(answer: int = 200) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    got: list[tuple[dict[str, str], bytes]] = []
    with HTTPServer(("127.0.0.1", 0), type("Hook", (_Hook,), {"answer": answer})) as server:
        server.got = got  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", got
        server.shutdown()
        thread.join()


def _email(port: int, **changed: Any) -> Email:
    given = {"host": "127.0.0.1", "port": port, "tls": "none", "sender": "lab@example.org", "to": ("ada@example.org",)}
    return Email(**{**given, **changed})


def _wait(lab: Lab, settings: Notices, *, times: int = 1) -> tuple[str, list[str]]:
    """Run a study to its first checkpoint and return it with what was said."""
    said: list[str] = []
    notifier = Notifier(settings=settings, secret=lambda name: f"value of {name}", say=said.append)
    study = lab.new(title="A confidential title")
    with Endpoint(script()) as endpoint:
        for _ in range(times):
            assert lab.runner(endpoint.base_url, notify=notifier.tell).run(study) is Status.WAITING
    return study, said


def _given(lab: Lab, study: str) -> list[tuple[str, bool, str]]:
    return [
        (event.data["channel"], event.data["sent"], event.data["error"]) for event in lab.events(study, "notice.given")
    ]


def test_both_say_which_checkpoint_waits_and_where_once(lab: Lab) -> None:
    mailbox = _Mailbox()
    with _mail_server(mailbox) as port, _hook() as (url, got):
        settings = Notices(link=LINK, email=_email(port), webhook=Webhook(url=url, secret_env="HOOK"))
        study, said = _wait(lab, settings, times=2)
    assert said == []
    (message,), ((headers, body),) = mailbox.messages, got
    assert (message["From"], message["To"]) == ("lab@example.org", "ada@example.org")
    assert message["Subject"] == f"Counterproof: {study}.plan.1 waits for a decision"
    link = LINK.replace("{checkpoint}", f"{study}.plan.1")
    text = message.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert link in text.decode()
    hook = json.loads(body)
    assert (hook["event"], hook["kind"], hook["link"]) == ("checkpoint.waiting", "plan", link)
    assert headers[SIGNATURE] == "sha256=" + hmac.new(b"value of HOOK", body, hashlib.sha256).hexdigest()
    assert _given(lab, study) == [("email", True, ""), ("webhook", True, "")]


@pytest.mark.canary
def test_neither_says_anything_of_question_or_data(lab: Lab) -> None:
    mailbox = _Mailbox()
    with _mail_server(mailbox) as port, _hook() as (url, got):
        study, _ = _wait(lab, Notices(email=_email(port), webhook=Webhook(url=url)))
    sent = (mailbox.messages[0].as_string() + got[0][1].decode()).replace(study, "").lower()
    for word in ("confidential", "score", "arm", "trial.csv", "differ", "made-up"):
        assert word not in sent


@pytest.mark.parametrize("trusted", [True, False])
def test_mail_goes_over_tls_to_a_server_with_a_known_certificate_only(lab: Lab, tmp_path: Path, trusted: bool) -> None:
    certificate, key = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    mailbox = _Mailbox()
    with _mail_server(mailbox, context) as port:
        email = _email(port, tls="starttls", ca=str(certificate) if trusted else "")
        study, said = _wait(lab, Notices(email=email))
    assert mailbox.encrypted == ([True] if trusted else [])
    assert _given(lab, study) == [("email", trusted, "" if trusted else "SSLCertVerificationError")]
    assert bool(said) is not trusted


@pytest.mark.parametrize(("answer", "error"), [(500, "HTTPError"), (302, "HTTPError")])
def test_a_hook_that_fails_or_sends_elsewhere_stops_nothing(lab: Lab, answer: int, error: str) -> None:
    with _hook(answer) as (url, got):
        study, said = _wait(lab, Notices(webhook=Webhook(url=url)))
    assert len(got) == 1
    assert _given(lab, study) == [("webhook", False, error)]
    assert said[0].startswith(f"notice of {study}.plan.1 by webhook was not sent")


def test_servers_that_are_not_there_stop_nothing_and_are_tried_again(lab: Lab) -> None:
    settings = Notices(email=_email(9), webhook=Webhook(url="http://127.0.0.1:9/hook"))
    study, said = _wait(lab, settings, times=2)
    assert {sent for _, sent, _ in _given(lab, study)} == {False}
    assert len(said) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[email", "is no TOML"),
        ("[sms]\nto = 'ada'", "sms: Extra inputs"),
        ("[webhook]\nurl = 'http://chat.example.org/x'", "no https address"),
        ("[email]\nhost='mail'\ntls='none'\nsender='a@b'\nto=['c@d']", "without TLS only to this machine"),
        ("[email]\nhost='mail'\nsender='a@b'\nto=['c@d\\nBcc: e@f']", "is no address"),
        ("[email]\nhost='mail'\nsender='a@b'\nto=[]", "at least 1 item"),
        ("[email]\nhost='mail'\nsender='a@b'\nto=['c@d']\nuser='x'", "belong together"),
    ],
)
def test_settings_that_cannot_be_used_are_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UsageError, match=rf"{FILE}.*{said}.*Mend it"):
        read_notices(tmp_path)


def test_without_settings_nobody_is_told(tmp_path: Path) -> None:
    assert read_notices(tmp_path) == Notices()
