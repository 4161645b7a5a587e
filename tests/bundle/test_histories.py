"""Histories that were told otherwise: the chain is whole again, the bag is sealed with the forger's own key.

Nothing that the forger lacks is in a file: what catches each of these is a reviewer's signature, or that the record
contradicts itself. What nothing in the file can catch is in the tests at the end, with the anchor that would.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from counterproof.provenance.digests import canonical_json
from counterproof.provenance.numbers import to_markdown
from counterproof.provenance.signing import DECISION_NAMESPACE, public_line, sign
from counterproof.provenance.verify import verify_bundle

from ..lab import KEY
from .forging import STRANGER, Story, failed

Attack = Callable[[Story], None]
pytestmark = pytest.mark.tamper
_STRANGE_FILE = {"name": "tables/x.csv", "sha256": "0" * 64, "commitment": "0" * 64, "salt": "0" * 64}


def _checkpoint(story: Story, name: str) -> dict[str, Any]:
    return story.first("checkpoint.opened", id=f"{story.study}.{name}")


def _decision(story: Story, name: str) -> dict[str, Any]:
    return story.first("decision.recorded", checkpoint=f"{story.study}.{name}")


def _last(story: Story, type_: str) -> dict[str, Any]:
    return [event for event in story.events if event["type"] == type_][-1]


def _run(story: Story, role: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return start, opening and end of the execution of a program on the real data."""
    keys = {event["data"]["effect"] for event in story.events if event["type"] == "gate.opened"}
    key = next(key for key in keys if f"/{role}/" in key)
    return (
        story.first("effect.started", key=key),
        story.first("gate.opened", effect=key),
        story.first("effect.finished", key=key),
    )


def _cut_before_signoff(story: Story) -> None:
    end = _last(story, "study.ended")
    story.events = [*story.events[: story.events.index(_decision(story, "signoff.2"))], end]


def _cut_after_plan(story: Story) -> None:
    end = _last(story, "study.ended")
    story.events = [*story.events[: story.events.index(_decision(story, "plan.2")) + 1], end]


def _end_as(ended: str) -> Attack:
    def attack(story: Story) -> None:
        _last(story, "study.ended")["data"]["ended"] = ended

    return attack


def _end_with_other(name: str) -> Attack:
    def attack(story: Story) -> None:
        _last(story, "study.ended")["data"][name] = "0" * 64

    return attack


def _end_twice(story: Story) -> None:
    story.events.append(_last(story, "study.ended"))


def _go_on_after_the_end(story: Story) -> None:
    story.events.append({**story.first("plan.drafted")})


def _move(event: Callable[[Story], dict[str, Any]], before: Callable[[Story], dict[str, Any]]) -> Attack:
    def attack(story: Story) -> None:
        story.move(event(story), before=before(story))

    return attack


def _drop(*events: Callable[[Story], dict[str, Any]]) -> Attack:
    def attack(story: Story) -> None:
        story.drop(*(event(story) for event in events))

    return attack


def _created(**changed: Any) -> Attack:
    def attack(story: Story) -> None:
        story.events[0]["data"] |= changed

    return attack


def _other_data(story: Story) -> None:
    story.events[0]["data"]["data"][0]["sha256"] = "0" * 64
    story.events[0]["data"]["share_data"] = False


def _decide_otherwise(story: Story) -> None:
    _decision(story, "plan.1")["data"]["decision"] = "approve"


def _edit_comment(story: Story) -> None:
    event = _decision(story, "code.1")
    story.json(event, "statement", lambda made: made | {"comment": "I checked every line."})


def _edit_comment_and_sign(story: Story) -> None:
    event = _decision(story, "code.1")
    story.json(event, "statement", lambda made: made | {"comment": "I checked every line."})
    story.put(event, "signature", sign(STRANGER, story.text(event, "statement"), namespace=DECISION_NAMESPACE))


def _reviewer(**changed: Any) -> Attack:
    def attack(story: Story) -> None:
        _decision(story, "code.1")["data"]["reviewer"] |= changed

    return attack


def _back_date(story: Story) -> None:
    event = _decision(story, "plan.2")
    event["ts"] = (datetime.fromisoformat(event["ts"]) - timedelta(days=3)).isoformat(timespec="milliseconds")


