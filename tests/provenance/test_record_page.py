"""The record page: it shows the whole story, closes its tags, runs nothing, and holds nothing of the secure side."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from counterproof.provenance.crate import blob_name, make_crate
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.page import make_page, make_preview
from counterproof.provenance.page.highlight import code_block, diff_block
from counterproof.provenance.page.trace import read_spans, waterfall
from counterproof.provenance.reviewers import REPLAY_LABEL
from counterproof.provenance.transparency.markup import document, el
from counterproof.provenance.verify import Step

from .pages import Page
from .stories import CANARY, CODE, FIXED, Told, tell

HOSTILE = {
    "script": "<script>window.hit=1</script>",
    "style": "</style><script>window.hit=1</script>",
    "title": "</title></head><body onload=window.hit=1>",
    "pre": "</code></pre></details><img src=x onerror=window.hit=1>",
    "quote": "\" onclick=\"window.hit=1\" x='' href='javascript:window.hit=1'",
    "link": "[x](javascript:window.hit=1) <a href=javascript:window.hit=1>x</a>",
    "comment": "<!-- --!> <![CDATA[ ]]> <!doctype html>",
    "svg": "<svg onload=window.hit=1><foreignObject><iframe srcdoc='<script>window.hit=1</script>'>",
    "bidi": "\u202eabc\u2066def\u061c\u200f",
    "control": "\x00\x08\x0b\x1b[31m\x7f\x9b",
    "entity": "&lt;script&gt; &amp;amp; &#60;script&#62; &colon;",
    "base": "<base href=https://evil.example/><meta http-equiv=refresh content=0;url=https://evil.example>",
    "path": "../../etc/passwd //evil.example/x C:\\x",
}


def page_of(told: Told) -> Page:
    """The page of a record, read strictly."""
    return Page(make_page(told.events, told.blobs, spans=told.spans))


def test_page_has_every_part_and_every_event(told: Told) -> None:
    page = page_of(told)
    parts = "results flow figures report decisions plan programs runs checks model costs timeline trace withheld"
    assert {*parts.split(), "verification"} <= set(page.ids)
    assert {f"event-{event.seq}" for event in told.events} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_anchors_lead_somewhere(told: Told) -> None:
    page = page_of(told)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_links_to_bodies_are_those_of_the_bundle_and_open(told: Told) -> None:
    open_ = {blob_name(ref.sha256) for event in told.events for ref in event.refs if ref.side == "open"}
    links = {link for link in page_of(told).links if link.startswith("record/")}
    assert links
    assert links <= open_


def test_page_of_the_demo_tells_its_results_and_their_way(demo_told: Told) -> None:
    page = page_of(demo_told)
    for fact in (
        "replayed, not reviewed",
        "Hazard ratio of death, women against men",
        "0.588004",
        "95%: 0.4237 to 0.816",
        "228 assessed",
        "execute/primary/",
        "where just this was put up",
        "Two programs were written independently",
        "study.ended",
        "invoke_agent counterproof",
    ):
        assert fact in page.text, fact
    assert len(page.images) == 1
    assert page.images[0].startswith("data:image/png;base64,")


def test_numbers_of_the_report_lead_to_their_results(told: Told) -> None:
    source = make_page(told.events, told.blobs).decode()
    assert 'href="#result-0" title="diff.value">5.25</a>' in source


def test_who_decided_what_on_which_bytes(told: Told) -> None:
    page = page_of(told)
    for event in told.events:
        if event.type == "decision.recorded":
            assert event.data["checkpoint"] in page.text
            assert event.data["subject"][:12] in page.text
    assert "0000-0002-1825-0097" in page.text
    assert "https://orcid.org/0000-0002-1825-0097" in page.links
    assert "https://ror.org/0zzzzzz02" in page.links
    assert "Institute of Made-up Trials" in page.text
    assert "on the secure side: shown to the reviewer" in page.text


def test_what_the_model_saw_is_whole(tmp_path: Path) -> None:
    page = page_of(tell(tmp_path, text="what the model saw 4711"))
    assert page.text.count("rules what the model saw 4711") == 5


def test_failed_runs_rejections_and_retries_are_shown(told: Told) -> None:
    text = page_of(told).text
    assert "failed (exit 1)" in text
    assert "answered 503" in text
    assert "4 approved, 0 edited, 1 rejected, 0 withdrawn" in text
    assert "not approved" in text
    assert f"-{CODE.strip()}" in text
    assert f"+{FIXED.strip()}" in text


def test_replayed_study_says_so_at_its_top_and_at_each_decision(tmp_path: Path) -> None:
    text = page_of(tell(tmp_path, replay=True)).text
    assert REPLAY_LABEL in text.partition("Results")[0]
    assert text.count(REPLAY_LABEL) >= 6
    assert "person" not in [line.strip() for line in text.splitlines()]


@pytest.mark.canary
def test_nothing_of_the_secure_side_is_on_the_page(told: Told) -> None:
    source = make_page(told.events, told.blobs, spans=told.spans)
    assert CANARY not in source
    assert any(
        CANARY in told.blobs.get(ref.sha256) for event in told.events for ref in event.refs if ref.side == "secure"
    )


@pytest.mark.canary
def test_secure_bodies_of_the_demo_are_not_read(demo_told: Told) -> None:
    opened: list[str] = []

    class Watched:
        def get(self, digest: str, /) -> bytes:
            opened.append(digest)
            return demo_told.blobs.get(digest)

        def check(self, digest: str, /) -> None:
            opened.append(digest)

    make_page(demo_told.events, Watched(), spans=demo_told.spans)
    open_ = {ref.sha256 for event in demo_told.events for ref in event.refs if ref.side == "open"}
    assert opened
    assert set(opened) <= open_


def test_withheld_bodies_are_listed_and_not_shown(told: Told) -> None:
    programs = {event.ref("program").sha256 for event in told.events if event.type == "program.written"}
    text = Page(make_page(told.events, told.blobs, withheld=programs)).text
    assert "left out of this copy" in text
    assert "This copy withholds its text." in text
    assert "computed from real data, not released" in text


def test_same_record_gives_the_same_page(demo_told: Told) -> None:
    pages = {make_page(demo_told.events, demo_told.blobs, spans=demo_told.spans) for _ in range(2)}
    assert len(pages) == 1


@pytest.mark.parametrize("until", range(1, 39, 3))
def test_every_beginning_of_a_record_gives_a_page(until: int, told: Told) -> None:
    page = Page(make_page(told.events[:until], told.blobs))
    assert "Nothing was released." in page.text or until > 30


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_stays_text(text: str, tmp_path: Path) -> None:
    hostile = tell(tmp_path, text=text)
    page = page_of(hostile)
    assert page.tags["script"] == page.tags["style"] == page.tags["title"] == page.tags["body"] == 1
    assert not {"iframe", "base", "form", "object", "embed", "link", "foreignobject", "audio", "video"} & set(page.tags)
    assert all(re.match(r"#|record/|https://(orcid|ror)\.org/", link) for link in page.links)
    assert all(image.startswith("data:image/") for image in page.images)


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u200b", "\x00", "\x1b", "\x9b", "\ufeff", "\u2028"])
def test_hidden_characters_are_shown_as_marks(sign: str, tmp_path: Path) -> None:
    source = make_page((hostile := tell(tmp_path, text=f"a{sign}b")).events, hostile.blobs).decode()
    assert sign not in source
    assert f"a[U+{ord(sign):04X}]b" in source


def test_half_surrogates_of_a_model_do_not_stop_the_page(told: Told, tmp_path: Path) -> None:
    again = tell(tmp_path)
    body = again.record.put("response", rb'{"status":200,"type":"","body":"{\"model\":\"m\\ud800\"}"}')
    request = again.record.put("request", rb'{"model":"m\ud800","messages":[{"role":"user","content":"\udfff"}]}')
    common = {"key": "report/2/1", "kind": "model", "attempt": 1}
    again.record.append("effect.started", data={**common, "host": "h", "after_kill": False}, refs=[request])
    again.record.append("effect.finished", data=common, refs=[request, body])
    assert "m[U+D800]" in Page(make_page(again.record.events(), again.blobs)).text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"body": 3}',
        b'{"body": "[1]"}',
        b'{"body": "{\\"choices\\": 3, \\"usage\\": []}"}',
        b"\xff",
    ],
    ids=["empty", "null", "list", "number", "inner list", "wrong types", "no utf-8"],
)
def test_answer_of_any_form_is_borne(body: bytes, tmp_path: Path) -> None:
    again = tell(tmp_path)
    request, response = again.record.put("request", body), again.record.put("response", body)
    common = {"key": "report/2/1", "kind": "model", "attempt": 1}
    again.record.append("effect.started", data={**common, "host": "h", "after_kill": False}, refs=[request])
    again.record.append("effect.finished", data=common, refs=[request, response])
    assert "report/2/1" in Page(make_page(again.record.events(), again.blobs)).text


def test_changed_body_stops_the_page(told: Told) -> None:
    class Liar:
        def get(self, digest: str, /) -> bytes:
            return b"{}"

        def check(self, digest: str, /) -> None:
            """It lies."""

    with pytest.raises(VerificationFailed, match="has been changed"):
        make_page(told.events, Liar())


def test_broken_chain_is_said_on_the_page(told: Told) -> None:
    without = [event for event in told.events if event.type != "gate.opened"]
    text = Page(make_page(without, told.blobs)).text
    assert "an event does not follow from the one before" in text
    assert "without an approval before it" in text


def test_steps_of_a_verification_are_shown(told: Told) -> None:
    steps = [Step(number=1, name="container", outcome="failed", evidence=("Byte 7 <b>changed</b>",))]
    text = Page(make_page(told.events, told.blobs, steps=steps)).text
    assert "1 container" in text
    assert "Byte 7 <b>changed</b>" in text


def test_policy_allows_only_the_own_script_and_style(told: Told) -> None:
    source = make_page(told.events, told.blobs).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', source)
    assert policy is not None
    assert "default-src 'none'" in policy.group(1)
    assert "unsafe" not in policy.group(1)


@pytest.mark.parametrize(
    "href", ["javascript:alert(1)", "//evil.example", "https://evil.example/", "data:text/html,x", " #a", "/x"]
)
def test_address_from_elsewhere_is_refused(href: str) -> None:
    with pytest.raises(ValueError, match="is not allowed"):
        el("a", "x", href=href)


@pytest.mark.parametrize(("name", "value"), [("onclick", "x"), ("style", "x"), ("srcdoc", "x")])
def test_attribute_that_could_run_something_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="is not allowed"):
        el("a", "x", **{name: value})


def test_text_is_escaped_once() -> None:
    assert el("p", 'a<b & "c"').source == "<p>a&lt;b &amp; &quot;c&quot;</p>"
    assert b"<title>a&lt;b</title>" in document(title="a<b", body=el("p", "x"), style="p{}")


def test_code_keeps_its_text_and_numbers_its_lines() -> None:
    code = 'def f(x):\n    """Two\n    lines <b>."""\n    return x & 1\n\n'
    shown = Page(code_block(code, "python").source.encode())
    assert shown.text.rstrip("\n") == code.rstrip("\n")
    assert Page(code_block("x <- c(1, 2) # R", "r").source.encode()).text == "x <- c(1, 2) # R\n"


def test_diff_shows_what_changed_and_says_when_nothing_did() -> None:
    assert "-one" in Page(diff_block("one\n", "two\n").source.encode()).text
    assert "Nothing changed." in Page(diff_block("one\n", "one\n").source.encode()).text


def test_spans_that_are_none_are_left_out(told: Told) -> None:
    assert [span.id for span in read_spans(told.spans)] == ["a", "b"]
    assert read_spans(b'\xff\n{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 1}]}]}]}\n') == []


def test_preview_links_files_and_never_leaves_the_crate(told: Told) -> None:
    names = [
        "record.html",
        "README.md",
        "report.md",
        "javascript:alert(1)",
        "../up",
        "//evil.example/x",
        "a b/ü.csv",
        ".hidden",
    ]
    files = dict.fromkeys([*names, "record/blobs/sha256/ab/cd"], 10)
    page = Page(make_preview(told.events, files))
    assert set(page.links) == {"record.html", "README.md", "report.md", "javascript%3Aalert%281%29", "a%20b/%C3%BC.csv"}
    assert "1 body under record/blobs/" in page.text
    assert "../up" in page.text


def test_preview_has_the_pages_that_the_crate_names(told: Told) -> None:
    made = make_crate(told.events, {}, title="t", label="l", version="1")
    named = [entity["url"]["@id"] for entity in made["@graph"] if "@id" in entity.get("url", "")]
    ids = re.findall(r' id="([a-z-]+)"', make_preview(told.events, {}).decode())
    pages = [name.partition("#")[2] for name in named if name.startswith("ro-crate-preview.html#")]
    assert sorted(pages) == sorted(ids) == ["checkpoint", "engine", "installation", "program-runner", "workflow"]


def test_preview_says_how_it_was_reviewed(tmp_path: Path) -> None:
    replayed = tell(tmp_path, replay=True)
    assert REPLAY_LABEL in Page(make_preview(replayed.events, {"record.html": 1})).text


@pytest.mark.parametrize("language", ["python", "r"])
@pytest.mark.parametrize("text", ["\t \n", "(", "a.", "'%", "import a as "])
def test_program_made_to_keep_a_lexer_busy_is_shown_soon(text: str, language: str) -> None:
    """Without the limits the first of these takes minutes."""
    began = time.monotonic()
    code_block(text * 40_000, language)
    assert time.monotonic() - began < 10


def _span(trace: str, id_: str, name: str, start: int, **more: object) -> dict[str, object]:
    times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 10)}
    return {"traceId": trace, "spanId": id_, "name": name, **times, **more}


def test_a_trace_says_which_trace_it_goes_on_from() -> None:
    spans = [
        _span("t1", "a", "run", 0),
        _span("t2", "b", "decide", 100, links=[{"traceId": "t1", "spanId": "a"}]),
        _span("t3", "c", "run", 200, links=[{"traceId": "elsewhere", "spanId": "x"}]),
    ]
    page = str(waterfall(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()))
    assert page.count("goes on from trace 1") == 1
    assert page.index("Trace 2") < page.index("goes on from trace 1") < page.index("Trace 3")
    assert "elsewhere" not in page
