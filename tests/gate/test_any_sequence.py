"""Any sequence of commands against a model of the table of states: real data are opened to valid approvals only.

Hypothesis puts checkpoints up, decides them as anybody, plants decisions, revokes people, changes the file of the
policy, lets time pass and asks the gate, in any order. The model knows the table of states and what makes an approval
valid, and nothing of records, signatures or files; the gate has to open exactly when the model says so.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.checkpoints import Checkpoints
from counterproof.provenance.decisions import DecisionKind, sign_decision
from counterproof.provenance.digests import digest_of, sha256_bytes
from counterproof.provenance.errors import CounterproofError
from counterproof.provenance.events import Actor
from counterproof.provenance.permissions import ALL
from counterproof.provenance.policy import SINGLE_USER, STANDARD
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import CheckpointKind, Registry, Reviewer, Role
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.signing import public_line
from counterproof.provenance.states import TRANSITIONS, State
from counterproof.provenance.store import Store
from counterproof.provenance.vault import Vault
from counterproof.sandbox import Environment, Limits
from counterproof.sandbox.errors import GateRefused
from counterproof.sandbox.gate import Gate
from counterproof.sandbox.orders import ROLES, InputRef, Order

from ..beginnings import begin

pytestmark = [pytest.mark.attack, pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")]
DATA = b"arm,score\n0,1\n1,2\n"
PEOPLE: dict[str, tuple[Role, ...]] = {
    "ada": tuple(Role),
    "bea": (Role.STATISTICIAN,),
    "cyd": (Role.CUSTODIAN,),
}
KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([at + 1]) * 32) for at, name in enumerate(PEOPLE)}
EVE = Ed25519PrivateKey.from_private_bytes(bytes([99]) * 32)
seen: Counter[str] = Counter()
environment_here: list[Environment] = []


class AnySequence(RuleBasedStateMachine):
    """One study, its people, and whoever attacks it."""

    @initialize(stage=st.sampled_from(["code", "plan", "nothing"]))
    def start(self, stage: str) -> None:
        """Begin a study, at one of three points of its way."""
        self.folder = tempfile.TemporaryDirectory()
        self.home = Path(self.folder.name)
        self.vault = Vault(self.home / "vault")
        self.store = Store(self.home)
        self.registry = Registry(Record(self.home / "registry", blobs=Blobs(self.home / "registry" / "blobs")))
        place = self.home / "studies" / "s1"
        self.record = Record(place / "record", blobs=Blobs(place / "blobs", secret=lambda: bytes(32)))
        self.policy_file = place / "policy.toml"
        self.store.add_study("s1", title="One")
        files = [{"name": "d.csv", "sha256": self.vault.put(DATA), "size": len(DATA)}]
        begin(self.record, self.registry, place, mode="study", data=files)
        for name, roles in PEOPLE.items():
            line = public_line(KEYS[name].public_key())
            self.registry.add(Reviewer(id=name, name=name, roles=roles, public_key=line), by="test")
        self.checkpoints = Checkpoints(
            store=self.store, registry=self.registry, record=self.record, study="s1", folder=place
        )
        # What the model knows.
        self.state: State | None = State.PLANNING
        self.count: Counter[CheckpointKind] = Counter()
        self.waiting: list[tuple[CheckpointKind, int, int]] = []
        self.newest: dict[CheckpointKind, tuple[str, int, int, str]] = {}
        self.stolen: set[str] = set()
        self.gone: set[str] = set()
        self.changed = self.forged = False
        self.days = 0
        self.used: dict[str, str] = {}
        if stage in ("plan", "code"):
            self.put_up_plan(0)
            self.decide("bea", "approve", sees=True)
        if stage == "code":
            self.put_up_code(0, 0)
            self.decide("bea", "approve", sees=True)

    def teardown(self) -> None:
        """Leave nothing behind."""
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule(plan=st.integers(0, 1))
    def put_up_plan(self, plan: int) -> None:
        """Put a plan up."""
        self._put_up(CheckpointKind.PLAN, plan, plan, {"editable": _plan(plan)})

    @rule(program=st.integers(0, 1), plan=st.integers(0, 1))
    def put_up_code(self, program: int, plan: int) -> None:
        """Put a program up that was made for a plan."""
        code = _code(program)
        subject = {
            "plan": digest_of(_plan(plan)),
            "programs": [{"role": "primary", "code": code}],
            "orders": [self._order(program).model_dump(mode="json")],
        }
        self._put_up(CheckpointKind.CODE, program, plan, subject)

    @precondition(lambda self: self.waiting)
    @rule(by=st.sampled_from([*PEOPLE, "eve"]), decision=st.sampled_from(ALL), sees=st.booleans())
    def decide(self, by: str, decision: DecisionKind, sees: bool) -> None:
        """Let anybody decide what waits, having seen it or something else."""
        kind, number, _ = self.waiting[-1]
        checkpoint = self.checkpoints.get(f"s1.{kind}.{number}")
        given: dict[str, Any] = {"edited": {"x": 1}} if decision == "edit" else {}
        digest = checkpoint.subject if sees else "0" * 64
        signer = KeySigner(key=KEYS.get(by, EVE))
        roles = PEOPLE.get(by, ())
        may = any(decision in _ALLOWED[kind].get(role, ()) for role in roles)
        counts = may and sees and by not in self.gone | self.stolen and not self.changed
        try:
            self.checkpoints.decide(
                checkpoint.id, signer, reviewer=by, decision=decision, comment="Looked.", seen=digest, **given
            )
        except CounterproofError:
            assert not counts
            seen["decision refused"] += 1
            return
        assert counts
        self.waiting.pop()
        self._move(decision)
        self.newest[kind] = (decision, *self.newest[kind][1:3], by)

    @precondition(lambda self: self.waiting)
    @rule()
    def plant(self) -> None:
        """Write an approval into the record that nobody of the registry signed."""
        kind, number, _ = self.waiting.pop()
        checkpoint = self.checkpoints.get(f"s1.{kind}.{number}")
        person = self.registry.registered()[0].reviewer.model_copy(update={"public_key": public_line(EVE.public_key())})
        under = sha256_bytes(STANDARD)
        signed = sign_decision(
            checkpoint, person, KeySigner(key=EVE), decision="approve", comment="Mine.", policy=under
        )
        refs = [self.record.put("statement", signed.statement), self.record.put("signature", signed.signature)]
        data = {"checkpoint": checkpoint.id, "kind": kind, "decision": "approve", "reviewer": {"id": "ada"}}
        self.record.append("decision.recorded", actor=Actor(kind="human", id="ada"), data=data, refs=refs)
        self._move("approve")
        self.newest[kind] = ("forged", *self.newest[kind][1:3], "ada")

    @rule(who=st.sampled_from(list(PEOPLE)), stolen=st.booleans())
    def revoke(self, who: str, stolen: bool) -> None:
        """Revoke somebody, from now on or from long ago."""
        with suppress(CounterproofError):
            self.registry.revoke(who, by="test", since="2026-01-01" if stolen else "")
            (self.stolen if stolen else self.gone).add(who)

    @rule(changed=st.booleans())
    def write_the_policy_file(self, changed: bool) -> None:
        """Change the study's policy file, or put it back."""
        self.policy_file.write_bytes(SINGLE_USER if changed else STANDARD)
        self.changed = changed

    @rule(days=st.sampled_from([1, 31]))
    def pass_time(self, days: int) -> None:
        """Let time pass at the gate."""
        self.days += days

    @rule(program=st.integers(0, 1), effect=st.sampled_from(["one", "two"]))
    def ask_the_gate(self, program: int, effect: str) -> None:
        """Ask for the real data; the model says whether they may be opened."""
        order = self._order(program)
        gate = Gate(
            study="s1",
            record=self.record,
            checkpoints=self.checkpoints,
            store=self.store,
            vault=self.vault,
            environments=dict.fromkeys(ROLES, environment_here[0]),
            clock=lambda: datetime.now(UTC) + timedelta(days=self.days),
        )
        valid = self._is_valid(program, order.digest, effect)
        refused = len(self.record.of_type("gate.refused"))
        try:
            gate.open(order, _code(program).encode(), effect=effect)
            opened = True
        except GateRefused:
            opened = False
        assert opened is valid
        assert len(self.record.of_type("gate.refused")) == refused + (not opened)
        seen["gate opened" if opened else "gate refused"] += 1
        if not opened:
            return
        self.used.setdefault(order.digest + self._approval(), effect)
        self._move("open data")

    @precondition(lambda self: CheckpointKind.CODE in self.newest)
    @rule(effect=st.sampled_from(["one", "two"]))
    def ask_for_what_was_put_up_last(self, effect: str) -> None:
        """Ask for the program that a reviewer saw last."""
        self.ask_the_gate(self.newest[CheckpointKind.CODE][1], effect)

    def _is_valid(self, program: int, order: str, effect: str) -> bool:
        code, plan = (self.newest.get(kind, ("", -1, -1, "")) for kind in (CheckpointKind.CODE, CheckpointKind.PLAN))
        fits = (code[0], plan[0], code[1], code[2]) == ("approve", "approve", program, plan[1])
        people = not {code[3], plan[3]} & self.stolen
        unused = all(by == effect for key, by in self.used.items() if key.startswith(order))
        return self.state is State.EXECUTING and fits and people and unused and not self.changed and self.days <= 30

    def _approval(self) -> str:
        return f"{self.count[CheckpointKind.CODE]}"

    def _put_up(self, kind: CheckpointKind, what: int, plan: int, subject: dict[str, Any]) -> None:
        self.count[kind] += 1
        self.checkpoints.open(kind, self.count[kind], {"kind": kind, **subject})
        self.waiting.append((kind, self.count[kind], what))
        self.newest[kind] = ("", what, plan, "")
        self._move(f"put up {kind}")

    def _move(self, cause: str) -> None:
        self.state = None if self.state is None else TRANSITIONS[self.state].get(cause)

    def _order(self, program: int) -> Order:
        return Order(
            role="primary",
            language="python",
            program=sha256_bytes(_code(program).encode()),
            inputs=(InputRef(name="d.csv", sha256=sha256_bytes(DATA)),),
            environment=environment_here[0].digest,
            limits=Limits().as_dict(),
            seed=1,
            synthetic=False,
        )


_HERE = tuple(one for one in ALL if one != "replan")
_ALLOWED: dict[CheckpointKind, dict[Role, tuple[str, ...]]] = {
    CheckpointKind.PLAN: {Role.INVESTIGATOR: _HERE, Role.STATISTICIAN: _HERE, Role.CUSTODIAN: ("withdraw",)},
    CheckpointKind.CODE: {Role.STATISTICIAN: ALL, Role.INVESTIGATOR: ("withdraw",), Role.CUSTODIAN: ("withdraw",)},
}


def _plan(which: int) -> dict[str, Any]:
    return {"alpha": [0.05, 0.01][which]}


def _code(which: int) -> str:
    return f"print({which})\n"


def test_no_sequence_of_commands_opens_real_data_without_a_valid_approval(environment: Environment) -> None:
    environment_here[:] = [environment]
    seen.clear()
    quiet = settings(
        max_examples=40,
        stateful_step_count=14,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(AnySequence, settings=quiet)
    assert min(seen[what] for what in ("gate opened", "gate refused", "decision refused")) >= 5, seen
