"""The door: the sign-in page, signing out, and what every answer of the server goes through.

`Guarded` stands around all of Streamlit's answers. It refuses host names that are not allowed (Streamlit 1.67 looks at
them for the WebSocket only), sends whoever is not signed in to the sign-in page, keeps files and uploads from them, and
adds the headers that keep a page from being framed and from loading anything from elsewhere.

The session is a cookie that scripts can't read and that other sites' pages don't send. A form from another site is
refused by its `Origin`.

It does not cover encryption: the pages listen on this machine only (docs/app.md).
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import CounterproofError
from counterproof.provenance.reviewers import Registry
from counterproof.ui.access.accounts import PASSWORD_MAX, Accounts
from counterproof.ui.access.oidc import Provider
from counterproof.ui.access.sessions import Sessions
from counterproof.ui.access.signins import SignIns

SIGN_IN = "/signin"
SIGN_OUT = "/signout"
_OPEN = (SIGN_IN, "/_stcore/health", "/static/", "/favicon.png", "/_stcore/host-config")
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' ws: wss:; "
    "object-src 'none'; base-uri 'self'; frame-ancestors 'none'; form-action 'self'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
}
"""Of every answer. Streamlit's front end needs inline scripts and `eval` (seen in 1.67); nothing is from elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """Who is let in.

    Attributes:
        accounts: who may sign in.
        sessions: who is signed in.
        signins: what happened.
        registry: the reviewers; who was revoked does not get in.
        cookie: name of the cookie, one an installation.
        hosts: host names that the pages answer to.
        provider: an OpenID Connect provider, or None.
    """

    accounts: Accounts
    sessions: Sessions
    signins: SignIns
    registry: Registry
    cookie: str
    hosts: tuple[str, ...]
    provider: Provider | None = None

    def account(self, connection: HTTPConnection) -> str:
        """Return who is signed in; "" for nobody."""
        return self.sessions.account(connection.cookies.get(self.cookie, ""))

    def routes(self) -> list[BaseRoute]:
        """Return the pages of the door."""
        found: list[BaseRoute] = [
            Route(SIGN_IN, self._sign_in, methods=["GET", "POST"]),
            Route(SIGN_OUT, self._sign_out, methods=["POST"]),
        ]
        if self.provider is not None:
            found += [
                Route(f"{SIGN_IN}/oidc", self._to_provider, methods=["GET"]),
                Route(f"{SIGN_IN}/back", self._from_provider, methods=["GET"]),
            ]
        return found

    async def _sign_in(self, request: Request) -> Response:
        if request.method == "GET":
            return self._page("")
        if not _is_ours(request.headers):
            return self._page("The form came from another site. Sign in here.", status=403)
        form = await request.form(max_files=0, max_fields=4, max_part_size=4 * PASSWORD_MAX)
        account, password = str(form.get("account", "")).strip(), str(form.get("password", ""))
        why = await run_in_threadpool(self._refusal, account, password)
        if why:
            return self._page(why, status=401)
        return self._cookie_for(account)

    async def _sign_out(self, request: Request) -> Response:
        account = self.account(request)
        if not _is_ours(request.headers):
            return PlainTextResponse("The form came from another site.", status_code=403)
        self.sessions.end(request.cookies.get(self.cookie, ""))
        if account:
            self.signins.note("signin.ended", account=account, how="signed out")
        answer = RedirectResponse(SIGN_IN, status_code=303)
        answer.delete_cookie(self.cookie)
        return answer

    async def _to_provider(self, request: Request) -> Response:
        assert self.provider is not None
        return await self.provider.ask(request, back=str(request.url_for("_from_provider")))

    async def _from_provider(self, request: Request) -> Response:
        assert self.provider is not None
        try:
            issuer, subject = await self.provider.told(request)
        except CounterproofError as error:
            self.signins.note("signin.refused", account="", how=self.provider.address, why=str(error))
            return self._page(str(error), status=401)
        account = self.accounts.of_identity(issuer, subject)
        if not account or not self._is_active(account):
            self.signins.note("signin.refused", account=account or subject, how=issuer, why="no account")
            return self._page("The provider knows you, and you have no account here.", status=403)
        self.signins.note("signin.accepted", account=account, how=issuer)
        return self._cookie_for(account)

    def _refusal(self, account: str, password: str) -> str:
        """Return why an account is not let in; "" when it is. Says no more to whom guesses than to whom mistypes."""
        if self.signins.must_wait(account):
            self.signins.note("signin.refused", account=account, how="password", why="too many attempts")
            return "Too many attempts. Wait a quarter of an hour."
        if not self.accounts.is_password(account, password) or not self._is_active(account):
            self.signins.note("signin.refused", account=account, how="password", why="wrong account or password")
            return "Account or password is wrong, or the reviewer was revoked."
        self.signins.note("signin.accepted", account=account, how="password")
        return ""

    def _is_active(self, account: str) -> bool:
        return any(person.id == account and not person.replay for person in self.registry.active())

    def _cookie_for(self, account: str) -> Response:
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(self.cookie, self.sessions.begin(account), httponly=True, samesite="lax", path="/")
        return answer

    def _page(self, said: str, *, status: int = 200) -> Response:
        alert = f'<p role="alert">{html.escape(said)}</p>' if said else ""
        other = f'<p><a href="{SIGN_IN}/oidc">Sign in with your institution</a></p>' if self.provider else ""
        return HTMLResponse(_PAGE.format(alert=alert, other=other, action=SIGN_IN), status_code=status)


class Guarded:
    """All of the server's answers, behind the door.

    Args:
        app: what answers.
        door: who is let in.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(HTTPConnection(scope))
        await (refusal or self._app)(scope, receive, _with_headers(send))

    def _refusal(self, asked: HTTPConnection) -> Response | None:
        host = urlsplit(f"//{asked.headers.get('host', '')}").hostname or ""
        if host not in self._door.hosts:
            return PlainTextResponse("This host name is not allowed.", status_code=403)
        path = asked.url.path
        if path.startswith(_OPEN) or not self._door.accounts.exist() or self._door.account(asked):
            return None
        if asked.scope["method"] == "GET" and "text/html" in asked.headers.get("accept", ""):
            return RedirectResponse(SIGN_IN, status_code=303)
        return PlainTextResponse("Sign in first.", status_code=401)


def cookie_name(installation: str) -> str:
    """Return the name of an installation's cookie: browsers keep one jar for all ports of a host."""
    return f"counterproof-{sha256_bytes(installation.encode())[:12]}"


def _is_ours(headers: Headers) -> bool:
    """Say whether a form was sent from a page of this server."""
    origin = headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == headers.get("host", "")


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return sending


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · Counterproof</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 22rem; margin: 10vh auto; padding: 0 1rem }}
label, input, button {{ display: block; width: 100%; box-sizing: border-box; font: inherit }}
label {{ margin-top: 1rem }}
input, button {{ padding: .5rem; margin-top: .25rem }}
button {{ margin-top: 1.5rem }}
[role=alert] {{ border-left: .25rem solid #b3261e; padding-left: .75rem }}
</style></head><body><main>
<h1>Counterproof</h1>{alert}
<form method="post" action="{action}">
<label for="account">Account (your reviewer id)</label>
<input id="account" name="account" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Sign in</button>
</form>{other}
</main></body></html>
"""
