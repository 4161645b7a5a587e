"""A record made by hand: a whole study in milliseconds, with any text in every place where a stranger could put one.

`tell` writes the events that a study writes, with real signatures and digests, and a canary in every body on the
secure side. It needs no sandbox and no model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.checkpoints import PROPOSED
from counterproof.provenance.commitments import SALT_BYTES, salted
from counterproof.provenance.decisions import Checkpoint, DecisionKind, sign_decision
from counterproof.provenance.digests import canonical_json, digest_of, sha256_bytes
from counterproof.provenance.events import Actor, Event, Ref, Side
from counterproof.provenance.numbers import to_markdown
from counterproof.provenance.policy import STANDARD, policy_digest
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import CheckpointKind, Reviewer, Role
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.signing import public_line

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CANARY = b"canary-7f3a-patient-0017"
STUDY = "study-1"
SECRET = bytes(range(32))
_ENVIRONMENT = {"name": "python", "language": "python", "version": "3.11", "digest": "cd" * 32}
CODE = "print('one')\n"
FIXED = "print('two')\n"


@dataclass(frozen=True, kw_only=True)
class Told:
    """A record with its bodies, the secure ones too."""

    events: list[Event]
    blobs: Blobs
    record: Record
    spans: bytes


@dataclass(frozen=True, kw_only=True)
class Teller:
    """Writes a record.

    Attributes:
        record: the record.
        text: stands wherever a person, a model or a program could have written.
        replay: whether the scripted reviewer decides.
    """

    record: Record
    text: str
    replay: bool

    def put(self, role: str, body: Any, side: Side = "open") -> Ref:
        """Store a body."""
        data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else canonical_json(body)
        return self.record.put(role, data, side=side)

    def add(self, type_: str, data: dict[str, Any], *refs: Ref, actor: str = "system") -> Event:
        """Add an event."""
        kind: Any = actor
        return self.record.append(type_, actor=Actor(kind=kind, id=actor), data=data, refs=refs)

    def call(self, key: str, answer: str, *, attempt: int = 1, error: str = "", killed: bool = False) -> None:
        """Add an attempt of a model call."""
        asked = {
            "model": "m-1",
            "temperature": 0,
            "messages": [{"role": "system", "content": f"rules {self.text}"}, {"role": "user", "content": self.text}],
        }
        request = self.put("request", asked)
        common = {"key": key, "kind": "model", "attempt": attempt}
        facts = {"host": "models.example", "source": "live", "after_kill": killed}
        self.add("effect.started", {**common, **facts}, request)
        if error:
            envelope = self.put("response", {"status": 503, "type": "text/plain", "body": self.text})
            data = {**common, "status": 503, "duration_ms": 5, "error": f"{error} {self.text}"}
            self.add("effect.failed", data, request, envelope, actor="agent")
            return
        body = {
            "model": "m-1-2026-10",
            "system_fingerprint": "fp_9",
            "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": answer}}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 20},
        }
        envelope = self.put("response", {"status": 200, "type": "application/json", "body": json.dumps(body)})
        self.add("effect.finished", {**common, "status": 200, "duration_ms": 40}, request, envelope, actor="agent")

    def decide(
        self, kind: CheckpointKind, number: int, subject: dict[str, Any], decision: DecisionKind, *proposed: Ref
    ) -> str:
        """Put a checkpoint up, decide it, and return its id."""
        side: Side = "secure" if kind == CheckpointKind.RELEASE else "open"
        ref = self.put("subject", subject, side)
        checkpoint = Checkpoint(id=f"{STUDY}.{kind}.{number}", study=STUDY, kind=kind, subject=ref.sha256)
        self.add("checkpoint.opened", checkpoint.model_dump(mode="json"), ref, *proposed)
        person = Reviewer(
            id="ada",
            name=f"Ada {self.text}".strip(),
            orcid="0000-0002-1825-0097",
            affiliation="Institute of Made-up Trials",
            ror="0zzzzzz02",
            roles=tuple(Role),
            public_key=public_line(KEY.public_key()),
            replay=self.replay,
        )
        signed = sign_decision(
            checkpoint, person, KeySigner(key=KEY), decision=decision, comment=f"Looked at it. {self.text}"
        )
        data = {
            "checkpoint": checkpoint.id,
            "kind": kind,
            "subject": ref.sha256,
            "decision": decision,
            "reviewer": person.model_dump(mode="json"),
            "replayed": self.replay,
        }
        statement, signature = self.put("statement", signed.statement), self.put("signature", signed.signature)
        self.add("decision.recorded", data, statement, signature, actor="human")
        return checkpoint.id

    def order(self, program: str, *, synthetic: bool) -> dict[str, Any]:
        """Return the order of an execution."""
        return {
            "role": "primary",
            "language": "python",
            "program": program,
            "inputs": [{"name": f"data{self.text}.csv", "sha256": "ab" * 32}],
            "environment": "cd" * 32,
            "limits": {"wall_s": 300},
            "seed": 7,
            "synthetic": synthetic,
        }

    def run(self, order: dict[str, Any], *, status: str = "ok", approval: str = "") -> str:
        """Add an execution and return the digest of its outcome."""
        key = f"{'dry_run' if order['synthetic'] else 'execute'}/primary/{digest_of(order)[:16]}"
        request, common = self.put("request", order), {"key": key, "kind": "execution", "attempt": 1}
        self.add("effect.started", {**common, "source": "live", "after_kill": False}, request)
        if approval:
            self.add("gate.opened", {"approval": approval, "effect": key, "order": digest_of(order)})
        side: Side = "open" if order["synthetic"] else "secure"
        inside = self.text.encode() if order["synthetic"] else CANARY
        streams = [self.put(name, name.encode() + inside, side) for name in ("stdout", "stderr")]
        results = self.put("output:results.json", b"results" + inside, side)
        outcome = {
            "order": digest_of(order),
            "synthetic": order["synthetic"],
            "status": status,
            "exit_code": 0 if status == "ok" else 1,
            "stdout": streams[0].sha256,
            "stderr": streams[1].sha256,
            "outputs": [{"name": f"results{self.text}.json", "sha256": results.sha256}],
            "rejected": [f"x{self.text}: too large"],
        }
        facts = {"status": status, "usage": {"cpu_s": 1.5, "wall_s": 2.0, "max_rss_mib": 99.0}}
        facts |= {"isolation": {"back_end": "bubblewrap", "protections": ["network"]}, "host": {"system": "Linux"}}
        answer = self.put("response", outcome)
        self.add("effect.finished", {**common, **facts}, request, answer, *streams, results)
        return answer.sha256


def tell(folder: Path, *, text: str = "", replay: bool = False) -> Told:
    """Write a whole study: a rejected plan, a call that failed once, a program that failed and was repaired."""
    record = Record(folder / "record", blobs=Blobs(folder / "blobs", secret=lambda: SECRET))
    teller = Teller(record=record, text=text, replay=replay)
    _created(teller)
    teller.call("plan/1/1", "", error="answered 503")
    teller.call("plan/1/1", f"the plan {text}", attempt=2)
    plan = _plan(text)
    _drafted(teller, {**plan, "title": "First draft"}, 1, "reject")
    locked = _drafted(teller, plan, 2, "approve")
    teller.add("plan.locked", {"checkpoint": f"{STUDY}.plan.2"}, locked)
    programs = []
    for number, code in enumerate((f"{CODE}# {text}\n", f"{FIXED}# {text}\n"), start=1):
        teller.call(f"write/primary/{number}/1", f"code {text}")
        programs.append(teller.put("program", code))
        data = {"role": "primary", "number": number, "language": "python"}
        teller.add("program.written", data, programs[-1], teller.put("notes", f"Look here. {text}"))
        status = "ok" if number == 2 else "failed"
        teller.run(teller.order(programs[-1].sha256, synthetic=True), status=status)
    order = teller.order(programs[-1].sha256, synthetic=False)
    code = f"{FIXED}# {text}\n"
    subject = {
        "plan": locked.sha256,
        "programs": [
            {"role": "primary", "sha256": programs[-1].sha256, "code": code, "static": [{"line": 1, "text": text}]}
        ],
        "orders": [order],
        "environments": {"primary": {**_ENVIRONMENT, "packages": [f"pandas{text}==2.2"]}},
        "editable": {"primary": code},
    }
    approval = teller.decide(CheckpointKind.CODE, 1, subject, "approve")
    outcome = teller.run(order, approval=approval)
    checks = teller.put("checks", CANARY, "secure")
    teller.add("checks.finished", {"verdicts": {f"ranges{text}": "pass"}}, checks)
    _reported(teller, plan, locked, order, outcome)
    teller.add("study.ended", {"ended": "done", "reason": text, "plan": "", "released": "", "report": ""})
    return Told(events=record.events(), blobs=record.blobs, record=record, spans=_spans(text))


def _created(teller: Teller) -> None:
    data = {
        "study": STUDY,
        "title": f"A study {teller.text}".strip(),
        "question": f"Does it help? {teller.text}".strip(),
        "mode": "scenario" if teller.replay else "study",
        "exposure": "metadata",
        "share_data": False,
        "data": [{"name": f"data{teller.text}.csv", "sha256": "ab" * 32, "size": 1234}],
        "codebook": f"arm: treatment {teller.text}",
        "author": "",
        "policy": policy_digest(STANDARD),
        "single_user": False,
        "model": {"model": "m-1", "base_url": "http://models.example/v1"},
    }
    teller.add("study.created", data, teller.put("policy", STANDARD))
    found = {"identifiers": [{"file": "data.csv", "column": f"name{teller.text}", "reason": "a name"}], "rows": {}}
    teller.add("intake.finished", found, teller.put("profile", {"files": []}))


def _plan(text: str) -> dict[str, Any]:
    estimand = ("population", "treatment", "variable", "summary_measure")
    event = {"event": f"moving away {text}", "strategy": "treatment_policy", "handling": f"censored {text}"}
    assumption = {"assumption": text, "check": text, "if_violated": text}
    return {
        "title": f"A plan {text}",
        "question": text or "Does it help?",
        "design": "cohort",
        "estimand": {**{name: f"{name} {text}" for name in estimand}, "intercurrent_events": [event]},
        "methods": [{"id": "t", "model": "t_test", "description": f"t test {text}", "assumptions": [assumption]}],
        "results": [{"id": "diff", "label": "Difference", "unit": "points", "method": "t", "primary": True}],
        "missing_data": {"method": "none_expected", "sentinels": [], "details": f"none {text}"},
        "multiplicity": {"method": "single_test", "family": [], "reason": f"one test {text}"},
        "sensitivity": [],
        "alpha": 0.05,
        "sides": 2,
        "ci_level": 0.95,
        "seed": 7,
    }


def _drafted(teller: Teller, plan: dict[str, Any], number: int, decision: DecisionKind) -> Ref:
    ref = teller.put("plan", plan)
    teller.add("plan.drafted", {"round": number}, ref)
    teller.decide(CheckpointKind.PLAN, number, {"editable": plan}, decision)
    return ref


def _reported(teller: Teller, plan: dict[str, Any], locked: Ref, order: dict[str, Any], outcome: str) -> None:
    text = teller.text
    checkpoint = f"{STUDY}.release.1"
    figure, table = b"\x89PNG\r\n\x1a\n" + text.encode(), f"arm,mean\n{text},5\n".encode()
    svg = f"<svg xmlns='http://www.w3.org/2000/svg'><script>window.hit=1</script>{text}</svg>".encode()
    files = {f"figures/a{text}.png": figure, f"figures/b{text}.svg": svg, f"tables/c{text}.csv": table}
    refs = [teller.put(f"output:{name}", data) for name, data in files.items()]
    result = _result(text)
    released = {
        "checkpoint": checkpoint,
        "execution": outcome,
        "order": digest_of(order),
        "synthetic": False,
        "results": [
            result,
            {**result, "id": "extra", "ci_low": None, "ci_high": None, "ci_level": None, "p_value": None},
        ],
        "flow": {"assessed": 82, "excluded": [{"reason": f"no score {text}", "n": 2}], "analysed": 80},
        "files": [_opened(ref, data) for ref, data in zip(refs, files.values(), strict=True)],
        "suppressed": [f"table:x{text}"],
        "checks": {"ranges": "pass"},
    }
    proposed = teller.put(PROPOSED, released, "secure")
    teller.decide(CheckpointKind.RELEASE, 1, {"items": CANARY.decode()}, "approve", proposed)
    ref = teller.put("released", released)
    salt = teller.record.blobs.salt(proposed.sha256)
    teller.add("results.released", {"checkpoint": checkpoint, "salt": salt}, ref, *refs)
    teller.call("report/1/1", f"the report {text}")
    parts = [
        {"kind": "text", "text": f"The difference was {_letters(text)} ", "ref": ""},
        {"kind": "number", "text": "5.25", "ref": "diff.value"},
    ]
    document = {
        "title": plan["title"],
        "head": text,
        "sections": [{"name": f"results {text}", "parts": parts}],
        "appendix": [],
        "released": ref.sha256,
        "plan": locked.sha256,
    }
    report, markdown = teller.put("report", document), teller.put("report.md", to_markdown(document))
    teller.add("report.rendered", {"number": 1}, report, markdown)
    teller.decide(CheckpointKind.SIGNOFF, 1, {"report": report.sha256, "editable": {}}, "approve")


def _opened(ref: Ref, data: bytes) -> dict[str, str]:
    whole = salted(SECRET, data)
    opened = {"commitment": sha256_bytes(whole), "salt": whole[:SALT_BYTES].hex()}
    return {"name": ref.role.removeprefix("output:"), "sha256": ref.sha256, **opened}


def _result(text: str) -> dict[str, Any]:
    return {
        "id": "diff",
        "label": f"Difference {text}",
        "value": 5.25,
        "unit": f"points{text}",
        "ci_low": 2.5,
        "ci_high": 8.0,
        "ci_level": 0.95,
        "p_value": 0.0004,
        "n": 80,
        "method": f"t test {text}",
        "population": f"everybody {text}",
    }


def _letters(text: str) -> str:
    return "".join(sign for sign in text if not sign.isdigit())


def _spans(text: str) -> bytes:
    def span(id_: str, parent: str, name: str, start: int, end: int) -> dict[str, Any]:
        times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(end)}
        return {"traceId": "t1", "spanId": id_, "parentSpanId": parent, "name": name, "status": {}, **times}

    spans = [
        span("a", "", f"invoke_agent {text}", 0, 2_000_000_000),
        span("b", "a", f"chat {text}", 1_000_000, 9_000_000),
    ]
    lines = [{"resourceSpans": [{"scopeSpans": [{"spans": [one]}]}]} for one in spans]
    return (
        b"".join(json.dumps(line).encode() + b"\n" for line in [*lines, {"resourceSpans": "nonsense"}]) + b"no json\n"
    )
