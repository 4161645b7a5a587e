"""HTML built as values: every text is escaped, every tag is closed, and no address comes from data unchecked.

`el` is the only way to make an element. Its children are escaped unless they are `Html` themselves; its attributes come
from a short list; an address is an anchor, a plain relative path, or one of few fixed hosts; an image is a `data:` URI.
A page carries a Content-Security-Policy that allows its own style and script by their digests and nothing else, so that
even a fault here could run nothing and load nothing.

It does not cover interpreting Markdown or HTML that others wrote: that is shown as text.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable
from dataclasses import dataclass

from counterproof.provenance.crate import blob_name
from counterproof.provenance.digests import is_digest
from counterproof.provenance.transparency.text import plain

_VOID = frozenset({"meta", "img", "br", "hr"})
_TAG = re.compile(r"[a-z][a-zA-Z0-9]*")
_ATTRIBUTES = frozenset(
    {
        "class",
        "id",
        "href",
        "src",
        "alt",
        "title",
        "lang",
        "charset",
        "name",
        "content",
        "colspan",
        "scope",
        "open",
        "type",
        "role",
        "width",
        "height",
        "viewBox",
        "preserveAspectRatio",
        "x",
        "y",
        "aria-label",
        "aria-hidden",
        "tabindex",
        "hidden",
        "datetime",
    }
)
_HREF = re.compile(
    r"#[A-Za-z0-9_.-]+"
    r"|(?!//)(?:\.\./)*[A-Za-z0-9_%~-][A-Za-z0-9._%~-]*(?:/[A-Za-z0-9._%~-]+)*(?:#[A-Za-z0-9_.-]+)?"
    r"|https://(?:orcid\.org|ror\.org|doi\.org|www\.icmje\.org|wame\.org|www\.ecfr\.gov)/[A-Za-z0-9./?=&_()-]*"
)
_SRC = re.compile(r"data:image/(?:png|svg\+xml);base64,[A-Za-z0-9+/=]+")


@dataclass(frozen=True)
class Html:
    """A piece of finished HTML."""

    source: str


Child = Html | str | int | None
Children = Child | Iterable["Children"]


def el(tag: str, *children: Children, **attributes: str | int | bool | None) -> Html:
    """Return an element.

    Args:
        tag: its name.
        children: what is in it; texts are escaped, None is left out.
        attributes: by name, `cls` for `class`, with `_` for `-`; None and False are left out, True is a bare name.

    Raises:
        ValueError: a tag, attribute or address that is not allowed: a fault of the caller.
    """
    if not _TAG.fullmatch(tag):
        raise ValueError(f"{tag!r} is no tag")
    opening = f"<{tag}{''.join(_attribute(name, value) for name, value in attributes.items())}>"
    if tag in _VOID:
        return Html(opening)
    return Html(f"{opening}{join(*children).source}</{tag}>")


def join(*children: Children) -> Html:
    """Return children one after the other."""
    return Html("".join(_sources(children)))


def blob_link(digest: str, *, there: bool, folder: str = "") -> Html:
    """Return a digest, shortened, as a link to its body where that is in the bundle."""
    shown = f"{digest[:12]}…" if is_digest(digest) else digest
    if there and is_digest(digest):
        return el("a", shown, cls="digest", href=folder + blob_name(digest), title=digest)
    return el("code", shown, cls="digest", title=digest)


def data_uri(media: str, data: bytes) -> str:
    """Return bytes as an address that stands for them."""
    return f"data:{media};base64,{base64.b64encode(data).decode()}"


def document(*, title: str, body: Html, style: str, script: str = "") -> bytes:
    """Return a whole page that needs nothing else and allows nothing else."""
    policy = (
        f"default-src 'none'; style-src '{_source_hash(style)}'; img-src data:; base-uri 'none'; form-action 'none'"
        + (f"; script-src '{_source_hash(script)}'" if script else "")
    )
    head = join(
        el("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
        Html(f"<style>{style}</style>"),
    )
    scripts = Html(f"<script>{script}</script>") if script else None
    page = el("html", el("head", head), "\n", el("body", body, scripts), lang="en")
    return f"<!doctype html>\n{page.source}\n".encode()


def _sources(children: Iterable[Children]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            yield child.source
        elif isinstance(child, str | int):
            yield html.escape(plain(str(child)), quote=True)
        else:
            yield from _sources(child)


def _attribute(name: str, value: str | int | bool | None) -> str:
    name = "class" if name == "cls" else name.rstrip("_").replace("_", "-")
    if name not in _ATTRIBUTES:
        raise ValueError(f"the attribute {name!r} is not allowed")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    text = str(value)
    if (name == "href" and not _HREF.fullmatch(text)) or (name == "src" and not _SRC.fullmatch(text)):
        raise ValueError(f"{name}={text[:60]!r} is not allowed")
    return f' {name}="{html.escape(plain(text), quote=True)}"'


def _source_hash(source: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"