def _other_actor(story: Story) -> None:
    _decision(story, "plan.2")["actor"]["id"] = "grace"


def _swap_approvals(story: Story) -> None:
    code, release = _decision(story, "code.1"), _decision(story, "release.1")
    code["refs"], release["refs"] = release["refs"], code["refs"]


def _subject(name: str, change: Callable[[Any], Any]) -> Attack:
    """Change what was put up, in all places that name it."""

    def attack(story: Story) -> None:
        event = _checkpoint(story, name)
        event["data"]["subject"] = story.json(event, "subject", change)
        _decision(story, name)["data"]["subject"] = event["data"]["subject"]

    return attack


def _edit_code(subject: Any) -> None:
    subject["programs"][0]["code"] += "# better\n"


def _other_subject_of_checkpoint(story: Story) -> None:
    _checkpoint(story, "code.1")["data"]["subject"] = _checkpoint(story, "plan.2")["data"]["subject"]


def _lock_other_plan(story: Story) -> None:
    story.json(_last(story, "plan.locked"), "plan", lambda plan: plan | {"multiplicity": "none was needed"})


def _lock_rejected_plan(story: Story) -> None:
    locked, first = _last(story, "plan.locked"), story.first("plan.drafted", round=1)
    locked["refs"], locked["data"]["checkpoint"] = first["refs"], f"{story.study}.plan.1"


def _other_profile(story: Story) -> None:
    story.json(story.first("intake.finished"), "profile", lambda _old: {"files": []})


def _other_identifiers(story: Story) -> None:
    found = {"file": "trial.csv", "column": "site", "reason": "a place"}
    story.first("intake.finished")["data"]["identifiers"].append(found)


def _other_twins(story: Story) -> None:
    """The twin is said to be differentially private, and was shown as one that is not."""
    story.first("intake.finished")["data"]["twins"][0] |= {"epsilon": 1.0, "protects": "any one row"}


def _program_run(story: Story) -> None:
    """Another program than the approved one ran."""
    _, _, end = _run(story, "primary")
    story.put(end, "program", story.text(end, "program") + b"# other\n")


def _order_run(story: Story) -> None:
    """Another order than the approved one was executed, and the gate is said to have opened for it."""
    start, gate, end = _run(story, "primary")
    for event in (start, end):
        gate["data"]["order"] = story.json(event, "request", lambda order: order | {"seed": 7})
    end["data"]["order"] = gate["data"]["order"]
    story.json(end, "response", lambda outcome: outcome | {"order": gate["data"]["order"]})


def _said_synthetic(story: Story) -> None:
    """A run on real data without an approval is said to have been on the twin."""
    start, gate, end = _run(story, "replication")
    for event in (start, end):
        order = story.json(event, "request", lambda order: order | {"synthetic": True})
    end["data"] |= {"order": order, "synthetic": True}
    story.json(end, "response", lambda outcome: outcome | {"order": order, "synthetic": True})
    story.drop(gate)


def _other_outcome(story: Story) -> None:
    _, _, end = _run(story, "primary")
    story.json(end, "response", lambda outcome: outcome | {"outputs": []})


def _approve_twice(story: Story) -> None:
    start, gate, _ = _run(story, "primary")
    again = json.loads(json.dumps(start)) | {"type": "effect.started"}
    again["data"]["key"] = "execute/primary/again"
    second = {**gate, "data": {**gate["data"], "effect": "execute/primary/again"}}
    at = story.events.index(gate) + 1
    story.events[at:at] = [again, second]


def _gate_names_other_approval(story: Story) -> None:
    _run(story, "primary")[1]["data"]["approval"] = f"{story.study}.plan.2"


def _gate_before_start(story: Story) -> None:
    start, gate, _ = _run(story, "primary")
    story.move(gate, before=start)


def _drop_run(role: str) -> Attack:
    def attack(story: Story) -> None:
        story.drop(*_run(story, role))

    return attack


def _drop_calls(prefix: str) -> Attack:
    def attack(story: Story) -> None:
        story.drop(*(event for event in story.events if str(event["data"].get("key", "")).startswith(prefix)))

    return attack


