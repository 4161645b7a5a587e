"""The RO-Crate of a bundle: what happened, in the research world's own vocabulary.

A Provenance Run Crate (0.5 on RO-Crate 1.1): each model call, execution and decision is an action, with what it read
and gave as files of the crate, or by digest alone where the bundle withholds it. People are `agent`s of what they
decided, the installation is that of the rest, the model and the sandbox are `instrument`s, and a decision is a
`CreateAction` and an `AuthorizeAction` (or `ReviewAction`), because validators know the first only. The workflow and
its steps are in `interop.workflow_crate`.

It does not cover the digests of files: the manifest of the bag does.

Source: RO-Crate 1.1; Workflow Run RO-Crate, Provenance Run Crate 0.5.
"""

from __future__ import annotations

from typing import Any

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.events import Event, Ref
from counterproof.provenance.interop.steps import WORKFLOW
from counterproof.provenance.interop.workflow_crate import (
    HOST,
    PREVIEW,
    PROFILES,
    RUN,
    TOOLS,
    one_or_all,
    page_of,
    parameter_of,
    workflow_entities,
)
from counterproof.provenance.permissions import purpose_of
from counterproof.provenance.set_bundle import names_a_model

_CRATE = "https://w3id.org/ro/crate/1.1"
_WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
_MEDIA = {
    "json": "application/json",
    "jsonl": "application/jsonl",
    "md": "text/markdown",
    "csv": "text/csv",
    "py": "text/x-python",
    "R": "text/x-r-source",
    "png": "image/png",
    "svg": "image/svg+xml",
    "html": "text/html",
    "toml": "application/toml",
    "layout": "application/json",
    "link": "application/json",
    "pem": "application/x-pem-file",
    "sh": "application/x-sh",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
_ABOUT = {
    "record.html": "The whole record, for people",
    "verify/verify.py": "Checks this bundle with Python alone",
    "verify/verify.sh": "Checks this bundle with a shell alone",
    "bco.json": "The study as a BioCompute Object (IEEE 2791-2020)",
    "prov.json": "The study as W3C PROV-JSON",
    "in-toto/root.layout": "How the steps of the study must fit, for in-toto-verify",
    "in-toto/service.pem": "The public service key, for in-toto-verify",
    "transparency/statement.html": "Transparency statement",
    "transparency/statement.docx": "Transparency statement, for Word",
    "transparency/statement.json": "Transparency statement, for programs",
    "transparency/signed.json": "Transparency statement as it was signed off",
    "transparency/answers.toml": "What a person said to the transparency statement",
}
_BY = {
    "model": ("model", "A call of the model."),
    "execution": ("sandbox", "A program ran in the sandbox."),
    "making": ("maker", "A synthetic set was made from the real rows, where those are."),
}
"""What does an effect of a kind, and what it did."""
METADATA = "ro-crate-metadata.json"
_COMPLETED = "http://schema.org/CompletedActionStatus"
_FAILED = "http://schema.org/FailedActionStatus"


def blob_name(digest: str) -> str:
    """Return where a blob is in a bundle's payload."""
    return f"record/blobs/sha256/{digest[:2]}/{digest[2:]}"


def make_crate(events: list[Event], files: dict[str, int], *, title: str, label: str, version: str) -> dict[str, Any]:
    """Return the content of `ro-crate-metadata.json`.

    Args:
        events: the record.
        files: size of each file of the payload by name, without the crate's own two.
        title: title of the study.
        label: how it was reviewed; stands in the description.
        version: of the Counterproof that made the bundle.
    """
    created = events[0].data
    model = {
        "@id": TOOLS["model"],
        "@type": "SoftwareApplication",
        "name": created["model"]["model"],
        "softwareVersion": created["model"]["model"],
        "url": created["model"]["base_url"],
    }
    tools = [
        {
            "@id": TOOLS[name],
            "@type": "SoftwareApplication",
            "name": f"Counterproof {name}",
            "softwareVersion": version,
            "url": page_of(TOOLS[name]),
        }
        for name in ("sandbox" if purpose_of(created) == "analysis" else "maker", "checkpoint")
    ]
    actions, people = _actions(events, files), _people(events)
    host = {
        "@id": HOST,
        "@type": "Organization",
        "name": "Whoever runs this installation of Counterproof and holds its service key",
        "description": "The public half of the key is in keys/service_signers.",
        "url": page_of(HOST),
    }
    deciders = [{"@id": person["@id"]} for person in people if person["@type"] == "Person"]
    about = f"Counterproof bundle of the study {created['study']}; {label}. Question: {created['question']}"
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": title,
        "description": about if purpose_of(created) == "analysis" else f"Synthetic, never real. {about}",
        "datePublished": events[-1].ts[:10],
        "license": {"@id": "#terms"},
        "conformsTo": [{"@id": profile} for profile in PROFILES],
        "mainEntity": {"@id": WORKFLOW},
        "hasPart": [{"@id": name} for name in sorted(files)],
        "author": one_or_all(deciders or [{"@id": HOST}]),
        "publisher": {"@id": HOST},
        "mentions": [{"@id": RUN}, *[{"@id": action["@id"]} for action in actions]],
    }
    terms = {
        "@id": "#terms",
        "@type": "CreativeWork",
        "name": "Terms of the study's owner",
        "description": "The owner of the study says who may use it and how.",
    }
    return {
        "@context": ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"],
        "@graph": [
            {
                "@id": METADATA,
                "@type": "CreativeWork",
                "conformsTo": [{"@id": _CRATE}, {"@id": _WORKFLOW_CRATE}],
                "about": {"@id": "./"},
            },
            root,
            terms,
            {"@id": PREVIEW, "@type": "CreativeWork", "about": {"@id": "./"}, "encodingFormat": "text/html"},
            *workflow_entities(events, files, terms=terms["@id"], version=version),
            host,
            *([model] if names_a_model(events) else []),
            *tools,
            *people,
            *actions,
            *_withheld(events, files),
            *[_file(name, size) for name, size in sorted(files.items()) if name != WORKFLOW],
        ],
    }


