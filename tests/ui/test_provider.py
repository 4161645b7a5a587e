"""Signing in with an OpenID Connect provider, against a real server of ours and a provider on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.testclient import TestClient

from counterproof.agents.study import open_workplace
from counterproof.provenance.errors import UsageError
from counterproof.ui.access import FOLDER, Accounts, SignIns
from counterproof.ui.access.door import SIGN_IN, Guarded
from counterproof.ui.access.oidc import read_provider
from counterproof.ui.access.settings import SETTINGS
from counterproof.ui.served import door_of
from tests.ui.fake_provider import CLIENT, SECRET, FakeProvider, fake_provider
from tests.ui.sites import add_reviewer


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as found:
        yield found


@pytest.fixture
def home(tmp_path: Path, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store whose reviewer `ada` signs in with the provider."""
    workplace = open_workplace(tmp_path / "home")
    add_reviewer(workplace)
    monkeypatch.setenv("TEST_OIDC_SECRET", SECRET)
    settings = {"address": provider.address, "client_id": CLIENT, "client_secret_env": "TEST_OIDC_SECRET"}
    (workplace.store.home / SETTINGS).write_text("\n".join(f'{name} = "{value}"' for name, value in settings.items()))
    Accounts(workplace.store.home / FOLDER).set_identity("ada", issuer=provider.address, subject=provider.subject)
    return workplace.store.home


def _server(home: Path) -> Starlette:
    """The door of a store with nothing behind it: a process may have one Streamlit only."""
    door = door_of(home)
    inner = Middleware(SessionMiddleware, secret_key="of the test")
    return Starlette(routes=door.routes(), middleware=[Middleware(Guarded, door=door), inner])


def _come_back(home: Path) -> tuple[int, str, TestClient]:
    """Go to the provider and back, as a browser does; return status and text of the answer."""
    client = TestClient(_server(home), base_url="http://127.0.0.1", follow_redirects=False)
    away = client.get(f"{SIGN_IN}/oidc")
    back = httpx.get(away.headers["location"]).headers["location"]
    answer = client.get(back.removeprefix("http://127.0.0.1"))
    return answer.status_code, answer.text, client


def test_who_has_an_account_is_let_in(home: Path) -> None:
    status, _, client = _come_back(home)
    assert status == 303
    assert client.get("/media/x.png").status_code == 404
    assert [event.type for event in SignIns(home / FOLDER).events()] == ["signin.accepted"]


def test_who_has_none_is_not(home: Path, provider: FakeProvider) -> None:
    provider.subject = "5678"
    status, text, client = _come_back(home)
    assert (status, "you have no account here" in text) == (403, True)
    assert client.get("/media/x.png").status_code == 401
    assert [event.type for event in SignIns(home / FOLDER).events()] == ["signin.refused"]


@pytest.mark.attack
def test_a_token_that_another_key_signed_is_refused(home: Path, provider: FakeProvider) -> None:
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "one"})
    status, text, client = _come_back(home)
    assert (status, "did not say who you are" in text) == (401, True)
    assert client.get("/media/x.png").status_code == 401


@pytest.mark.attack
def test_a_token_of_another_provider_is_refused(home: Path, provider: FakeProvider) -> None:
    provider.issuer = "https://other.example.org"
    status, text, _ = _come_back(home)
    assert (status, "other.example.org" in text or "did not say who you are" in text) == (401, True)


@pytest.mark.attack
def test_an_answer_that_nobody_asked_for_is_refused(home: Path) -> None:
    client = TestClient(_server(home), base_url="http://127.0.0.1", follow_redirects=False)
    answer = client.get(f"{SIGN_IN}/back?code=x&state=y")
    assert (answer.status_code, "did not say who you are" in answer.text) == (401, True)


def test_a_secret_that_is_not_set_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_OIDC_SECRET")
    with pytest.raises(UsageError, match=r"TEST_OIDC_SECRET is not set"):
        read_provider(home)
