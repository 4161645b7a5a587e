"""Program text with its parts coloured and its lines numbered, and what changed between two versions.

Pygments finds the tokens; the markup is made by `el`, so program text can't leave its place.

It does not cover very long programs: past `LINES_MAX` lines the rest is left to the body in the bundle. A program that
is longer than `COLOURED_MAX`, or that holds a long run of blanks, is shown without colours: a stranger's text could
keep the lexers busy for minutes (150 kB of blank lines: 278 s with Pygments 2.21).
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache

from pygments.lexer import Lexer
from pygments.lexers.python import PythonLexer
from pygments.lexers.r import SLexer
from pygments.lexers.special import TextLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String, _TokenType

from counterproof.provenance.transparency.markup import Children, Html, el, join

LINES_MAX = 5000
COLOURED_MAX = 100_000
"""Characters."""
_BLANKS = re.compile(r"\s{1000}")
_CLASSES: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "c"),
    (String, "s"),
    (Number, "n"),
    (Keyword, "k"),
    (Operator.Word, "k"),
    (Name.Function, "f"),
    (Name.Class, "f"),
    (Name.Decorator, "d"),
    (Name.Builtin, "b"),
)
_COLOURED = re.compile(rb'<span class="[bcdfkns]">([^<]*)</span>')


@lru_cache(maxsize=16)
def code_block(code: str, language: str) -> Html:
    """Return a program, coloured, with line numbers that are not copied with it.

    The lexers are the slowest part of a page, and one process shows a program several times: when a bundle is made,
    made again with its last spans, and verified.
    """
    lines = _lines(code, language)
    more = (
        el("p", f"{len(lines) - LINES_MAX} more lines are in the bundle.", cls="soft")
        if len(lines) > LINES_MAX
        else None
    )
    rows: list[Children] = [[el("span", line, cls="l"), "\n"] for line in lines[:LINES_MAX]]
    return join(el("pre", el("code", rows), cls="code", tabindex=0), more)


def diff_block(before: str, after: str) -> Html:
    """Return what changed from one text to another; says so when nothing did."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="", n=3))[2:]
    if not lines:
        return el("p", "Nothing changed.", cls="soft")
    kinds = {"+": "add", "-": "del", "@": "at"}
    rows: list[Children] = [
        [el("span", line, cls=f"l {kinds.get(line[:1], '')}".strip()), "\n"] for line in lines[:LINES_MAX]
    ]
    return el("pre", el("code", rows), cls="code diff", tabindex=0)


def without_colours(page: bytes) -> bytes:
    """Return a page without the marks that colour program text; versions of Pygments differ in where they stand."""
    return _COLOURED.sub(rb"\1", page)


def _lines(code: str, language: str) -> list[Html]:
    """Return coloured lines; a token that goes over several lines is closed and opened again."""
    lines: list[list[Html]] = [[]]
    slow = len(code) > COLOURED_MAX or _BLANKS.search(code) is not None
    for kind, text in _lexer("text" if slow else language).get_tokens(code):
        parts = text.split("\n")
        for at, part in enumerate(parts):
            if at:
                lines.append([])
            if part:
                lines[-1].append(_token(kind, part))
    while lines and not lines[-1]:
        lines.pop()
    return [join(line) for line in lines]


def _lexer(language: str) -> Lexer:
    options = {"stripnl": False, "ensurenl": False}
    if language == "python":
        return PythonLexer(**options)
    return SLexer(**options) if language in ("r", "R") else TextLexer(**options)


def _token(kind: _TokenType, text: str) -> Html:
    name = next((name for of, name in _CLASSES if _within(kind, of)), "")
    return el("span", text, cls=name) if name else join(text)


def _within(kind: _TokenType | None, of: _TokenType) -> bool:
    """Say whether a kind of token is one of a wider kind."""
    while kind is not None and kind is not of:
        kind = kind.parent
    return kind is of
