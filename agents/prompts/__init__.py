"""The prompts: Markdown files beside this one, filled in with named parts.

Each begins with a comment that holds its version and the reason for what it asks; the comment is not sent. The version
goes up with every change of what is sent.

A prompt is deterministic: it is made from the study's documents alone, with no clock, random id, host name or path, so
that the same study asks for the same bytes anywhere.
"""

from __future__ import annotations

import json
import re
import unicodedata
from importlib.resources import files
from string import Template
from typing import Any

from counterproof.agents.settings import StudySettings

_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
_DIGITS = 5
_HEAD = re.compile(r"<!-- version ([0-9]+)\n[^>]+\n-->\n")


def fill(name: str, **parts: str) -> str:
    """Return the prompt `name` with its parts filled in.

    Raises:
        KeyError: a part that the prompt names is missing.
    """
    return Template(_HEAD.sub("", source_of(name), count=1)).substitute(parts).strip()


def version(name: str) -> int:
    """Return the version of a prompt.

    Raises:
        ValueError: the prompt doesn't begin with its version and reason.
    """
    head = _HEAD.match(source_of(name))
    if head is None:
        raise ValueError(f"The prompt {name!r} doesn't begin with '<!-- version N', its reason and '-->'.")
    return int(head.group(1))


def source_of(name: str) -> str:
    """Return a prompt as its file has it."""
    return files("counterproof.agents.prompts").joinpath(f"{name}.md").read_text(encoding="utf-8")


def shown(value: Any) -> str:
    """Return a document as it stands in a prompt: indented JSON with sorted keys."""
    return _visible(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False))


def few_digits(value: Any) -> Any:
    """Return a document whose broken numbers have five significant digits.

    A model needs no more, and the last digits differ between processors: so the same study asks the same everywhere.
    """
    if isinstance(value, float) and not value.is_integer():
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {name: few_digits(inner) for name, inner in value.items()}
    return [few_digits(inner) for inner in value] if isinstance(value, list) else value


def quoted(text: str) -> str:
    """Return a text that came with the data, line by line behind a bar: none of it can pose as words of ours."""
    return "\n".join(f"| {_visible(line)}" for line in text.splitlines())


def codebook_told(settings: StudySettings) -> str:
    """Return what stands under "Codebook": its text, and where more is, if the profile holds some column by column."""
    there = (
        "In the profile, with each column, under `codebook`; it came with the data, too." if settings.variables else ""
    )
    return "\n\n".join(filter(None, [quoted(settings.codebook), there])) or "None was given."


def _visible(text: str) -> str:
    r"""Return text in which characters that nobody sees, or that turn the direction, stand as `\uXXXX`."""
    return "".join(
        character
        if character in "\n\t" or unicodedata.category(character) not in _UNSEEN
        else f"\\u{ord(character):04x}"
        for character in text
    )
