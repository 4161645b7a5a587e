"""Steps 9, 10 and 11: what the bundle says to a reader is what the record holds."""

from __future__ import annotations

import json
from typing import Any

from counterproof.provenance.bag import INFO, info_file
from counterproof.provenance.bundle import AGENT, REDACTED_COPY, REVIEW, SPANS, bag_info, program_file, readme_facts
from counterproof.provenance.conventions import STUDY
from counterproof.provenance.digests import digest_of, sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import Event
from counterproof.provenance.labels import mode_notice, review_label
from counterproof.provenance.numbers import check_numbers, to_markdown
from counterproof.provenance.readable import ANSWERS, SIGNED
from counterproof.provenance.reviewers import REPLAY_LABEL, CheckpointKind
from counterproof.provenance.shown import shown_programs
from counterproof.provenance.timestamps import STAMP
from counterproof.provenance.transparency.recorded import STATEMENT, answers_of, signed_statement, statements
from counterproof.provenance.verify.copies import check_crate, check_named, shared_inputs, told
from counterproof.provenance.verify.formats import check_formats
from counterproof.provenance.verify.reading import Bundle, NotApplicable, fail_if
from counterproof.provenance.verify.remaking import check_readable, for_people
from counterproof.provenance.verify.statements import check_statements


def check_report(bundle: Bundle) -> list[str]:
    """9: the report is the one that was signed, and every number of it resolves to a released result."""
    reports = bundle.of_type("report.rendered")
    for event in bundle.of_type("checkpoint.opened"):
        if event.data["kind"] == CheckpointKind.SIGNOFF:
            _check_signoff(bundle, event, reports)
    if not reports:
        if any(event.data["ended"] == "done" for event in bundle.of_type("study.ended")):
            raise VerificationFailed("The study is done, and there is no report.")
        raise NotApplicable("the study ended without a report")
    document = bundle.body(reports[-1], "report")
    released, plan = (
        _before(bundle, reports[-1], "results.released", "released"),
        _before(bundle, reports[-1], "plan.locked", "plan"),
    )
    if document["released"] != digest_of(released) or document["plan"] != digest_of(plan):
        raise VerificationFailed("The report rests on other results, or on another plan.")
    if to_markdown(document).encode() != bundle.blob(reports[-1].ref("report.md").sha256):
        raise VerificationFailed("The text of report.md is not that of report.json.")
    found, faults = check_numbers(document, released=released, plan=plan)
    fail_if(faults)
    return [f"{found} numbers, all resolve to {len(released['results'])} released results"]


def check_marks(bundle: Bundle) -> list[str]:
    """10: nothing synthetic was released, and the label says how the study was reviewed."""
    label = review_label(bundle.events)
    if bundle.info(REVIEW) != [label]:
        raise VerificationFailed(f"The bag does not say that the study was {label}.")
    _check_info(bundle)
    readme, facts = bundle.get("README.md").decode(), readme_facts(bundle.events, bundle.profile)
    if not readme.startswith(facts) or any(readme.count(word) != 1 for word in ("Review: **", "State: **")):
        raise VerificationFailed(f"README.md does not say what it should of a study that was {label}: {facts!r}.")
    if (REDACTED_COPY in readme) != (bundle.profile == "redacted"):
        raise VerificationFailed(f"README.md does not say that the bundle is {bundle.profile}.")
    reports = bundle.of_type("report.rendered")
    if reports and label == REPLAY_LABEL and REPLAY_LABEL not in bundle.get("report.md").decode():
        raise VerificationFailed(f"report.md does not say that the study was {label}.")
    notice = mode_notice(bundle.events[0])
    if reports and notice not in bundle.get("report.md").decode():
        raise VerificationFailed(f"report.md does not say: {notice}")
    for event in bundle.of_type("results.released"):
        released = bundle.body(event, "released")
        if released["synthetic"] or bundle.document(released["execution"])["synthetic"]:
            raise VerificationFailed(f"Event {event.seq} released results of synthetic data.")
    return [f"label: {label}"]


