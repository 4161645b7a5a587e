"""Making text safe to show: what a model, a data file or a person wrote never becomes markup of ours.

Streamlit renders Markdown in most places, table cells included (seen in 1.67). HTML is off there, but an image would be
fetched from any address, a link can say one thing and point elsewhere, a reference definition vanishes from view, and
two dollar signs turn text into a formula. `defused` keeps headings, lists, tables and emphasis and takes those away;
`plain` shows the characters as they are.

It does not cover emoji shortcodes and arrows, which Streamlit draws after Markdown is read: they change looks only, and
the exact bytes stand on the page too.
"""

from __future__ import annotations

import re
from itertools import groupby

_ACTIVE = re.compile(r"\\(?!\|)|[<$]|!(?=\[)|(?<=\])[(\[:]|:(?=\w)")
"""A backslash (but that of an escaped table bar), HTML, formulas, images, links, and Streamlit's :directives."""
_MARKUP = re.compile(r"[\\`*_\[\]<>$~|#]|:(?=\w)|!(?=\[)|(?m:^)(?:[-+](?=\s|$)|-(?=-)|=)")
_HEADING = re.compile(r"(?m)^(#{1,4} )")
_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r":?-+:?")
_DIGEST = re.compile(r"\b([0-9a-f]{32})([0-9a-f]{32})\b")
_LONG = re.compile(r"\S{41,}")
_CHUNK = re.compile(r".{1,20}")
_ZERO_WIDTH = "\u200b"
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST = 20_000
"""So many characters of one text are shown; the exact bytes are in the record."""
_NUMBERED = re.compile(r"(?m)^(\d{1,9})([.)])(?=\s|$)")


def defused(markdown: str) -> str:
    """Return Markdown that renders as before, without images, links, formulas, HTML and directives."""
    return _ACTIVE.sub(lambda found: "\\" + found.group(), visible(markdown, longest=10 * LONGEST))


def demoted(markdown: str) -> str:
    """Return Markdown whose headings stand two levels lower, below those of the page."""
    return _HEADING.sub(r"##\1", markdown)


def tables_apart(markdown: str) -> list[str | list[list[str]]]:
    """Return Markdown as stretches of text and tables, a table being its rows of cells, the header first.

    A table that is not even stays text.
    """
    parts: list[str | list[list[str]]] = []
    for is_table, lines in groupby(markdown.splitlines(), key=lambda line: line.startswith("|")):
        block = list(lines)
        rows = [[cell.strip() for cell in _BAR.split(line)[1:-1]] for line in block]
        even = is_table and len(rows) > 2 and {len(row) for row in rows} == {len(rows[0])}
        if even and all(_RULE.fullmatch(cell) for cell in rows[1]) and len(set(rows[0])) == len(rows[0]):
            parts.append([rows[0], *rows[2:]])
        else:
            parts.append("\n".join(block))
    return parts


def breakable(text: str) -> str:
    """Return text whose long words a narrow cell can break, so that no end is hidden; digests become two words."""
    return _LONG.sub(lambda found: _ZERO_WIDTH.join(_CHUNK.findall(found.group())), _DIGEST.sub(r"\1 \2", text))


def visible(text: str, *, longest: int = LONGEST) -> str:
    """Return text in which characters that steer a screen or turn the reading direction are named, and which ends.

    A text that is cut says so, with its length: a cell of some megabytes would stop the browser.
    """
    named = _STEERING.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", text[:longest])
    return named if len(text) <= longest else f"{named}… (cut here; {len(text):,} characters in all)"


def file_name(name: str, ending: str) -> str:
    """Return a name for a download that names a file and nothing else."""
    return (_NO_NAME.sub("-", name).strip(".-") or "study")[:80] + ending


def plain(text: str) -> str:
    """Return Markdown that shows `text` character by character; space at the start of a line is dropped."""
    lines = "\n".join(line.strip() for line in visible(text).splitlines())
    return _NUMBERED.sub(r"\1\\\2", _MARKUP.sub(lambda found: "\\" + found.group(), lines))
