"""Signing in with an OpenID Connect provider, which `oidc.toml` in the store names (`settings`).

The authorization code flow with PKCE, state and nonce is that of Authlib; what comes out is issuer and subject, and
only an account that was made for exactly these gets in. What else a provider tells, such as an e-mail address, is not
looked at.

It does not use Streamlit's own `st.login`: that keeps who signed in in a cookie of thirty days that nothing on the
server can end, and files of the pages don't ask for it (docs/decisions).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from counterproof.provenance.errors import UsageError
from counterproof.ui.access.settings import SETTINGS, provider_settings
from counterproof.ui.environment import secret


@dataclass(frozen=True, kw_only=True)
class Provider:
    """An OpenID Connect provider.

    Attributes:
        address: its issuer.
        client: asks it.
    """

    address: str
    client: Any

    async def ask(self, request: Request, *, back: str) -> Response:
        """Return the redirect to the provider; it sends the person back to `back`."""
        found: Response = await self.client.authorize_redirect(request, back)
        return found

    async def told(self, request: Request) -> tuple[str, str]:
        """Return issuer and subject of who comes back from the provider.

        Raises:
            UsageError: the provider refused, or what it sent can't be believed.
        """
        try:
            claims = dict((await self.client.authorize_access_token(request))["userinfo"])
            issuer, subject = str(claims["iss"]), str(claims["sub"])
        except (AuthlibBaseError, JoseError, KeyError, TypeError, ValueError, OSError) as error:
            raise UsageError(
                f"The provider did not say who you are ({type(error).__name__}).", advice="Sign in again."
            ) from error
        if issuer.rstrip("/") != self.address:
            raise UsageError(f"The provider calls itself {issuer}.", allowed=f"{self.address}, as {SETTINGS} says.")
        return self.address, subject


def read_provider(home: Path) -> Provider | None:
    """Return the provider that the store names; None where it names none.

    Raises:
        UsageError: the file can't be understood, or the secret is not set.
    """
    named = provider_settings(home)
    if named is None:
        return None
    client = OAuth().register(
        "provider",
        server_metadata_url=f"{named.address}/.well-known/openid-configuration",
        client_id=named.client_id,
        client_secret=secret(named.client_secret_env),
        client_kwargs={"scope": "openid", "code_challenge_method": "S256"},
    )
    return Provider(address=named.address, client=client)
