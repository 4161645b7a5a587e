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

_ACTIVE = re.compile(r"\\(?!\|)|[<$]|!(?=\[)|(?<=\])[(\[:]|:(?=\w)")
"""A backslash (but that of an escaped table bar), HTML, formulas, images, links, and Streamlit's :directives."""
_MARKUP = re.compile(r"[\\`*_\[\]<>$~|#]|:(?=\w)|!(?=\[)|(?m:^)(?:[-+](?=\s|$)|-(?=-)|=)")
_NUMBERED = re.compile(r"(?m)^(\d{1,9})([.)])(?=\s|$)")


def defused(markdown: str) -> str:
    """Return Markdown that renders as before, without images, links, formulas, HTML and directives."""
    return _ACTIVE.sub(lambda found: "\\" + found.group(), markdown)


def plain(text: str) -> str:
    """Return Markdown that shows `text` character by character; space at the start of a line is dropped."""
    lines = "\n".join(line.strip() for line in text.splitlines())
    return _NUMBERED.sub(r"\1\\\2", _MARKUP.sub(lambda found: "\\" + found.group(), lines))
