"""The study as an in-toto supply chain: what was approved is what was run, released and reported, by digest.

Five steps (plan, code, execute, release, report), a link for each that was approved: what went in (materials) and
what came out (products). The layout says how they must fit, so that `in-toto-verify` fails when the program that ran is
not the one that was approved, or the report rests on other results than were released. What is approved comes from the
bytes that the reviewers signed, what ran comes from the journal: two places of the record that nobody writes at once.

A reviewer's own signature is an SSH signature over the decision, and nobody can turn it into an in-toto signature
without the reviewer's private key. So the service key signs layout and links alike; each link names the decision by the
digest of its signed statement, which `ssh-keygen -Y verify` checks (`decisions/`).

It does not cover files on the disk (the bag's manifest does), rejected drafts, nor runs on the twin. A layout never
expires here and has no inspections: those would run commands on the verifier's machine.

Source: in-toto specification 1.0; `in-toto-verify` of in-toto 3.1.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from counterproof.provenance.digests import canonical_json, sha256_bytes
from counterproof.provenance.events import Event
from counterproof.provenance.interop.dsse import key_id, public_key_entry
from counterproof.provenance.shown import shown_programs

MEDIA = "application/vnd.in-toto+json"
PUBLIC_KEY = "in-toto/service.pem"
LAYOUT = "in-toto/root.layout"
_NEVER = "9999-12-31T23:59:59Z"
_ABOUT = (
    "How a study in Counterproof must have gone. Layout and links are signed by the service key of the installation; "
    "the people's own signatures are SSH signatures over the decisions that the links name."
)
Get = Callable[[str], bytes]
Artifacts = dict[str, str]


def public_pem(public: Ed25519PublicKey) -> bytes:
    """Return the public service key in the form that `in-toto-verify --verification-keys` reads."""
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def metadata(events: Sequence[Event], get: Get, public: Ed25519PublicKey) -> dict[str, bytes]:
    """Return the payloads of layout and links by the names of their files; none where no plan was ever approved.

    Args:
        events: the record.
        get: gives the bytes of an open body by its digest.
        public: the service key's public half.
    """
    links = _links(events, get)
    if not links:
        return {}
    files = {f"in-toto/{name}.{key_id(public)[:8]}.link": canonical_json(link) for name, link in links.items()}
    return {LAYOUT: canonical_json(_layout(list(links), public)), **files}


def _layout(reached: list[str], public: Ed25519PublicKey) -> dict[str, Any]:
    key = public_key_entry(public)
    steps = [
        {
            "_type": "step",
            "name": name,
            "expected_command": [],
            "expected_materials": [*_RULES[name][0], ["DISALLOW", "*"]],
            "expected_products": [*_RULES[name][1], ["DISALLOW", "*"]],
            "pubkeys": [key["keyid"]],
            "threshold": 1,
        }
        for name in reached
    ]
    keys = {str(key["keyid"]): key}
    return {"_type": "layout", "expires": _NEVER, "inspect": [], "keys": keys, "readme": _ABOUT, "steps": steps}


_RULES: dict[str, tuple[list[list[str]], list[list[str]]]] = {
    "plan": ([["ALLOW", "inputs/*"]], [["REQUIRE", "plan.json"], ["CREATE", "plan.json"]]),
    "code": (
        [["REQUIRE", "plan.json"], ["MATCH", "plan.json", "WITH", "PRODUCTS", "FROM", "plan"]],
        [["CREATE", "programs/*"]],
    ),
    "execute": (
        [
            ["MATCH", "programs/*", "WITH", "PRODUCTS", "FROM", "code"],
            ["MATCH", "inputs/*", "WITH", "MATERIALS", "FROM", "plan"],
        ],
        [["CREATE", "executions/*"]],
    ),
    "release": (
        [["MATCH", "executions/*", "WITH", "PRODUCTS", "FROM", "execute"]],
        [["REQUIRE", "results/released.json"], ["CREATE", "results/*"]],
    ),
    "report": (
        [
            ["REQUIRE", "plan.json"],
            ["MATCH", "plan.json", "WITH", "PRODUCTS", "FROM", "plan"],
            ["REQUIRE", "results/released.json"],
            ["MATCH", "results/released.json", "WITH", "PRODUCTS", "FROM", "release"],
        ],
        [["REQUIRE", "report.json"], ["REQUIRE", "report.md"], ["CREATE", "report.*"]],
    ),
}
"""What each step must have taken in, and must have given."""


def _links(events: Sequence[Event], get: Get) -> dict[str, dict[str, Any]]:
    """Return the links of the steps that the study reached, each of which needs the one before."""
    links: dict[str, dict[str, Any]] = {}
    for name, make in _MAKE.items():
        link = make(events, get)
        if link is None:
            break
        materials, products, decision = link
        links[name] = {
            "_type": "link",
            "name": name,
            "command": [],
            "materials": {file: {"sha256": digest} for file, digest in materials.items()},
            "products": {file: {"sha256": digest} for file, digest in products.items()},
            "byproducts": {} if decision is None else _decided(decision),
            "environment": {},
        }
    return links


_Made = tuple[Artifacts, Artifacts, Event | None] | None


def _plan(events: Sequence[Event], _get: Get) -> _Made:
    locked = _last(events, "plan.locked")
    if locked is None:
        return None
    return _data(events), {"plan.json": locked.ref("plan").sha256}, _approval(events, locked.data["checkpoint"])


def _code(events: Sequence[Event], get: Get) -> _Made:
    approval = _code_approval(events)
    if approval is None:
        return None
    subject = json.loads(get(approval.data["subject"]))
    programs = {_file(program): sha256_bytes(program["code"].encode()) for program in shown_programs(subject)}
    return {"plan.json": subject["plan"]}, programs, approval


def _execute(events: Sequence[Event], get: Get) -> _Made:
    approval = _code_approval(events)
    opened = [event.data for event in events if event.type == "gate.opened"]
    keys = {
        gate["effect"] for gate in opened if approval is not None and gate["approval"] == approval.data["checkpoint"]
    }
    materials: Artifacts = {}
    products: Artifacts = {}
    for event in events:
        if event.type != "effect.finished" or event.data["key"] not in keys:
            continue
        order = json.loads(get(event.ref("request").sha256))
        materials[_file(order)] = order["program"]
        materials |= {f"inputs/{given['name']}": given["sha256"] for given in order["inputs"]}
        folder = f"executions/{order['role']}"
        products[f"{folder}/outcome.json"] = event.ref("response").sha256
        outputs = {ref.role.removeprefix("output:"): ref.sha256 for ref in event.refs if ref.role.startswith("output:")}
        products |= {f"{folder}/{name}": digest for name, digest in outputs.items()}
    return (materials, products, approval) if products else None


def _release(events: Sequence[Event], get: Get) -> _Made:
    event = _last(events, "results.released")
    if event is None:
        return None
    released = json.loads(get(event.ref("released").sha256))
    folder = "executions/primary"
    materials = {f"{folder}/outcome.json": released["execution"]}
    materials |= {f"{folder}/{file['name']}": file["commitment"] for file in released["files"]}
    outputs = {ref.role.removeprefix("output:"): ref.sha256 for ref in event.refs if ref.role.startswith("output:")}
    products = {"results/released.json": event.ref("released").sha256}
    products |= {f"results/{name}": digest for name, digest in outputs.items()}
    return materials, products, _approval(events, event.data["checkpoint"])


def _report(events: Sequence[Event], get: Get) -> _Made:
    event = _last(events, "report.rendered")
    if event is None:
        return None
    signed = [one for one in _approvals(events) if one.data["kind"] == "signoff"]
    if not signed:
        return None
    document = json.loads(get(event.ref("report").sha256))
    products = {"report.json": event.ref("report").sha256, "report.md": event.ref("report.md").sha256}
    materials = {"plan.json": document["plan"], "results/released.json": document["released"]}
    return materials, products, signed[-1]


_MAKE: dict[str, Callable[[Sequence[Event], Get], _Made]] = {
    "plan": _plan,
    "code": _code,
    "execute": _execute,
    "release": _release,
    "report": _report,
}


def _decided(decision: Event) -> dict[str, Any]:
    """Return what a link says of the decision that it rests on."""
    return {
        "checkpoint": decision.data["checkpoint"],
        "decision": decision.data["decision"],
        "reviewer": decision.data["reviewer"]["id"],
        "replayed": decision.data["replayed"],
        "statement_sha256": decision.ref("statement").sha256,
    }


def _data(events: Sequence[Event]) -> Artifacts:
    return {f"inputs/{file['name']}": file["sha256"] for file in events[0].data["data"]}


def _file(program: dict[str, Any]) -> str:
    return f"programs/{program['role']}.{'R' if program.get('language') == 'r' else 'py'}"


def _approvals(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if event.type == "decision.recorded" and event.data["decision"] == "approve"]


def _approval(events: Sequence[Event], checkpoint: str) -> Event | None:
    return next((event for event in _approvals(events) if event.data["checkpoint"] == checkpoint), None)


def _code_approval(events: Sequence[Event]) -> Event | None:
    """Return the last approval of programs."""
    return next((event for event in reversed(_approvals(events)) if event.data["kind"] == "code"), None)


def _last(events: Sequence[Event], type_: str) -> Event | None:
    return next((event for event in reversed(events) if event.type == type_), None)
