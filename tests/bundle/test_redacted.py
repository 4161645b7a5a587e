"""A redacted bundle: what was said or printed is not in it, what was decided is; neither kind passes for the other."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from counterproof.agents.bundling import make_bundle
from counterproof.provenance.verify import verify_bundle
from counterproof.ui.commands.export import command as export
from counterproof.ui.commands.replay import command as replay

from ..endpoint import Endpoint
from ..lab import Lab, program, script, trial_csv, written
from .forging import Bag, blob, failed, failures

SAID = "Mrs Example of Exampletown"
TALKS = program("Says a name.", middle=f'print("{SAID} on the twin")')
WITHHELD = "data/record/withheld.json"


@pytest.fixture
def study(lab: Lab) -> str:
    """A study whose model and program said something of a person."""
    made = lab.new(share_data=True)
    answer = json.dumps({**json.loads(written(TALKS)), "notes": f"{SAID} is an outlier."})
    with Endpoint(script(primary=[answer])) as endpoint:
        lab.run(made, endpoint.base_url, "approve", "approve", "approve", "approve")
    return made


@pytest.fixture
def both(lab: Lab, study: str, tmp_path: Path) -> tuple[Path, Path]:
    """The whole bundle and the redacted one."""
    whole, redacted = tmp_path / "whole.zip", tmp_path / "redacted.zip"
    make_bundle(lab.workplace, lab.study(study), whole)
    make_bundle(lab.workplace, lab.study(study), redacted, profile="redacted")
    return whole, redacted


def test_a_redacted_bundle_holds_but_for_the_bodies_that_are_not_here(both: tuple[Path, Path]) -> None:
    whole, redacted = (verify_bundle(path) for path in both)
    assert (whole.profile, whole.left) == ("full", ())
    assert (redacted.profile, [step.name for step in redacted.left]) == ("redacted", ["bodies", "copies"]), failures(
        redacted
    )
    assert whole.head == redacted.head
    assert [step.outcome for step in redacted.steps].count("ok") == 9


def test_record_decisions_and_results_are_the_same_and_what_was_said_is_not_there(both: tuple[Path, Path]) -> None:
    whole, redacted = (Bag(path).files for path in both)
    kept = ("data/record/events.jsonl", "data/record/head.json", "data/decisions/", "data/results/", "data/report.json")
    names = [name for name in whole if name.startswith(kept)]
    assert len(names) > 10
    assert {name for name in names if whole[name] != redacted.get(name)} == set()
    gone = {name for name in whole if name not in redacted}
    assert {name for name in gone if not name.startswith("data/record/blobs/")} >= {"data/inputs/trial.csv"}
    events = [json.loads(line) for line in redacted["data/record/events.jsonl"].splitlines()]
    for event in events:
        for ref in event["refs"]:
            said = event["type"].startswith("effect.") and event["data"]["kind"] == "model"
            if said or ref["role"] in ("stdout", "stderr", "notes") or ref["role"].startswith("twin:"):
                assert blob(ref["sha256"]) not in redacted
            if ref["role"] in ("statement", "signature", "released", "report", "plan"):
                assert blob(ref["sha256"]) in redacted


@pytest.mark.canary
def test_no_message_note_or_printed_line_stands_anywhere_in_it(both: tuple[Path, Path]) -> None:
    whole, redacted = (Bag(path).files for path in both)
    told = [name for name, data in redacted.items() if f"{SAID} is an outlier".encode() in data]
    assert told == []
    assert any(f"{SAID} is an outlier".encode() in data for data in whole.values())
    assert not any(trial_csv() in data for data in redacted.values())
    assert not any(name.startswith(("data/telemetry/", "data/inputs/")) for name in redacted)


def test_each_withheld_body_has_a_proof_that_stands_alone(both: tuple[Path, Path]) -> None:
    """With the row, the event's line and the root alone: the hashing is written again here."""
    files = Bag(both[1]).files
    rows = json.loads(files[WITHHELD])
    lines = files["data/record/events.jsonl"].splitlines()
    head = json.loads(files["data/record/head.json"])
    assert {row["why"] for row in rows} == {"redacted", "computed from real data, not released"}
    assert {"request", "response", "stdout", "stderr", "notes", "input:trial.csv"} <= {row["role"] for row in rows}
    for row in rows:
        line = lines[row["event"]]
        assert row["sha256"].encode() in line
        assert _root(line, row["event"], len(lines), row["proof"]) == head["merkle_root"]
    assert _root(lines[0] + b" ", 0, len(lines), rows[0]["proof"]) != head["merkle_root"]


def _root(line: bytes, index: int, size: int, proof: list[str]) -> str:
    """RFC 6962, 2.1.1, from the definition: split at the largest power of two, from the root down."""
    sides = []
    while size > 1:
        split = 1 << ((size - 1).bit_length() - 1)
        sides.append(index >= split)
        index, size = (index - split, size - split) if index >= split else (index, split)
    node = sha256(b"\0" + line).digest()
    for right, step in zip(reversed(sides), map(bytes.fromhex, proof), strict=True):
        node = sha256(b"\1" + (step + node if right else node + step)).digest()
    return node.hex()


