"""The demo's statement, item by item, against the raw lines and bodies of its record."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from counterproof.provenance.transparency import load_checklist, make_statement

from .stories import Told
from .test_transparency import UNKNOWN_TO_THE_RECORD, items_of, said


class Raw:
    """The record as it lies on the disk, read without any code of the product but the store of bodies."""

    def __init__(self, told: Told) -> None:
        self.blobs = told.blobs
        self.lines: list[dict[str, Any]] = [json.loads(line) for line in told.record.path.read_bytes().splitlines()]
        self.head = told.events[-1].digest

    def of(self, type_: str, **data: Any) -> list[dict[str, Any]]:
        """The events of a type whose data hold these values."""
        wanted = data.items()
        return [line for line in self.lines if line["type"] == type_ and wanted <= {**_flat(line["data"])}.items()]

    def ref(self, line: dict[str, Any], role: str) -> str:
        """The digest of a body of an event."""
        found: str = next(ref["sha256"] for ref in line["refs"] if ref["role"] == role)
        return found

    def json(self, line: dict[str, Any], role: str) -> Any:
        """A JSON body of an event."""
        return json.loads(self.blobs.get(self.ref(line, role)))

    def answers(self) -> list[dict[str, Any]]:
        """The bodies of the model's answers."""
        calls = self.of("effect.finished", kind="model")
        return [json.loads(self.json(line, "response")["body"]) for line in calls]

    @property
    def plan(self) -> Any:
        """The locked plan."""
        return self.json(self.of("plan.locked")[0], "plan")

    @property
    def released(self) -> Any:
        """What was released."""
        return self.json(self.of("results.released")[0], "released")


def _flat(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if isinstance(value, str | int)}


def _calls(raw: Raw) -> list[dict[str, Any]]:
    return raw.of("effect.started", kind="model")


def _runs(raw: Raw) -> list[dict[str, Any]]:
    return raw.of("effect.finished", kind="execution")


FACTS: dict[str, Callable[[Raw], list[str]]] = {
    "A1": lambda raw: [f"{len(_calls(raw))} calls", raw.answers()[0]["model"]],
    "A3": lambda raw: (
        [raw.ref(line, "program")[:12] for line in raw.of("program.written")]
        + [file["name"] for file in raw.released["files"]]
    ),
    "A7": lambda raw: ["four texts"],
    "B1": lambda raw: [
        f"Asked for {raw.json(_calls(raw)[0], 'request')['model']}",
        f"name {raw.answers()[0]['model']}",
        f"Endpoint {_calls(raw)[0]['data']['host']}",
        f"{len(raw.answers())} answers",
    ],
    "B3": lambda raw: (
        [raw.json(line, "request")["response_format"]["json_schema"]["name"] for line in _calls(raw)]
        + ["Not sent, so the endpoint's own: temperature, top_p, seed"]
    ),
    "B4": lambda raw: [
        f"First use {_calls(raw)[0]['ts']}",
        f"last use {raw.of('effect.finished', kind='model')[-1]['ts']} (UTC)",
        *[line["data"]["key"] for line in _calls(raw)],
    ],
    "B5": lambda raw: [
        f"{len(_calls(raw))} model calls: 0 retries, 0 failed, 0 cut off",
        f"{sum(answer['usage']['prompt_tokens'] for answer in raw.answers()):,} tokens in",
        f"{sum(answer['usage']['completion_tokens'] for answer in raw.answers()):,} out",
        f"{sum(line['data']['usage']['cpu_s'] for line in _runs(raw)):.1f} s of processor time",
    ],
    "B7": lambda raw: [
        f"counterproof: {metadata.version('counterproof')}",
        f"langgraph: {metadata.version('langgraph')}",
        f"langchain-openai: {metadata.version('langchain-openai')}",
        f"python: {sys.version.split()[0]}",
        "licence of counterproof: Apache-2.0",
        f"sha256 of the study graph's source and prompts: {_source()}",
    ],
    "B8": lambda raw: ["No request offered the model a tool"],
    "C1": lambda raw: [raw.ref(line, "request")[:12] for line in _calls(raw)],
    "C3": lambda raw: (
        [raw.ref(line, "response")[:12] for line in raw.of("effect.finished", kind="model")]
        + [raw.ref(raw.of("plan.drafted")[0], "plan")[:12]]
    ),
    "C4": lambda raw: [
        f"{raw.lines[0]['data']['exposure']!r}",
        f"{len(raw.lines[0]['data']['codebook'])} characters",
        raw.ref(raw.of("intake.finished")[0], "profile")[:12],
        raw.ref(raw.of("results.released")[0], "released")[:12],
    ],
    "E4": lambda raw: [text for text in raw.plan["estimand"].values() if text] + ["none is expected"],
    "E5": lambda raw: [one["description"] for one in (*raw.plan["methods"], *raw.plan["sensitivity"])],
    "E6": lambda raw: [f"Alpha {raw.plan['alpha']:g}, {raw.plan['sides']}-sided", raw.plan["multiplicity"]["reason"]],
    "E8": lambda raw: ["not released: none", "not planned: none"],
    "E9": lambda raw: [f"{result['id']}: planned" for result in raw.released["results"]],
    "F1": lambda raw: [raw.ref(line, "program") for line in raw.of("program.written")],
    "F2": lambda raw: [
        raw.json(_runs(raw)[0], "request")["environment"][:12],
        f"seed {raw.plan['seed']}",
        _runs(raw)[0]["data"]["isolation"]["back_end"],
        f"kernel {_runs(raw)[0]['data']['host']['kernel']}",
        *(
            package
            for one in raw.json(raw.of("checkpoint.opened", kind="code")[0], "subject")["environments"].values()
            for package in one["packages"]
        ),
    ],
    "F3": lambda raw: [f"{line['ts']}, status ok, exit 0" for line in _runs(raw)],
    "F4": lambda raw: [f"{len(_runs(raw))} executions: 2 on the synthetic twin, 3 on the real data; 0 failed"],
    "F5": lambda raw: [
        raw.of("gate.opened")[0]["data"]["approval"],
        next(run["data"]["key"] for run in _runs(raw) if raw.ref(run, "response") == raw.released["execution"]),
        raw.lines[0]["data"]["data"][0]["name"],
    ],
    "G1": lambda raw: [line["data"]["subject"] for line in raw.of("checkpoint.opened")],
    "G4": lambda raw: [f"{len(raw.of('decision.recorded'))} signatures"],
    "G5": lambda raw: [f"{len(raw.of('decision.recorded', decision='approve'))} approvals, 0 edits, 0 rejections"],
    "G6": lambda raw: [
        f"{line['data']['effect']} opened the data at event {line['seq']}" for line in raw.of("gate.opened")
    ],
    "H1": lambda raw: [
        f"{result['id']} ({result['label']}): {result['value']:.6g}" for result in raw.released["results"]
    ],
    "H3": lambda raw: [file["name"] for file in raw.released["files"] if file["name"].startswith("figures/")],
    "I1": lambda raw: [f"{len(raw.lines)} events from {raw.lines[0]['ts']} to {raw.lines[-1]['ts']}"],
    "I2": lambda raw: [raw.head],
    "I3": lambda raw: [f"{len(raw.lines)} events"],
    "I4": lambda raw: ["Stops with an error: 0.", f"Contents withheld from this copy: {_secure(raw)}."],
}
"""For each item that the record fills in, what must stand in its evidence, found by another way."""


