"""Figures: what a program can put beside, behind and between what is drawn.

Definition, for PNG: a chunk that is no part of the picture and holds more than the name of the drawing software
(`tEXt`, `zTXt`, `iTXt`, `eXIf`, `iCCP`, a time, an unknown kind), and bytes after its end. For SVG: comments,
descriptions, metadata, scripts, links, data URIs, `data-` attributes, text that nobody sees, and more drawn symbols
than K groups would give, which may be persons. Any other format can't be shown, and is kept back.

Small groups in a figure can't be counted by code: a look is always asked for, and the data behind a figure belong into
a table, which is checked. It does not cover what is hidden in colours of pixels.

References
----------
Griffiths et al., 2019 (see `small_cells`), "Graphs"; PNG, W3C Recommendation, 3rd edition, 2025, chapter 11.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from counterproof.tools.disclosure.item import DisclosureFinding

CHECK = "figures"
LOOK = "look at it: code can't tell whether single persons or small groups can be made out"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PICTURE = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"cICP"}
)
_SOFTWARE = re.compile(
    rb"Software\x00(Matplotlib version[ \w.]{1,20}, https?://matplotlib\.org/?|R[ \w.]{0,20})", re.IGNORECASE
)
_SYMBOLS_MAX = 200
_SVG = {
    "a comment": re.compile(r"<!--(?!\s*Created with|\s*\w+[\w. -]{0,40}-->)", re.IGNORECASE),
    "a description": re.compile(r"<desc\b", re.IGNORECASE),
    "metadata": re.compile(r"<metadata\b", re.IGNORECASE),
    "a script": re.compile(r"<script\b|\son\w+\s*=", re.IGNORECASE),
    "an embedded file": re.compile(r"data:[\w/+.-]+[;,]", re.IGNORECASE),
    "data attributes": re.compile(r"\sdata-[\w-]+\s*=", re.IGNORECASE),
    "a link": re.compile(r"<a\b|<foreignObject\b|<!ENTITY", re.IGNORECASE),
    "text that nobody sees": re.compile(
        r"(display\s*[:=]\s*[\"']?none|visibility\s*[:=]\s*[\"']?hidden|opacity\s*[:=]\s*[\"']?0(\.0*)?[\"';])",
        re.IGNORECASE,
    ),
}
_MATPLOTLIB_METADATA = re.compile(
    r"<metadata>\s*<rdf:RDF.{0,400}?<cc:Work>\s*<dc:type rdf:resource=\"http://purl\.org/dc/dcmitype/StillImage\"/>\s*"
    r"(<dc:date>[\dT:.+-]{1,40}</dc:date>\s*)?<dc:format>image/svg\+xml</dc:format>\s*<dc:creator>\s*<cc:Agent>\s*"
    r"<dc:title>Matplotlib v[\d.]{1,12}, https?://matplotlib\.org/?</dc:title>\s*</cc:Agent>\s*</dc:creator>\s*</cc:Work>"
    r"\s*</rdf:RDF>\s*</metadata>",
    re.DOTALL,
)


def in_figure(data: bytes) -> list[DisclosureFinding]:
    """Look at the bytes of a figure."""
    if data.startswith(_SIGNATURE):
        hidden = list(_in_png(data))
    elif b"<svg" in data[:2000]:
        hidden = list(_in_svg(data))
    else:
        hidden = ["is no PNG and no SVG, and can't be shown"]
    found = [DisclosureFinding(check=CHECK, text=text, suggestion="suppress") for text in hidden]
    return [*found, DisclosureFinding(check=CHECK, text=LOOK, suggestion="look")]


def _in_png(data: bytes) -> Iterator[str]:
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind not in _PICTURE and not (kind == b"tEXt" and _SOFTWARE.fullmatch(body)):
            yield f"holds {len(body)} bytes beside the picture ({kind.decode('latin-1')!r})"
        at += 12 + length
        if kind == b"IEND":
            if at < len(data):
                yield f"holds {len(data) - at} bytes after its end"
            return
    yield "is no whole PNG"


def _in_svg(data: bytes) -> Iterator[str]:
    try:
        text = _MATPLOTLIB_METADATA.sub("", data.decode("utf-8"), count=1)
    except UnicodeDecodeError:
        yield "is no text in UTF-8"
        return
    for name, pattern in _SVG.items():
        if pattern.search(text):
            yield f"holds {name}"
    tail = text.rpartition("</svg>")[2].strip()
    if tail:
        yield f"holds {len(tail)} characters after its end"
    symbols = len(re.findall(r"<(?:circle|use|ellipse)\b", text))
    if symbols > _SYMBOLS_MAX:
        yield f"draws {symbols} symbols, which may be persons"
