"""The program in an answer: the fenced block of the asked language, or a bare answer that is a program."""

from __future__ import annotations

import ast
import re

from counterproof.sandbox import Language
from counterproof.tools.static_r import check_r_program

_BLOCK = re.compile(r"^```[ \t]*([A-Za-z0-9+_-]*)[^\n]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
_TAGS: dict[Language, frozenset[str]] = {
    "python": frozenset({"python", "py", "python3"}),
    "r": frozenset({"r", "rscript"}),
}
_MARK = "COUNTERPROOF_OUT"
"""A bare answer without any of this is prose, even where it parses."""


def code_of(text: str, language: Language) -> str | None:
    """Return the program that an answer holds, exactly as it stands there; None where it holds none.

    Of several blocks in the language the longest one counts; a block without a language counts where no other has it.
    """
    blocks = [(tag.lower(), body) for tag, body in _BLOCK.findall(text)]
    fitting = [body for tag, body in blocks if tag in _TAGS[language]] or [body for tag, body in blocks if not tag]
    if fitting:
        return str(max(fitting, key=len))
    return text if not blocks and _MARK in text and _parses(text, language) else None


def _parses(text: str, language: Language) -> bool:
    if language == "r":
        return not any(found.level == "error" for found in check_r_program(text))
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
