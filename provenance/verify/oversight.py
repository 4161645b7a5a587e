"""Steps 6 and 7: people decided, over the bytes that were used, before they were used."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from counterproof.provenance.checkpoints import PROPOSED
from counterproof.provenance.commitments import commits_to
from counterproof.provenance.decisions import Decision, check_decision
from counterproof.provenance.digests import digest_of, sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import Event
from counterproof.provenance.permissions import KINDS_OF, Purpose, purpose_of
from counterproof.provenance.reviewers import REPLAY_LABEL, CheckpointKind, Reviewer
from counterproof.provenance.shown import fault_in_programs, shown_programs
from counterproof.provenance.twins import twin_rows
from counterproof.provenance.verify.reading import Bundle, NotApplicable
from counterproof.provenance.verify.rules import check_age, check_rules

_SIGNED_WITHIN = timedelta(minutes=5)
"""A decision is recorded as soon as it is signed."""
_AFTER_THE_END = frozenset({"study.stopped", "record.repaired", "record.restored", "decision.refused"})
"""Events that change nothing."""
_SIGNED = _AFTER_THE_END | {"gate.refused", "notice.given", "tracing.degraded", "set.released"}
"""What may stand between the approval that a study ends with and that end."""
_ENDS_WITH: dict[Purpose, tuple[tuple[str, str, str], ...]] = {
    "analysis": (
        ("plan", "plan.locked", "plan"),
        ("released", "results.released", "released"),
        ("report", "report.rendered", "report"),
    ),
    "synthesis": (("released", "set.released", "released"),),
}
"""What the end of a study that is done names: the fact, the event that made it, and the role of the body there."""


def check_decisions(bundle: Bundle) -> list[str]:
    """6: every checkpoint was decided once, over its subject, by the reviewer whom it names; the end follows."""
    opened = _opened(bundle)
    decided: dict[str, Decision] = {}
    signers: dict[str, str] = {}
    lines = []
    for number, event in enumerate(bundle.of_type("decision.recorded"), start=1):
        made, reviewer = _check_statement(bundle, event, opened)
        _check_files(bundle, number, event)
        if made.checkpoint in decided:
            raise VerificationFailed(f"Event {event.seq} decides {made.checkpoint} a second time.")
        decided[made.checkpoint] = made
        signers[reviewer.id] = f"{reviewer.id} {reviewer.public_key}\n"
        label = f", {REPLAY_LABEL}" if made.replayed else ""
        lines.append(f"{made.checkpoint}: {made.decision} by {made.name} ({made.role}{label}), {reviewer.fingerprint}")
    if bundle.get("keys/allowed_signers").decode() != "".join(signers.values()):
        raise VerificationFailed("The file keys/allowed_signers does not hold the keys of the record.")
    for checkpoint in opened:
        if checkpoint not in decided:
            raise VerificationFailed(f"Event {opened[checkpoint].seq} puts {checkpoint} up, and nobody decided it.")
    _check_end(bundle, list(decided.values()))
    check_rules(bundle, lambda event: _check_statement(bundle, event, opened))
    if not lines:
        raise NotApplicable("nobody decided anything in this study")
    return lines


def check_approvals(bundle: Bundle) -> list[str]:
    """7: every execution on real data and every release came after the approval of exactly it."""
    if purpose_of(bundle.events[0].data) != "analysis":
        raise VerificationFailed("The bag does not say that it is of a synthetic set, and the record is that of one.")
    approvals = bundle.approvals()
    for locked in bundle.of_type("plan.locked"):
        _check_lock(bundle, locked, approvals)
    used: dict[tuple[str, str], str] = {}
    opened = bundle.of_type("gate.opened")
    for gate in opened:
        use = (gate.data["approval"], gate.data["order"])
        if used.setdefault(use, gate.data["effect"]) != gate.data["effect"]:
            raise VerificationFailed(f"Event {gate.seq} uses an approval that another execution had used.")
        _check_opening(bundle, gate, approvals)
    real = [event for event in bundle.of_type("effect.finished") if _on_real_data(bundle, event)]
    for event in real:
        use_of_gate = (event.ref("request").sha256, event.data["key"])
        if not any(
            gate.seq < event.seq and (gate.data["order"], gate.data["effect"]) == use_of_gate for gate in opened
        ):
            raise VerificationFailed(f"Event {event.seq}: an execution on real data without an approval.")
    for released in bundle.of_type("results.released"):
        _check_release(bundle, released, approvals, real)
    if not real and not opened:
        raise NotApplicable("the gate opened the real data to no program")
    return [f"{len(real)} executions on real data, each approved before"]


# --- decisions ----------------------------------------------------------------------------------------------------


def _opened(bundle: Bundle) -> dict[str, Event]:
    """Return the checkpoints that were put up, each with a subject that is about this study and this record."""
    opened: dict[str, Event] = {}
    count: dict[str, int] = {}
    for event in bundle.of_type("checkpoint.opened"):
        kind = event.data["kind"]
        count[kind] = count.get(kind, 0) + 1
        if event.data["id"] != f"{bundle.top}.{kind}.{count[kind]}":
            raise VerificationFailed(f"Event {event.seq} puts {event.data['id']} up as number {count[kind]}.")
        if (event.data["study"], event.data["subject"]) != (bundle.top, event.ref("subject").sha256):
            raise VerificationFailed(f"Event {event.seq} names another study or subject than it holds.")
        proposes = (kind, purpose_of(bundle.events[0].data)) == (CheckpointKind.RELEASE, "analysis")
        if [ref.role for ref in event.refs] != ["subject", *([PROPOSED] if proposes else [])]:
            raise VerificationFailed(f"Event {event.seq} does not name what a {kind} checkpoint is put up with.")
        if event.ref("subject").side == "open":
            _check_subject(bundle, event)
        opened[event.data["id"]] = event
    return opened


def _check_subject(bundle: Bundle, event: Event) -> None:
    """Compare what was signed with what the record says of the study's beginning."""
    subject, created = bundle.body(event, "subject"), bundle.events[0].data
    facts: dict[str, Any] = {key: created[key] for key in ("study", "title", "question", "exposure")}
    facts["kind"] = event.data["kind"]
    if facts["kind"] == CheckpointKind.PLAN:
        intake = bundle.of_type("intake.finished")[-1]
        facts |= {"data": created["data"], "codebook": created["codebook"], "identifiers": intake.data["identifiers"]}
        facts["variables"] = created["variables"]
        facts["noticed"] = intake.data["noticed"]
        facts["quasi_identifiers"] = intake.data["quasi_identifiers"]
        facts["twins"] = twin_rows(intake)
        facts["profile"] = bundle.body(intake, "profile")
    if facts["kind"] == CheckpointKind.SPECIFICATION:
        facts["data"] = created["data"]
    if facts["kind"] == CheckpointKind.CODE:
        facts["reads"] = created["data"]
        if fault := fault_in_programs(subject):
            raise VerificationFailed(f"Event {event.seq} {fault}.")
    for name, value in facts.items():
        if subject[name] != value:
            raise VerificationFailed(f"Event {event.seq} puts up another {name} than the record holds.")