def _drop_failed_attempt(story: Story) -> None:
    story.drop(story.first("effect.started", key="plan/1/1", attempt=1), story.first("effect.failed", key="plan/1/1"))


def _drop_failed_attempt_and_count_anew(story: Story) -> None:
    story.drop(story.first("effect.started", key="plan/1/1", attempt=1))
    story.first("effect.started", key="plan/1/1")["data"]["attempt"] = 1
    story.first("effect.finished", key="plan/1/1")["data"]["attempt"] = 1


def _unmark_second_attempt(story: Story) -> None:
    """The process died inside of the call: the record must say so."""
    story.drop(story.first("effect.failed", key="plan/1/1"))


def _attempt_of_end(story: Story) -> None:
    story.first("effect.finished", key="plan/1/1")["data"]["attempt"] = 1


def _other_request(story: Story) -> None:
    story.json(story.first("effect.finished", key="plan/2/1"), "request", lambda body: body | {"temperature": 1})


def _restart(story: Story) -> None:
    start, end = (story.first(f"effect.{kind}", key="report/1/1") for kind in ("started", "finished"))
    at = story.events.index(end) + 1
    copies = [json.loads(json.dumps(event)) for event in (start, end)]
    for event in copies:
        event["data"]["attempt"] = 2
    story.events[at:at] = copies


def _hide(name: str, role: str) -> Attack:
    """Say that a body of the open side was withheld."""

    def attack(story: Story) -> None:
        digest = next(ref["sha256"] for ref in _hidden(story, name)["refs"] if ref["role"] == role)
        for event in story.events:
            for ref in event["refs"]:
                ref["side"] = "secure" if ref["sha256"] == digest else ref["side"]

    return attack


def _hidden(story: Story, name: str) -> dict[str, Any]:
    return story.first("effect.finished", key=name) if "/" in name else _checkpoint(story, name)


def _size(story: Story) -> None:
    story.first("plan.drafted")["refs"][0]["size"] += 1


def _rewrite_report(change: Callable[[Any], Any]) -> Attack:
    """Change the last report in the record, in both of its forms."""

    def attack(story: Story) -> None:
        event = _last(story, "report.rendered")
        digest = story.json(event, "report", change)
        document = json.loads(story.text(event, "report"))
        story.put(event, "report.md", to_markdown(document).encode())
        _last(story, "study.ended")["data"]["report"] = digest

    return attack


def _word(document: Any) -> None:
    document["sections"][-1]["parts"][0]["text"] = "There are no limitations."


def _number(document: Any) -> None:
    part = next(part for section in document["sections"] for part in section["parts"] if part["kind"] == "number")
    part["text"] = "99.9"


def _no_label(document: Any) -> None:
    document["head"] = document["head"].replace("replayed, not reviewed", "reviewed")


def _markdown_only(story: Story) -> None:
    event = _last(story, "report.rendered")
    story.put(event, "report.md", story.text(event, "report.md").replace(b"made up", b"complete"))


def _value(story: Story) -> None:
    """Change a released value, and everything that names it but what was signed."""
    event = _last(story, "results.released")

    def change(released: Any) -> None:
        released["results"][0]["value"] = 99.875

    digest = story.release(event, change)

    def report(document: Any) -> None:
        document["released"] = digest
        for section in (*document["sections"], *document["appendix"]):
            for part in section["parts"]:
                if part.get("ref") == "difference.value":
                    part["text"] = "99.9"

    _rewrite_report(report)(story)
    _last(story, "study.ended")["data"]["released"] = digest


def _released(**changed: Any) -> Attack:
    def attack(story: Story) -> None:
        event = _last(story, "results.released")
        _last(story, "study.ended")["data"]["released"] = story.release(event, lambda old: old | changed)

    return attack


def _proposed(**changed: Any) -> Attack:
    """Name the document that was put up to be released otherwise."""

    def attack(story: Story) -> None:
        _checkpoint(story, "release.1")["refs"][1].update(changed)

    return attack


def _put_up_without_proposal(story: Story) -> None:
    del _checkpoint(story, "release.1")["refs"][1]


