"""Connections of the E2B SDK that go where they were told to, and nowhere else.

The idea: the SDK's transports are built here, without the proxy variables of the environment (pyqwest 0.9 reads
HTTP_PROXY even where none was configured: measured), and each refuses a request to any other address. They are put
into the SDK's own cache under a proxy address that can't be reached: should a new SDK no longer look there, it
would send everything to that address, and nothing would arrive anywhere.

It does not cover what is sent.

Source: e2b 2.63 `api/client_async/__init__.py`, `api/client_sync/__init__.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from counterproof.provenance.errors import MachineTrouble

MOST_REPLY_BYTES = 4 << 20
_IDLE_S, _POOL_IDLE_S, _MOST_CONNECTIONS = 60.0, 60.0, 32
_EVERYTHING = "0.0.0.0/0,::/0,*"  # pyqwest 0.9: the star matches names only
_NUMBERS = itertools.count(1)


class OutsideAddress(Exception):
    """The SDK wanted to connect to an address that was not configured."""


class OversizeReply(Exception):
    """A reply has more bytes than anything that the runner says."""


def load_sdk() -> Any:
    """Return the module `e2b_code_interpreter`.

    Raises:
        MachineTrouble: it is not installed, or it can't be imported.
    """
    try:
        import e2b_code_interpreter as sdk  # type: ignore[import-untyped]  # extra: e2b
    except ImportError as error:
        raise MachineTrouble(
            "The E2B SDK is not installed.", advice="Install the extra: pip install 'counterproof[e2b]'."
        ) from error
    except ValueError as error:  # the SDK reads numbers from E2B_CONNECTION_RETRIES and the like when imported
        raise MachineTrouble(
            "The E2B SDK can't be imported, because an E2B_… variable of the environment is not a number.",
            advice="Remove it: Counterproof passes all settings itself.",
        ) from error
    return sdk


def install_transports(addresses: tuple[str, ...], proxy: str | None) -> str:
    """Build the connections and return the `proxy` to give to the SDK, by which it finds them.

    Args:
        addresses: the only base addresses that may be connected to.
        proxy: a proxy to go through, None to go directly.

    Raises:
        MachineTrouble: the SDK is of a version that has no place for them.
    """
    try:
        return _install(addresses, proxy)
    except (AttributeError, ImportError, TypeError) as error:
        raise MachineTrouble(
            "The installed E2B SDK is built otherwise than the one that this was written for.",
            allowed="Known is e2b 2.63 with e2b-code-interpreter 2.11.5.",
            advice="Install these versions; with others the connections can't be kept to the configured address.",
        ) from error


def _install(addresses: tuple[str, ...], proxy: str | None) -> str:
    import pyqwest  # extra: e2b
    from e2b.api import ProxyConfig, client_async  # extra: e2b
    from pyqwest.httpx import AsyncPyqwestTransport  # extra: e2b

    name = f"http://counterproof-{next(_NUMBERS)}@127.0.0.1:1"
    real = pyqwest.Proxy(proxy) if proxy else pyqwest.Proxy(name, no_proxy=_EVERYTHING)
    origins = frozenset(_origin(address) for address in addresses)
    for read_timeout_s in (None, _IDLE_S):
        for version in ("1.1", "2"):
            pool = pyqwest.HTTPTransport(
                tls_include_system_certs=True,
                proxy=real,
                pool_idle_timeout=_POOL_IDLE_S,
                max_connections_per_address=_MOST_CONNECTIONS,
                read_timeout=read_timeout_s,
                http_version=pyqwest.HTTPVersion.HTTP1 if version == "1.1" else None,
                follow_redirects=False,
            )
            guarded = _Guarded(pool, origins)
            key = (ProxyConfig(name), read_timeout_s, version)
            with client_async._transport_lock:
                client_async._pools[key] = guarded  # type: ignore[assignment,index]  # what it needs is `execute`
                client_async._transports[key] = guarded  # type: ignore[assignment,index]
                for retry in (True, False):
                    client_async._httpx_transports[(key, retry)] = AsyncPyqwestTransport(guarded)  # type: ignore[index]
    return name


class _Guarded:
    """Lets requests to the configured addresses pass."""

    def __init__(self, inner: Any, origins: frozenset[str]) -> None:
        self._inner = inner
        self._origins = origins

    async def execute(self, request: Any) -> Any:
        if _origin(request.url) not in self._origins:
            raise OutsideAddress(f"not one of {', '.join(sorted(self._origins))}")
        return await self._inner.execute(request)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def capped_sandbox_class(sdk: Any) -> Any:
    """Return the SDK's sandbox class, with a limit on what it reads of a reply to a run.

    The SDK joins the pieces of a line until the line ends, so a line without an end would fill the memory.
    """
    import httpx  # extra: e2b

    class _CappedStream(httpx.AsyncByteStream):
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        async def __aiter__(self) -> AsyncIterator[bytes]:
            total = 0
            async for data in self._inner:
                total += len(data)
                if total > MOST_REPLY_BYTES:
                    raise OversizeReply(f"more than {MOST_REPLY_BYTES} bytes")
                yield data

        async def aclose(self) -> None:
            await self._inner.aclose()

    class _CappedTransport(httpx.AsyncBaseTransport):
        def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
            self._inner = inner

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await self._inner.handle_async_request(request)
            response.stream = _CappedStream(response.stream)
            return response

    class _CappedSandbox(sdk.AsyncSandbox):  # type: ignore[misc]  # the SDK is loaded at run time
        @property
        def _client(self) -> httpx.AsyncClient:
            inner = super()._client
            return httpx.AsyncClient(transport=_CappedTransport(inner._transport), trust_env=False)

    return _CappedSandbox