def _check_files(bundle: Bundle, number: int, event: Event) -> None:
    for name, role in ((f"decisions/{number}.json", "statement"), (f"decisions/{number}.json.sig", "signature")):
        if bundle.get(name) != bundle.blob(event.ref(role).sha256):
            raise VerificationFailed(f"The file {name} is not the one of the record.")


def _check_statement(bundle: Bundle, event: Event, opened: dict[str, Event]) -> tuple[Decision, Reviewer]:
    statement, signature = (bundle.blob(event.ref(role).sha256) for role in ("statement", "signature"))
    reviewer = Reviewer.model_validate(event.data["reviewer"])
    made = check_decision(statement, signature, reviewer=reviewer).decision
    checkpoint = opened.get(made.checkpoint)
    if checkpoint is None or checkpoint.seq > event.seq:
        raise VerificationFailed(f"Event {event.seq} decides {made.checkpoint}, which was not put up before.")
    data, held = event.data, checkpoint.data
    said = (data["checkpoint"], data["subject"], data["kind"], data["decision"], data["replayed"], event.actor.id)
    signed = (made.checkpoint, made.subject, made.kind, made.decision, made.replayed, made.reviewer)
    if said != signed or (made.study, made.subject, made.kind) != (bundle.top, held["subject"], held["kind"]):
        raise VerificationFailed(f"Event {event.seq} says something else than its signed statement.")
    if made.history != checkpoint.digest:
        raise VerificationFailed(f"Event {event.seq}: the record before it is not the one that {made.reviewer} signed.")
    if made.replayed and bundle.events[0].data["mode"] != "scenario":
        raise VerificationFailed(f"Event {event.seq}: the replay reviewer decided in a study that is no scenario.")
    if abs(datetime.fromisoformat(event.ts) - datetime.fromisoformat(made.decided_at)) > _SIGNED_WITHIN:
        raise VerificationFailed(f"Event {event.seq} is of {event.ts}, and its statement was signed {made.decided_at}.")
    if (made.edited or None) != next((ref.sha256 for ref in event.refs if ref.role == "edited"), None):
        raise VerificationFailed(f"Event {event.seq} holds another edit than was signed.")
    return made, reviewer


