"""The bundle of a synthetic set: verified by its own steps, and whatever is changed in it is named.

The forger knows how bundles are made and seals what was changed with a key of their own; what a forger never has is a
reviewer's key.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.provenance.marks import MARKS, content_digest, read_cells, unmarked, write_content
from counterproof.provenance.signing import public_line
from counterproof.provenance.verify import Verification, verify_bundle
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.scenarios.bundles import replay_bundle

from ..agents.made_sets import LBW
from .forging import FORGER, Bag, record_checkpoints

pytestmark = [pytest.mark.tamper, pytest.mark.synthetic]
ROWS = "data/set/lbw.synthetic.csv"
TEXTS = "data/set/patients.synthetic.jsonl"
STEPS = ["container", "bag", "seal", "chain", "bodies", "decisions", "making", "effects", "set", "marks", "copies"]


@pytest.fixture
def table(table_set: Path) -> Path:
    """The bundle of a table that was made from real rows."""
    return table_set


@pytest.fixture
def texts(texts_set: Path) -> Path:
    """The bundle of a linked set of texts."""
    return texts_set


@pytest.fixture
def other(other_table_set: Path) -> Path:
    """The bundle of another table."""
    return other_table_set


def sealed_anew(bag: Bag) -> None:
    """Make manifests and seal fit, with the forger's key."""
    bag.files["data/record/checkpoints.jsonl"] = record_checkpoints(bag.files, FORGER)
    bag.files["data/keys/service_signers"] = f"service {public_line(FORGER.public_key())}\n".encode()
    bag.rebag()
    bag.seal_again(FORGER)


def sealed_again(bag: Bag, target: Path) -> Path:
    """Write a bag with manifests and seal that fit."""
    sealed_anew(bag)
    return bag.write(target)


def failed_steps(found: Verification) -> dict[str, str]:
    return {step.name: step.evidence[0] for step in found.steps if step.outcome == "failed"}


def test_both_kinds_verify(table: Path, texts: Path) -> None:
    for bundle, making in ((table, "ok"), (texts, "not applicable")):
        found = verify_bundle(bundle)
        assert [step.name for step in found.steps] == STEPS
        assert failed_steps(found) == {}
        assert {step.name: step.outcome for step in found.steps}["making"] == making
        assert (found.ended, found.label) == ("done", "reviewed by people")


def test_the_formats_of_others_name_a_model_where_one_was_asked_and_else_the_maker(table: Path, texts: Path) -> None:
    for bundle, named in ((table, {"#maker", "#checkpoint"}), (texts, {"#model", "#maker", "#checkpoint"})):
        files = Bag(bundle).files
        crate = {one["@id"] for one in json.loads(files["data/ro-crate-metadata.json"])["@graph"]}
        assert crate & {"#model", "#maker", "#program-runner", "#checkpoint"} == named
        agents = json.loads(files["data/prov.json"])["agent"]
        assert ("cp:model" in agents, "cp:maker" in agents) == ("#model" in named, True)


def test_a_forger_who_only_seals_anew_is_found_by_the_key_alone(table: Path, tmp_path: Path) -> None:
    """What the other tests seal is, unchanged, a bundle that holds: they fail for what they change."""
    assert failed_steps(verify_bundle(sealed_again(Bag(table), tmp_path / "x.zip"))) == {}


