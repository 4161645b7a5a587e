"""The renderings of a statement: whole, closed, safe, the same each time, and readable by other people's programs."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import docx
import pytest

from counterproof.provenance.transparency import Statement, load_checklist, make_statement, to_html
from counterproof.provenance.transparency.render_docx import to_docx

from .pages import Page
from .stories import CANARY, Told, tell

HOSTILE = (
    "</style></script><script>window.hit=1</script><img src=x onerror=window.hit=1>"
    "\u202eevil\u2066 \x00\x1b[31m]]>&amp;"
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A record with hostile text in every place."""
    return tell(tmp_path_factory.mktemp("hostile"), text=HOSTILE)


def _words(document: bytes) -> str:
    made = docx.Document(io.BytesIO(document))
    cells = [cell.text for table in made.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(paragraph.text for paragraph in made.paragraphs), *cells])


def test_html_is_closed_and_has_every_item(told: Told) -> None:
    page = Page(to_html(make_statement(told.events, told.blobs)))
    assert {f"item-{item.id}" for item in load_checklist().item} <= set(page.ids)
    assert "script" not in page.tags
    assert all(item.text in page.text for item in load_checklist().item)


def test_html_links_events_to_the_record_page(told: Told) -> None:
    page = Page(to_html(make_statement(told.events, told.blobs), record_page="../record.html"))
    assert "../record.html#event-0" in page.links
    assert {link.partition("#")[0] for link in page.links} == {"../record.html"}


def test_html_of_hostile_text_stays_text(hostile: Told) -> None:
    page = Page(to_html(make_statement(hostile.events, hostile.blobs)))
    assert page.tags.get("script", 0) == page.tags.get("img", 0) == 0
    assert "<script>window.hit=1</script>" in page.text
    assert "[U+202E]evil[U+2066]" in page.text
    assert not set(page.text) & {"\u202e", "\u2066", "\x00", "\x1b"}


def test_docx_opens_and_has_every_item(told: Told) -> None:
    words = _words(to_docx(make_statement(told.events, told.blobs), made_at=told.events[-1].ts))
    assert all(item.text in words for item in load_checklist().item)
    assert told.events[-1].digest in words


def test_docx_of_hostile_text_is_good_xml_and_shows_it(hostile: Told) -> None:
    made = to_docx(make_statement(hostile.events, hostile.blobs), made_at=hostile.events[-1].ts)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                ElementTree.fromstring(archive.read(name))
    assert "<script>window.hit=1</script>" in _words(made)


@pytest.mark.parametrize("kind", ["json", "html", "docx"])
def test_rendering_is_the_same_each_time_and_holds_nothing_secure(kind: str, told: Told) -> None:
    def render() -> bytes:
        statement = make_statement(told.events, told.blobs)
        if kind == "json":
            return statement.to_json()
        return to_html(statement) if kind == "html" else to_docx(statement, made_at=told.events[-1].ts)

    assert render() == render()
    assert CANARY not in render()


def test_json_can_be_read_back(hostile: Told) -> None:
    statement = make_statement(hostile.events, hostile.blobs)
    assert Statement.model_validate_json(statement.to_json()) == statement
    assert json.loads(statement.to_json())["statement"] == "counterproof/transparency/1"


def test_replayed_study_says_so_first(tmp_path: Path) -> None:
    replayed = tell(tmp_path, replay=True)
    statement = make_statement(replayed.events, replayed.blobs)
    assert "Replayed, not reviewed." in Page(to_html(statement)).text.partition("Per guideline")[0]
    assert "Replayed, not reviewed." in _words(to_docx(statement, made_at=replayed.events[-1].ts))


def test_no_rendering_claims_to_comply(told: Told) -> None:
    statement = make_statement(told.events, told.blobs)
    assert b"complian" not in to_html(statement).lower()
    assert "complian" not in _words(to_docx(statement, made_at=told.events[-1].ts)).lower()
