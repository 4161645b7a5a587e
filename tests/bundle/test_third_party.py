"""What other people's programs say of a bundle: coreutils, bagit, OpenSSH, unzip; and the RO-Crate by its rules."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from .forging import Bag

pytestmark = pytest.mark.third_party
PROFILES = [f"https://w3id.org/ro/wfrun/{name}/0.5" for name in ("process", "workflow", "provenance")]
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"


def _shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60)


def _commands(bag: Path) -> list[str]:
    """Return the commands that README.md prints."""
    text = (bag / "data" / "README.md").read_text().replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


@pytest.fixture(params=["demo", "reviewed"])
def bag(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An unpacked bundle."""
    bundle: Path = request.getfixturevalue(request.param)
    unpacked = subprocess.run(["unzip", "-q", str(bundle), "-d", str(tmp_path)], capture_output=True)
    assert unpacked.returncode == 0
    (folder,) = tmp_path.iterdir()
    return folder


def _spoil(bag: Path, name: str = "data/report.md") -> None:
    data = (bag / name).read_bytes()
    (bag / name).write_bytes(data[:-3] + b"X" + data[-2:])


def test_unzip_finds_no_error(reviewed: Path) -> None:
    told = subprocess.run(["unzip", "-t", str(reviewed)], capture_output=True, text=True)
    assert told.returncode == 0
    assert "No errors detected" in told.stdout


def test_readme_prints_three_commands_for_those_without_counterproof(bag: Path) -> None:
    assert [command.split()[0] for command in _commands(bag)] == ["sha256sum", "ssh-keygen", "ssh-keygen"]


def test_sha256sum_as_readme_says(bag: Path) -> None:
    command = _commands(bag)[0]
    told = _shell(command, bag)
    assert told.returncode == 0
    assert told.stdout.count(": OK") == len([path for path in bag.rglob("*") if path.is_file()]) - 2
    _spoil(bag)
    told = _shell(command, bag)
    assert told.returncode != 0
    assert "data/report.md: FAILED" in told.stdout


def test_ssh_keygen_verifies_the_seal_as_readme_says(bag: Path) -> None:
    command = _commands(bag)[1]
    assert _shell(command, bag).stdout.startswith('Good "counterproof-bundle" signature for service')
    _spoil(bag, "tagmanifest-sha256.txt")
    assert _shell(command, bag).returncode != 0


def test_ssh_keygen_verifies_each_decision_as_readme_says(bag: Path) -> None:
    command = _commands(bag)[2]
    statements = sorted((bag / "data" / "decisions").glob("*.json"))
    assert len(statements) in (4, 6)
    for number, path in enumerate(statements, start=1):
        reviewer = json.loads(path.read_bytes())["reviewer"]
        told = _shell(command.replace("REVIEWER", reviewer).replace("N.json", f"{number}.json"), bag)
        assert told.stdout.startswith(f'Good "counterproof-decision" signature for {reviewer}'), told.stderr
        path.write_bytes(path.read_bytes().replace(b"comment", b"komment"))
        assert _shell(command.replace("REVIEWER", reviewer).replace("N.json", f"{number}.json"), bag).returncode != 0
    told = _shell(command.replace("REVIEWER", "nobody").replace("N.json", "1.json"), bag)
    assert told.returncode != 0


def test_bagit_validates_the_bag(bag: Path) -> None:
    command = [sys.executable, "-m", "bagit", "--validate", str(bag)]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert "is valid" in told.stderr
    _spoil(bag)
    assert subprocess.run(command, capture_output=True).returncode != 0


