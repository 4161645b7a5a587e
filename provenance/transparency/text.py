"""Text that others wrote, made fit to be shown: nothing in it can hide, turn around or end what stands beside it.

Control characters, direction marks, zero-width characters and half surrogates become visible marks like `[U+202E]`;
line breaks and tabs stay. That also keeps the text fit for UTF-8 and for XML 1.0.

It does not cover escaping, which each format does for itself.

Source: Unicode TR36, *Bidirectional text spoofing*; CVE-2021-42574.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def plain(text: str) -> str:
    """Return text in which every hidden or turning character is a visible mark."""
    return _HIDDEN.sub(lambda found: f"[U+{ord(found.group()):04X}]", text.replace("\r\n", "\n"))


def _plain(value: object) -> object:
    return plain(value) if isinstance(value, str) else value


PlainText = Annotated[str, BeforeValidator(_plain)]
"""A string that was made fit to be shown."""
