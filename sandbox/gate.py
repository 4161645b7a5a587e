"""The gate: the one place where real data are opened to a program.

The study graph asks; the gate decides, from the record and the keys alone. It trusts neither the graph's state nor a
row in a database. `open` refuses unless all of this holds:

 1. the program's bytes have the digest that the order names;
 2. the order's environment is the one that is built here, and its limits are those that will be set;
 3. each input is in the vault, and the bytes that are mounted have the digest that the order names;
 4. the inputs are the data that the study was made with, under the same names, and the order is not synthetic;
 5. the approval is the study's newest code checkpoint, and its decision is `approve`;
 6. the decision's signature is that of a reviewer who may decide code, in this study, over this subject;
 7. the subject lists exactly this order, no other of its program, and shows the code of its program;
 8. the subject rests on the plan of an approved plan checkpoint;
 9. the study was not withdrawn;
10. plan and code were approved under the study's policy, by people whom it lets approve, as many as it asks for; the
    policy's file is as it was, and the study is of this installation (`checkpoints.policy`);
11. no approval is older than the policy says, and the machine's clock is not behind the record;
12. the approval was not used for this order by another effect (the same effect, killed inside, may try again);
13. the study is in the state in which data are opened (`states`).

A maker of synthetic data reads real data under the same conditions (`open_making`): in place of 1, 2, 5, 7 and 8, the
newest specification checkpoint is approved, holds this specification, and lists this order. What a maker with
differential privacy takes of epsilon, with all sets of the study before, is no more than the policy says of the file;
with all private twins and sets of other studies, no more than the terms say under which the file is in the vault
(`ledger`); and rows are given with the order where the specification has a model write them, and nowhere else.

Each refusal is written into the record.

It does not cover isolation (the sandbox) nor disclosure of what the program wrote (the release checkpoint).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from counterproof.provenance.budgets import epsilon_spent
from counterproof.provenance.checkpoints import Checkpoints
from counterproof.provenance.decisions import SignedDecision
from counterproof.provenance.digests import digest_of, sha256_bytes
from counterproof.provenance.errors import CounterproofError, VerificationFailed
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.shown import shown_programs
from counterproof.provenance.states import State, walk
from counterproof.provenance.store import Store
from counterproof.provenance.vault import Vault
from counterproof.sandbox._private import private_folder
from counterproof.sandbox.contract import ExecutionSpec, Limits, Mount
from counterproof.sandbox.environments.environment import Environment
from counterproof.sandbox.errors import GateRefused
from counterproof.sandbox.orders import InputRef, MakingOrder, Order, Role

_SKEW = timedelta(minutes=5)
_MODEL = "model"
"""The maker that a specification names where a model writes the rows."""


class Gate:
    """Opens the real data of one study.

    Args:
        study: its id.
        record: its record.
        checkpoints: its decisions.
        store: guards the single use of approvals.
        vault: the real data, by digest.
        environments: the analysis environment of this machine for each of the programs.
        clock: the time by which approvals expire; replay gives the recorded one.
        machine: the time of this machine, which must not be behind the record.
        replaying: whether a set with differential privacy may be given as it was made: its noise can't be drawn again.
    """

    def __init__(
        self,
        *,
        study: str,
        record: Record,
        checkpoints: Checkpoints,
        store: Store,
        vault: Vault,
        environments: Mapping[Role, Environment],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        machine: Callable[[], datetime] = lambda: datetime.now(UTC),
        replaying: bool = False,
    ) -> None:
        self._study = study
        self._record = record
        self._checkpoints = checkpoints
        self._store = store
        self._vault = vault
        self._environments = environments
        self._clock = clock
        self._machine = machine
        self._replaying = replaying

    def open(self, order: Order, program: bytes, *, effect: str, place: Path | None = None) -> ExecutionSpec:
        """Return a specification that mounts the real data for exactly this program.

        What is mounted is a copy in `place`, hashed while it was made: the vault may change meanwhile.

        Args:
            order: what is to be executed.
            program: the program's bytes.
            effect: the journal's key of the execution.
            place: a private folder, in which the real data are laid; whoever made it removes it. None to find out
                whether the conditions hold: the specification then has no inputs.

        Raises:
            GateRefused: a condition does not hold; the refusal is in the record.
        """
        with self._noted(order, effect):
            spec = self._specification(order, program)
            signed = self._approval(order)
            spec = self._with_data(spec, order, place)
            self._use(signed, order, effect)
        return spec

    def open_making(self, order: MakingOrder, request: bytes, *, effect: str, written: bytes = b"") -> None:
        """Open the real data to a maker of synthetic data, which runs on the secure side and reads the vault there.

        Args:
            order: what is to be made, from what.
            request: what the secure side is asked with.
            effect: the journal's key of the making.
            written: rows that a model wrote, where one did; the record names them by their digest.

        Raises:
            GateRefused: a condition does not hold; the refusal is in the record.
        """
        with self._noted(order, effect):
            _require(sha256_bytes(request) == order.request, "the request is not the one that the order names")
            self._check_inputs(order.inputs)
            signed = self._standing(CheckpointKind.SPECIFICATION)
            subject = self._checkpoints.subject(signed.decision.checkpoint)
            _require(digest_of(subject["order"]) == order.digest, "the approved specification is not for this order")
            _require(
                json.loads(request)["specification"] == subject["editable"],
                "the request is for another specification than the reviewer was shown",
            )
            by_model = subject["editable"]["maker"] == _MODEL
            given = by_model or not written or self._replaying
            _require(given, "rows were given, and no model writes those of this set")
            _require(bool(written) or not by_model, "a model writes the rows of this set, and none were given")
            self._check_time(signed)
            self._check_state(State.MAKING)
            epsilon = self._epsilon(order, json.loads(request), effect)
            self._use(signed, order, effect, epsilon=epsilon, written=sha256_bytes(written) if written else "")

    @contextmanager
    def _noted(self, order: Order | MakingOrder, effect: str) -> Iterator[None]:
        """Write a refusal into the record."""
        try:
            yield
        except (CounterproofError, LookupError, TypeError, ValueError) as error:
            # The last three: a subject or an order that is not of its form.
            why = str(error) if isinstance(error, CounterproofError) else repr(error)
            self._record.append("gate.refused", data={"effect": effect, "order": order.digest, "why": why})
            if isinstance(error, GateRefused):
                raise
            raise GateRefused(f"The gate keeps the data closed: {why}") from error

    def _epsilon(self, order: MakingOrder, wanted: dict[str, Any], effect: str) -> float:
        """Return what of epsilon a set takes; 0 for one that is made without differential privacy."""
        epsilon = float(wanted["specification"]["epsilon"])
        if not epsilon:
            return 0.0
        spent = epsilon_spent(self._record.events(), but=effect)
        _require(spent == wanted["spent"], f"the sets of this study took {spent:g} of epsilon, not {wanted['spent']:g}")
        policy = self._checkpoints.policy().policy
        allowed = min(policy.of_file(ref.name).epsilon for ref in order.inputs)
        _require(
            spent + epsilon <= allowed,
            f"the policy allows an epsilon of {allowed:g} for all sets of this study; they took {spent:g}, and "
            f"{epsilon:g} is asked for",
        )
        for ref in order.inputs:
            self._vault.ledger.take(ref.sha256, epsilon, use=f"{self._study} {effect}")
        return epsilon

    def _use(self, signed: SignedDecision, order: Order | MakingOrder, effect: str, **facts: str | float) -> None:
        """Use an approval for an order, once, and write it down."""
        holder = self._store.claim_use(signed.decision.checkpoint, order=order.digest, effect=effect)
        _require(holder == effect, f"the approval was used before, by {holder}")
        _require(not self._used_elsewhere(order, effect), "the record shows that this order was executed before")
        self._record.append(
            "gate.opened",
            data={"effect": effect, "order": order.digest, "approval": signed.decision.checkpoint, **facts},
        )

    def _specification(self, order: Order, program: bytes) -> ExecutionSpec:
        _require(sha256_bytes(program) == order.program, "the program is not the one that the order names")
        environment = self._environments[order.role]
        _require(
            (order.language, order.environment) == (environment.language, environment.digest),
            f"the order names the environment {order.environment[:12]}…, and this machine has "
            f"{environment.digest[:12]}… ({environment.name}: {environment.language} {environment.version})",
        )
        _require(not order.synthetic, "the order is for the twin")
        self._check_inputs(order.inputs)
        return ExecutionSpec(
            program=program,
            environment=environment,
            limits=Limits(**order.limits),
            seed=order.seed,
            program_name=order.program_name,
        )

    def _check_inputs(self, inputs: Sequence[InputRef]) -> None:
        data = self._record.of_type("study.created")[0].data["data"]
        known = {(file["name"], file["sha256"]) for file in data}
        asked = {(ref.name, ref.sha256) for ref in inputs}
        _require(asked == known, "the inputs are not the data of this study")

    def _with_data(self, spec: ExecutionSpec, order: Order, place: Path | None) -> ExecutionSpec:
        """Open the vault, when all that was signed holds."""
        if place is None:
            with private_folder(None) as unused:
                self._with_data(spec, order, unused)
            return spec
        mounts = tuple(Mount(host=place / ref.name, target=ref.name) for ref in order.inputs)
        for ref in order.inputs:
            try:
                self._vault.lay(ref.sha256, place / ref.name, name=ref.name)
            except VerificationFailed as error:
                _require(False, error.what[:1].lower() + error.what[1:].rstrip("."))
        return replace(spec, inputs=mounts)

    def _approval(self, order: Order) -> SignedDecision:
        signed = self._standing(CheckpointKind.CODE)
        subject = self._checkpoints.subject(signed.decision.checkpoint)
        listed = {digest_of(listed) for listed in subject["orders"]}
        _require(order.digest in listed, "the approved code is not this program with these inputs")
        of_role = [one for one in subject["orders"] if one["role"] == order.role]
        _require(len(of_role) == 1, f"the approved code lists {len(of_role)} orders of the {order.role} program")
        shown = [program["code"] for program in shown_programs(subject) if program["role"] == order.role]
        _require(
            [sha256_bytes(code.encode()) for code in shown] == [order.program],
            "the code that the reviewer was shown is not this program",
        )
        plan = self._latest(CheckpointKind.PLAN)
        planned = self._checkpoints.subject(plan.decision.checkpoint)
        _require(subject["plan"] == digest_of(planned["editable"]), "the code was made for another plan")
        self._check_time(signed)
        self._check_state(State.EXECUTING)
        return signed

    def _standing(self, kind: CheckpointKind) -> SignedDecision:
        """Return the newest approval of a kind, in a study that was not withdrawn."""
        decided = self._record.of_type("decision.recorded")
        _require(all(event.data["decision"] != "withdraw" for event in decided), "the study was withdrawn")
        return self._latest(kind)

    def _check_time(self, signed: SignedDecision) -> None:
        """Refuse an approval that is too old, on a machine whose clock can be believed."""
        days = self._checkpoints.policy().policy.valid_days
        signatures = [*self._checkpoints.first_signatures(signed.decision.checkpoint), signed]
        oldest = min(datetime.fromisoformat(one.decision.decided_at) for one in signatures)
        age = self._clock() - oldest
        _require(-_SKEW <= age <= timedelta(days=days), f"the approval is {age.days} days old; it is valid for {days}")
        behind = datetime.fromisoformat(self._record.events()[-1].ts) - self._machine()
        _require(behind <= _SKEW, f"the clock of this machine is {behind} behind the record; it was set back")

    def _check_state(self, wanted: State) -> None:
        state = walk(self._record.events())
        _require(state is wanted, f"the study is {state.value!r}, and data are opened while it is {wanted.value}")

    def _latest(self, kind: CheckpointKind) -> SignedDecision:
        """Return the decision on the newest checkpoint of a kind, which must be an approval that still stands."""
        opened = [event.data["id"] for event in self._record.of_type("checkpoint.opened") if event.data["kind"] == kind]
        _require(bool(opened), f"there was no {kind} checkpoint")
        signed = self._checkpoints.decision(opened[-1])
        _require(signed is not None, f"the {kind} checkpoint {opened[-1]} is not decided")
        assert signed is not None
        _require(signed.decision.decision == "approve", f"{opened[-1]} was decided {signed.decision.decision!r}")
        return signed

    def _used_elsewhere(self, order: Order | MakingOrder, effect: str) -> bool:
        return any(
            event.data["order"] == order.digest and event.data["effect"] != effect
            for event in self._record.of_type("gate.opened")
        )


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise GateRefused(
            f"The gate keeps the data closed: {otherwise}.",
            advice="Real data are opened only to what was approved. Put it to a reviewer again.",
        )