def _file(name: str, size: int) -> dict[str, Any]:
    media = _MEDIA.get(name.rpartition(".")[2], "application/octet-stream")
    file: dict[str, Any] = {
        "@id": name,
        "@type": "File",
        "name": name,
        "contentSize": str(size),
        "encodingFormat": media,
    }
    file |= {"about": {"@id": "./"}} if name == "README.md" else {}
    file |= {"exampleOfWork": {"@id": parameter}} if (parameter := parameter_of(name)) else {}
    return {**file, "description": _ABOUT[name]} if name in _ABOUT else file


def _actions(events: list[Event], files: dict[str, int]) -> list[dict[str, Any]]:
    starts = {
        (event.data["key"], event.data["attempt"]): event.ts for event in events if event.type == "effect.started"
    }
    actions = []
    for event in events:
        if event.type in ("effect.finished", "effect.failed"):
            actions.append(_effect(event, starts, files))
        elif event.type == "decision.recorded":
            actions.append(_decision(event, files))
    return actions


def _people(events: list[Event]) -> list[dict[str, Any]]:
    """Return those who decided, and the institutions that they said they belong to."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.type != "decision.recorded":
            continue
        reviewer = event.data["reviewer"]
        person = {"@id": _person_id(reviewer), "@type": "Person", "name": reviewer["name"]}
        institution = _institution(reviewer)
        if institution:
            person["affiliation"] = {"@id": institution["@id"]}
        found[person["@id"]] = person
        if institution and institution["@id"] != HOST:
            found[institution["@id"]] = institution
    return list(found.values())


def _institution(reviewer: dict[str, Any]) -> dict[str, Any]:
    """Return where a reviewer belongs to, empty where that was not said; a script belongs to who runs it."""
    name, ror = reviewer.get("affiliation", ""), reviewer.get("ror", "")
    if reviewer["replay"]:
        return {"@id": HOST}
    if ror:
        address = f"https://ror.org/{ror}"
        return {"@id": address, "@type": "Organization", "name": name, "url": address}
    unnamed = f"#institution-{sha256_bytes(name.encode())[:12]}"
    return {"@id": unnamed, "@type": "Organization", "name": name} if name else {}


def _effect(event: Event, starts: dict[tuple[str, int], str], files: dict[str, int]) -> dict[str, Any]:
    tool, does = _BY[event.data["kind"]]
    done = event.type == "effect.finished"
    action: dict[str, Any] = {
        "@id": f"#event-{event.seq}",
        "@type": "CreateAction",
        "name": f"{event.data['kind']} {event.data['key']}, attempt {event.data['attempt']}",
        "description": does,
        "instrument": {"@id": TOOLS[tool]},
        "startTime": starts.get((event.data["key"], event.data["attempt"]), event.ts),
        "endTime": event.ts,
        "object": _bodies([ref for ref in event.refs if ref.role in ("request", "program")], files),
        "result": _bodies([ref for ref in event.refs if ref.role not in ("request", "program")], files),
        "agent": {"@id": HOST},
        "actionStatus": _COMPLETED if done else _FAILED,
    }
    return action if done else {**action, "error": event.data["error"]}


def _decision(event: Event, files: dict[str, int]) -> dict[str, Any]:
    kind = "AuthorizeAction" if event.data["decision"] == "approve" else "ReviewAction"
    return {
        "@id": f"#event-{event.seq}",
        "@type": ["CreateAction", kind],
        "name": f"{event.data['decision']} {event.data['checkpoint']}",
        "description": "A person decided and signed; the statement is the first result, its signature the second.",
        "agent": {"@id": _person_id(event.data["reviewer"])},
        "instrument": {"@id": TOOLS["checkpoint"]},
        "endTime": event.ts,
        "object": {"@id": _body_id(event.data["subject"], files)},
        "result": _bodies(list(event.refs), files),
        "actionStatus": _COMPLETED,
    }


def _person_id(reviewer: dict[str, Any]) -> str:
    return f"https://orcid.org/{reviewer['orcid']}" if reviewer["orcid"] else f"#reviewer-{reviewer['id']}"


def _bodies(refs: list[Ref], files: dict[str, int]) -> Any:
    return one_or_all([{"@id": name} for name in dict.fromkeys(_body_id(ref.sha256, files) for ref in refs)])


def _body_id(digest: str, files: dict[str, int]) -> str:
    return blob_name(digest) if blob_name(digest) in files else f"#withheld-{digest}"


def _withheld(events: list[Event], files: dict[str, int]) -> list[dict[str, Any]]:
    """Return what the actions name and the bundle does not hold: known by its digest, and no `File` of the crate."""
    acted = ("effect.finished", "effect.failed", "decision.recorded")
    named = [(ref.sha256, ref.role) for event in events if event.type in acted for ref in event.refs]
    named += [(event.data["subject"], "subject") for event in events if event.type == "decision.recorded"]
    return [
        {
            "@id": f"#withheld-{digest}",
            "@type": "CreativeWork",
            "name": f"{role}, withheld",
            "description": "Not in this bundle; record/withheld.json says why.",
            "identifier": f"urn:sha256:{digest}",
        }
        for digest, role in dict(named).items()
        if blob_name(digest) not in files
    ]