def check_copies(bundle: Bundle) -> list[str]:
    """11: the plain-named files are those of the record or made from it, and no other file is there."""
    wanted = _wanted(bundle)
    check_named(bundle, wanted, beside=for_people(bundle))
    spans = _check_spans(bundle) if SPANS in bundle.names() else "none"
    remade = [check_crate(bundle), check_readable(bundle), check_statements(bundle), check_formats(bundle)]
    return told(bundle, f"{len(wanted)} files; spans: {spans}", remade)


def _check_info(bundle: Bundle) -> None:
    """What the bag says of itself is what bag and record give, and no word more; its software stands in one row."""
    agent, stamped = " ".join(bundle.info(AGENT)), STAMP in bundle.tags()
    rows = bag_info(bundle.events, bundle.profile, stamped=stamped, agent=agent)
    if bundle.tag(INFO) != info_file(rows, bundle.sizes().values()):
        raise VerificationFailed(f"The file {INFO} says something else than the bag and its record, or more.")


def _check_signoff(bundle: Bundle, event: Event, reports: list[Event]) -> None:
    """What was put up for the sign-off is the report that was rendered for it, on what was released."""
    rendered = [made for made in reports if made.seq < event.seq]
    subject = bundle.body(event, "subject")
    if not rendered or subject["report"] != rendered[-1].ref("report").sha256:
        raise VerificationFailed(f"Event {event.seq} puts up another report than was rendered for it.")
    markdown = bundle.blob(rendered[-1].ref("report.md").sha256).decode()
    document = bundle.document(subject["report"])
    if (subject["document"], subject["markdown"], subject["released"]) != (document, markdown, document["released"]):
        raise VerificationFailed(f"Event {event.seq} shows another report than it names.")


def _before(bundle: Bundle, report: Event, type_: str, role: str) -> dict[str, Any]:
    events = [event for event in bundle.of_type(type_) if event.seq < report.seq]
    if not events:
        raise VerificationFailed(f"Event {report.seq} renders a report, and there is no {type_} before it.")
    found: dict[str, Any] = bundle.body(events[-1], role)
    return found


def _wanted(bundle: Bundle) -> dict[str, str]:
    """Return the digest of each plain-named file."""
    wanted: dict[str, str] = {}
    for event in bundle.of_type("plan.locked"):
        wanted["plan.json"] = event.ref("plan").sha256
    for event in bundle.of_type("report.rendered"):
        wanted |= {"report.json": event.ref("report").sha256, "report.md": event.ref("report.md").sha256}
    for event in bundle.of_type("results.released"):
        wanted |= {f"results/{ref.role.removeprefix('output:')}": ref.sha256 for ref in event.refs if ":" in ref.role}
        wanted["results/released.json"] = event.ref("released").sha256
    for approval in bundle.approvals().values():
        if approval.data["kind"] == CheckpointKind.CODE:
            programs = shown_programs(bundle.document(approval.data["subject"]))
            wanted |= {program_file(program): sha256_bytes(program["code"].encode()) for program in programs}
    signed, made = signed_statement(bundle.events), statements(bundle.events)
    if signed is not None:
        wanted[SIGNED] = signed.ref(STATEMENT).sha256
    if made and answers_of(made[-1]):
        wanted[ANSWERS] = answers_of(made[-1])
    return wanted | shared_inputs(bundle)


def _check_spans(bundle: Bundle) -> str:
    count = 0
    for line in bundle.get(SPANS).splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            for span in (span for scope in resource["scopeSpans"] for span in scope["spans"]):
                attributes = {pair["key"]: pair["value"] for pair in span["attributes"]}
                count += 1
                if attributes[STUDY] != {"stringValue": bundle.top}:
                    raise VerificationFailed(f"The file {SPANS} holds spans of another study: {attributes[STUDY]}.")
    return str(count)
