"""Budgets: reserved before, counted after, and raised by signatures alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.budgets import Amounts, BudgetSpent, Ledger, Longest
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import MachineTrouble, UsageError, VerificationFailed
from counterproof.provenance.events import Actor
from counterproof.provenance.extensions import Extension, Extensions
from counterproof.provenance.journal import EffectFailed, EffectKind, Journal, Response
from counterproof.provenance.policy import STANDARD, Budgets
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import Registry, Reviewer, Role
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.signing import DECISION_NAMESPACE, public_line, sign
from counterproof.provenance.study_policy import recorded_policy

from ..beginnings import begin

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
LONGEST = Longest(answer_tokens=100, call_s=10, execution_s=20)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """The record of a study that has begun, beside a registry with Ada and Bea."""
    registry = Registry(Record(tmp_path / "registry", blobs=Blobs(tmp_path / "registry" / "blobs")))
    for name, key, role in (("ada", KEY, Role.INVESTIGATOR), ("bea", OTHER, Role.STATISTICIAN)):
        line = public_line(key.public_key())
        registry.add(Reviewer(id=name, name=name.title(), roles=(role,), public_key=line), by="test")
    made = Record(tmp_path / "s1" / "record", blobs=Blobs(tmp_path / "s1" / "blobs", secret=lambda: bytes(32)))
    begin(made, registry, tmp_path / "s1")
    return made


def _extensions(record: Record) -> Extensions:
    folder = record.folder.parent.parent / "registry"
    registry = Registry(Record(folder, blobs=Blobs(folder / "blobs")))
    return Extensions(record=record, registry=registry, study="s1", rules=recorded_policy(record))


def _ledger(record: Record, **limits: Any) -> Ledger:
    return Ledger(record=record, budgets=Budgets(**limits), longest=LONGEST, extended=_extensions(record).total)


def _answer(sent: int, answered: int) -> bytes:
    usage = {"prompt_tokens": sent, "completion_tokens": answered}
    return canonical_json({"status": 200, "type": "application/json", "body": json.dumps({"usage": usage})})


def _ask(record: Record, ledger: Ledger, key: str, effect: Callable[[], Response], kind: EffectKind = "model") -> None:
    Journal(record, budget=ledger).perform(key, lambda _attempt: effect(), kind=kind, request=b"x" * 30)


def test_a_call_costs_what_the_endpoint_counted(record: Record) -> None:
    ledger = _ledger(record, price_in=10, price_out=100)
    _ask(record, ledger, "plan/1/1", lambda: Response(body=_answer(1000, 50)))
    spent = ledger.spent()
    assert (spent.model_calls, spent.tokens, spent.repairs) == (1, 1050, 0)
    assert spent.cost == pytest.approx(0.015)


def _happen(happened: list[int]) -> Response:
    happened.append(1)
    return Response(body=b"")


@pytest.mark.parametrize("body", [b"{}", b"no json", canonical_json({"status": 200, "body": '{"usage": {}}'})])
def test_an_answer_that_counts_nothing_is_estimated_from_its_bytes(record: Record, body: bytes) -> None:
    ledger = _ledger(record)
    _ask(record, ledger, "plan/1/1", lambda: Response(body=body))
    assert ledger.spent().tokens == 10 + -(-len(body) // 3)


@pytest.mark.parametrize(
    ("limits", "kind", "says"),
    [
        ({"model_calls": 1}, "model", r"budget of model calls is spent: 'write/primary/2/1' may take 1, and 0 of 1"),
        ({"tokens": 200}, "model", r"budget of tokens is spent: .* may take 110, and 98 of 200 are left"),
        ({"cost": 0.01, "price_out": 100}, "model", r"budget of cost is spent"),
        ({"wall_s": 9}, "model", r"budget of seconds of model calls and executions is spent"),
        ({"sandbox_s": 19}, "execution", r"budget of seconds in the sandbox is spent: .* may take 20, and 19 of 19"),
        ({"repairs": 0}, "model", r"budget of rewritings of programs is spent"),
    ],
    ids=["calls", "tokens", "cost", "wall", "sandbox", "repairs"],
)
def test_an_effect_that_may_take_more_than_is_left_does_not_happen(
    record: Record, limits: dict[str, Any], kind: EffectKind, says: str
) -> None:
    _ask(record, _ledger(record), "write/primary/1/1", lambda: Response(body=_answer(100, 2)))
    happened: list[int] = []
    with pytest.raises(BudgetSpent, match=says) as refused:
        _ask(
            record,
            _ledger(record, **limits),
            "write/primary/2/1",
            lambda: _happen(happened),
            kind,
        )
    assert happened == []
    assert "Only a person extends a budget" in str(refused.value)
    (noted,) = record.of_type("budget.refused")
    assert noted.data["key"] == "write/primary/2/1"
    assert len(record.of_type("effect.started")) == 1


def test_what_was_started_and_not_finished_counts_with_its_reservation(record: Record) -> None:
    ledger = _ledger(record)

    def killed() -> Response:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _ask(record, ledger, "plan/1/1", killed)
    assert ledger.spent() == Amounts(model_calls=1, tokens=110, wall_s=10)


@pytest.mark.parametrize(("data", "tokens"), [({"status": 503}, 0), ({}, 110)], ids=["refused", "lost"])
def test_a_failed_call_counts(record: Record, data: dict[str, Any], tokens: int) -> None:
    ledger = _ledger(record)

    def fail() -> Response:
        raise EffectFailed("No answer.", data=data)

    with pytest.raises(MachineTrouble):
        _ask(record, ledger, "plan/1/1", fail)
    assert (ledger.spent().model_calls, ledger.spent().tokens) == (1, tokens)


def test_an_extension_adds_what_was_signed(record: Record) -> None:
    ledger = _ledger(record, model_calls=1)
    made = _extensions(record).extend({"model_calls": 2}, KeySigner(key=KEY), reviewer="ada", comment="It is near.")
    assert (made.role, ledger.limits().model_calls) == (Role.INVESTIGATOR, 3)


@pytest.mark.attack
@pytest.mark.parametrize(
    ("by", "key", "extra", "says"),
    [
        ("bea", OTHER, {"tokens": 1.0}, r"bea \(statistician\) may not extend a budget.*investigator or custodian"),
        ("ada", OTHER, {"tokens": 1.0}, r"This key is not ada's"),
        ("eve", KEY, {"tokens": 1.0}, r"no active reviewer 'eve'"),
        ("ada", KEY, {"tokens": -1.0}, r"can't be extended by .*A number above 0"),
        ("ada", KEY, {"tokens": float("nan")}, r"can't be extended by"),
        ("ada", KEY, {"friends": 1.0}, r"can't be extended by"),
        ("ada", KEY, {}, r"can't be extended by nothing"),
    ],
    ids=["role", "key", "unknown", "negative", "nan", "other", "nothing"],
)
def test_another_extension_is_refused(
    record: Record, by: str, key: Ed25519PrivateKey, extra: dict[str, float], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        _extensions(record).extend(extra, KeySigner(key=key), reviewer=by, comment="More.")
    assert record.of_type("budget.extended") == []


@pytest.mark.attack
@pytest.mark.parametrize(
    ("changed", "key", "says"),
    [
        ({}, OTHER, "signed with another key"),
        ({"study": "s2"}, KEY, "for another study"),
        ({"policy": "0" * 64}, KEY, "under another policy"),
        ({"role": Role.STATISTICIAN}, KEY, "may not extend a budget as statistician"),
        ({"history": "0" * 64}, KEY, "after another record than was signed"),
        ({"extra": {"tokens": -1.0}}, KEY, "The extension adds"),
    ],
    ids=["key", "study", "policy", "role", "history", "amount"],
)
def test_a_planted_extension_raises_nothing(
    record: Record, changed: dict[str, Any], key: Ed25519PrivateKey, says: str
) -> None:
    given: dict[str, Any] = {
        "study": "s1",
        "policy": recorded_policy(record).digest,
        "history": record.events()[-1].digest,
        "extra": {"tokens": 1e6},
        "reviewer": "ada",
        "name": "Ada",
        "orcid": "",
        "role": Role.INVESTIGATOR,
        "comment": "More.",
        "decided_at": "2026-11-20T08:00:00.000+00:00",
    }
    statement = Extension(**{**given, **changed}).statement()
    signature = sign(key, statement, namespace=DECISION_NAMESPACE)
    refs = [record.put("statement", statement), record.put("signature", signature)]
    data = {"extra": {"tokens": 1e6}, "reviewer": {"id": "ada"}}
    record.append("budget.extended", actor=Actor(kind="human", id="ada"), data=data, refs=refs)
    with pytest.raises(VerificationFailed, match=says):
        _ledger(record).limits()


@pytest.mark.attack
def test_an_extension_that_is_planted_twice_counts_once(record: Record) -> None:
    _extensions(record).extend({"tokens": 5}, KeySigner(key=KEY), reviewer="ada", comment="More.")
    (first,) = record.of_type("budget.extended")
    record.append("budget.extended", actor=first.actor, data=first.data, refs=first.refs)
    assert _extensions(record).total() == Amounts(tokens=5)


def test_the_budgets_of_the_standard_policy_are_those_of_the_form() -> None:
    assert b"model_calls = 200" in STANDARD
    assert Budgets().model_calls == 200