def _release_of_replication(story: Story) -> None:
    """Release what the second program gave, put up and approved so."""
    run = _run(story, "replication")[2]
    execution = next(ref["sha256"] for ref in run["refs"] if ref["role"] == "response")
    _released(execution=execution, order=run["data"]["order"], files=[])(story)
    released = _last(story, "results.released")
    released["refs"] = released["refs"][:1]


def _release_of_twin(story: Story) -> None:
    run = next(
        event
        for event in story.events
        if event["type"] == "effect.finished" and event["data"]["key"].startswith("dry_run/primary")
    )
    outcome = next(ref["sha256"] for ref in run["refs"] if ref["role"] == "response")
    _released(execution=outcome, order=run["data"]["order"])(story)


def _other_verdict(story: Story) -> None:
    story.first("checks.finished")["data"]["verdicts"]["replication"] = "warn"


def _scenario_as_study(story: Story) -> None:
    story.events[0]["data"] |= {"mode": "study", "scenario": ""}


def _not_replayed(story: Story) -> None:
    for event in story.events:
        if event["type"] == "decision.recorded":
            event["data"]["replayed"] = False
    _scenario_as_study(story)


def _not_a_replay_reviewer(story: Story) -> None:
    for event in story.events:
        if event["type"] == "decision.recorded":
            event["data"]["replayed"] = event["data"]["reviewer"]["replay"] = False
    _scenario_as_study(story)


def _after_the_sign_off(type_: str) -> Attack:
    """Say again, once all is signed, what the first event of a type said."""

    def attack(story: Story) -> None:
        story.events.insert(-1, json.loads(json.dumps(story.first(type_))))

    return attack


def _report_after_the_sign_off(story: Story) -> None:
    """Render a report that nobody was shown, and end the study with it."""
    _after_the_sign_off("report.rendered")(story)
    late = story.events[-2]
    report = json.loads(story.text(late, "report"))
    report["title"] = "Approved by all reviewers"
    story.events[-1]["data"]["report"] = story.put(late, "report", canonical_json(report))
    story.put(late, "report.md", to_markdown(report).encode())


def _rejected_report_after_the_sign_off(story: Story) -> None:
    """End the study with the report that was rejected."""
    _after_the_sign_off("report.rendered")(story)
    story.events[-1]["data"]["report"] = story.events[-2]["refs"][0]["sha256"]


