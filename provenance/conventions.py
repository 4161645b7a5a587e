"""The names that spans carry, pinned: the GenAI semantic conventions as of v1.41.1, and ours for what those don't have.

v1.41.1 is the last release that holds them; where they live now nothing is released and names still change. So what a
library calls an attribute is mapped here to its name in v1.41.1, and what the table doesn't know is left out: a span
never gains or renames an attribute because a library was updated. `tests/provenance/test_conventions.py` holds the
names that the pinned libraries really give, so a renamed one is a failing test.

The table is also what keeps content out of spans: prompts, answers, arguments and texts of errors are not in it,
whatever a library or an environment variable says.

It does not cover values: a model's name or an answer's id stands there as the endpoint gave it.

Source: https://github.com/open-telemetry/semantic-conventions/tree/v1.41.1/docs/gen-ai
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.41.1"
SCOPE: Final = "counterproof"
"""The instrumentation scope of our own spans."""

STUDY: Final = "gen_ai.conversation.id"
"""The study's id: the same in all its traces."""
OPERATION: Final = "gen_ai.operation.name"
AGENT: Final = "gen_ai.agent.name"
TOOL: Final = "gen_ai.tool.name"
ERROR: Final = "error.type"

EXIT_CODE: Final = "counterproof.exit_code"
EFFECT: Final = "counterproof.effect"
"""The journal's key of a model call or an execution."""
RECORDED: Final = "counterproof.recorded"
"""True where the answer was read from the record and nothing happened again."""
ATTEMPTS: Final = "counterproof.attempts"
"""How often the endpoint was asked; 0 where the answer was recorded."""
RESPONSE: Final = "counterproof.response.sha256"
ORDER: Final = "counterproof.order"
SYNTHETIC: Final = "counterproof.synthetic"
EXECUTION_STATUS: Final = "counterproof.execution.status"
CHECKPOINT: Final = "counterproof.checkpoint.id"
CHECKPOINT_KIND: Final = "counterproof.checkpoint.kind"
SUBJECT: Final = "counterproof.subject.sha256"
DECISION: Final = "counterproof.decision"
PREVIOUS_TRACE: Final = "counterproof.previous.trace_id"
"""The trace before a wait; beside the link, because some viewers drop links."""
PREVIOUS_SPAN: Final = "counterproof.previous.span_id"

_SAME: Final = (
    OPERATION,
    STUDY,
    ERROR,
    "gen_ai.provider.name",
    "gen_ai.output.type",
    "gen_ai.request.choice.count",
    "gen_ai.request.frequency_penalty",
    "gen_ai.request.max_tokens",
    "gen_ai.request.model",
    "gen_ai.request.presence_penalty",
    "gen_ai.request.seed",
    "gen_ai.request.stop_sequences",
    "gen_ai.request.stream",
    "gen_ai.request.temperature",
    "gen_ai.request.top_k",
    "gen_ai.request.top_p",
    "gen_ai.response.finish_reasons",
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.reasoning.output_tokens",
    "openai.api.type",
    "openai.request.service_tier",
    "openai.response.service_tier",
    "openai.response.system_fingerprint",
    "server.address",
    "server.port",
    EFFECT,
    RECORDED,
    ATTEMPTS,
    RESPONSE,
)
PINNED: Final[Mapping[str, str]] = {
    **{name: name for name in _SAME},
    "gen_ai.usage.cache_write.input_tokens": "gen_ai.usage.cache_creation.input_tokens",
}
"""Attributes of a library's span: its name for one, and the name of v1.41.1. Others are left out."""

UNTRACED_GRAPH: Final = {"otel_trace": False}
"""As metadata of a graph's run: the instrumentation leaves out the graph and its nodes, which our spans cover."""