@pytest.mark.parametrize("kind", ["table", "texts"])
def test_one_changed_byte_in_any_file_is_found(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    bundle: Path = request.getfixturevalue(kind)
    whole = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        places = [
            (one.filename, one.header_offset + 30 + len(one.filename), one.file_size) for one in archive.infolist()
        ]
    changed = tmp_path / "changed.zip"
    missed = []
    for name, begin, size in places:
        if size:
            at = begin + size // 2
            changed.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            if verify_bundle(changed).ok:
                missed.append(name)
    assert missed == []
    assert len(places) > 60


def _another_card(bag: Bag, other: Bag) -> None:
    bag.files["data/set/card.json"] = other.files["data/set/card.json"]


def _another_file(bag: Bag, other: Bag) -> None:
    bag.files[ROWS] = other.files[ROWS]


def _another_set(bag: Bag, other: Bag) -> None:
    for name in [name for name in bag.files if name.startswith("data/set/")]:
        bag.files[name] = other.files[name]


def _no_mark(bag: Bag, _other: Bag) -> None:
    bag.files[ROWS] = write_content(unmarked(read_cells(bag.files[ROWS])))


def _another_cell(bag: Bag, _other: Bag) -> None:
    cells = read_cells(bag.files[ROWS])
    cells["bwt"][0] = "9999"
    bag.files[ROWS] = write_content(cells)


def _another_cell_with_a_card_that_fits(bag: Bag, _other: Bag) -> None:
    cells = read_cells(bag.files[ROWS])
    cells["bwt"][0] = "9999"
    card = json.loads(bag.files["data/set/card.json"])
    card["provenance"]["content_sha256"] = content_digest(cells)
    bag.files["data/set/card.json"] = json.dumps(card).encode()
    cells[MARKS[1]] = [sha256_bytes(bag.files["data/set/card.json"])] * len(cells["bwt"])
    bag.files[ROWS] = write_content(cells)


def _a_better_card(bag: Bag, _other: Bag) -> None:
    bag.replace("data/set/card.json", '"verdict": "flag"', '"verdict": "pass"')


def _a_report_of_real_rows(bag: Bag, _other: Bag) -> None:
    bag.replace("data/set/summary.md", "Synthetic, never real", "Rows of real patients")


def _a_file_more(bag: Bag, _other: Bag) -> None:
    bag.files["data/set/real.csv"] = b"age\n34\n"


def _a_file_less(bag: Bag, _other: Bag) -> None:
    del bag.files["data/set/report.html"]


def _no_specification_of_events(bag: Bag, _other: Bag) -> None:
    del bag.files["data/verify/schemas/set.released.json"]


def _another_crate(bag: Bag, _other: Bag) -> None:
    bag.replace("data/ro-crate-metadata.json", "Synthetic, never real. ", "")


def _another_provenance(bag: Bag, _other: Bag) -> None:
    bag.replace("data/prov.json", "Counterproof maker of synthetic sets", "Collected from patients")


def _another_way(bag: Bag, _other: Bag) -> None:
    bag.replace("data/workflow.json", "decide-sample", "decide-simple")


def _another_preview(bag: Bag, _other: Bag) -> None:
    bag.replace("data/ro-crate-preview.html", "reviewed by people", "reviewed by an agency")


def _another_verifier(bag: Bag, _other: Bag) -> None:
    bag.files["data/verify/verify.py"] = b"print('OK')\n"


def _not_said_to_be_synthetic(bag: Bag, _other: Bag) -> None:
    bag.replace("bag-info.txt", "Counterproof-Kind: synthesis\n", "")


def _said_to_be_a_comparison(bag: Bag, _other: Bag) -> None:
    bag.replace("bag-info.txt", "Counterproof-Kind: synthesis", "Counterproof-Kind: campaign")


CHANGES: dict[str, tuple[Callable[[Bag, Bag], None], set[str]]] = {
    "the card of another set": (_another_card, {"set", "copies"}),
    "the rows of another set": (_another_file, {"set", "copies"}),
    "another set as a whole": (_another_set, {"set", "copies"}),
    "rows without their mark": (_no_mark, {"set", "copies"}),
    "one other cell": (_another_cell, {"set", "copies"}),
    "one other cell, and a card that fits": (_another_cell_with_a_card_that_fits, {"set", "copies"}),
    "a card without its flags": (_a_better_card, {"set", "copies"}),
    "a summary that says they are real": (_a_report_of_real_rows, {"set", "copies"}),
    "a file more": (_a_file_more, {"copies"}),
    "a file less": (_a_file_less, {"set", "copies"}),
    "a schema less": (_no_specification_of_events, {"copies"}),
    "a crate of another maker": (_another_crate, {"copies"}),
    "another provenance": (_another_provenance, {"copies"}),
    "another way": (_another_way, {"copies"}),
    "a preview without its label": (_another_preview, {"copies"}),
    "a verifier that finds nothing": (_another_verifier, {"copies"}),
    "no word of being synthetic": (_not_said_to_be_synthetic, {"approvals"}),
    "said to be a comparison": (_said_to_be_a_comparison, {"chain"}),
}


@pytest.mark.parametrize(("change", "caught_by"), CHANGES.values(), ids=CHANGES)
def test_what_a_forger_changes_and_seals_is_found(
    table: Path, other: Path, tmp_path: Path, change: Callable[[Bag, Bag], None], caught_by: set[str]
) -> None:
    bag = Bag(table)
    change(bag, Bag(other))
    found = failed_steps(verify_bundle(sealed_again(bag, tmp_path / "x.zip")))
    assert caught_by <= set(found), found


def test_a_text_that_lost_its_mark_is_found(texts: Path, tmp_path: Path) -> None:
    bag = Bag(texts)
    bag.files[TEXTS] = bag.files[TEXTS].replace(b'"synthetic_twin": 1', b'"synthetic_twin": 0', 1)
    found = failed_steps(verify_bundle(sealed_again(bag, tmp_path / "x.zip")))
    assert "1 documents don't carry the mark" in found["set"]


def _without_release(events: list[dict[str, Any]]) -> None:
    events[:] = [
        event for event in events if not (event["type"] == "decision.recorded" and event["data"]["kind"] == "release")
    ]


def _without_sample(events: list[dict[str, Any]]) -> None:
    events[:] = [event for event in events if event["data"].get("kind") != "sample"]


def _signed_off(events: list[dict[str, Any]]) -> None:
    opened = next(event for event in events if event["type"] == "checkpoint.opened")
    data = {**opened["data"], "id": f"{opened['data']['study']}.signoff.1", "kind": "signoff"}
    events.insert(-1, {**opened, "data": data})


def _fewer_raters_asked_for(events: list[dict[str, Any]]) -> None:
    judged = next(event for event in events if event["type"] == "set.judged")
    ratings = next(ref for ref in judged["refs"] if ref["role"] == "ratings")
    ratings["sha256"], ratings["size"] = sha256_bytes(b""), 0
    judged["data"]["raters"] = 0


def _made_without_approval(events: list[dict[str, Any]]) -> None:
    events[:] = [event for event in events if event["type"] != "gate.opened"]


TALES: dict[str, tuple[str, Callable[[list[dict[str, Any]]], None], str]] = {
    "no release": ("table", _without_release, "decisions"),
    "no sample": ("table", _without_sample, "decisions"),
    "signed off": ("table", _signed_off, "set"),
    "made without the gate": ("table", _made_without_approval, "making"),
    "other ratings": ("texts", _fewer_raters_asked_for, "set"),
}


@pytest.mark.parametrize(("kind", "tell", "caught_by"), TALES.values(), ids=TALES)
def test_another_history_is_found(
    kind: str,
    tell: Callable[[list[dict[str, Any]]], None],
    caught_by: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    bag = Bag(request.getfixturevalue(kind))
    bag.events(_numbered(tell))
    bag.files.setdefault(f"data/record/blobs/sha256/{sha256_bytes(b'')[:2]}/{sha256_bytes(b'')[2:]}", b"")
    found = failed_steps(verify_bundle(sealed_again(bag, tmp_path / "x.zip")))
    assert caught_by in found, found


def _numbered(tell: Callable[[list[dict[str, Any]]], None]) -> Callable[[list[dict[str, Any]]], None]:
    def told(events: list[dict[str, Any]]) -> None:
        tell(events)
        for at, event in enumerate(events):
            event["seq"] = at

    return told


@pytest.mark.parametrize("kind", ["table", "texts"])
def test_a_set_is_made_again_from_its_bundle_with_every_digest_the_same(
    kind: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    sandbox: LocalSandbox,
    environment: Environment,
) -> None:
    bundle: Path = request.getfixturevalue(kind)
    data = [LBW] if kind == "table" else []
    again = replay_bundle(bundle, tmp_path / "again", sandbox=sandbox, environment=environment, data=data)
    assert again.stopped == ""
    assert [row for row in again.comparisons if not row.same] == []
    assert (again.ok, again.verdict) == (True, "identical")
    named = {row.what for row in again.comparisons}
    assert {"set.released, file:card.json", "set.judged, ratings", "study.ended"} - named <= {"study.ended"}
    assert any(what.startswith("making make/" if kind == "table" else "model synth/note/1/") for what in named)


def test_a_table_is_not_made_again_without_its_data(
    table: Path, tmp_path: Path, sandbox: LocalSandbox, environment: Environment
) -> None:
    with pytest.raises(UsageError, match=r"does not hold the data file lbw\.csv"):
        replay_bundle(table, tmp_path / "again", sandbox=sandbox, environment=environment)
