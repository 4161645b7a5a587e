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
from counterproof.provenance.interop.dsse import seal
from counterproof.provenance.interop.in_toto import MEDIA
from counterproof.provenance.signing import BUNDLE_NAMESPACE, public_line, sign
from counterproof.provenance.verify import verify_bundle

from .forging import FORGER, STRANGER, Bag, blob, failed, failures, write_files

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


def _all_present(statement: Any) -> None:
    for item in statement["items"]:
        item["status"] = "present"


def _word(bag: Bag) -> None:
    name = "data/transparency/statement.docx"
    assert b"Ada designed the study" in bag.files[name]
    bag.files[name] = bag.files[name].replace(b"Ada designed the study", b"Eve designed the study")


def _other_version(bag: Bag) -> None:
    bag.replace("bag-info.txt", "; Pygments ", "; Pygments 0.")
    bag.replace("data/record.html", "Ada says reject", "Ada says approve")


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
    "head twice in it": (_replace("data/record/head.json", "{", '{"head": "0",'), "chain"),
    "withheld row with two sizes": (_replace("data/record/withheld.json", '"size"', '"size": 1, "size"'), "bodies"),
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
FOR_PEOPLE: dict[str, tuple[Attack, str]] = {
    "record page removed": (_remove("data/record.html"), "copies"),
    "preview removed": (_remove("data/ro-crate-preview.html"), "copies"),
    "statement removed": (_remove("data/transparency/statement.json"), "copies"),
    "Word statement removed": (_remove("data/transparency/statement.docx"), "copies"),
    "signed statement removed": (_remove("data/transparency/signed.json"), "copies"),
    "signed statement edited": (_json("data/transparency/signed.json", _all_present), "copies"),
    "answers removed": (_remove("data/transparency/answers.toml"), "copies"),
    "answers renamed": (_rename("data/transparency/answers.toml", "data/transparency/more.toml"), "copies"),
    "file added to the statement": (_add("data/transparency/statement.pdf"), "copies"),
    "statement and page swapped": (_swap("data/record.html", "data/transparency/statement.html"), "copies"),
    "answer edited": (_replace("data/transparency/answers.toml", "accountable for it", "accountable"), "copies"),
    "comment in the answers edited": (_replace("data/transparency/answers.toml", "by Ada", "by Eve"), "copies"),
    "decision edited on the page": (_replace("data/record.html", "Ada says reject", "Ada says approve"), "copies"),
    "plan edited on the page": (_replace("data/record.html", "independence", "dependence"), "copies"),
    "colour edited on the page": (_replace("data/record.html", '<span class="k">', '<span class="s">'), "copies"),
    "script added to the page": (_replace("data/record.html", "</body>", "<script>1</script></body>"), "copies"),
    "link added to the preview": (_replace("data/ro-crate-preview.html", "</ul>", "<li>x</li></ul>"), "copies"),
    "label edited on the preview": (_replace("data/ro-crate-preview.html", "by people", "by experts"), "copies"),
    "count edited in the statement": (
        _replace("data/transparency/statement.json", '"rejected": 2', '"rejected": 0'),
        "copies",
    ),
    "missing item called present": (_json("data/transparency/statement.json", _all_present), "copies"),
    "text edited in the Word statement": (_word, "copies"),
    "claim added to the HTML statement": (
        _replace("data/transparency/statement.html", "supports 21 CFR Part 11", "complies with 21 CFR Part 11"),
        "copies",
    ),
    "another version is named and the text edited": (_other_version, "copies"),
}
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


@pytest.mark.parametrize("name", FOR_PEOPLE)
def test_what_is_made_for_people_is_caught_when_changed(reviewed: Path, tmp_path: Path, name: str) -> None:
    _three_ways(reviewed, tmp_path, *FOR_PEOPLE[name])


@pytest.mark.parametrize("name", FOR_PEOPLE)
def test_what_is_made_for_people_is_caught_when_the_crate_was_made_to_fit(
    reviewed: Path, tmp_path: Path, name: str
) -> None:
    """Sizes and listing of the RO-Crate tell nothing then: only making the files again does."""
    attack, step = FOR_PEOPLE[name]
    bag, preview = Bag(reviewed), "data/ro-crate-preview.html"
    before = bag.files[preview]
    attack(bag)
    attacked = bag.files.get(preview)
    bag.remake_crate()
    if attacked is None:
        del bag.files[preview]
    elif attacked != before:
        bag.files[preview] = attacked
    bag.reseal()
    found = failed(bag.write(tmp_path / "sealed.zip"))
    assert set(found) == {step}
    assert [word for word in ("RO-Crate", "in-toto", "can't be made") if word in found[step]] == []


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
    bag.remake()
    bag.reseal()
    found = verify_bundle(bag.write(tmp_path / "sealed.zip"))
    assert found.ok
    assert found.steps[10].evidence == (
        "11 files; spans: none",
        "7 made for people, the same when made again",
        "1 transparency statement of the record, the same when made again; the last signed off",
        "60 for other people's programs, the same when made again",
    )


def test_spans_that_are_taken_away_are_missed_on_the_page(demo: Path, tmp_path: Path) -> None:
    bag = Bag(demo)
    page = bag.files["data/record.html"]
    del bag.files[SPANS]
    bag.remake()
    bag.files["data/record.html"] = page
    bag.remake_crate()
    bag.reseal()
    assert "record.html is not what the record gives" in failed(bag.write(tmp_path / "sealed.zip"))["copies"]


