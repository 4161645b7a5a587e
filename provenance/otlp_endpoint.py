"""Where spans are sent, read from the standard OpenTelemetry variables.

Only `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` ask for it; without one nothing is sent.

It does not cover certificates and compression: the exporter of OpenTelemetry reads those variables itself.

Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from opentelemetry.util.re import parse_env_headers

from counterproof.provenance.errors import UsageError

PREFIX = "OTEL_EXPORTER_OTLP_"
EXPORTER = "OTEL_TRACES_EXPORTER"


@dataclass(frozen=True, kw_only=True)
class OtlpEndpoint:
    """Where spans are sent.

    Attributes:
        url: the address for traces, whole.
        headers: sent with each batch; may hold a key and is never shown.
        timeout_s: for one batch with its retries.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    timeout_s: float = 10.0

    @property
    def host(self) -> str:
        """The address without what may be secret in it."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def read_endpoint(variables: Mapping[str, str]) -> OtlpEndpoint | None:
    """Return where spans are to be sent; None where nobody asked for it.

    Args:
        variables: those of the environment that begin with `PREFIX`, and `EXPORTER`.

    Raises:
        UsageError: they ask for what is not spoken here. The text shows no header and no password.
    """

    def value(name: str) -> str:
        return (variables.get(f"{PREFIX}TRACES_{name}") or variables.get(PREFIX + name) or "").strip()

    if not value("ENDPOINT") or variables.get(EXPORTER, "otlp").strip() == "none":
        return None
    if value("PROTOCOL") not in ("", "http/protobuf"):
        raise UsageError(
            f"{PREFIX}PROTOCOL is {value('PROTOCOL')!r}.",
            allowed="http/protobuf.",
            advice="Set it so and name the endpoint's HTTP port (as a rule 4318), or unset the endpoint.",
        )
    traces = variables.get(f"{PREFIX}TRACES_ENDPOINT", "").strip()
    url = traces or f"{value('ENDPOINT').rstrip('/')}/v1/traces"
    if not _is_web(url):
        raise UsageError(
            f"{PREFIX}ENDPOINT holds no web address.",
            allowed="An address with http:// or https:// and a host.",
            advice="For example http://127.0.0.1:4318; or unset it, and spans are kept beside the study alone.",
        )
    return OtlpEndpoint(
        url=url,
        headers=tuple(parse_env_headers(value("HEADERS"), liberal=True).items()),
        timeout_s=_timeout_s(value("TIMEOUT")),
    )


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def _timeout_s(text: str) -> float:
    try:
        timeout_s = float(text or 10)
    except ValueError:
        timeout_s = 0
    if not 0 < timeout_s <= 60:
        raise UsageError(
            f"{PREFIX}TIMEOUT is {text!r}.", allowed="Seconds, more than 0 and at most 60.", advice="Unset it for 10."
        )
    return timeout_s