def test_the_ro_crate_lists_the_files_that_are_there_and_names_nothing_else(bag: Path) -> None:
    """Rules of RO-Crate 1.1 that are marked MUST, and that rocrate-validator does not look at, checked by hand."""
    crate = json.loads((bag / "data" / "ro-crate-metadata.json").read_bytes())
    entities: dict[str, Any] = {entity["@id"]: entity for entity in crate["@graph"]}
    assert len(entities) == len(crate["@graph"])
    assert crate["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert descriptor["conformsTo"] == [{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": WORKFLOW_CRATE}]
    assert descriptor["about"] == {"@id": "./"}
    assert all(root[name] for name in ("name", "description", "datePublished", "license"))
    assert root["conformsTo"] == [{"@id": profile} for profile in [*PROFILES, WORKFLOW_CRATE]]
    assert {"CreativeWork"} == {entities[profile]["@type"] for profile in [*PROFILES, WORKFLOW_CRATE]}
    files = {name for name, entity in entities.items() if "File" in _types(entity)}
    there = {path.relative_to(bag / "data").as_posix() for path in (bag / "data").rglob("*") if path.is_file()}
    assert {"ro-crate-metadata.json", "ro-crate-preview.html"} <= there
    assert files == there - {"ro-crate-metadata.json", "ro-crate-preview.html"}
    preview = entities["ro-crate-preview.html"]
    assert (preview["@type"], preview["about"]) == ("CreativeWork", {"@id": "./"})
    assert {part["@id"] for part in root["hasPart"]} == files
    assert all(int(entities[name]["contentSize"]) == (bag / "data" / name).stat().st_size for name in files)
    named = {name for entity in entities.values() for name in _named(entity)}
    inside = {name for name in named if name not in entities and not name.startswith("https://")}
    assert {name.partition("#")[0] for name in inside} <= {"ro-crate-preview.html"}
    preview_page = (bag / "data" / "ro-crate-preview.html").read_text("utf-8")
    assert [name for name in inside if f'id="{name.partition("#")[2]}"' not in preview_page] == []


def test_the_ro_crate_lists_every_call_execution_and_decision(bag: Path) -> None:
    crate = json.loads((bag / "data" / "ro-crate-metadata.json").read_bytes())
    events = [json.loads(line) for line in (bag / "data" / "record" / "events.jsonl").read_bytes().splitlines()]
    acted = [event for event in events if event["type"] in ("effect.finished", "effect.failed", "decision.recorded")]
    actions = {entity["@id"]: entity for entity in crate["@graph"] if "CreateAction" in _types(entity)}
    assert sorted(actions) == sorted(["#run", *(f"#event-{event['seq']}" for event in acted)])
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    tools = {entity["@id"] for entity in crate["@graph"] if "SoftwareApplication" in _types(entity)}
    for event in acted:
        action = actions[f"#event-{event['seq']}"]
        assert action["instrument"]["@id"] in tools
        person = entities[action["agent"]["@id"]]["@type"] == "Person"
        assert person == (event["type"] == "decision.recorded")
        assert action["actionStatus"].endswith(
            "FailedActionStatus" if event["type"] == "effect.failed" else "CompletedActionStatus"
        )
        approval = event["data"].get("decision") == "approve"
        assert ("AuthorizeAction" in _types(action)) == approval
        assert action["endTime"].endswith("+00:00")


def test_no_name_in_the_zip_needs_more_than_ascii_or_a_long_path(demo: Path) -> None:
    with zipfile.ZipFile(demo) as archive:
        assert all(name.isascii() and len(name) < 200 for name in archive.namelist())


def test_the_payload_has_no_folder_called_data(demo: Path) -> None:
    assert not any(name.startswith("data/data/") for name in Bag(demo).files)


def _types(entity: dict[str, Any]) -> list[str]:
    types = entity["@type"]
    return types if isinstance(types, list) else [types]


def _named(value: Any) -> list[str]:
    """Return the entities that an entity refers to."""
    if isinstance(value, list):
        return [name for item in value for name in _named(item)]
    if isinstance(value, dict) and "@type" not in value:
        return [value["@id"]] if set(value) == {"@id"} else []
    return [name for item in value.values() for name in _named(item)] if isinstance(value, dict) else []
