"""Model calls: the real OpenAI client over a transport that writes everything down.

`langchain-openai` builds the request, the transport journals the exact bytes of request and response, and after a
crash (or in a replay) the same client reads the recorded response. A retry is ours, not the SDK's: each attempt is in
the record with what came back.

Before a request leaves, it is checked for rows of the real data (`tools.rowguard`).

The span of a call is made by the official instrumentations, where the SDK runs (`provenance.instrumentation`); what
only the journal knows is added to it here. One call is one span, however many attempts it takes.

It does not cover streaming: an answer that decides something is recorded whole.
"""

from __future__ import annotations

import base64
import json
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from langchain_core.messages import BaseMessage
from langchain_openai import ChatOpenAI
from openai import ContentFilterFinishReasonError, LengthFinishReasonError
from pydantic import SecretStr

from counterproof.agents.local_models import FolderTransport, folder_of
from counterproof.agents.models import ModelConfig, is_folder
from counterproof.agents.secure import Guard
from counterproof.provenance.conventions import ATTEMPTS, EFFECT, RECORDED, RESPONSE
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import MachineTrouble
from counterproof.provenance.journal import EffectFailed, Journal, Performed, Response
from counterproof.provenance.telemetry import describe_call
from counterproof.tools.rowguard import RowInRequest

TRIES = 5
ANSWER_MAX = 16 * 2**20
"""No answer of a model has more bytes; what sends more is something else."""
_WAIT_MAX_S = 30.0
_RETRY = frozenset({408, 409, 425, 429})
_CUT_OFF = "the answer was cut off at the token limit"
_FILTERED = "the endpoint's content filter stopped the answer"
_OF_FOLDERS = "folder://localhost/v1"
"""What stands in the record for a model in a folder: where the folder lies is nobody's business."""
_HEADERS = ("x-request-id", "openai-processing-ms", "openai-version")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer of a model.

    Attributes:
        text: what it says; "" when the endpoint's answer holds no text.
        fault: why the text can't be used as it is ("" when it can): cut off, refused, or no chat completion at all.
        recorded: True where it was read from the record and no call was made.
    """

    text: str
    fault: str
    recorded: bool


@dataclass
class _Call:
    """One call while it runs: what the transport needs of it, and what it found.

    Attributes:
        key: its name in the journal.
        attempts: how often the endpoint was asked.
        retry_after: seconds that the endpoint asks to wait before trying again; None where trying again is no use.
        performed: the answer.
        failure: why there is none. The clients between raise errors of their own for it.
    """

    key: str
    attempts: int = 0
    retry_after: float | None = None
    performed: Performed | None = None
    failure: Exception | None = None


Refused = Callable[[str, bytes, RowInRequest], None]
Pacing = Callable[[], AbstractContextManager[None]]
"""Holds a request back until the endpoint may be asked, and knows when it has ended."""
_call: ContextVar[_Call] = ContextVar("counterproof_model_call")


class Chat:
    """One model, asked on behalf of one study. Several threads may ask at the same time.

    Args:
        config: which model, and where.
        api_key: the key of the endpoint; never recorded.
        journal: where calls are written down.
        guard: refuses requests that hold something of the real data.
        refused: is told the key and the body of a request that was refused, and why.
        sleep: waits between attempts.
        pace: surrounds each request that is sent, where an endpoint may be asked only so often.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        api_key: str,
        journal: Journal,
        guard: Guard,
        refused: Refused = lambda _key, _body, _error: None,
        sleep: Callable[[float], None] = time.sleep,
        pace: Pacing = nullcontext,
    ) -> None:
        self.config = config
        folder = folder_of(config.base_url) if is_folder(config.base_url) else None
        self._transport = _JournalTransport(
            journal, guard, folder=folder, refused=refused, timeout_s=config.timeout_s, sleep=sleep, pace=pace
        )
        self._client = ChatOpenAI(
            model=config.model,
            base_url=config.base_url if folder is None else _OF_FOLDERS,
            api_key=SecretStr(api_key),
            use_responses_api=config.use_responses_api,
            timeout=config.timeout_s,
            max_retries=0,
            temperature=config.temperature,
            seed=config.seed,
            max_completion_tokens=config.max_completion_tokens,
            http_client=httpx2.Client(transport=self._transport, timeout=config.timeout_s),
        )

    def complete(self, key: str, messages: Sequence[BaseMessage], *, response_format: dict[str, Any] | None) -> Answer:
        """Ask once and return the answer; the same key returns the recorded one.

        Raises:
            MachineTrouble: the endpoint refused or could not be reached `TRIES` times; nothing is lost.
            Drift: the key was used for another request.
        """
        call = _Call(key)
        token = _call.set(call)
        options: Any = {"response_format": response_format} if response_format else {}
        try:
            message, fault = self._client.invoke(list(messages), **options), ""
        except Exception as error:
            if call.failure is not None:
                raise call.failure from error
            message, fault = None, _fault(error)
        finally:
            _call.reset(token)
        if call.performed is None:
            raise MachineTrouble(f"The model call {key} left no answer.", advice="Run again.")
        recorded = call.performed.recorded
        if message is None:
            return Answer(text="", fault=fault, recorded=recorded)
        text = message.content if isinstance(message.content, str) else str(message.text)
        sendable = text.encode("utf-8", errors="replace").decode()
        fault = _finish(message.response_metadata, text) if sendable == text else "it holds half characters"
        return Answer(text=sendable, fault=fault, recorded=recorded)

    def close(self) -> None:
        """Give the connections to the endpoint back."""
        self._transport.close()