REVIEWED: dict[str, tuple[Attack, str]] = {
    "report after the sign-off": (_report_after_the_sign_off, "decisions"),
    "rejected report after the sign-off": (_rejected_report_after_the_sign_off, "decisions"),
    "verdicts of the checks after the sign-off": (_after_the_sign_off("checks.finished"), "decisions"),
    "results after the sign-off": (_after_the_sign_off("results.released"), "decisions"),
    "plan after the sign-off": (_after_the_sign_off("plan.locked"), "decisions"),
    "intake after the sign-off": (_after_the_sign_off("intake.finished"), "decisions"),
    "ended without a conclusion after the sign-off": (_end_as("cannot_conclude"), "decisions"),
    "last events cut off, up to the sign-off": (_cut_before_signoff, "decisions"),
    "last events cut off, up to the plan": (_cut_after_plan, "decisions"),
    "end changed to withdrawn": (_end_as("withdrawn"), "decisions"),
    "end changed to rejected": (_end_as("rejected"), "decisions"),
    "end of another name": (_end_as("finished"), "decisions"),
    "end with another plan": (_end_with_other("plan"), "decisions"),
    "end with another report": (_end_with_other("report"), "decisions"),
    "end with other results": (_end_with_other("released"), "decisions"),
    "ended twice": (_end_twice, "decisions"),
    "goes on after its end": (_go_on_after_the_end, "decisions"),
    "decision before its checkpoint": (
        _move(lambda story: _decision(story, "plan.2"), lambda story: _checkpoint(story, "plan.2")),
        "decisions",
    ),
    "gate before the approval": (
        _move(lambda story: _run(story, "primary")[1], lambda story: _decision(story, "code.1")),
        "approvals",
    ),
    "gate before the effect": (_gate_before_start, "approvals"),
    "end of an effect before its start": (
        _move(lambda story: _run(story, "primary")[2], lambda story: _run(story, "primary")[0]),
        "effects",
    ),
    "execution before the gate": (
        _move(lambda story: _run(story, "primary")[2], lambda story: _run(story, "primary")[1]),
        "approvals",
    ),
    "release before its approval": (
        _move(lambda story: _last(story, "results.released"), lambda story: _decision(story, "release.1")),
        "approvals",
    ),
    "plan locked before its approval": (
        _move(lambda story: _last(story, "plan.locked"), lambda story: _decision(story, "plan.2")),
        "approvals",
    ),
    "report before the release": (
        _move(lambda story: _last(story, "report.rendered"), lambda story: _last(story, "results.released")),
        "numbers",
    ),
    "plan drafted before the call": (
        _move(lambda story: story.first("plan.drafted"), lambda story: story.first("effect.started")),
        "effects",
    ),
    "question changed": (_created(question="Is arm 1 better?"), "decisions"),
    "title changed": (_created(title="Arm 1 is better"), "decisions"),
    "codebook changed": (_created(codebook="score: quality of life"), "decisions"),
    "exposure changed": (_created(exposure="rows"), "decisions"),
    "data changed": (_other_data, "decisions"),
    "profile changed": (_other_profile, "decisions"),
    "identifiers changed": (_other_identifiers, "decisions"),
    "making of the twin changed": (_other_twins, "decisions"),
    "rejection said to be an approval": (_decide_otherwise, "decisions"),
    "decision comment edited": (_edit_comment, "decisions"),
    "decision comment edited and signed by a stranger": (_edit_comment_and_sign, "decisions"),
    "reviewer's key replaced": (_reviewer(public_key=public_line(STRANGER.public_key())), "decisions"),
    "reviewer's name replaced": (_reviewer(name="Grace Hopper"), "decisions"),
    "reviewer's role taken away": (_reviewer(roles=["custodian"]), "decisions"),
    "decision said to be somebody else's": (_other_actor, "decisions"),
    "decision back-dated": (_back_date, "decisions"),
    "approvals of two checkpoints swapped": (_swap_approvals, "decisions"),
    "checkpoint with another's subject": (_other_subject_of_checkpoint, "decisions"),
    "program edited after approval": (_subject("code.1", _edit_code), "decisions"),
    "plan edited after approval": (
        _subject("plan.2", lambda subject: subject["editable"].update(alpha=0.1)),
        "decisions",
    ),
    "report edited after sign-off": (
        _subject("signoff.2", lambda subject: subject.update(markdown="All is well.")),
        "decisions",
    ),
    "rejection dropped": (_drop(lambda story: _decision(story, "plan.1")), "decisions"),
    "rejected checkpoint dropped with its decision": (
        _drop(lambda story: _checkpoint(story, "plan.1"), lambda story: _decision(story, "plan.1")),
        "decisions",
    ),
    "rejected report dropped": (
        _drop(lambda story: _checkpoint(story, "signoff.1"), lambda story: _decision(story, "signoff.1")),
        "decisions",
    ),
    "release decision dropped": (
        _drop(lambda story: _checkpoint(story, "release.1"), lambda story: _decision(story, "release.1")),
        "decisions",
    ),
    "another plan locked": (_lock_other_plan, "approvals"),
    "rejected plan locked": (_lock_rejected_plan, "approvals"),
    "gate.opened removed": (_drop(lambda story: _run(story, "primary")[1]), "approvals"),
    "gate.opened by another approval": (_gate_names_other_approval, "approvals"),
    "approval used twice": (_approve_twice, "approvals"),
    "another program was run": (_program_run, "approvals"),
    "another order was run": (_order_run, "approvals"),
    "a run on real data called synthetic": (_said_synthetic, "approvals"),
    "outcome without its files": (_other_outcome, "approvals"),
    "replication removed": (_drop_run("replication"), "approvals"),
    "primary execution removed": (_drop_run("primary"), "approvals"),
    "verdict of a check changed": (_other_verdict, "approvals"),
    "checks removed": (_drop(lambda story: story.first("checks.finished")), "approvals"),
    "released for another checkpoint": (_released(checkpoint="x"), "approvals"),
    "another document put up to be released": (_proposed(sha256="0" * 64), "approvals"),
    "a document of another size put up to be released": (_proposed(size=1), "approvals"),
    "a release put up with something else": (_proposed(role="subject"), "decisions"),
    "a release put up without its document": (_put_up_without_proposal, "decisions"),
    "a release of what the replication gave": (_release_of_replication, "approvals"),
    "released files added": (_released(files=[_STRANGE_FILE]), "approvals"),
    "results of the twin released": (_release_of_twin, "approvals"),
    "release marked as synthetic": (_released(synthetic=True), "marks"),
    "model call removed": (_drop_calls("plan/1/"), "effects"),
    "programmer's call removed": (_drop_calls("write/replication/"), "effects"),
    "reporter's calls removed": (_drop_calls("report/"), "effects"),
    "first bad answer removed": (_drop_calls("write/primary/1/1"), "effects"),
    "failed attempt removed": (_drop_failed_attempt, "effects"),
    "failed attempt removed and counted anew": (_drop_failed_attempt_and_count_anew, "effects"),
    "second attempt unmarked": (_unmark_second_attempt, "effects"),
    "end of another attempt": (_attempt_of_end, "effects"),
    "end of another request": (_other_request, "effects"),
    "an effect once more after its end": (_restart, "effects"),
    "rejected plan hidden": (_hide("plan.1", "subject"), "bodies"),
    "bad answer hidden": (_hide("write/primary/1/1", "response"), "bodies"),
    "size of a body changed": (_size, "bodies"),
    "number in the report edited": (_rewrite_report(_number), "numbers"),
    "words of the report edited": (_rewrite_report(_word), "numbers"),
    "text of the report edited in one of its forms": (_markdown_only, "numbers"),
    "released value edited": (_value, "numbers"),
}
DEMO: dict[str, tuple[Attack, str]] = {
    "scenario said to be a study": (_scenario_as_study, "decisions"),
    "decisions said to be no replay": (_not_replayed, "decisions"),
    "replay reviewer said to be a person": (_not_a_replay_reviewer, "decisions"),
    "label taken out of the report": (_rewrite_report(_no_label), "numbers"),
}