def test_another_version_of_pygments_may_colour_otherwise_and_verify_says_so(reviewed: Path, tmp_path: Path) -> None:
    bag = Bag(reviewed)
    page = bag.files["data/record.html"]
    bag.files["data/record.html"] = page.replace(b'<span class="k">import</span>', b"import")
    bag.remake_crate()
    bag.reseal()
    assert "here is" not in failed(bag.write(tmp_path / "same.zip"))["copies"]
    bag.replace("bag-info.txt", "; Pygments ", "; Pygments 0.")
    bag.reseal()
    found = verify_bundle(bag.write(tmp_path / "other.zip"))
    assert found.ok
    assert "but for the colours of programs" in found.steps[10].evidence[1]


def _left(bundle: Path) -> dict[str, str]:
    """Verify a bundle that holds, and return what could not be checked by the names of the steps."""
    found = verify_bundle(bundle)
    assert found.ok, failures(found)
    return {step.name: " ".join(step.evidence) for step in found.left}


def test_other_bytes_of_another_version_can_not_be_checked_here_and_both_are_named(
    reviewed: Path, tmp_path: Path
) -> None:
    bag = Bag(reviewed)
    bag.replace("data/record.html", "Ada says reject", "Ada says otherwise")
    bag.json("data/prov.json", lambda document: document.__setitem__("agent", {}))
    bag.remake_crate()
    bag.reseal()
    same = failed(bag.write(tmp_path / "same.zip"))
    assert list(same) == ["copies"]
    assert "record.html is not what the record gives" in same["copies"]
    bag.replace("bag-info.txt", "counterproof 0.1.0", "counterproof 0.0.9")
    bag.json("data/ro-crate-metadata.json", lambda crate: _reword(crate, "0.1.0", "0.0.9"))
    bag.reseal()
    left = _left(bag.write(tmp_path / "other.zip"))
    assert list(left) == ["copies"]
    assert "can't be compared: prov.json, record.html (made with counterproof 0.0.9; " in left["copies"]
    assert "here is counterproof 0.1.0" in left["copies"]


def _reword(value: Any, old: str, new: str) -> Any:
    return json.loads(json.dumps(value).replace(old, new))


def test_another_version_of_a_library_explains_the_file_that_it_decides_on_and_no_other(
    reviewed: Path, tmp_path: Path
) -> None:
    bag = Bag(reviewed)
    bag.files["data/transparency/statement.docx"] += b" "
    bag.remake_crate()
    bag.replace("bag-info.txt", "; python-docx ", "; python-docx 0.")
    bag.reseal()
    assert "can't be compared: transparency/statement.docx" in _left(bag.write(tmp_path / "word.zip"))["copies"]
    bag.replace("data/record.html", "Ada says reject", "Ada says approve")
    bag.remake_crate()
    bag.reseal()
    assert "record.html is not what the record gives" in failed(bag.write(tmp_path / "page.zip"))["copies"]


def test_another_version_explains_no_foreign_signature_and_no_other_record(reviewed: Path, tmp_path: Path) -> None:
    bag = Bag(reviewed)
    bag.replace("bag-info.txt", "counterproof 0.1.0", "counterproof 0.0.9")
    bag.json("data/ro-crate-metadata.json", lambda crate: _reword(crate, "0.1.0", "0.0.9"))
    bag.reseal()
    assert verify_bundle(bag.write(tmp_path / "whole.zip")).left == ()
    name = next(name for name in bag.files if name.endswith(".link"))
    link = bag.files[name]
    bag.files[name] = seal(b"{}", media=MEDIA, key=STRANGER)
    bag.remake_crate()
    bag.rebag()
    bag.seal_again()
    assert "does not hold" in failed(bag.write(tmp_path / "link.zip"))["copies"]
    bag.files[name] = link
    bag.files["data/report.md"] += b" "
    bag.remake_crate()
    bag.rebag()
    bag.seal_again()
    assert "report.md" in failed(bag.write(tmp_path / "report.zip"))["copies"]


ODD: dict[str, Any] = {
    "time": lambda events: events[-1].__setitem__("ts", "soon"),
    "title": lambda events: events[0]["data"].__setitem__("title", {"a": []}),
    "data": lambda events: events[0]["data"].__setitem__("data", 3),
    "reviewer": lambda events: [
        event["data"].__setitem__("reviewer", 3) for event in events if "reviewer" in event["data"]
    ],
    "attempt": lambda events: [
        event["data"].__setitem__("attempt", "x") for event in events if "attempt" in event["data"]
    ],
    "depth": lambda events: events[0]["data"].__setitem__("codebook", _deep()),
    "size": lambda events: events[0]["data"]["data"][0].__setitem__("size", "much"),
}


def _often(events: Any) -> None:
    """Name the heaviest body twenty thousand times."""
    refs = [ref for event in events for ref in event["refs"]]
    events[-1]["refs"] += [max(refs, key=lambda ref: int(ref["size"]))] * 20_000


def test_a_record_that_would_fill_the_memory_is_not_made(reviewed: Path, tmp_path: Path) -> None:
    bag = Bag(reviewed)
    bag.events(_often)
    bag.remake_crate()
    bag.reseal()
    assert "bytes would have to be shown" in failed(bag.write(tmp_path / "often.zip"))["copies"]


def test_answers_that_nobody_gave_have_no_place(demo: Path, tmp_path: Path) -> None:
    bag = Bag(demo)
    bag.files["data/transparency/answers.toml"] = b""
    bag.remake_crate()
    bag.reseal()
    assert "answers.toml has no place in a bundle" in failed(bag.write(tmp_path / "empty.zip"))["copies"]


def _deep() -> Any:
    value: Any = 1
    for _ in range(400):
        value = [value]
    return value


@pytest.mark.parametrize("name", ODD)
def test_whatever_stands_in_a_record_the_making_raises_nothing(reviewed: Path, tmp_path: Path, name: str) -> None:
    bag = Bag(reviewed)
    bag.events(ODD[name])
    bag.reseal()
    assert failed(bag.write(tmp_path / "odd.zip"))