class _JournalTransport(httpx2.BaseTransport):
    """Sends the request of the running call through the journal, again where that may help."""

    def __init__(
        self,
        journal: Journal,
        guard: Guard,
        *,
        folder: Path | None,
        refused: Refused,
        timeout_s: float,
        sleep: Callable[[float], None],
        pace: Pacing,
    ) -> None:
        self._journal = journal
        self._guard = guard
        self._folder = folder
        self._refused = refused
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._pace = pace
        self._inner: httpx2.BaseTransport | None = None
        self._lock = threading.Lock()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        call, body = _call.get(), request.read()
        try:
            try:
                self._guard.check(body)
            except RowInRequest as error:
                self._refused(call.key, body, error)
                raise
            performed = self._perform(call, request, body)
        except Exception as error:
            call.failure = error
            raise
        finally:
            describe_call({EFFECT: call.key, ATTEMPTS: call.attempts})
        describe_call({RECORDED: performed.recorded, RESPONSE: sha256_bytes(performed.body)})
        call.performed = performed
        return _from_envelope(performed.body)

    def close(self) -> None:
        with self._lock:
            if self._inner is not None:
                self._inner.close()
                self._inner = None

    def _perform(self, call: _Call, request: httpx2.Request, body: bytes) -> Performed:
        while True:
            try:
                return self._journal.perform(
                    call.key,
                    lambda _attempt: self._paced(call, request),
                    kind="model",
                    request=body,
                    data={"path": request.url.path, "host": request.url.host},
                )
            except EffectFailed:
                if call.retry_after is None or call.attempts == TRIES:
                    raise
                self._sleep(min(max(call.retry_after, 0.5 * 2 ** (call.attempts - 1)), _WAIT_MAX_S))

    def _paced(self, call: _Call, request: httpx2.Request) -> Response:
        with self._pace():
            return self._send(call, request)

    def _send(self, call: _Call, request: httpx2.Request) -> Response:
        began = time.monotonic()
        call.attempts, call.retry_after = call.attempts + 1, None
        host = f"{request.url.host}:{request.url.port}" if request.url.port else request.url.host
        advice = "Nothing is lost: mend the endpoint or the key, then run the study again."
        try:
            with closing(self._connection(request).handle_request(request)) as coming:
                body = self._read(coming, until=began + self._timeout_s)
        except httpx2.RequestError as error:
            call.retry_after = 0.0
            what = f"The model endpoint {host} can't be reached: {type(error).__name__}: {error}."
            raise EffectFailed(what, advice=advice) from error
        if body is None:
            raise EffectFailed(f"The model endpoint {host} sent more than {ANSWER_MAX:,} bytes.", advice=advice)
        facts: dict[str, Any] = {
            "status": coming.status_code,
            "duration_ms": round((time.monotonic() - began) * 1000),
            "headers": {name: coming.headers[name] for name in _HEADERS if name in coming.headers},
        }
        envelope = _envelope(coming, body)
        if coming.status_code == 200:
            return Response(body=envelope, data=facts)
        call.retry_after = _retry_after(coming)
        what = f"The model endpoint {host} answered {coming.status_code}: {_excerpt(body)}"
        raise EffectFailed(what, response=envelope, data=facts, advice=advice)

    def _connection(self, request: httpx2.Request) -> httpx2.BaseTransport:
        """Return what keeps connections to the endpoint; made when it is first asked, for a replay never asks."""
        with self._lock:
            if self._inner is None and self._folder is not None:
                self._inner = FolderTransport(self._folder)
            elif self._inner is None:
                # Without TLS there is nothing to verify, and loading the certificates takes 35 ms.
                self._inner = httpx2.HTTPTransport(verify=request.url.scheme == "https")
            return self._inner

    def _read(self, answer: httpx2.Response, *, until: float) -> bytes | None:
        """Return the whole body of an answer; None where that is too large."""
        body = b""
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > ANSWER_MAX:
                return None
            if time.monotonic() > until:
                raise httpx2.ReadTimeout(f"no whole answer within {self._timeout_s:g} s")
        return body