@pytest.mark.parametrize("name", REVIEWED)
def test_a_history_told_otherwise_is_caught(reviewed: Path, tmp_path: Path, name: str) -> None:
    attack, step = REVIEWED[name]
    _caught(Story(reviewed, tmp_path), attack, step, tmp_path)


@pytest.mark.parametrize("name", DEMO)
def test_a_scenario_told_as_a_study_is_caught(demo: Path, tmp_path: Path, name: str) -> None:
    attack, step = DEMO[name]
    _caught(Story(demo, tmp_path), attack, step, tmp_path)


def test_an_approval_of_another_study_is_caught(reviewed: Path, demo: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    story, other = Story(reviewed, tmp_path), Story(demo, tmp_path / "other")
    mine, foreign = _decision(story, "code.1"), _decision(other, "code.1")
    for role in ("statement", "signature"):
        story.put(mine, role, other.text(foreign, role))
    mine["data"]["reviewer"] = foreign["data"]["reviewer"]
    assert "which was not put up before" in failed(story.export(tmp_path / "forged.zip"))["decisions"]


def test_a_history_told_as_it_was_holds_under_another_service_key(reviewed: Path, tmp_path: Path) -> None:
    assert failed(Story(reviewed, tmp_path).export(tmp_path / "same.zip")) == {}


def _sign_all_again(story: Story) -> None:
    """Make every decision anew, with a key of the forger under the reviewer's name."""
    story.sign_again(STRANGER, comment="Never read.")


def _forget_failed_attempt(story: Story) -> None:
    _drop_failed_attempt(story)
    for kind in ("started", "finished"):
        story.first(f"effect.{kind}", key="plan/1/1")["data"]["attempt"] = 1


def _lengthen_call(story: Story) -> None:
    story.first("effect.finished", key="plan/1/1")["data"]["duration_ms"] += 1000


def _edit_answer(story: Story) -> None:
    event = story.first("effect.finished", key="plan/2/1")
    story.json(event, "response", lambda body: body | {"model": "a better model"})


def _edit_reason(story: Story) -> None:
    _last(story, "study.ended")["data"]["reason"] = "It went well."


@pytest.mark.parametrize(
    "attack", [_forget_failed_attempt, _lengthen_call, _edit_answer], ids=["failed attempt", "duration", "raw answer"]
)
def test_what_was_before_a_decision_is_under_its_signature(reviewed: Path, tmp_path: Path, attack: Attack) -> None:
    story = Story(reviewed, tmp_path)
    attack(story)
    assert "is not the one that" in failed(story.export(tmp_path / "forged.zip"))["decisions"]


@pytest.mark.parametrize("attack", [_sign_all_again, _edit_reason], ids=["all decisions by another key", "reason"])
def test_what_needs_an_outside_anchor(reviewed: Path, tmp_path: Path, attack: Attack) -> None:
    """No signature of a reviewer covers these; whoever makes chain and seal anew gets away with them.

    What helps: the head (`counterproof verify` prints it) or the fingerprint of the service key, published elsewhere
    before; for decisions, the fingerprints of the reviewers' keys, which the evidence of step 6 shows.
    """
    story = Story(reviewed, tmp_path)
    attack(story)
    forged, true = verify_bundle(story.export(tmp_path / "forged.zip")), verify_bundle(reviewed)
    assert forged.ok
    assert forged.head != true.head
    assert forged.steps[2].evidence != true.steps[2].evidence
    assert (forged.steps[5].evidence != true.steps[5].evidence) == (attack is _sign_all_again)


def _statement(story: Story) -> dict[str, Any]:
    return _last(story, "statement.made")


def _all_present(story: Story) -> None:
    def present(statement: Any) -> None:
        for item in statement["items"]:
            item["status"] = "present"

    story.json(_statement(story), "statement.json", present)


def _other_summary(story: Story) -> None:
    name = f"{story.study}.signoff.2"
    part = json.loads(story.text(story.first("checkpoint.opened", id=name), "subject"))["transparency"]
    story.show(name, {"transparency": {**part, "missing": []}})


def _state_after_the_sign_off(story: Story) -> None:
    late = json.loads(json.dumps(_statement(story)))
    late["data"]["checkpoint"] = ""
    story.put(late, "answers.toml", b'[A4]\nanswer = "Eve did it all."\n')
    story.events.insert(-1, late)
    story.restate(late)


@pytest.mark.parametrize(
    ("attack", "told"),
    [
        (_all_present, "holds another statement than the record before it gives"),
        (_other_summary, "shows another statement than was made for it"),
        (_drop(_statement), "The record has statements for"),
        (_state_after_the_sign_off, "The last statement of the record is not the one that was signed off"),
    ],
    ids=["statement", "what is shown of it", "none", "one after the sign-off"],
)
def test_a_statement_that_the_record_does_not_give_is_caught_even_when_it_is_signed(
    reviewed: Path, tmp_path: Path, attack: Attack, told: str
) -> None:
    """The reviewer's own key signs what the forger made: only making the statement again tells."""
    story = Story(reviewed, tmp_path)
    attack(story)
    story.sign_again(KEY, restate=False)
    found = failed(story.export(tmp_path / "forged.zip"))
    assert set(found) - {"decisions"} == {"copies"}
    assert told in found["copies"]
    assert ("comes after the last approval" in found.get("decisions", "")) == (attack is _state_after_the_sign_off)


def test_a_history_that_its_reviewer_signs_again_holds(reviewed: Path, tmp_path: Path) -> None:
    story = Story(reviewed, tmp_path)
    story.sign_again(KEY)
    assert failed(story.export(tmp_path / "again.zip")) == {}


def _caught(story: Story, attack: Attack, step: str, folder: Path) -> None:
    before = json.dumps(story.events)
    attack(story)
    assert json.dumps(story.events) != before
    found = failed(story.export(folder / "forged.zip"))
    assert step in found, found
    assert {"container", "bag", "seal"}.isdisjoint(found)
    assert "is not of its form" in found.get("chain", "is not of its form"), "the chain itself is whole"
    assert "not of the form" not in found[step]
