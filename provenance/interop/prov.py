"""The study as W3C PROV: who did what with what, in the JSON that PROV tools read.

Every body that an event names is an entity, known by its digest whether or not it is in the bundle. Each model call,
execution and decision is an activity that used some and generated others. The model is a software agent that acts on
behalf of the installation, and so are the sandbox and the maker of a synthetic set; each reviewer is a person. What was
released is derived from the execution, the report from what was released and from the plan, and the released files of
a set from the data that it was made from, or for.

It does not cover the single events of the record, which `record/events.jsonl` holds.

Source: W3C PROV-DM; PROV-JSON (W3C member submission, 24 April 2013).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from counterproof.provenance.events import Event, Ref
from counterproof.provenance.interop.steps import step_of
from counterproof.provenance.permissions import purpose_of
from counterproof.provenance.set_bundle import names_a_model

PROV = "prov.json"
_ASKED = ("request", "program")
_NAMED = {
    "plan.locked": {"plan": "plan.json"},
    "results.released": {"released": "results/released.json"},
    "report.rendered": {"report": "report.json", "report.md": "report.md"},
}
Get = Callable[[str], bytes]


class _Document:
    """A PROV document that is being written; relations are numbered in the order in which they are added."""

    def __init__(self, study: str) -> None:
        self.parts: dict[str, Any] = {
            "prefix": {"cp": f"urn:counterproof:{study}:", "sha256": "urn:sha256:"},
            "entity": {},
            "activity": {},
            "agent": {},
        }

    def relate(self, kind: str, **ends: str) -> None:
        """Add a relation between two things."""
        relations = self.parts.setdefault(kind, {})
        relations[f"_:{kind}{len(relations) + 1}"] = {f"prov:{end}": name for end, name in ends.items()}

    def agent(self, name: str, type_: str, label: str, **facts: str) -> str:
        """Add an agent."""
        about = {"prov:type": {"$": f"prov:{type_}", "type": "prov:QUALIFIED_NAME"}, "prov:label": label}
        self.parts["agent"][name] = {**about, **{f"cp:{fact}": value for fact, value in facts.items() if value}}
        return name

    def entity(self, digest: str, label: str) -> str:
        """Add an entity, or a further label to one that is known."""
        name = f"sha256:{digest}"
        labels = self.parts["entity"].setdefault(name, {"prov:label": []})["prov:label"]
        if label not in labels:
            labels.append(label)
        return name

    def to_json(self) -> bytes:
        """Return the document as PROV-JSON; a list of one stands as its value."""
        for entity in self.parts["entity"].values():
            labels = entity["prov:label"]
            entity["prov:label"] = labels[0] if len(labels) == 1 else labels
        return json.dumps(self.parts, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def prov_file(events: Sequence[Event], get: Get) -> bytes:
    """Return `prov.json`.

    Args:
        events: the record.
        get: gives the bytes of an open body by its digest.
    """
    created = events[0].data
    made = _Document(created["study"])
    host = made.agent("cp:installation", "Organization", "Whoever runs this installation of Counterproof")
    tools: dict[str, str] = {}
    if names_a_model(events):
        model = created["model"]
        tools["model"] = made.agent("cp:model", "SoftwareAgent", model["model"], endpoint=model["base_url"])
    if purpose_of(created) == "analysis":
        tools["execution"] = made.agent("cp:sandbox", "SoftwareAgent", "Counterproof sandbox")
    else:
        tools["making"] = made.agent("cp:maker", "SoftwareAgent", "Counterproof maker of synthetic sets")
    for tool in tools.values():
        made.relate("actedOnBehalfOf", delegate=tool, responsible=host)
    for file in created["data"]:
        made.entity(file["sha256"], f"data: {file['name']}")
    starts = {
        (event.data["key"], event.data["attempt"]): event.ts for event in events if event.type == "effect.started"
    }
    for event in events:
        if event.type in ("effect.finished", "effect.failed"):
            began = starts.get((event.data["key"], event.data["attempt"]), event.ts)
            _effect(made, event, began, agent=tools[event.data["kind"]], get=get)
        elif event.type == "decision.recorded":
            _decision(made, event)
        for role, name in _NAMED.get(event.type, {}).items():
            made.entity(event.ref(role).sha256, name)
        if event.type in ("results.released", "report.rendered"):
            _derived(made, event, get)
        elif event.type == "set.released":
            _released_set(made, event, [file["sha256"] for file in created["data"]])
    return made.to_json()


def _activity(made: _Document, event: Event, label: str, times: tuple[str, str]) -> str:
    name, step = f"cp:event-{event.seq}", step_of(event)
    about = {"prov:startTime": times[0], "prov:endTime": times[1], "prov:label": label}
    made.parts["activity"][name] = {**about, **({"cp:step": step.name} if step else {})}
    return name


def _effect(made: _Document, event: Event, began: str, *, agent: str, get: Get) -> None:
    label = f"{event.data['kind']} {event.data['key']}, attempt {event.data['attempt']}"
    failed = ", failed" if event.type == "effect.failed" else ""
    name = _activity(made, event, label + failed, (began, event.ts))
    made.relate("wasAssociatedWith", activity=name, agent=agent)
    for ref in event.refs:
        if ref.role in _ASKED:
            made.relate("used", activity=name, entity=_entity(made, ref))
        else:
            made.relate("wasGeneratedBy", entity=_entity(made, ref), activity=name)
    if event.data["kind"] == "execution":
        for given in json.loads(get(event.ref("request").sha256))["inputs"]:
            made.relate("used", activity=name, entity=made.entity(given["sha256"], f"data: {given['name']}"))


def _decision(made: _Document, event: Event) -> None:
    reviewer = event.data["reviewer"]
    type_ = "SoftwareAgent" if reviewer["replay"] else "Person"
    person = made.agent(f"cp:reviewer-{reviewer['id']}", type_, reviewer["name"], orcid=reviewer["orcid"])
    name = _activity(made, event, f"{event.data['decision']} {event.data['checkpoint']}", (event.ts, event.ts))
    made.relate("wasAssociatedWith", activity=name, agent=person)
    made.relate(
        "used", activity=name, entity=made.entity(event.data["subject"], f"subject: {event.data['checkpoint']}")
    )
    for ref in event.refs:
        made.relate("wasGeneratedBy", entity=_entity(made, ref), activity=name)


def _derived(made: _Document, event: Event, get: Get) -> None:
    if event.type == "results.released":
        own = event.ref("released").sha256
        sources = [json.loads(get(own))["execution"]]
    else:
        own = event.ref("report").sha256
        document = json.loads(get(own))
        sources = [document["released"], document["plan"]]
    for source in sources:
        used = made.entity(source, "source")
        made.relate("wasDerivedFrom", generatedEntity=f"sha256:{own}", usedEntity=used)


def _released_set(made: _Document, event: Event, data: list[str]) -> None:
    for ref in event.refs:
        name = made.entity(ref.sha256, f"set/{ref.role.removeprefix('file:')}")
        for digest in data if ref.role.startswith("file:") else ():
            made.relate("wasDerivedFrom", generatedEntity=name, usedEntity=f"sha256:{digest}")


def _entity(made: _Document, ref: Ref) -> str:
    return made.entity(ref.sha256, ref.role)