def _check_end(bundle: Bundle, decided: list[Decision]) -> None:
    ends = bundle.of_type("study.ended")
    if len(ends) != 1:
        raise VerificationFailed(f"The record holds {len(ends)} ends of the study; a bundle is of a study that ended.")
    end = ends[0].data["ended"]
    if any(event.type not in _AFTER_THE_END for event in bundle.events[ends[0].seq + 1 :]):
        raise VerificationFailed(f"The study goes on after its end (event {ends[0].seq}).")
    last = decided[-1] if decided else None
    _check_signed(bundle, ends[0])
    approved = {made.kind for made in decided if made.decision == "approve"}
    kinds = KINDS_OF[purpose_of(bundle.events[0].data)]
    follows = {
        "done": last is not None and (last.kind, last.decision) == (kinds[-1], "approve"),
        "withdrawn": last is not None and last.decision == "withdraw",
        "rejected": last is not None and last.decision == "reject",
        "cannot_conclude": last is None or last.decision in ("approve", "edit", "reject", "replan"),
    }
    if not follows.get(end) or (end == "done" and approved != set(kinds)):
        raise VerificationFailed(f"Event {ends[0].seq}: the study can't have ended {end!r} after its decisions.")
    for name, kind, role in _ENDS_WITH[purpose_of(bundle.events[0].data)]:
        made = bundle.of_type(kind)
        if end == "done" and (not made or ends[0].data[name] != made[-1].ref(role).sha256):
            raise VerificationFailed(f"Event {ends[0].seq} ends the study with another {name} than event {kind} holds.")


def _check_signed(bundle: Bundle, end: Event) -> None:
    """Nothing is made, shown or said once the last checkpoint is approved: nobody would have signed it."""
    last = KINDS_OF[purpose_of(bundle.events[0].data)][-1]
    signed = [event.seq for event in bundle.approvals().values() if event.data["kind"] == last][-1:]
    for event in bundle.events[signed[0] + 1 : end.seq] if signed else []:
        if event.type not in _SIGNED:
            raise VerificationFailed(f"Event {event.seq} ({event.type}) comes after the last approval.")


# --- approvals ----------------------------------------------------------------------------------------------------


def _approved(approvals: dict[str, Event], event: Event, checkpoint: str, kind: CheckpointKind) -> Event:
    approval = approvals.get(checkpoint)
    if approval is None or approval.seq > event.seq or approval.data["kind"] != kind:
        raise VerificationFailed(f"Event {event.seq} ({event.type}) without an approval of the {kind} before it.")
    return approval


def _check_lock(bundle: Bundle, locked: Event, approvals: dict[str, Event]) -> None:
    approval = _approved(approvals, locked, locked.data["checkpoint"], CheckpointKind.PLAN)
    later = [one for one in approvals.values() if approval.seq < one.seq < locked.seq]
    if any(one.data["kind"] == CheckpointKind.PLAN for one in later):
        raise VerificationFailed(f"Event {locked.seq} locks a plan that was replaced.")
    if bundle.body(locked, "plan") != bundle.document(approval.data["subject"])["editable"]:
        raise VerificationFailed(f"Event {locked.seq} locks another plan than the approved one.")


def _check_opening(bundle: Bundle, gate: Event, approvals: dict[str, Event]) -> None:
    approval = _approved(approvals, gate, gate.data["approval"], CheckpointKind.CODE)
    check_age(bundle, gate, approval)
    subject = bundle.document(approval.data["subject"])
    orders = {digest_of(order): order for order in subject["orders"]}
    order = orders.get(gate.data["order"])
    if order is None or order["synthetic"]:
        raise VerificationFailed(f"Event {gate.seq} opened the data to a program that was not approved.")
    shown = [program["code"] for program in shown_programs(subject) if program["role"] == order["role"]]
    if [sha256_bytes(code.encode()) for code in shown] != [order["program"]]:
        raise VerificationFailed(f"Event {gate.seq} opened the data to another program than the reviewer was shown.")
    started = [event.data["key"] for event in bundle.of_type("effect.started") if event.seq < gate.seq]
    if gate.data["effect"] not in started:
        raise VerificationFailed(f"Event {gate.seq} opened the data to {gate.data['effect']!r}, which had not started.")
    plans = [
        digest_of(bundle.document(event.data["subject"])["editable"])
        for event in approvals.values()
        if event.data["kind"] == CheckpointKind.PLAN and event.seq < approval.seq
    ]
    if subject["plan"] not in plans[-1:]:
        raise VerificationFailed(f"Event {gate.seq} opened the data to code for a plan that was not approved last.")


