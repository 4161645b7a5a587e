"""Files that were removed, added, swapped, renamed or edited, in a zip that is canonical again.

Each attack is made three times: as it is, with manifests that fit, and with manifests that fit under the forger's own
seal. The first is caught by step 2 and the second by step 3, whatever it is; the third by the step that stands here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from counterproof.provenance.bundle import SIGNATURE
from counterproof.provenance.signing import BUNDLE_NAMESPACE, public_line, sign
from counterproof.provenance.verify import verify_bundle

from .forging import FORGER, STRANGER, Bag, blob, failed, write_files

Attack = Callable[[Bag], None]
pytestmark = pytest.mark.tamper
SPANS = "data/telemetry/spans.otlp.jsonl"


def _remove(name: str) -> Attack:
    def attack(bag: Bag) -> None:
        del bag.files[name]

    return attack


def _add(name: str, data: bytes = b"extra") -> Attack:
    def attack(bag: Bag) -> None:
        assert name not in bag.files
        bag.files[name] = data

    return attack


def _swap(one: str, two: str) -> Attack:
    def attack(bag: Bag) -> None:
        bag.files[one], bag.files[two] = bag.files[two], bag.files[one]

    return attack


def _rename(old: str, new: str) -> Attack:
    def attack(bag: Bag) -> None:
        bag.files[new] = bag.files.pop(old)

    return attack


def _replace(name: str, old: str, new: str) -> Attack:
    return lambda bag: bag.replace(name, old, new)


def _json(name: str, change: Callable[[Any], Any]) -> Attack:
    return lambda bag: bag.json(name, change)


def _text(name: str, data: bytes) -> Attack:
    def attack(bag: Bag) -> None:
        bag.files[name] = data

    return attack


def _blobs(bag: Bag) -> list[str]:
    return [name for name in bag.files if name.startswith("data/record/blobs/")]


def _remove_blob(bag: Bag) -> None:
    del bag.files[_blobs(bag)[3]]


def _swap_blobs(bag: Bag) -> None:
    _swap(_blobs(bag)[2], _blobs(bag)[5])(bag)


def _rename_blob(bag: Bag) -> None:
    _rename(_blobs(bag)[2], blob("0" * 64))(bag)


def _extra_blob(bag: Bag) -> None:
    bag.files[blob(hashlib.sha256(b"extra").hexdigest())] = b"extra"


def _odd_blob(bag: Bag) -> None:
    bag.files["data/record/blobs/notes.txt"] = b"extra"


def _drop_events(count: int) -> Attack:
    def attack(bag: Bag) -> None:
        bag.events(lambda events: events.__delitem__(slice(-count, None)))

    return attack


def _cut_events(bag: Bag) -> None:
    bag.files["data/record/events.jsonl"] = b"".join(bag.files["data/record/events.jsonl"].splitlines(True)[:-1])


def _tear_events(bag: Bag) -> None:
    bag.files["data/record/events.jsonl"] = bag.files["data/record/events.jsonl"][:-9]


def _edit_event(bag: Bag) -> None:
    bag.replace("data/record/events.jsonl", '"made-up"', '"made-on"')


def _swap_events(bag: Bag) -> None:
    lines = bag.files["data/record/events.jsonl"].splitlines(True)
    lines[15], lines[16] = lines[16], lines[15]
    bag.files["data/record/events.jsonl"] = b"".join(lines)


def _drop_event(bag: Bag) -> None:
    lines = bag.files["data/record/events.jsonl"].splitlines(True)
    bag.files["data/record/events.jsonl"] = b"".join(lines[:20] + lines[21:])


def _unlist_withheld(rows: Any) -> None:
    del rows[0]


def _list_more(rows: Any) -> None:
    rows.append({**rows[0], "sha256": "f" * 64})


def _withheld_why(rows: Any) -> None:
    rows[0]["why"] = "too large"


def _allowed_signers(bag: Bag) -> None:
    key = public_line(STRANGER.public_key())
    bag.files["data/keys/allowed_signers"] = f"ada {key}\n".encode()


def _more_signers(bag: Bag) -> None:
    bag.files["data/keys/allowed_signers"] += f"eve {public_line(STRANGER.public_key())}\n".encode()


def _actor(crate: Any) -> None:
    for entity in crate["@graph"]:
        if entity["@type"] == "Person":
            entity["name"] = "Grace Hopper"


def _fewer_actions(crate: Any) -> None:
    crate["@graph"] = [entity for entity in crate["@graph"] if not entity["@id"].startswith("#event-3")]


def _more_actions(crate: Any) -> None:
    crate["@graph"].append({"@id": "#event-99", "@type": ["CreateAction", "AuthorizeAction"], "name": "approve all"})


def _twice(crate: Any) -> None:
    crate["@graph"].append({**crate["@graph"][-1], "name": "another"})


def _description(crate: Any) -> None:
    crate["@graph"][1]["description"] = "A study."


def _foreign_spans(bag: Bag) -> None:
    spans = {"attributes": [{"key": "gen_ai.conversation.id", "value": {"stringValue": "study-00000000"}}]}
    line = {"resourceSpans": [{"scopeSpans": [{"spans": [spans]}]}]}
    bag.files[SPANS] = json.dumps(line).encode() + b"\n"


REVIEWED: dict[str, tuple[Attack, str]] = {
    "README removed": (_remove("data/README.md"), "marks"),
    "report removed": (_remove("data/report.json"), "copies"),
    "plan removed": (_remove("data/plan.json"), "copies"),
    "program removed": (_remove("data/programs/replication.py"), "copies"),
    "released results removed": (_remove("data/results/released.json"), "copies"),
    "shared data removed": (_remove("data/inputs/trial.csv"), "copies"),
    "decision removed": (_remove("data/decisions/2.json"), "decisions"),
    "signature of a decision removed": (_remove("data/decisions/3.json.sig"), "decisions"),
    "body removed": (_remove_blob, "bodies"),
    "record removed": (_remove("data/record/events.jsonl"), "chain"),
    "head removed": (_remove("data/record/head.json"), "chain"),
    "withheld list removed": (_remove("data/record/withheld.json"), "bodies"),
    "keys removed": (_remove("data/keys/allowed_signers"), "decisions"),
    "RO-Crate removed": (_remove("data/ro-crate-metadata.json"), "copies"),
    "bag-info removed": (_remove("bag-info.txt"), "bag"),
    "bagit.txt removed": (_remove("bagit.txt"), "bag"),
    "file added": (_add("data/notes.txt"), "copies"),
    "file added to the record": (_add("data/record/notes.txt"), "copies"),
    "file added to the keys": (_add("data/keys/more"), "copies"),
    "file added to the decisions": (_add("data/decisions/99.json"), "copies"),
    "file added to the spans": (_add("data/telemetry/more.jsonl"), "copies"),
    "program added": (_add("data/programs/third.py"), "copies"),
    "result added": (_add("data/results/tables/extra.csv"), "copies"),
    "data added": (_add("data/inputs/other.csv"), "copies"),
    "tag file added": (_add("index.html"), "bag"),
    "signature added": (_add("signatures/other.sig"), "bag"),
    "body added": (_extra_blob, "bodies"),
    "file added to the bodies": (_odd_blob, "bodies"),
    "contents of plan and report swapped": (_swap("data/plan.json", "data/report.json"), "copies"),
    "contents of two decisions swapped": (_swap("data/decisions/1.json", "data/decisions/2.json"), "decisions"),
    "contents of two bodies swapped": (_swap_blobs, "bodies"),
    "contents of the programs swapped": (_swap("data/programs/primary.py", "data/programs/replication.py"), "copies"),
    "report renamed": (_rename("data/report.md", "data/report.txt"), "copies"),
    "body renamed": (_rename_blob, "bodies"),
    "data renamed": (_rename("data/inputs/trial.csv", "data/inputs/other.csv"), "copies"),
    "last event dropped": (_drop_events(1), "decisions"),
    "last 5 events dropped": (_drop_events(5), "decisions"),
    "last 20 events dropped": (_drop_events(20), "decisions"),
    "all events but the first dropped": (_drop_events(49), "bodies"),
    "events cut off below the head": (_cut_events, "chain"),
    "last event torn": (_tear_events, "chain"),
    "event edited in place": (_edit_event, "chain"),
    "events swapped in place": (_swap_events, "chain"),
    "event dropped in place": (_drop_event, "chain"),
    "head edited": (_json("data/record/head.json", lambda head: head | {"events": 48}), "chain"),
    "head with more in it": (_json("data/record/head.json", lambda head: head | {"note": "x"}), "chain"),
    "withheld row removed": (_json("data/record/withheld.json", _unlist_withheld), "bodies"),
    "withheld row added": (_json("data/record/withheld.json", _list_more), "bodies"),
    "withheld for another reason": (_json("data/record/withheld.json", _withheld_why), "bodies"),
    "allowed_signers replaced": (_allowed_signers, "decisions"),
    "allowed_signers extended": (_more_signers, "decisions"),
    "number in the report edited": (
        _replace("data/report.md", "The difference was ", "The difference was 1"),
        "copies",
    ),
    "report.json edited": (_json("data/report.json", lambda report: report | {"title": "x"}), "copies"),
    "released value edited": (_replace("data/results/released.json", '"value":', '"value":1'), "copies"),
    "program edited": (_replace("data/programs/primary.py", "primary", "Primary"), "copies"),
    "plan edited": (_replace("data/plan.json", "independence", "dependence"), "copies"),
    "data edited": (_replace("data/inputs/trial.csv", "987.654321", "98.7654321"), "copies"),
    "comment edited": (_replace("data/decisions/1.json", "Ada says", "Eve says"), "decisions"),
    "signature replaced": (_text("data/decisions/1.json.sig", b"-----BEGIN SSH SIGNATURE-----\n"), "decisions"),
    "state edited in README": (_replace("data/README.md", "**done**", "**withdrawn**"), "marks"),
    "second label in README": (_replace("data/README.md", "\nTo run", "\nReview: **by many**\n\nTo run"), "marks"),
    "title edited in README": (_replace("data/README.md", "# Do scores", "# How scores"), "marks"),
    "label edited in bag-info": (_replace("bag-info.txt", "reviewed by people", "reviewed by experts"), "marks"),
    "head edited in bag-info": (_replace("bag-info.txt", "Record-Head: ", "Record-Head: 0"), "chain"),
    "study edited in bag-info": (_replace("bag-info.txt", "Identifier: study", "Identifier: trial"), "chain"),
    "declaration edited": (_replace("bagit.txt", "UTF-8", "UTF-7"), "bag"),
    "RO-Crate: reviewer renamed": (_json("data/ro-crate-metadata.json", _actor), "copies"),
    "RO-Crate: actions removed": (_json("data/ro-crate-metadata.json", _fewer_actions), "copies"),
    "RO-Crate: action added": (_json("data/ro-crate-metadata.json", _more_actions), "copies"),
    "RO-Crate: entity twice": (_json("data/ro-crate-metadata.json", _twice), "copies"),
    "RO-Crate: label taken out": (_json("data/ro-crate-metadata.json", _description), "copies"),
    "RO-Crate is no JSON": (_text("data/ro-crate-metadata.json", b"{"), "copies"),
}
LABEL = "replayed, not reviewed"
DEMO: dict[str, tuple[Attack, str]] = {
    "label removed from README": (_replace("data/README.md", LABEL, "reviewed by people"), "marks"),
    "label removed from bag-info": (_replace("bag-info.txt", LABEL, "reviewed by people"), "marks"),
    "label removed from the report": (_replace("data/report.md", LABEL, "reviewed"), "marks"),
    "spans replaced by another study's": (_foreign_spans, "copies"),
    "spans are no JSON": (_text(SPANS, b"none"), "copies"),
    "figure replaced": (_text("data/results/figures/survival_by_sex.png", b"\x89PNG"), "copies"),
    "table edited": (_replace("data/results/tables/survival_by_sex.csv", ",", ";"), "copies"),
}


def _three_ways(bundle: Path, folder: Path, attack: Attack, step: str) -> None:
    plain, fitting, sealed = (Bag(bundle) for _ in range(3))
    for bag in (plain, fitting, sealed):
        attack(bag)
    assert "bag" in failed(plain.write(folder / "plain.zip"))
    fitting.rebag()
    assert "seal" in failed(fitting.write(folder / "fitting.zip"))
    sealed.reseal()
    found = failed(sealed.write(folder / "sealed.zip"))
    assert step in found, found
    assert "seal" not in found
    assert "container" not in found


@pytest.mark.parametrize("name", REVIEWED)
def test_a_changed_bag_is_caught_as_it_is_fitted_and_sealed_anew(reviewed: Path, tmp_path: Path, name: str) -> None:
    _three_ways(reviewed, tmp_path, *REVIEWED[name])


@pytest.mark.parametrize("name", DEMO)
def test_a_changed_scenario_is_caught_as_it_is_fitted_and_sealed_anew(demo: Path, tmp_path: Path, name: str) -> None:
    _three_ways(demo, tmp_path, *DEMO[name])


def test_the_helper_makes_the_same_zip(reviewed: Path, tmp_path: Path) -> None:
    assert Bag(reviewed).write(tmp_path / "same.zip").read_bytes() == reviewed.read_bytes()


def test_a_bag_that_is_sealed_anew_holds(reviewed: Path, tmp_path: Path) -> None:
    bag = Bag(reviewed)
    bag.reseal()
    assert failed(bag.write(tmp_path / "sealed.zip")) == {}


@pytest.mark.parametrize("name", ["evil.txt", "zz/{top}/evil.txt", "{top}x/evil.txt", "{top}"])
def test_a_file_beside_the_bag_is_caught(reviewed: Path, tmp_path: Path, name: str) -> None:
    bag = Bag(reviewed)
    files = {f"{bag.top}/{inside}": data for inside, data in bag.files.items()}
    outside = name.format(top=bag.top)
    found = failed(write_files(tmp_path / "more.zip", {**files, outside: b"extra"}))
    assert outside in found["bag"]


def _unlist(name: str) -> Attack:
    def attack(bag: Bag) -> None:
        tag = "manifest-sha256.txt" if name.startswith("data/") else "tagmanifest-sha256.txt"
        lines = bag.files[tag].splitlines(True)
        bag.files[tag] = b"".join(line for line in lines if name.encode() not in line)

    return attack


def _list_twice(bag: Bag) -> None:
    bag.files["manifest-sha256.txt"] += bag.files["manifest-sha256.txt"].splitlines(True)[0]


def _list_absent(bag: Bag) -> None:
    bag.files["manifest-sha256.txt"] += b"0" * 64 + b"  data/absent.txt\n"


def _list_outside(bag: Bag) -> None:
    bag.files["manifest-sha256.txt"] += b"0" * 64 + b"  ../absent.txt\n"


def _no_digest(bag: Bag) -> None:
    bag.files["manifest-sha256.txt"] += b"nothing\n"


@pytest.mark.parametrize(
    "attack",
    [
        _unlist("data/report.md"),
        _unlist("data/keys/service_signers"),
        _unlist("manifest-sha256.txt"),
        _unlist("bag-info.txt"),
        _list_twice,
        _list_absent,
        _list_outside,
        _no_digest,
    ],
    ids=["report", "key", "manifest", "bag-info", "twice", "absent", "outside", "no digest"],
)
def test_a_manifest_with_rows_too_few_or_too_many_is_caught(reviewed: Path, tmp_path: Path, attack: Attack) -> None:
    bag = Bag(reviewed)
    bag.reseal()
    attack(bag)
    if b"manifest-sha256.txt" in bag.files["tagmanifest-sha256.txt"]:
        digest = hashlib.sha256(bag.files["manifest-sha256.txt"]).hexdigest().encode()
        rows = bag.files["tagmanifest-sha256.txt"].splitlines(True)
        mended = [digest + row[64:] if row.endswith(b"manifest-sha256.txt\n") else row for row in rows]
        bag.files["tagmanifest-sha256.txt"] = b"".join(mended)
    bag.files[SIGNATURE] = sign(FORGER, bag.files["tagmanifest-sha256.txt"], namespace=BUNDLE_NAMESPACE)
    found = failed(bag.write(tmp_path / "sealed.zip"))
    assert "bag" in found
    assert "seal" not in found


@pytest.mark.parametrize(
    ("signers", "told"),
    [
        ("{key}{key}", "holds more than the service key"),
        ("service {other}\n", "signed with another key"),
        ("", "can't be checked"),
        ("service ssh-rsa AAAA\n", "can't be checked"),
    ],
    ids=["two keys", "another key", "none", "no Ed25519"],
)
def test_a_seal_by_anything_else_than_the_one_service_key_is_caught(
    reviewed: Path, tmp_path: Path, signers: str, told: str
) -> None:
    bag = Bag(reviewed)
    key, other = bag.files["data/keys/service_signers"].decode(), public_line(STRANGER.public_key())
    bag.reseal()
    mine = f"service {public_line(FORGER.public_key())}\n"
    bag.files["data/keys/service_signers"] = signers.format(key=mine, other=other).encode()
    bag.rebag()
    bag.files[SIGNATURE] = sign(FORGER, bag.files["tagmanifest-sha256.txt"], namespace=BUNDLE_NAMESPACE)
    assert key != mine
    assert told in failed(bag.write(tmp_path / "sealed.zip"))["seal"]


@pytest.mark.parametrize("name", ["data/README.md", "data/record/events.jsonl", "data/plan.json", "bag-info.txt"])
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[" * 100_000, b"null", b'{"a": 1e999}'], ids=range(5))
def test_whatever_stands_in_a_file_verify_reports_and_raises_nothing(
    reviewed: Path, tmp_path: Path, name: str, body: bytes
) -> None:
    bag = Bag(reviewed)
    bag.files[name] = body
    bag.reseal()
    assert failed(bag.write(tmp_path / "odd.zip"))


def test_spans_may_be_missing_or_changed_because_nothing_rests_on_them(demo: Path, tmp_path: Path) -> None:
    """Only the seal covers them; a forger with a service key of his own can change their times."""
    bag = Bag(demo)
    del bag.files[SPANS]
    bag.json("data/ro-crate-metadata.json", _without_spans)
    bag.reseal()
    found = verify_bundle(bag.write(tmp_path / "sealed.zip"))
    assert found.ok
    assert found.steps[10].evidence == ("9 files; spans: none",)


def _without_spans(crate: Any) -> None:
    name = SPANS.removeprefix("data/")
    crate["@graph"] = [entity for entity in crate["@graph"] if entity["@id"] != name]
    crate["@graph"][1]["hasPart"].remove({"@id": name})