def _source() -> str:
    """The digest of the study graph's source, by another way."""
    root = Path(__file__).parents[2] / "agents"
    kept = [path for path in root.rglob("*") if path.suffix in (".py", ".md", ".txt", ".toml")]
    digests = {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}
    document = json.dumps(digests, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(document.encode()).hexdigest()


def _secure(raw: Raw) -> int:
    refs = [ref for line in raw.lines for ref in line["refs"]]
    return len({ref["sha256"] for ref in refs} - {ref["sha256"] for ref in refs if ref["side"] == "open"})


def test_every_auto_item_that_the_demo_fills_is_asserted(demo_told: Told) -> None:
    found = make_statement(demo_told.events, demo_told.blobs).items
    filled = {item.id for item in found if item.kind == "auto" and item.status == "present"}
    assert filled - {"I6"} == set(FACTS)


@pytest.mark.parametrize("item", FACTS)
def test_auto_item_of_the_demo_says_what_is_in_the_record(item: str, demo_told: Told) -> None:
    found = items_of(make_statement(demo_told.events, demo_told.blobs))[item]
    facts = FACTS[item](Raw(demo_told))
    assert facts
    for fact in facts:
        assert fact in said(found), fact


def test_items_of_the_demo_that_only_people_can_fill_are_missing(demo_told: Told) -> None:
    found = items_of(make_statement(demo_told.events, demo_told.blobs))
    people = {item.id for item in load_checklist().item if item.kind != "auto"}
    missing = {name for name, item in found.items() if item.status == "missing"}
    assert missing - {"I6"} == people | UNKNOWN_TO_THE_RECORD - {"B7", "I6"} | {"G2"}


def test_clock_of_the_demo_is_what_the_kernel_said(demo_told: Told) -> None:
    """Present only where the machine's clock follows a time server: a machine of a test often does not."""
    told = Raw(demo_told).lines[0]["data"]["clock"]
    found = items_of(make_statement(demo_told.events, demo_told.blobs))["I6"]
    assert (found.status == "present") == (told["synchronised"] == "yes")
    assert told["synchronised"] in ("yes", "no", "not known")
    assert told["source"] in said(found) + found.reason
