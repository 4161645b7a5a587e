"""Studies and checkpoints as text for a terminal: exactly what is decided on, readable.

Pure functions of what was read; the same subject gives the same text. Everything that a model or a program wrote has
its control characters taken out, so that no text can repaint the terminal.
"""

from __future__ import annotations

import json
import re
from typing import Any

from counterproof.provenance.record import Event

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Return text without control and direction characters."""
    return _CONTROL.sub("�", text)


def checkpoint_text(subject: dict[str, Any], *, checkpoint: str, digest: str, state: str) -> str:
    """Return a checkpoint's subject for reading."""
    head = [
        f"Checkpoint {checkpoint} ({state})",
        f"Subject    {digest}",
        f"Study      {subject['study']}: {subject['title']}",
        f"Question   {subject['question']}",
        f"Exposure   {subject['exposure']}: the model sees no row of the data",
        "",
    ]
    body = {"plan": _plan, "code": _code, "release": _release, "signoff": _signoff}[subject["kind"]](subject)
    return plain("\n".join([*head, *body]))


def study_text(row: dict[str, Any], events: list[Event], checks: list[dict[str, Any]]) -> str:
    """Return the history of a study for reading."""
    lines = [f"{row['id']}: {row['title']}", f"Status: {row['status']} {row['detail']}".rstrip(), ""]
    lines += [f"{event.seq:>4}  {event.ts[:19]}  {_event(event)}" for event in events]
    if checks:
        lines += ["", "Checks (secure side: may hold numbers that are not released)"]
        lines += _checks(checks)
    return plain("\n".join(lines))


def _event(event: Event) -> str:
    data = event.data
    match event.type:
        case "effect.started" | "effect.finished" | "effect.failed":
            again = f", attempt {data['attempt']}" if data["attempt"] > 1 else ""
            status = f": {data['status']}" if "status" in data else ""
            return f"{event.type:<20} {data['kind']} {data['key']}{again}{status}"
        case "checkpoint.opened":
            return f"{event.type:<20} {data['id']} {data['subject'][:12]}…"
        case "decision.recorded":
            replayed = " (replayed, not reviewed)" if data["replayed"] else ""
            return f"{event.type:<20} {data['checkpoint']}: {data['decision']} by {data['reviewer']['name']}{replayed}"
        case "study.ended":
            return f"{event.type:<20} {data['ended']} {data['reason']}".rstrip()
        case "study.stopped" | "gate.refused":
            return f"{event.type:<20} {data.get('error') or data.get('why')}"
        case _:
            return event.type


def _plan(subject: dict[str, Any]) -> list[str]:
    found = [f"- {row['file']}: {row['column']}: {row['reason']}" for row in subject["identifiers"]]
    held = [
        f"- {row['column']}: {row['what']} ({row['why']})"
        for file in subject["profile"]["files"]
        for row in file["held_back"]
    ]
    return [
        subject["readable"],
        "Columns that may identify a person (the model is told their names only):",
        *(found or ["- none was found; that is no proof"]),
        "",
        "Held back from the model:",
        *(held or ["- nothing"]),
        "",
        "Data:",
        *[f"- {file['name']}, {file['size']} bytes, sha256 {file['sha256']}" for file in subject["data"]],
    ]


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
        if program["diff_since_last_shown"]:
            lines += ["", "Changed since it was last shown:", program["diff_since_last_shown"]]
        run = program["twin_run"]
        lines += ["", f"Run on the synthetic twin: {run['status']}. Numbers of the twin mean nothing.", run["stdout"]]
        lines += [f"  {row['id']} = {row['value']:.6g} [{row['unit']}]" for row in run["results"]]
        lines.append("")
    lines += ["Approval opens these data to exactly these programs:"]
    lines += [f"- {file['name']}, sha256 {file['sha256']}" for file in subject["reads"]]
    limits = subject["orders"][0]["limits"]
    lines += ["Limits: " + ", ".join(f"{name} {value}" for name, value in limits.items())]
    return lines


def _release(subject: dict[str, Any]) -> list[str]:
    lines = ["Items (release or suppress):"]
    for item in subject["items"]:
        lines.append(f"[{item['verdict']:>8}] {item['id']}: {item['shows']}")
        lines += [f"             ! {finding}" for finding in item["findings"]]
    lines += ["", "Checks:", *_checks(subject["checks"]), "", "Primary against replication:"]
    lines += [
        f"- {row['result']}.{row['field']}: {row['primary']} | {row['replication']} "
        f"({'agree' if row['agrees'] else 'DISAGREE'}, tolerance {row['tolerance']:g})"
        for row in subject["comparison"]
    ]
    return lines


def _checks(checks: list[dict[str, Any]]) -> list[str]:
    return [f"- {check['verdict']:<14} {check['title']} {'; '.join(check['evidence'])}" for check in checks]


def _signoff(subject: dict[str, Any]) -> list[str]:
    return [subject["markdown"], f"Report     {subject['report']}", f"Released   {subject['released']}"]


def editable_text(subject: dict[str, Any]) -> str:
    """Return the part of a subject that an edit replaces, as JSON to start from."""
    return json.dumps(subject["editable"], indent=1, ensure_ascii=False)
