"""The prompts: Markdown files beside this one, filled in with named parts.

A prompt is deterministic: it is made from the study's documents alone, with no clock, random id, host name or path, so
that the same study asks for the same bytes anywhere.
"""

from __future__ import annotations

import json
from importlib.resources import files
from string import Template
from typing import Any


def fill(name: str, **parts: str) -> str:
    """Return the prompt `name` with its parts filled in.

    Raises:
        KeyError: a part that the prompt names is missing.
    """
    text = files("counterproof.agents.prompts").joinpath(f"{name}.md").read_text(encoding="utf-8")
    return Template(text).substitute(parts).strip()


def shown(value: Any) -> str:
    """Return a document as it stands in a prompt: indented JSON with sorted keys."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
