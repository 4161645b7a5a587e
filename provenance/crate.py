"""The RO-Crate of a bundle: what happened, in the research world's own vocabulary.

A Process Run Crate (0.5 on RO-Crate 1.1): each model call, execution and decision is an action, with what it read and
gave as files of the crate. People are `agent`s, the model and the interpreter are `instrument`s, and a decision is a
`CreateAction` and an `AuthorizeAction` (or `ReviewAction`), because validators know the first only.

It does not cover the workflow and step entities of the Provenance Run Crate.

Source: RO-Crate 1.1; Workflow Run RO-Crate, Process Run Crate 0.5.
"""

from __future__ import annotations

from typing import Any

from counterproof.provenance.record import Event, Ref

_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_MEDIA = {
    "json": "application/json",
    "jsonl": "application/jsonl",
    "md": "text/markdown",
    "csv": "text/csv",
    "py": "text/x-python",
    "R": "text/x-r-source",
    "png": "image/png",
    "svg": "image/svg+xml",
}
_COMPLETED = "http://schema.org/CompletedActionStatus"
_FAILED = "http://schema.org/FailedActionStatus"


def blob_name(digest: str) -> str:
    """Return where a blob is in a bundle's payload."""
    return f"record/blobs/sha256/{digest[:2]}/{digest[2:]}"


def make_crate(events: list[Event], files: dict[str, int], *, title: str, label: str) -> dict[str, Any]:
    """Return the content of `ro-crate-metadata.json`.

    Args:
        events: the record.
        files: size of each file of the payload by name.
        title: title of the study.
        label: how it was reviewed; stands in the description.
    """
    created = events[0].data
    model = {
        "@id": "#model",
        "@type": "SoftwareApplication",
        "name": created["model"]["model"],
        "url": created["model"]["base_url"],
    }
    tool = {"@id": "#program-runner", "@type": "SoftwareApplication", "name": "Counterproof sandbox"}
    app = {"@id": "#checkpoint", "@type": "SoftwareApplication", "name": "Counterproof checkpoint"}
    actions, people = _actions(events, files)
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": title,
        "description": f"Counterproof bundle of the study {created['study']}; {label}. Question: {created['question']}",
        "datePublished": events[-1].ts[:10],
        "license": {"@id": "#terms"},
        "conformsTo": {"@id": _PROFILE},
        "hasPart": [{"@id": name} for name in sorted(files)],
        "mentions": [{"@id": action["@id"]} for action in actions],
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
                "@id": "ro-crate-metadata.json",
                "@type": "CreativeWork",
                "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
                "about": {"@id": "./"},
            },
            root,
            terms,
            {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
            model,
            tool,
            app,
            *people,
            *actions,
            *[_file(name, size) for name, size in sorted(files.items())],
        ],
    }


def _file(name: str, size: int) -> dict[str, Any]:
    media = _MEDIA.get(name.rpartition(".")[2], "application/octet-stream")
    return {"@id": name, "@type": "File", "name": name, "contentSize": str(size), "encodingFormat": media}


def _actions(events: list[Event], files: dict[str, int]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    starts = {
        (event.data["key"], event.data["attempt"]): event.ts for event in events if event.type == "effect.started"
    }
    actions, people = [], {}
    for event in events:
        if event.type in ("effect.finished", "effect.failed"):
            actions.append(_effect(event, starts, files))
        elif event.type == "decision.recorded":
            reviewer = event.data["reviewer"]
            person = _person_id(reviewer)
            people[person] = {"@id": person, "@type": "Person", "name": reviewer["name"]}
            actions.append(_decision(event, person, files))
    return actions, list(people.values())


def _effect(event: Event, starts: dict[tuple[str, int], str], files: dict[str, int]) -> dict[str, Any]:
    model = event.data["kind"] == "model"
    done = event.type == "effect.finished"
    action: dict[str, Any] = {
        "@id": f"#event-{event.seq}",
        "@type": "CreateAction",
        "name": f"{event.data['kind']} {event.data['key']}, attempt {event.data['attempt']}",
        "instrument": {"@id": "#model" if model else "#program-runner"},
        "startTime": starts.get((event.data["key"], event.data["attempt"]), event.ts),
        "endTime": event.ts,
        "object": _present([ref for ref in event.refs if ref.role in ("request", "program")], files),
        "result": _present([ref for ref in event.refs if ref.role not in ("request", "program")], files),
        "actionStatus": _COMPLETED if done else _FAILED,
    }
    return action if done else {**action, "error": event.data["error"]}


def _decision(event: Event, person: str, files: dict[str, int]) -> dict[str, Any]:
    kind = "AuthorizeAction" if event.data["decision"] == "approve" else "ReviewAction"
    subject = {"@id": blob_name(event.data["subject"])}
    return {
        "@id": f"#event-{event.seq}",
        "@type": ["CreateAction", kind],
        "name": f"{event.data['decision']} {event.data['checkpoint']}",
        "agent": {"@id": person},
        "instrument": {"@id": "#checkpoint"},
        "endTime": event.ts,
        "object": [subject] if subject["@id"] in files else [],
        "result": _present(list(event.refs), files),
        "actionStatus": _COMPLETED,
    }


def _person_id(reviewer: dict[str, Any]) -> str:
    return f"https://orcid.org/{reviewer['orcid']}" if reviewer["orcid"] else f"#reviewer-{reviewer['id']}"


def _present(refs: list[Ref], files: dict[str, int]) -> list[dict[str, str]]:
    names = [blob_name(ref.sha256) for ref in refs]
    return [{"@id": name} for name in dict.fromkeys(names) if name in files]