def _row(bag: Bag, **facts: Any) -> None:
    bag.json(WITHHELD, lambda rows: rows[0].update(facts))


def _without_proof(rows: list[dict[str, Any]]) -> None:
    del rows[0]["proof"]


def test_neither_kind_passes_for_the_other(both: tuple[Path, Path], tmp_path: Path) -> None:
    for path, old, new in ((both[0], "full", "redacted"), (both[1], "redacted", "full")):
        bag = Bag(path)
        bag.replace("bag-info.txt", f"Counterproof-Profile: {old}", f"Counterproof-Profile: {new}")
        bag.reseal()
        found = failed(bag.write(tmp_path / "renamed.zip"))
        assert {"bodies", "marks"} <= set(found)
    bag.replace("bag-info.txt", "Counterproof-Profile: full", "Counterproof-Profile: some")
    bag.reseal()
    assert "names the profile ['some']" in failed(bag.write(tmp_path / "some.zip"))["bodies"]


def test_what_is_wrong_with_the_list_or_a_proof_is_caught(both: tuple[Path, Path], tmp_path: Path) -> None:
    attacks: dict[str, Callable[[Bag], None]] = {
        "row dropped": lambda bag: bag.json(WITHHELD, lambda rows: rows[1:]),
        "role": lambda bag: _row(bag, role="statement"),
        "size": lambda bag: _row(bag, size=1),
        "event": lambda bag: _row(bag, event=0),
        "proof": lambda bag: bag.json(WITHHELD, lambda rows: rows[0]["proof"].reverse()),
        "no proof": lambda bag: bag.json(WITHHELD, _without_proof),
        "body more": lambda bag: bag.files.__setitem__(blob(sha256(b"x").hexdigest()), b"x"),
    }
    for name, attack in attacks.items():
        bag = Bag(both[1])
        attack(bag)
        bag.remake_crate()
        bag.reseal()
        assert "bodies" in failed(bag.write(tmp_path / f"{name}.zip")), name


def test_a_body_that_people_signed_can_not_be_left_out_as_redacted(both: tuple[Path, Path], tmp_path: Path) -> None:
    bag = Bag(both[1])
    events = [json.loads(line) for line in bag.files["data/record/events.jsonl"].splitlines()]
    (subject, *_) = [event["data"]["subject"] for event in events if event["type"] == "checkpoint.opened"]
    del bag.files[blob(subject)]
    bag.remake_crate()
    bag.reseal()
    assert {"bodies", "decisions"} <= set(failed(bag.write(tmp_path / "subject.zip")))


def test_readme_and_page_say_what_it_is(both: tuple[Path, Path]) -> None:
    whole, redacted = (Bag(path).files for path in both)
    assert b"**This is a redacted copy.**" in redacted["data/README.md"]
    assert b"redacted copy" not in whole["data/README.md"]
    assert b"left out of this copy" in redacted["data/record.html"]
    listed = {entity["@id"] for entity in json.loads(redacted["data/ro-crate-metadata.json"])["@graph"]}
    assert {name[5:] for name in whole if name not in redacted} & listed == set()


def test_exporting_twice_gives_the_same_bytes(lab: Lab, study: str, both: tuple[Path, Path], tmp_path: Path) -> None:
    make_bundle(lab.workplace, lab.study(study), tmp_path / "again.zip", profile="redacted")
    assert (tmp_path / "again.zip").read_bytes() == both[1].read_bytes()


def test_verify_py_knows_a_redacted_bundle(both: tuple[Path, Path], tmp_path: Path) -> None:
    outcomes = []
    for name, change in (("plain", None), ("changed", lambda rows: rows[0]["proof"].reverse())):
        bag = Bag(both[1])
        if change:
            bag.json(WITHHELD, change)
            bag.remake_crate()
        bag.reseal()
        with zipfile.ZipFile(bag.write(tmp_path / f"{name}.zip")) as archive:
            archive.extractall(tmp_path / name)
        folder = tmp_path / name / bag.top
        told = subprocess.run(
            [sys.executable, "-I", str(folder / "data" / "verify" / "verify.py")], capture_output=True, text=True
        )
        outcomes.append((told.returncode, next(line for line in told.stdout.splitlines() if " bodies " in line)))
    assert outcomes[0][0] == 0
    assert "cannot be checked here: " in outcomes[0][1]
    assert " redacted: each is proven to be named by the record" in outcomes[0][1]
    assert outcomes[1][0] == 1
    assert "the proof of" in outcomes[1][1]


def test_the_commands_export_it_and_replay_says_why_it_can_not(lab: Lab, study: str, tmp_path: Path) -> None:
    target = tmp_path / "redacted.zip"
    made = CliRunner().invoke(export, ["--home", str(lab.home), study, "-o", str(target), "--redacted", "--json"])
    assert made.exit_code == 0, made.output
    assert '"profile": "redacted"' in made.output
    told = CliRunner().invoke(replay, [str(target)])
    assert told.exit_code != 0
    assert "is a redacted bundle: the model's answers" in str(told.exception)
    assert "can make without --redacted" in str(told.exception)
