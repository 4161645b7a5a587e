"""Studies and checkpoints as text for a terminal: exactly what is decided on, readable.

Pure functions of what was read; the same subject gives the same text. Control characters are taken out
(`output.plain`), so that nothing that a model or a program wrote can repaint the terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from counterproof.provenance.events import Event
from counterproof.provenance.labels import mode_notice
from counterproof.provenance.permissions import Purpose, decisions_at
from counterproof.provenance.plan_versions import PlanVersion
from counterproof.provenance.reviewers import CheckpointKind, meaning_of
from counterproof.provenance.twins import twin_lines, twin_rows
from counterproof.tools import Plan, readable_plan
from counterproof.tools.exposure import IN_WORDS, Exposure
from counterproof.tools.library_warnings import LibraryWarning
from counterproof.ui.output import json_text, plain
from counterproof.ui.sets import is_of_a_set, sample_part, set_release_part, set_text, specification_part


def checkpoint_text(
    subject: dict[str, Any], *, checkpoint: str, digest: str, salt: str, state: str, notice: str = ""
) -> str:
    """Return a checkpoint's subject for reading; `salt` is "" where its digest is made without one."""
    head = [
        f"Checkpoint {checkpoint} ({state})",
        *([f"Mode       {notice}"] if notice else []),
        f"Subject    {digest}",
        *([f"Salt       {salt} (hexadecimal; stands before the subject)"] if salt else []),
        f"Study      {subject['study']}: {subject['title']}",
        f"Question   {subject['question']}",
        f"Exposure   {subject['exposure']}: {IN_WORDS[subject['exposure']]}",
        f"Signature  {_meanings(CheckpointKind(subject['kind']), subject)}",
        "",
    ]
    body = _set(subject) or _BODIES[subject["kind"]](subject)
    return plain("\n".join([*head, *_answered(subject), *body]))


def _answered(subject: dict[str, Any]) -> list[str]:
    """Return the reasons of the last rejection with the model's answers; nothing where there was none."""
    rows = subject.get("answered", [])
    lines = ["Sent back before; each reason with the model's answer:"] if rows else []
    for row in rows:
        lines += [f"- {row['by']}: {row['reason']}", f"  {row.get('role', 'model')}: {row['answer']}"]
    return [*lines, ""] if rows else []


def _meanings(kind: CheckpointKind, subject: dict[str, Any]) -> str:
    """Return what a signature on each decision means."""
    purpose: Purpose = "synthesis" if is_of_a_set(subject) else "analysis"
    return ", ".join(f"{one}: {meaning_of(kind, one)}" for one in decisions_at(kind, purpose))


def _set(subject: dict[str, Any]) -> list[str]:
    """Return a checkpoint of a synthetic set; nothing where it is one of an analysis."""
    match subject["kind"]:
        case CheckpointKind.SPECIFICATION:
            return set_text(specification_part(subject))
        case CheckpointKind.SAMPLE:
            return set_text(sample_part(subject))
        case CheckpointKind.RELEASE if is_of_a_set(subject):
            return set_text(set_release_part(subject))
        case _:
            return []


def study_text(
    row: dict[str, Any],
    events: list[Event],
    checks: list[dict[str, Any]],
    versions: Sequence[PlanVersion] = (),
    warned: Sequence[LibraryWarning] = (),
) -> str:
    """Return the history of a study for reading, with the locked versions of its plan where there are several."""
    lines = [f"{row['id']}: {row['title']}", f"Status: {row['status']} {row['detail']}".rstrip()]
    level = str(events[0].data.get("exposure", "metadata"))
    lines += [f"Exposure: {level}: {IN_WORDS.get(cast(Exposure, level), level)}"]
    twins = [row for event in events if event.type == "intake.finished" for row in twin_rows(event)]
    lines += [*filter(None, [mode_notice(event) for event in events[:1]])]
    lines += [*(["Synthetic twin:"] if twins else []), *[f"  {line}" for line in twin_lines(twins)], ""]
    lines += [f"{event.seq:>4}  {event.ts[:19]}  {_event(event)}" for event in events]
    noticed = [row for event in events if event.type == "intake.finished" for row in event.data["noticed"]]
    if noticed:
        lines += ["", "Noticed about the data at the intake", *_noticed(noticed)]
    if len(versions) > 1:
        lines += ["", "Versions of the plan", *map(version_text, versions)]
    if checks:
        lines += ["", "Checks (secure side: may hold numbers that are not released)"]
        lines += _checks(checks)
    if warned:
        lines += ["", "Warnings of the libraries (secure side, too)", *(f"- {one.in_words()}" for one in warned)]
    return plain("\n".join(lines))


