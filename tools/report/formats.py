"""A document in Markdown as a page or for Word: the report, and the plan.

The text comes from a model and from programs: raw HTML, images and links that are no web addresses stay plain text, and
the page loads nothing. No number is touched on the way.
"""

from __future__ import annotations

import io
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}td,th{border:1px solid #999;padding:.2rem .5rem;"
    "text-align:left;vertical-align:top}svg{max-width:40rem}"
)


def to_html(markdown: str, *, title: str, figures: tuple[str, ...] = ()) -> str:
    """Return a page that stands alone.

    Args:
        markdown: the document.
        title: title of the page.
        figures: drawings in SVG that code made, put at the end.
    """
    body = _parser().render(markdown)
    drawn = "".join(f"<figure>{figure}</figure>" for figure in figures)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{body}{drawn}</body></html>\n"
    )


def to_docx(markdown: str, *, title: str) -> bytes:
    """Return the document for Word."""
    from docx import Document  # lazy: takes 0.1 s, and few studies ask for it

    document = Document()
    document.core_properties.title = title[:250]
    _Writer(document).write(_parser().parse(markdown))
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "autolink"])


class _Writer:
    """Writes the blocks of Markdown into a document of python-docx."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._lists: list[str] = []
        self._rows: list[list[Token]] = []

    def write(self, tokens: list[Token]) -> None:
        style: tuple[str, int] = ("text", 0)
        for token in tokens:
            match token.type:
                case "heading_open":
                    style = ("heading", int(token.tag[1]))
                case "bullet_list_open":
                    self._lists.append("List Bullet")
                case "ordered_list_open":
                    self._lists.append("List Number")
                case "bullet_list_close" | "ordered_list_close":
                    self._lists.pop()
                case "heading_close":
                    style = ("text", 0)
                case "tr_open":
                    self._rows.append([])
                case "table_open":
                    style, self._rows = ("table", 0), []
                case "table_close":
                    style = ("text", 0)
                    self._table()
                case "inline" if style[0] == "table":
                    self._rows[-1].append(token)
                case "inline":
                    self._runs(self._paragraph(style), token)
                case "fence" | "code_block":
                    self._document.add_paragraph(token.content)
                case _:
                    pass

    def _paragraph(self, style: tuple[str, int]) -> Any:
        if style[0] == "heading":
            return self._document.add_heading(level=min(style[1], 4))
        if self._lists:
            depth = min(len(self._lists), 3)
            return self._document.add_paragraph(style=self._lists[-1] + (f" {depth}" if depth > 1 else ""))
        return self._document.add_paragraph()

    def _table(self) -> None:
        made = self._document.add_table(rows=len(self._rows), cols=max(map(len, self._rows)), style="Table Grid")
        for row, cells in zip(made.rows, self._rows, strict=True):
            for place, token in zip(row.cells, cells, strict=False):
                self._runs(place.paragraphs[0], token)

    @staticmethod
    def _runs(paragraph: Any, inline: Token) -> None:
        bold = italic = False
        for token in inline.children or []:
            match token.type:
                case "strong_open" | "strong_close":
                    bold = token.type == "strong_open"
                case "em_open" | "em_close":
                    italic = token.type == "em_open"
                case "softbreak" | "hardbreak":
                    paragraph.add_run("\n" if token.type == "hardbreak" else " ")
                case _ if token.content:
                    run = paragraph.add_run(token.content)
                    run.bold, run.italic = bold, italic
                case _:
                    pass
