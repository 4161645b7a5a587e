"""What a checkpoint of a synthetic set shows is made again before it is approved, as that of an analysis is."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from counterproof.agents.papers import Papers
from counterproof.agents.set_papers import session_of
from counterproof.agents.subjects.again import check_shown
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.record import Body
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.store import Status
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.tools.synth.documents import written
from counterproof.tools.synth.review import Session

from ..lab import ADA, NOWHERE, Lab
from .made_sets import BESIDE, LBW, LINKED, TABLE, new_table, new_texts, rate, serving
from .shown import OTHER, Change, show

pytestmark = [pytest.mark.synthetic, pytest.mark.attack]


@pytest.fixture
def lab(tmp_path: Path, sandbox: LocalSandbox, environment: Environment) -> Lab:
    """An installation without a study."""
    return Lab(home=tmp_path / "home", sandbox=sandbox, environment=environment)


def _refused(lab: Lab, study: str, kind: CheckpointKind, says: str) -> None:
    waiting = lab.waiting(study)
    assert waiting.kind is kind
    with pytest.raises(VerificationFailed, match=says):
        check_shown(lab.study(study), waiting, reviewer=ADA)
    (refused,) = lab.events(study, "decision.refused")
    assert refused.data["checkpoint"] == waiting.id


_FINDING = {"kind": "card", "item": "kept", "text": "All numbers are kept."}


SPECIFICATIONS: dict[str, tuple[Change, str]] = {
    "another identifier": (lambda subject: subject["identifiers"].append({"column": "age"}), "identifiers"),
    "other data": (lambda subject: subject["data"][0].update(exposure="rows"), "data"),
    "another order": (lambda subject: subject["order"].update(request="0" * 64), "order"),
    "a model": (lambda subject: subject.update(model="made-up"), "model"),
    "other limits": (lambda subject: subject["limits"].update(epsilon=9.0), "limits"),
    "reasons of nobody": (lambda subject: subject.update(reasons=["Too many rows."]), "reasons"),
    "texts beside": (lambda subject: subject.update(beside="0" * 64), "beside"),
}


@pytest.mark.parametrize(("change", "says"), SPECIFICATIONS.values(), ids=SPECIFICATIONS)
def test_a_specification_that_shows_other_facts_is_not_approved(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, change: Change, says: str
) -> None:
    study = new_table(lab)
    show(monkeypatch, CheckpointKind.SPECIFICATION, change)
    assert lab.run(study) is Status.WAITING
    _refused(lab, study, CheckpointKind.SPECIFICATION, OTHER.format(says))


def test_what_follows_on_an_edit_is_what_was_signed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    study = new_table(lab)
    show(monkeypatch, CheckpointKind.SPECIFICATION, lambda subject: subject["editable"].update(rows=51), number=2)
    lab.run(study)
    lab.decide(study, "edit", edited=TABLE.model_copy(update={"rows": 50}).model_dump(mode="json"))
    lab.run(study)
    _refused(lab, study, CheckpointKind.SPECIFICATION, "is not what was signed as the edit of .*specification.1")


SAMPLES: dict[str, tuple[Change, str]] = {
    "another row": (lambda subject: subject["shown"].insert(0, subject["shown"].pop()), "shown"),
    "another finding": (lambda subject: subject["findings"].append(_FINDING), "findings"),
    "more items": (lambda subject: subject.update(items=9), "items"),
    "no raters": (lambda subject: subject["session"].update(raters=0), "session"),
    "another round": (lambda subject: subject.update(round=2), "round"),
    "another specification": (lambda subject: subject.update(specification="0" * 64), "specification"),
}


@pytest.mark.parametrize(("change", "says"), SAMPLES.values(), ids=SAMPLES)
def test_a_sample_that_shows_other_items_is_not_approved(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, change: Change, says: str
) -> None:
    study = new_texts(lab)
    show(monkeypatch, CheckpointKind.SAMPLE, change)
    with serving() as server:
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
    _refused(lab, study, CheckpointKind.SAMPLE, OTHER.format(says))


def _again(lab: Lab, study: str, type_: str, **bodies: bytes) -> None:
    """Append an event like the last one of its type with other bodies, as whoever has the store can."""
    record = lab.study(study).record
    last = record.of_type(type_)[-1]
    refs = [
        Body(role=ref.role, data=bodies[ref.role], side=ref.side) if ref.role in bodies else ref for ref in last.refs
    ]
    record.append(type_, actor=last.actor, data=last.data, refs=refs)


def test_a_rating_session_of_another_set_is_not_approved(lab: Lab) -> None:
    study = new_texts(lab)
    with serving() as server:
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
    _again(lab, study, "set.made", key=b"{}")
    _refused(lab, study, CheckpointKind.SAMPLE, "has another rating session than its set gives")


def test_ratings_are_read_with_the_key_of_the_sample(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def swapped(papers: Papers) -> tuple[Session, bytes]:
        session, key = session_of(papers)
        other = {"real": "synthetic", "synthetic": "real"}
        key = json.dumps({id_: other[side] for id_, side in json.loads(key).items()}).encode()
        return session.model_copy(update={"key_sha256": sha256_bytes(key)}), key

    study = new_texts(lab, beside=written(BESIDE))
    with serving() as server:
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
        rate(lab, study)
        node = importlib.import_module("counterproof.agents.synthesis_nodes.judge")  # the package has a function of it
        monkeypatch.setattr(node, "session_of", swapped)
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
    _refused(lab, study, CheckpointKind.RELEASE, "is of another set than its sample and its ratings give")


def test_a_table_that_its_making_did_not_give_is_not_approved(lab: Lab) -> None:
    study = new_table(lab)
    assert lab.run(study, NOWHERE, "approve") is Status.WAITING
    _again(lab, study, "set.made", **{"file:lbw.synthetic.csv": LBW.read_bytes()})
    _refused(lab, study, CheckpointKind.SAMPLE, "The set is not what its making gave")


def test_texts_that_were_rejected_and_written_anew_can_be_approved(lab: Lab) -> None:
    study = new_texts(lab, LINKED.model_copy(update={"raters": 0}))
    with serving() as server:
        assert lab.run(study, server.base_url, "approve", "reject") is Status.WAITING
        assert lab.waiting(study).id.endswith(".sample.2")
        assert lab.run(study, server.base_url, "approve", "approve") is Status.DONE


RELEASES: dict[str, tuple[Change, str]] = {
    "other ratings": (lambda subject: subject["human"].clear(), "human"),
    "more raters": (lambda subject: subject.update(raters=30), "raters"),
    "more rows": (lambda subject: subject.update(rows=9), "rows"),
    "another use": (lambda subject: subject.update(may="Anything at all."), "may"),
    "no limits": (lambda subject: subject.update(limits=[]), "limits"),
    "another card": (lambda subject: subject.update(card="0" * 64), "card"),
}


@pytest.mark.parametrize(("change", "says"), RELEASES.values(), ids=RELEASES)
def test_a_release_of_a_set_that_shows_other_facts_is_not_approved(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, change: Change, says: str
) -> None:
    study = new_texts(lab)
    show(monkeypatch, CheckpointKind.RELEASE, change)
    with serving() as server:
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
        rate(lab, study)
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
    _refused(lab, study, CheckpointKind.RELEASE, OTHER.format(says))