def version_text(version: PlanVersion) -> str:
    """Return a locked version of the plan, and why it took the place of the one before, in one line."""
    line = f"- version {version.number}, approved at {version.checkpoint}, sha256 {version.plan[:12]}…"
    if not version.reasons:
        return line
    when = "after" if version.data_were_open else "before"
    why = f"sent back at {version.sent_back_at} by {version.by} ({version.role}), {when} the real data were opened"
    return f"{line}; {why}: {' '.join('; '.join(version.reasons).split())}"


def _event(event: Event) -> str:
    data = event.data
    match event.type:
        case "effect.started" | "effect.finished" | "effect.failed":
            again = f", attempt {data['attempt']}" if data["attempt"] > 1 else ""
            status = f": {data['status']}" if "status" in data else ""
            return f"{event.type:<20} {data['kind']} {data['key']}{again}{status}"
        case "checkpoint.opened":
            return f"{event.type:<20} {data['id']} {data['subject'][:12]}…"
        case "decision.requested":
            return f"{event.type:<20} {data['checkpoint']}: {data['decision']}, asked for on another screen, unsigned"
        case "notice.given":
            outcome = "" if data["sent"] else f" was not sent: {data['error']}"
            return f"{event.type:<20} {data['checkpoint']} by {data['channel']}{outcome}"
        case "decision.refused":
            return f"{event.type:<20} {data['checkpoint']}: {data['reviewer'] or 'nobody'}: {data['why']}"
        case "decision.recorded" | "signature.recorded":
            replayed = " (replayed, not reviewed)" if data["replayed"] else ""
            return f"{event.type:<20} {data['checkpoint']}: {data['decision']} by {data['reviewer']['name']}{replayed}"
        case "study.ended":
            return f"{event.type:<20} {data['ended']} {data['reason']}".rstrip()
        case "study.stopped" | "gate.refused":
            return f"{event.type:<20} {data.get('error') or data.get('why')}"
        case _:
            return event.type


def _word(row: dict[str, Any]) -> str:
    return f"; {row['by']} says: {row['said']} ({row['why']})" if row["by"] else ""


def _plan(subject: dict[str, Any]) -> list[str]:
    found = [f"- {row['file']}: {row['column']}: {row['reason']}{_word(row)}" for row in subject["identifiers"]]
    quasi = [
        f"- {row['file']}: {', '.join(row['columns'])}: smallest group {row['smallest_group']} persons; "
        f"in groups below k: {row['persons_in_groups_below_k']}"
        for row in subject["quasi_identifiers"]
    ]
    held = [
        f"- {row['column']}: {row['what']} ({row['why']})"
        for file in subject["profile"]["files"]
        for row in file["held_back"]
    ]
    return [
        *_replaced(subject),
        readable_plan(Plan.model_validate(subject["editable"])),
        "Columns that may identify a person (of an identifier the model is told the name only):",
        *(found or ["- none was found; that is no proof"]),
        "",
        "Noticed at the intake:",
        *(_noticed(subject["noticed"]) or ["- nothing; that is no proof"]),
        "",
        "Quasi-identifiers (no correlation of them is told):",
        *(quasi or ["- none was found; that is no proof"]),
        "",
        "Held back from the model:",
        *(held or ["- nothing"]),
        "",
        "Synthetic twins (on which programs are tried):",
        *[f"- {line}" if not line.startswith(" ") else line for line in twin_lines(subject["twins"])],
        "",
        "Data:",
        *[f"- {_data(file)}" for file in subject["data"]],
    ]


def _replaced(subject: dict[str, Any]) -> list[str]:
    """Return what a plan replaces and changes; nothing for a first one."""
    before = subject.get("replaces")
    if not before:
        return []
    opened = "had" if before["data_were_open"] else "had not"
    rows = [f"- {row['field']}: {row['before']} -> {row['after']}" for row in before["changes"]]
    return [
        f"Version {before['version'] + 1} of the plan. It replaces version {before['version']}, approved at "
        f"{before['checkpoint']}, sha256 {before['plan']}; the real data {opened} been opened to a program.",
        "What it changes:",
        *(rows or ["- nothing"]),
        "",
    ]


def _data(file: dict[str, Any]) -> str:
    original = file["original"]
    made_from = f"; made from {original['name']}, sha256 {original['sha256']}" if original else ""
    return f"{file['name']}, {file['size']} bytes, sha256 {file['sha256']}{made_from}"


