"""A strict reader of HTML: every tag closed, in order, and nothing that a page of ours never has."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"meta", "img", "br", "hr"}


class Page(HTMLParser):
    """Reads a page; raises AssertionError for a tag that is not closed where it should be.

    Attributes:
        text: everything that a reader sees.
        tags: how often each tag stands there.
        ids: the anchors.
        links: every address.
        images: every source of an image.
    """

    def __init__(self, source: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.tags: dict[str, int] = {}
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self._open: list[str] = []
        self.feed(source.decode("utf-8"))
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if tag not in _VOID:
            self._open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), f"{tag} has {name}"
            assert name != "style", f"{tag} has {name}"
            if name == "id":
                self.ids.append(value or "")
            elif name == "href":
                self.links.append(value or "")
            elif name == "src":
                self.images.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        """Check that the tag which closes is the one that was opened last."""
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        """Keep text."""
        if self._open and self._open[-1] not in ("style", "script"):
            self.text += data
