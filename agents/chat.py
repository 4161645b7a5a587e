"""Model calls: the real OpenAI client over a transport that writes everything down.

`langchain-openai` builds the request, the transport journals the exact bytes of request and response, and after a
crash (or in a replay) the same client reads the recorded response. A retry is ours, not the SDK's: each attempt is in
the record with what came back.

Before a request leaves, it is checked for rows of the real data (`tools.rowguard`).

It does not cover streaming: an answer that decides something is recorded whole.
"""

from __future__ import annotations

import base64
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
from langchain_core.messages import BaseMessage
from langchain_openai import ChatOpenAI
from openai import ContentFilterFinishReasonError, LengthFinishReasonError
from opentelemetry.trace import SpanKind
from pydantic import SecretStr

from counterproof.agents.models import ModelConfig
from counterproof.provenance.digests import canonical_json, sha256_bytes
from counterproof.provenance.errors import MachineTrouble
from counterproof.provenance.journal import EffectFailed, Journal, Performed, Response
from counterproof.provenance.telemetry import span
from counterproof.tools.rowguard import RowGuard

TRIES = 5
ANSWER_MAX = 16 * 2**20
"""No answer of a model has more bytes; what sends more is something else."""
_WAIT_MAX_S = 30.0
_RETRY = frozenset({408, 409, 425, 429})
_CUT_OFF = "the answer was cut off at the token limit"
_FILTERED = "the endpoint's content filter stopped the answer"
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