def _on_real_data(bundle: Bundle, event: Event) -> bool:
    """Say whether an event ends an execution on real data; what says that it was the twin's must have had the twin."""
    if event.data["kind"] != "execution":
        return False
    order, outcome = bundle.body(event, "request"), bundle.body(event, "response")
    told = {(outcome["order"], outcome["synthetic"]), (event.data["order"], event.data["synthetic"])}
    if told != {(event.ref("request").sha256, order["synthetic"])} or event.ref("program").sha256 != order["program"]:
        raise VerificationFailed(f"Event {event.seq} gives the outcome of another order, or of another program.")
    created = {file["name"]: file["sha256"] for file in bundle.events[0].data["data"]}
    twins = {
        ref.role.removeprefix("twin:"): ref.sha256
        for intake in bundle.of_type("intake.finished")
        for ref in intake.refs
        if ref.role.startswith("twin:")
    }
    wanted = twins if order["synthetic"] else created
    if {given["name"]: given["sha256"] for given in order["inputs"]} != wanted:
        side = "twin" if order["synthetic"] else "study's data"
        raise VerificationFailed(f"Event {event.seq}: an execution on something else than the {side}.")
    files = {f"output:{file['name']}": file["sha256"] for file in outcome["outputs"]}
    files |= {stream: outcome[stream] for stream in ("stdout", "stderr")}
    if {ref.role: ref.sha256 for ref in event.refs if ref.role not in ("request", "response", "program")} != files:
        raise VerificationFailed(f"Event {event.seq} holds other files than its outcome names.")
    return not order["synthetic"]


def _check_release(bundle: Bundle, event: Event, approvals: dict[str, Event], real: list[Event]) -> None:
    _approved(approvals, event, event.data["checkpoint"], CheckpointKind.RELEASE)
    _check_proposed(bundle, event)
    released = bundle.body(event, "released")
    made = {run.ref("response").sha256: run for run in real if run.seq < event.seq}
    source = made.get(released["execution"])
    if source is None or released["order"] != source.ref("request").sha256:
        raise VerificationFailed(f"Event {event.seq} releases what is not of an approved execution.")
    files = {file["name"]: file["sha256"] for file in bundle.document(released["execution"])["outputs"]}
    given = {file["name"]: file["sha256"] for file in released["files"]}
    held = {ref.role.removeprefix("output:"): ref.sha256 for ref in event.refs if ref.role != "released"}
    if held != given or not all(_was_given(bundle, file, files) for file in released["files"]):
        raise VerificationFailed(f"Event {event.seq} releases files that are not the execution's.")
    checks = [check for check in bundle.of_type("checks.finished") if check.seq < event.seq]
    if not checks or (released["checkpoint"], released["checks"]) != (
        event.data["checkpoint"],
        checks[-1].data["verdicts"],
    ):
        raise VerificationFailed(f"Event {event.seq} releases results with other checks than were made.")
    code = [approval for approval in approvals.values() if approval.data["kind"] == CheckpointKind.CODE]
    orders = bundle.document(code[-1].data["subject"])["orders"]
    wanted = {digest_of(order): order["role"] for order in orders}
    if wanted.get(released["order"]) != "primary":
        raise VerificationFailed(f"Event {event.seq} releases what is not of the primary program approved last.")
    missing = set(wanted) - {run.ref("request").sha256 for run in made.values()}
    if missing:
        raise VerificationFailed(f"Event {event.seq} releases results, and {len(missing)} approved programs never ran.")


def _check_proposed(bundle: Bundle, event: Event) -> None:
    up = [one for one in bundle.of_type("checkpoint.opened") if one.data["id"] == event.data["checkpoint"]]
    proposed = [(ref.size, ref.sha256) for one in up for ref in one.refs if ref.role == PROPOSED]
    body = bundle.blob(event.ref("released").sha256)
    fits = [size == len(body) and commits_to(commitment, event.data["salt"], body) for size, commitment in proposed]
    if fits != [True]:
        raise VerificationFailed(f"Event {event.seq} releases something else than was put up to be released.")


def _was_given(bundle: Bundle, file: dict[str, str], files: dict[str, str]) -> bool:
    """Say whether a released file is, under its salt, the one that the execution left a commitment to."""
    commitment = files.get(file["name"], "")
    return commitment == file["commitment"] and commits_to(commitment, file["salt"], bundle.blob(file["sha256"]))
