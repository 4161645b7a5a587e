"""The study as a BioCompute Object, the form of IEEE 2791-2020 that regulators know.

Everything in it is taken from the record: who reviewed what with which outcome, the steps with their inputs and outputs
by digest, the approved programs, what they were run in. What the record does not hold is left out, never made up. Files
are named by their digest, and by their place in the bundle where they have one.

The `etag` is the SHA-256 of the canonical JSON of the object without `object_id`, `spec_version` and `etag`, as the
BioCompute specification says; the standard itself leaves the choice of form.

It does not cover the empirical error domain (nobody measured it), nor single model calls (`prov.json` has them).

Source: IEEE 2791-2020 and its JSON schema; BioCompute specification 1.4, section 2.0.3 (ETag).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from counterproof.provenance.digests import digest_of
from counterproof.provenance.events import Event, Ref
from counterproof.provenance.interop.steps import STEPS, step_of
from counterproof.provenance.labels import review_label

BCO = "bco.json"
_SPEC = "https://w3id.org/ieee/ieee-2791-schema/2791object.json"
_STATUS = {
    "approve": "approved",
    "reject": "rejected",
    "replan": "rejected",
    "withdraw": "suspended",
    "edit": "in-review",
}
_MEDIA = {
    "json": "application/json",
    "md": "text/markdown",
    "csv": "text/csv",
    "png": "image/png",
    "svg": "image/svg+xml",
}
Get = Callable[[str], bytes]


def bco_file(events: Sequence[Event], get: Get) -> bytes:
    """Return `bco.json`.

    Args:
        events: the record.
        get: gives the bytes of an open body by its digest.
    """
    domains = _domains(events, get)
    head = {
        "object_id": f"urn:counterproof:{events[0].data['study']}:{events[-1].digest}",
        "spec_version": _SPEC,
        "etag": digest_of(domains),
    }
    return json.dumps({**head, **domains}, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _domains(events: Sequence[Event], get: Get) -> dict[str, Any]:
    created = events[0].data
    subject = _code_subject(events, get)
    return {
        "provenance_domain": _provenance(events, get),
        "usability_domain": [created["question"], f"Review: {review_label(events)}."],
        "description_domain": {"keywords": [created["title"]], "pipeline_steps": _steps(events)},
        "execution_domain": _execution(events, subject),
        "parametric_domain": _parameters(events, subject),
        "io_domain": _io(events),
        "error_domain": {
            "empirical_error": {},
            "algorithmic_error": {"checks": checks[-1].data["verdicts"]}
            if (checks := [event for event in events if event.type == "checks.finished"])
            else {},
        },
    }


def _provenance(events: Sequence[Event], get: Get) -> dict[str, Any]:
    created = events[0].data
    decisions = [event for event in events if event.type == "decision.recorded"]
    people: dict[str, dict[str, Any]] = {}
    reviews = []
    for event in decisions:
        made, reviewer = json.loads(get(event.ref("statement").sha256)), event.data["reviewer"]
        people[reviewer["id"]] = _person(reviewer)
        replayed = " (replayed, not reviewed)" if event.data["replayed"] else ""
        reviews.append(
            {
                "date": made["decided_at"],
                "reviewer": people[reviewer["id"]],
                "reviewer_comment": f"{event.data['checkpoint']}: {made['comment']}{replayed}",
                "status": "unreviewed" if event.data["replayed"] else _STATUS[event.data["decision"]],
            }
        )
    model = {"name": f"{created['model']['model']} (language model)", "contribution": ["createdWith"]}
    return {
        "name": created["title"],
        "version": "1.0.0",
        "review": reviews,
        "created": events[0].ts,
        "modified": events[-1].ts,
        "contributors": [*people.values(), model],
        "license": "The owner of the study says who may use it and how.",
    }


def _person(reviewer: dict[str, Any]) -> dict[str, Any]:
    person = {"name": reviewer["name"], "contribution": ["curatedBy"]}
    orcid = f"https://orcid.org/{reviewer['orcid']}" if reviewer["orcid"] else ""
    told = {"orcid": orcid, "affiliation": reviewer.get("affiliation", "")}
    return person | {name: value for name, value in told.items() if value}


def _steps(events: Sequence[Event]) -> list[dict[str, Any]]:
    steps = []
    for number, step in enumerate(STEPS["analysis"], start=1):
        taken = [event for event in events if event.type in _ENDS and step_of(event) == step]
        asked = [ref for event in taken for ref in event.refs if ref.role in ("request", "program")]
        given = [ref for event in taken for ref in event.refs if ref.role not in ("request", "program")]
        subjects = [event.data["subject"] for event in taken if event.type == "decision.recorded"]
        row = {
            "step_number": number,
            "name": step.name,
            "description": f"{step.does} It was done {len(taken)} times.",
            "input_list": [*_uris(asked), *[{"uri": f"urn:sha256:{digest}"} for digest in dict.fromkeys(subjects)]],
            "output_list": _uris(given),
        }
        steps += [row] if taken else []
    return steps


_ENDS = ("effect.finished", "effect.failed", "decision.recorded")


def _execution(events: Sequence[Event], subject: dict[str, Any]) -> dict[str, Any]:
    created = events[0].data
    environments = subject.get("environments", {})
    software = {
        (environment["name"], environment["digest"]): {
            "name": f"analysis environment {environment['name']}",
            "version": environment["digest"],
            "uri": {"uri": f"urn:sha256:{environment['digest']}"},
        }
        for environment in environments.values()
    }
    return {
        "script": [
            {"uri": {"uri": f"urn:sha256:{program['sha256']}", "filename": _program_file(program)}}
            for program in subject.get("programs", [])
        ],
        "script_driver": "counterproof",
        "software_prerequisites": [software[key] for key in sorted(software)],
        "external_data_endpoints": [{"name": "language model", "url": created["model"]["base_url"]}],
        "environment_variables": {},
    }


def _parameters(events: Sequence[Event], subject: dict[str, Any]) -> list[dict[str, str]]:
    model = events[0].data["model"]
    names = ("model", "temperature", "seed", "max_completion_tokens")
    given = [("model", name, model[name]) for name in names if model.get(name) is not None]
    for order in subject.get("orders", []):
        given += [("execute", f"{order['role']}: {name}", order[name]) for name in ("seed", "environment")]
    return [{"step": step, "param": name, "value": str(value)} for step, name, value in given]


def _io(events: Sequence[Event]) -> dict[str, Any]:
    released = [event for event in events if event.type == "results.released"]
    reports = [event for event in events if event.type == "report.rendered"]
    outputs: dict[str, Ref] = {}
    if released:
        outputs |= {f"results/{ref.role.removeprefix('output:')}": ref for ref in released[-1].refs if ":" in ref.role}
        outputs["results/released.json"] = released[-1].ref("released")
    if reports:
        outputs |= {"report.json": reports[-1].ref("report"), "report.md": reports[-1].ref("report.md")}
    return {
        "input_subdomain": [
            {"uri": {"uri": f"urn:sha256:{file['sha256']}", "filename": file["name"]}}
            for file in events[0].data["data"]
        ],
        "output_subdomain": [
            {
                "mediatype": _MEDIA.get(name.rpartition(".")[2], "application/octet-stream"),
                "uri": {"uri": f"urn:sha256:{ref.sha256}", "filename": name},
            }
            for name, ref in sorted(outputs.items())
        ],
    }


def _code_subject(events: Sequence[Event], get: Get) -> dict[str, Any]:
    """Return what the last approval of programs was about; nothing where there is none."""
    approved = [
        event.data["subject"]
        for event in events
        if event.type == "decision.recorded" and event.data["kind"] == "code" and event.data["decision"] == "approve"
    ]
    found: dict[str, Any] = json.loads(get(approved[-1])) if approved else {}
    return found


def _uris(refs: list[Ref]) -> list[dict[str, str]]:
    return [{"uri": f"urn:sha256:{digest}"} for digest in dict.fromkeys(ref.sha256 for ref in refs)]


def _program_file(program: dict[str, Any]) -> str:
    return f"programs/{program['role']}.{'R' if program.get('language') == 'r' else 'py'}"
