"""The statement: each item has its evidence, or is missing; nothing is claimed that the record does not show."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.events import Ref
from counterproof.provenance.labels import review_label
from counterproof.provenance.reviewers import REPLAY_LABEL
from counterproof.provenance.transparency import (
    Answer,
    Answers,
    Statement,
    StatementItem,
    load_checklist,
    make_statement,
)
from counterproof.provenance.transparency.statement import QUERIES

from .stories import CANARY, Told, tell

AUTO = [item.id for item in load_checklist().item if item.kind == "auto"]
HUMAN = [item.id for item in load_checklist().item if item.kind == "human"]
BOTH = [item.id for item in load_checklist().item if item.kind == "both"]
UNKNOWN_TO_THE_RECORD = {"B7", "F6", "G9", "I6"}


def items_of(statement: Statement) -> dict[str, StatementItem]:
    """The items by their ids."""
    return {item.id: item for item in statement.items}


def said(item: StatementItem) -> str:
    """All evidence of an item."""
    return "\n".join(one.text for one in item.evidence)


def test_checklist_has_the_items_of_all_sections() -> None:
    checklist = load_checklist()
    assert len(checklist.item) == 59
    assert [section.id for section in checklist.section] == list("ABCDEFGHIJ")
    assert {item.id[0] for item in checklist.item} == set("ABCDEFGHIJ")


def test_checklist_names_every_query_and_only_those() -> None:
    assert {item.query for item in load_checklist().item if item.query} == set(QUERIES)


def test_checklist_marks_what_was_recalled_from_memory() -> None:
    checked = {source.id: source.checked for source in load_checklist().source}
    assert not checked["STROBE"]
    assert not checked["TRIPOD-LLM"]
    assert checked["PART-11"]
    assert all(not named.checked or checked[named.source] for item in load_checklist().item for named in item.sources)


@pytest.mark.parametrize("item", AUTO)
def test_auto_item_is_present_with_evidence_or_says_what_is_lacking(item: str, told: Told) -> None:
    found = items_of(make_statement(told.events, told.blobs))[item]
    if item in UNKNOWN_TO_THE_RECORD:
        assert (found.status, found.lacks, found.evidence) == ("missing", ("record",), ())
        assert found.reason
    else:
        assert (found.status, found.lacks) == ("present", ())
        assert found.evidence


@pytest.mark.parametrize("item", HUMAN)
def test_human_item_without_an_answer_is_missing(item: str, told: Told) -> None:
    found = items_of(make_statement(told.events, told.blobs))[item]
    assert (found.status, found.lacks, found.evidence) == ("missing", ("person",), ())


@pytest.mark.parametrize("item", BOTH)
def test_item_of_both_is_missing_until_the_person_answers(item: str, told: Told) -> None:
    before = items_of(make_statement(told.events, told.blobs))[item]
    answers = Answers(by_id={item: Answer(answer="So it was.")})
    after = items_of(make_statement(told.events, told.blobs, answers))[item]
    assert (before.status, before.lacks) == ("missing", ("person",))
    assert before.evidence == after.evidence != ()
    assert (after.status, after.answer) == ("present", "So it was.")


@pytest.mark.parametrize("item", [*AUTO, *BOTH])
def test_item_of_an_empty_study_is_never_present_without_evidence(item: str, told: Told) -> None:
    answers = Answers(by_id={other: Answer(answer="Yes.") for other in BOTH})
    found = items_of(make_statement(told.events[:1], told.blobs, answers))[item]
    assert (found.status == "present") == bool(found.evidence)
    assert found.status == "present" or found.reason


def test_evidence_names_events_that_exist(told: Told) -> None:
    for item in make_statement(told.events, told.blobs).items:
        for one in item.evidence:
            assert one.events, f"{item.id}: {one.text}"
            assert set(one.events) <= set(range(len(told.events)))


def test_not_applicable_needs_a_reason_and_is_kept(told: Told) -> None:
    answers = Answers(by_id={"B6": Answer(not_applicable="No model was trained.")})
    found = items_of(make_statement(told.events, told.blobs, answers))["B6"]
    assert (found.status, found.reason) == ("not_applicable", "No model was trained.")


def test_person_cannot_call_not_applicable_what_the_record_shows(told: Told) -> None:
    answers = Answers(by_id={"D4": Answer(not_applicable="Nothing left.")})
    found = items_of(make_statement(told.events, told.blobs, answers))["D4"]
    assert found.status == "present"
    assert "5 requests went to models.example" in said(found)
    assert found.answer == "Not applicable: Nothing left."


def test_person_cannot_call_not_applicable_what_the_record_lacks(tmp_path: Path) -> None:
    replayed = tell(tmp_path, replay=True)
    answers = Answers(by_id={"G8": Answer(not_applicable="Not needed.")})
    found = items_of(make_statement(replayed.events, replayed.blobs, answers))["G8"]
    assert (found.status, found.lacks) == ("missing", ("record",))


def test_counts_have_the_failed_the_rejected_and_the_abandoned(told: Told) -> None:
    counts = make_statement(told.events, told.blobs).counts
    assert (counts.model_calls, counts.model_calls_failed, counts.model_retries) == (5, 1, 1)
    assert (counts.executions, counts.executions_twin, counts.executions_failed) == (3, 2, 1)
    assert (counts.plan_drafts, counts.plan_drafts_abandoned) == (2, 1)
    assert (counts.programs, counts.programs_abandoned) == (2, 1)
    assert (counts.approved, counts.rejected, counts.suppressed) == (4, 1, 1)
    assert (counts.tokens_in, counts.tokens_out) == (4000, 80)


def test_model_that_answers_under_another_name_is_shown(told: Told) -> None:
    found = items_of(make_statement(told.events, told.blobs))["B1"]
    assert "Asked for m-1; the answers name m-1-2026-10, fingerprint fp_9" in said(found)


def test_second_attempt_after_a_kill_and_a_cut_off_effect_are_gaps(told: Told, tmp_path: Path) -> None:
    again = tell(tmp_path)
    add = again.record.append
    request = again.record.put("request", b'{"model": "m-1"}')
    common = {"key": "report/2/1", "kind": "model", "host": "h", "source": "live"}
    add("effect.started", data={**common, "attempt": 1, "after_kill": False}, refs=[request])
    add("effect.started", data={**common, "attempt": 2, "after_kill": True}, refs=[request])
    add("study.stopped", data={"error": "no disk", "kind": "MachineTrouble"})
    add("record.repaired", data={"torn_bytes": 3, "torn_sha256": "ab" * 32})
    statement = make_statement(again.record.events(), again.blobs)
    gaps = said(items_of(statement)["I4"])
    assert "Stops with an error: 1." in gaps
    assert "Torn lines cut off: 1." in gaps
    assert "Effects cut off: 2; second attempts after that: 1." in gaps
    assert (statement.counts.stops, statement.counts.second_attempts) == (1, 1)


def test_exploratory_results_and_missing_ones_are_deviations(told: Told) -> None:
    found = items_of(make_statement(told.events, told.blobs))
    assert "Released results that were not planned: extra." in said(found["E8"])
    assert "extra: exploratory" in said(found["E9"])
    assert "diff: planned" in said(found["E9"])


def test_execution_without_an_approval_is_no_evidence_for_the_order_of_steps(told: Told) -> None:
    without = [event for event in told.events if event.type != "gate.opened"]
    found = items_of(make_statement(without, told.blobs))
    assert (found["G6"].status, found["F5"].status) == ("missing", "missing")
    assert "without an approval before it" in found["G6"].reason


def test_forged_signature_is_no_evidence(told: Told) -> None:
    event = next(event for event in told.events if event.type == "decision.recorded")
    forged = [*told.events]
    other = next(one for one in told.events if one.type == "decision.recorded" and one.seq > event.seq)
    refs = (event.ref("statement"), other.ref("signature"))
    forged[event.seq] = replace(event, refs=refs)
    found = items_of(make_statement(forged, told.blobs))["G4"]
    assert found.status == "missing"
    assert f"Event {event.seq}" in found.reason


def test_changed_number_in_the_report_is_no_evidence_of_lineage(told: Told) -> None:
    event = next(event for event in told.events if event.type == "report.rendered")
    document = json.loads(told.blobs.get(event.ref("report").sha256))
    document["sections"][0]["parts"][1]["text"] = "9.25"
    ref = Ref(role="report", sha256=told.blobs.put(json.dumps(document).encode()), size=1)
    changed = [*told.events]
    changed[event.seq] = replace(event, refs=(ref, event.ref("report.md")))
    found = items_of(make_statement(changed, told.blobs))["F5"]
    assert found.status == "missing"
    assert "'9.25' is not diff.value" in found.reason


def test_withheld_prompts_are_missing_and_named(told: Told) -> None:
    asked = {event.ref("request").sha256 for event in told.events if event.type == "effect.started"}
    found = items_of(make_statement(told.events, told.blobs, withheld=asked))
    assert found["C1"].status == "missing"
    assert "withholds the prompts" in found["C1"].reason


def test_nothing_of_the_secure_side_is_in_the_statement(told: Told) -> None:
    assert CANARY not in make_statement(told.events, told.blobs).to_json()


def test_secure_bodies_are_not_even_read(told: Told) -> None:
    opened: list[str] = []

    class Watched:
        def get(self, digest: str, /) -> bytes:
            opened.append(digest)
            return told.blobs.get(digest)

        def check(self, digest: str, /) -> None:
            opened.append(digest)

    make_statement(told.events, Watched())
    open_ = {ref.sha256 for event in told.events for ref in event.refs if ref.side == "open"}
    assert opened
    assert set(opened) <= open_


def test_changed_body_stops_the_statement(told: Told) -> None:
    class Liar:
        def get(self, digest: str, /) -> bytes:
            return b"{}"

        def check(self, digest: str, /) -> None:
            """It lies."""

    with pytest.raises(VerificationFailed, match="has been changed"):
        make_statement(told.events, Liar())


def test_record_of_something_else_is_refused(told: Told) -> None:
    with pytest.raises(UsageError, match=r"no record of a study.*study\.created"):
        make_statement(told.events[1:], told.blobs)


def test_same_record_gives_the_same_bytes(told: Told) -> None:
    assert make_statement(told.events, told.blobs).to_json() == make_statement(told.events, told.blobs).to_json()


@pytest.mark.parametrize("until", [1, 12, 38])
def test_label_is_the_one_of_the_bundle(until: int, told: Told, tmp_path: Path) -> None:
    replayed = tell(tmp_path, replay=True)
    for study in (told, replayed):
        assert make_statement(study.events[:until], study.blobs).label == review_label(study.events[:until])


def test_replayed_study_says_so_in_every_text(tmp_path: Path) -> None:
    replayed = tell(tmp_path, replay=True)
    statement = make_statement(replayed.events, replayed.blobs)
    assert statement.label == REPLAY_LABEL
    for name, text in statement.texts:
        assert REPLAY_LABEL in text, name
        assert "Ada" not in text, name
        assert "Part 11" not in text, name


def test_replayed_study_has_no_human_oversight(tmp_path: Path) -> None:
    replayed = tell(tmp_path, replay=True)
    found = items_of(make_statement(replayed.events, replayed.blobs))
    for item in ("G2", "G3", "G8", "G9"):
        assert found[item].status == "missing", item
        assert REPLAY_LABEL in found[item].reason.lower(), item
    for item in ("G1", "G4", "G5", "G6"):
        assert all(REPLAY_LABEL in one.text.lower() for one in found[item].evidence if "approv" in one.text), item


def test_texts_support_part_11_and_never_claim_more(told: Told) -> None:
    statement = make_statement(told.events, told.blobs)
    assert "supports 21 CFR Part 11" in statement.texts.methods
    assert b"complian" not in statement.to_json().lower()


def test_texts_name_people_models_and_the_head(told: Told) -> None:
    methods = make_statement(told.events, told.blobs).texts.methods
    for fact in (
        "The language model m-1 (named m-1-2026-10 in its answers) at the endpoint models.example",
        "4,000 tokens in and 80 out",
        "Ada (ORCID iD 0000-0002-1825-0097) approved the plan",
        "before any program ran on the real data",
        "1 rejection, 0 edits, 1 abandoned plan draft, 1 abandoned program version, 1 failed model call",
        told.events[-1].digest,
    ):
        assert fact in methods


@pytest.mark.parametrize("until", range(1, 39, 3))
def test_every_beginning_of_a_record_gives_a_statement(until: int, told: Told) -> None:
    statement = make_statement(told.events[:until], told.blobs)
    assert statement.head == told.events[until - 1].digest
    assert "without" not in statement.texts.methods
    _consistent(statement)


def test_guidelines_are_counted_from_their_items(told: Told) -> None:
    statement = make_statement(told.events, told.blobs)
    found = {row.source: row for row in statement.guidelines}
    assert found["CANGARU"].items == ()
    assert found["ICH-E9R1"].present == len(found["ICH-E9R1"].items) == 3
    _consistent(statement)


def _consistent(statement: Statement) -> None:
    status = {item.id: item.status for item in statement.items}
    for row in statement.guidelines:
        own: Sequence[str] = [status[item] for item in row.items]
        assert (row.present, row.not_applicable, row.missing) == (
            own.count("present"),
            own.count("not_applicable"),
            own.count("missing"),
        )


def test_model_that_never_answered_is_not_said_to_have_drafted_anything(told: Told) -> None:
    methods = make_statement(told.events[:4], told.blobs).texts.methods
    assert "The language model m-1 at the endpoint models.example was called" in methods
    assert "draft" not in methods.replace("abandoned plan draft", "")


def test_answers_of_another_record_were_not_sent_anywhere(told: Told) -> None:
    events = [
        replace(event, data={**event.data, "source": "cassette"}) if "source" in event.data else event
        for event in told.events
    ]
    found = said(items_of(make_statement(events, told.blobs))["D4"])
    assert "requests went" not in found
    assert "5 answers came from another record; nothing was sent for it." in found


@pytest.mark.parametrize(
    ("clock", "status", "says"),
    [
        ({}, "missing", "names no source"),
        ({"source": "a clock", "synchronised": "no", "max_error_ms": "not known"}, "missing", "a clock.*not known"),
        ({"source": "a clock", "synchronised": "not known"}, "missing", "not known"),
        ({"source": "a clock", "synchronised": "yes", "max_error_ms": "12"}, "present", "a clock.*at most 12 ms"),
        ("odd", "missing", "names no source"),
    ],
    ids=["none", "unsynchronised", "unknown", "synchronised", "odd"],
)
def test_clock_is_present_only_where_the_kernel_vouched_for_it(
    told: Told, clock: object, status: str, says: str
) -> None:
    first = replace(told.events[0], data={**told.events[0].data, "clock": clock})
    found = items_of(make_statement([first, *told.events[1:]], told.blobs))["I6"]
    assert found.status == status
    assert re.search(says, said(found) + found.reason)


def test_key_kind_of_each_signer_is_named(told: Told) -> None:
    assert "ssh-ed25519 key SHA256:" in said(items_of(make_statement(told.events, told.blobs))["G3"])