def _noticed(rows: list[dict[str, Any]]) -> list[str]:
    """Return what was noticed about the data before there was a plan, one line each."""
    return [f"- {noticed_text(row)}" for row in rows]


def noticed_text(row: dict[str, Any]) -> str:
    """Return one thing that was noticed about the data, in one line."""
    where = f"{row['file']}: {', '.join(row['columns'])}" if row["columns"] else str(row["file"])
    unseen = " (the model is not told)" if row["hidden"] else ""
    return f"{where}: {row['kind']}: {row['text']}{unseen}"


def _code(subject: dict[str, Any]) -> list[str]:
    environments = {
        f"Environment {found['name']} ({found['language']} {found['version']}) {found['digest']}": None
        for found in subject["environments"].values()
    }
    lines = [f"Plan       {subject['plan']}", *environments, ""]
    for program in subject["programs"]:
        lines += [f"== {program['role']} program, {program['language']}, sha256 {program['sha256']}", ""]
        lines += [f"{at:>4}  {line}" for at, line in enumerate(program["code"].splitlines(), start=1)]
        findings = [f"- line {row['line']}: {row['text']}" for row in program["static"]]
        lines += ["", "Static findings:", *(findings or ["- none; that does not make it right"])]
        lines += ["", "Checks of the text:", *_checks(program.get("checks", []))]
        if program["diff_since_last_shown"]:
            lines += ["", "Changed since it was last shown:", program["diff_since_last_shown"]]
        run = program["twin_run"]
        lines += ["", f"Run on the synthetic twin: {run['status']}. Numbers of the twin mean nothing.", run["stdout"]]
        lines += [f"  {row['id']} = {row['value']:.6g} [{row['unit']}]" for row in run["results"]]
        lines.append("")
    for checker in subject.get("checkers", []):
        lines += [f"== check program, made by Counterproof, {checker['language']}, sha256 {checker['sha256']}"]
        lines += ["It runs the primary program once more, under observation (docs/checks.md).", ""]
    lines += ["Approval opens these data to exactly these programs:"]
    lines += [f"- {file['name']}, sha256 {file['sha256']}" for file in subject["reads"]]
    lines += ["each of them once, so:"]
    for order in subject["orders"]:
        limits = ", ".join(f"{name} {value}" for name, value in order["limits"].items())
        lines += [f"- {order['role']}, sha256 {order['program']}, seed {order['seed']}; limits: {limits}"]
    return lines


def _release(subject: dict[str, Any]) -> list[str]:
    lines = ["Items (release or suppress):"]
    for item in subject["items"]:
        lines.append(f"[{item['verdict']:>8}] {item['id']}: {item['shows']}")
        lines += [f"             ! {finding_text(finding)}" for finding in item["findings"]]
    lines += ["", "Checks:", *_checks(subject["checks"]), "", "Primary against replication:"]
    lines += [
        f"- {row['result']}.{row['field']}: {row['primary']} | {row['replication']} "
        f"({'agree' if row['agrees'] else 'DISAGREE'}, tolerance {row['tolerance']:g})"
        for row in subject["comparison"]
    ]
    return lines


def finding_text(finding: dict[str, Any]) -> str:
    """Return what a disclosure check found, with what would help, in one line."""
    helps = "" if finding["suggestion"] == "look" else f" [suggested: {finding['suggestion']}]"
    return f"{finding['check']}: {finding['text']}{helps}"


def _checks(checks: list[dict[str, Any]]) -> list[str]:
    return [f"- {check['verdict']:<14} {check['title']} {'; '.join(check['evidence'])}" for check in checks]


def _signoff(subject: dict[str, Any]) -> list[str]:
    statement = subject["transparency"]
    missing = [f"- {item['id']} ({' and '.join(item['lacks'])}): {item['text']}" for item in statement["missing"]]
    return [
        subject["markdown"],
        f"Report     {subject['report']}",
        f"Released   {subject['released']}",
        "",
        "== The transparency statement, which is signed with the report",
        "",
        statement["text"],
        f"Statement  {statement['statement']}",
        f"Answers    {statement['answers'] or 'none were given'}",
        f"Items      {statement['summary']}",
        "",
        "Missing:",
        *(missing or ["- nothing"]),
        *(["Answer them with `counterproof statement STUDY`, then decide `edit`."] if missing else []),
    ]


_BODIES: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "plan": _plan,
    "code": _code,
    "release": _release,
    "signoff": _signoff,
}


def editable_text(subject: dict[str, Any]) -> str:
    """Return the part of a subject that an edit replaces, as JSON to start from."""
    return json_text(subject["editable"])