def _retry_after(answer: httpx2.Response) -> float | None:
    """Return how many seconds to wait before trying again; None where trying again is no use."""
    if answer.headers.get("x-should-retry") == "false":
        return None
    if answer.status_code not in _RETRY and answer.status_code < 500:
        return None
    try:
        wait = float(answer.headers.get("retry-after", "0"))
    except ValueError:
        return 0.0
    return wait if math.isfinite(wait) else 0.0


def _excerpt(body: bytes) -> str:
    try:
        raw = json.loads(body)
        text = str(raw["error"]["message"])
    except (ValueError, KeyError, TypeError):
        text = body[:300].decode("utf-8", errors="replace")
    return text[:6000].strip() or "nothing"


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Status, type and the exact body of an answer in one blob; a body that is no UTF-8 is kept as base64.

    The fields are in the order of their names, and hold no fraction: the blob is canonical JSON.
    """

    body: str | None = None
    body_base64: str | None = None
    status: int
    type: str


_decode = msgspec.json.Decoder(_Envelope).decode


def _envelope(answer: httpx2.Response, body: bytes) -> bytes:
    told: dict[str, Any] = {"status": answer.status_code, "type": answer.headers.get("content-type", "")}
    try:
        return msgspec.json.encode(_Envelope(body=body.decode("utf-8"), **told))
    except UnicodeDecodeError:
        return msgspec.json.encode(_Envelope(body_base64=base64.b64encode(body).decode(), **told))


def _from_envelope(data: bytes) -> httpx2.Response:
    kept = _decode(data)
    body = kept.body.encode() if kept.body is not None else base64.b64decode(kept.body_base64 or "")
    return httpx2.Response(kept.status, headers={"content-type": kept.type} if kept.type else {}, content=body)


def _fault(error: Exception) -> str:
    if isinstance(error, LengthFinishReasonError):
        return _CUT_OFF
    if isinstance(error, ContentFilterFinishReasonError):
        return _FILTERED
    return f"the endpoint's answer is no chat completion ({type(error).__name__})"


def _finish(metadata: dict[str, Any], text: str) -> str:
    if metadata.get("finish_reason") == "length":
        return _CUT_OFF
    if metadata.get("finish_reason") == "content_filter":
        return _FILTERED
    return "" if text.strip() else "the answer is empty"