class Chat:
    """One model, asked on behalf of one study.

    Args:
        config: which model, and where.
        api_key: the key of the endpoint; never recorded.
        journal: where calls are written down.
        guard: refuses requests that hold a row of the real data.
        sleep: waits between attempts.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        api_key: str,
        journal: Journal,
        guard: RowGuard,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.config = config
        self._api_key = api_key
        self._journal = journal
        self._guard = guard
        self._sleep = sleep

    def complete(self, key: str, messages: Sequence[BaseMessage], *, response_format: dict[str, Any] | None) -> Answer:
        """Ask once and return the answer; the same key returns the recorded one.

        Raises:
            MachineTrouble: the endpoint refused or could not be reached `TRIES` times; nothing is lost.
            Drift: the key was used for another request.
        """
        attributes: dict[str, str | int | float | bool] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": self.config.model,
            "counterproof.effect": key,
        }
        with span(f"chat {self.config.model}", attributes, kind=SpanKind.CLIENT) as current:
            transport = _JournalTransport(key, self._journal, self._guard, timeout_s=self.config.timeout_s)
            bound = self._client(transport)
            options: Any = {"response_format": response_format} if response_format else {}
            for attempt in range(1, TRIES + 1):
                try:
                    message, fault = bound.invoke(list(messages), **options), ""
                except Exception as error:
                    if transport.failure is None:
                        message, fault = None, _fault(error)
                    elif transport.retry_after is None or attempt == TRIES:
                        raise transport.failure from error
                    else:
                        self._sleep(min(max(transport.retry_after, 0.5 * 2 ** (attempt - 1)), _WAIT_MAX_S))
                        continue
                break
            performed = transport.performed
            if performed is None:
                raise MachineTrouble(f"The model call {key} left no answer.", advice="Run again.")
            current.set_attribute("counterproof.response.sha256", sha256_bytes(performed.body))
            if message is None:
                return Answer(text="", fault=fault, recorded=performed.recorded)
            if message.usage_metadata:
                current.set_attribute("gen_ai.usage.input_tokens", message.usage_metadata["input_tokens"])
                current.set_attribute("gen_ai.usage.output_tokens", message.usage_metadata["output_tokens"])
            text = message.content if isinstance(message.content, str) else str(message.text)
            sendable = text.encode("utf-8", errors="replace").decode()
            fault = _finish(message.response_metadata, text) if sendable == text else "it holds half characters"
            return Answer(text=sendable, fault=fault, recorded=performed.recorded)

    def _client(self, transport: _JournalTransport) -> ChatOpenAI:
        return ChatOpenAI(
            model=self.config.model,
            base_url=self.config.base_url,
            api_key=SecretStr(self._api_key),
            use_responses_api=self.config.use_responses_api,
            timeout=self.config.timeout_s,
            max_retries=0,
            temperature=self.config.temperature,
            seed=self.config.seed,
            max_completion_tokens=self.config.max_completion_tokens,
            http_client=httpx2.Client(transport=transport, timeout=self.config.timeout_s),
        )


class _JournalTransport(httpx2.BaseTransport):
    """Sends one request through the journal. What can't be an answer stays here as `failure`."""

    def __init__(self, key: str, journal: Journal, guard: RowGuard, *, timeout_s: float) -> None:
        self._key = key
        self._journal = journal
        self._guard = guard
        self._timeout_s = timeout_s
        self.performed: Performed | None = None
        self.failure: Exception | None = None
        self.retry_after: float | None = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        body = request.read()
        self.failure, self.retry_after = None, None
        try:
            self._guard.check(body)
            self.performed = self._journal.perform(
                self._key,
                lambda _attempt: self._send(request),
                kind="model",
                request=body,
                data={"path": request.url.path, "host": request.url.host},
            )
        except Exception as error:
            self.failure = error
            raise
        return _from_envelope(self.performed.body)

    def _send(self, request: httpx2.Request) -> Response:
        began = time.monotonic()
        host = f"{request.url.host}:{request.url.port}" if request.url.port else request.url.host
        advice = "Nothing is lost: mend the endpoint or the key, then run the study again."
        try:
            # Without TLS there is nothing to verify, and loading the certificates takes 35 ms.
            with httpx2.HTTPTransport(verify=request.url.scheme == "https") as inner:
                answer = self._read(inner.handle_request(request), until=began + self._timeout_s)
        except httpx2.RequestError as error:
            self.retry_after = 0.0
            what = f"The model endpoint {host} can't be reached: {type(error).__name__}: {error}."
            raise EffectFailed(what, advice=advice) from error
        if answer is None:
            raise EffectFailed(f"The model endpoint {host} sent more than {ANSWER_MAX:,} bytes.", advice=advice)
        facts: dict[str, Any] = {
            "status": answer.status_code,
            "duration_ms": round((time.monotonic() - began) * 1000),
            "headers": {name: answer.headers[name] for name in _HEADERS if name in answer.headers},
        }
        envelope = _envelope(answer)
        if answer.status_code == 200:
            return Response(body=envelope, data=facts)
        self.retry_after = _retry_after(answer)
        what = f"The model endpoint {host} answered {answer.status_code}: {_excerpt(answer)}"
        raise EffectFailed(what, response=envelope, data=facts, advice=advice)

    def _read(self, answer: httpx2.Response, *, until: float) -> httpx2.Response | None:
        """Return the answer with its whole body; None where that is too large."""
        body = b""
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > ANSWER_MAX:
                return None
            if time.monotonic() > until:
                raise httpx2.ReadTimeout(f"no whole answer within {self._timeout_s:g} s")
        headers = [(name, value) for name, value in answer.headers.items() if name != "content-encoding"]
        return httpx2.Response(answer.status_code, headers=headers, content=body)


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


def _excerpt(answer: httpx2.Response) -> str:
    try:
        raw = json.loads(answer.content)
        text = str(raw["error"]["message"])
    except (ValueError, KeyError, TypeError):
        text = answer.content[:300].decode("utf-8", errors="replace")
    return text[:6000].strip() or "nothing"


def _envelope(answer: httpx2.Response) -> bytes:
    """Keep status, type and the exact body in one blob; a body that is no UTF-8 is kept as base64."""
    kept: dict[str, Any] = {"status": answer.status_code, "type": answer.headers.get("content-type", "")}
    try:
        kept["body"] = answer.content.decode("utf-8")
    except UnicodeDecodeError:
        kept["body_base64"] = base64.b64encode(answer.content).decode()
    return canonical_json(kept)


def _from_envelope(data: bytes) -> httpx2.Response:
    kept = json.loads(data)
    body = kept["body"].encode() if "body" in kept else base64.b64decode(kept["body_base64"])
    headers = {"content-type": kept["type"]} if kept["type"] else {}
    return httpx2.Response(kept["status"], headers=headers, content=body)


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
