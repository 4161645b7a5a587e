"""Switching on the official OpenTelemetry instrumentations of LangChain and OpenAI: they make the span of a model call.

Both together give exactly one `chat` span a call; the inner one sees that the outer is there and adds to it. Names and
what stays out are pinned in `conventions`. Only `ui/` imports this module, after `ui.environment.clean` has taken away
the variables by which the libraries would keep prompts and answers or send them elsewhere.

It does not cover spans of the graph's nodes: the study graph asks the library to leave them out.
"""

from __future__ import annotations

from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor


def instrument_models() -> None:
    """Trace the model calls of this process; doing it again changes nothing."""
    for instrumentor in (LangChainInstrumentor(), OpenAIInstrumentor()):  # type: ignore[no-untyped-call]  # the library's
        if not instrumentor.is_instrumented_by_opentelemetry:
            # 1.3b0 of the first asks for the distribution `langchain` and uses `langchain-core` alone; where the former
            # is missing it logs a line and does nothing.
            instrumentor.instrument(skip_dep_check=True)
