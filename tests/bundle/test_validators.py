"""What the verifiers of others say of a bundle: rocrate-validator, runcrate, in-toto, prov, jsonschema. All offline.

They run in an environment of their own (`make .venv/.validators`): they can't share one with the tools for tests.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.bundling import make_bundle
from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.digests import digest_of
from counterproof.provenance.interop.dsse import seal
from counterproof.provenance.interop.in_toto import MEDIA

from ..endpoint import Endpoint
from ..lab import Lab, script
from .forging import FORGER, STRANGER, sign_in_toto

pytestmark = pytest.mark.third_party
IEEE_2791 = Path(__file__).with_name("ieee2791.json")
BIN = Path(sys.prefix) / "validators" / "bin"
PROFILES = [
    "ro-crate-1.1",
    "process-run-crate-0.5",
    "workflow-run-crate-0.5",
    "provenance-run-crate-0.5",
    "workflow-ro-crate-1.0",
]
NOT_FOLLOWED = {
    "process-run-crate-0.5_5.1": "the tools have no address, and a workflow that is a file can't have one",
}
"""What is recommended, not required, and not done: with the reason."""
_VALIDATE = """
import json, sys
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
crate, cache, level, *profiles = sys.argv[1:]
for profile in profiles:
    found = services.validate(ValidationSettings(
        rocrate_uri=crate, profile_identifier=profile, requirement_severity=Severity[level],
        offline=True, cache_path=cache,
    ))
    issues = sorted({issue.check.identifier for issue in found.get_issues()})
    print(json.dumps({"profile": profile, "passed": found.passed(), "issues": issues}))
"""
_PROV = """
import json, sys
from prov.model import ProvDocument
text = open(sys.argv[1]).read()
document = ProvDocument.deserialize(content=text, format="json")
again = ProvDocument.deserialize(content=document.serialize(format="json"), format="json")
print(json.dumps({"same": document == again, "records": len(document.get_records()), "provn": document.get_provn()}))
"""
_SCHEMA = """
import json, sys
import jsonschema
schema, bco = (json.load(open(path)) for path in sys.argv[1:])
Draft = jsonschema.Draft202012Validator
Draft.check_schema(schema)
errors = Draft(schema, format_checker=Draft.FORMAT_CHECKER).iter_errors(bco)
print(json.dumps([f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]))
"""


def _run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    assert BIN.is_dir(), f"There are no validators in {BIN}: run `make .venv/.validators`."
    command = [str(BIN / program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def _python(script: str, *arguments: object) -> Any:
    told = _run("python", "-c", script, *arguments)
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache that answers rocrate-validator's questions for JSON-LD contexts."""
    path = tmp_path_factory.mktemp("contexts") / "cache"
    told = _run("python", Path(__file__).with_name("prime_cache.py"), path)
    assert told.returncode == 0, told.stderr
    return path


ANALYSES = ["demo", "reviewed", "redacted"]


@pytest.fixture(params=ANALYSES)
def payload(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The payload of the unpacked bundle of an analysis."""
    return _unpacked(request, tmp_path)


@pytest.fixture(params=[*ANALYSES, "table_set", "texts_set"])
def any_payload(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The payload of the unpacked bundle of an analysis or a synthetic set."""
    return _unpacked(request, tmp_path)


def _unpacked(request: pytest.FixtureRequest, folder: Path) -> Path:
    with zipfile.ZipFile(request.getfixturevalue(request.param)) as archive:
        archive.extractall(folder)
    (inside,) = folder.iterdir()
    return inside / "data"


def test_rocrate_validator_finds_all_that_is_required(any_payload: Path, cache: Path) -> None:
    found = _python(_VALIDATE, any_payload, cache, "REQUIRED", *PROFILES)
    assert found == [{"profile": profile, "passed": True, "issues": []} for profile in PROFILES]


def test_rocrate_validator_finds_what_is_recommended_but_for_what_is_known(any_payload: Path, cache: Path) -> None:
    found = _python(_VALIDATE, any_payload, cache, "RECOMMENDED", *PROFILES)
    assert {issue for one in found for issue in one["issues"]} == set(NOT_FOLLOWED)


def test_rocrate_validator_misses_a_step_and_a_tool_that_are_taken_out(payload: Path, cache: Path) -> None:
    path = payload / "ro-crate-metadata.json"
    crate = json.loads(path.read_bytes())
    for entity in crate["@graph"]:
        if entity["@id"] == "#step-plan":
            del entity["workExample"]
        if entity["@id"] == "workflow.json":
            entity["hasPart"] = []
    path.write_text(json.dumps(crate))
    (found,) = _python(_VALIDATE, payload, cache, "REQUIRED", "provenance-run-crate-0.5")
    assert found["issues"] == ["provenance-run-crate-0.5_1.1", "provenance-run-crate-0.5_4.2"]


def test_runcrate_reports_every_call_execution_and_decision_with_its_step(any_payload: Path) -> None:
    told = _run("runcrate", "report", any_payload)
    assert told.returncode == 0, told.stderr
    events = [json.loads(line) for line in (any_payload / "record" / "events.jsonl").read_bytes().splitlines()]
    acted = [event for event in events if event["type"] in ("effect.finished", "effect.failed", "decision.recorded")]
    for event in acted:
        assert told.stdout.count(f"action: #event-{event['seq']}\n") == 1
    assert told.stdout.count("  step: #step-") == len(acted)


def _in_toto(payload: Path) -> subprocess.CompletedProcess[str]:
    folder = payload / "in-toto"
    keys = ["--verification-keys", folder / "service.pem"]
    return _run("in-toto-verify", "--layout", folder / "root.layout", *keys, "--link-dir", folder)


def test_in_toto_verifies_that_what_was_approved_was_run(payload: Path) -> None:
    told = _in_toto(payload)
    assert told.returncode == 0, told.stderr
    assert len(list((payload / "in-toto").glob("*.link"))) == 5


def _sign_anew(payload: Path, change: Callable[[dict[str, Any]], None] | None = None) -> None:
    """Sign all in-toto metadata with the forger's key, after a change of each layout and link."""
    folder = payload / "in-toto"
    given = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in given:
        (folder / name).unlink()
    for name, data in sign_in_toto(given, FORGER, change).items():
        (folder / name).write_bytes(data)


def _other(step: str, side: str, name: str) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        if content.get("name") == step:
            content[side][name] = {"sha256": "0" * 64}

    return change


@pytest.mark.parametrize(
    "change",
    [
        _other("execute", "materials", "programs/primary.py"),
        _other("code", "products", "programs/primary.py"),
        _other("code", "materials", "plan.json"),
        _other("execute", "materials", "inputs/other.csv"),
        _other("release", "materials", "executions/primary/outcome.json"),
        _other("report", "materials", "results/released.json"),
    ],
    ids=["program run", "program approved", "plan", "data", "execution released", "results reported"],
)
def test_in_toto_refuses_a_study_whose_steps_do_not_fit(
    payload: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    _sign_anew(payload)
    assert _in_toto(payload).returncode == 0
    _sign_anew(payload, change)
    told = _in_toto(payload)
    assert told.returncode == 1
    assert "DISALLOW" in told.stderr + told.stdout


def test_in_toto_refuses_a_missing_approval_and_a_stranger_s_signature(payload: Path) -> None:
    folder = payload / "in-toto"
    (link,) = folder.glob("code.*.link")
    given = link.read_bytes()
    link.unlink()
    assert _in_toto(payload).returncode == 1
    content = base64.b64decode(json.loads(given)["payload"])
    signed = json.loads(seal(content, media=MEDIA, key=STRANGER))
    signed["signatures"][0]["keyid"] = json.loads(given)["signatures"][0]["keyid"]
    link.write_text(json.dumps(signed))
    assert _in_toto(payload).returncode == 1
    link.write_bytes(given)
    assert _in_toto(payload).returncode == 0


def test_prov_reads_and_writes_the_document_without_loss(any_payload: Path) -> None:
    path = any_payload / "prov.json"
    (found,) = _python(_PROV, path)
    document = json.loads(path.read_bytes())
    assert found["same"]
    assert found["records"] == sum(len(part) for name, part in document.items() if name != "prefix") > 30
    assert "wasDerivedFrom(" in found["provn"]


def test_the_biocompute_object_follows_ieee_2791(payload: Path) -> None:
    assert _python(_SCHEMA, IEEE_2791, payload / "bco.json") == [[]]


def _put(value: Any, *path: str | int) -> Callable[[Any], None]:
    def change(bco: Any) -> None:
        for step in path[:-1]:
            bco = bco[step]
        bco[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda bco: bco.pop("io_domain"), ": 'io_domain' is a required property"),
        (_put(1, "more"), "('more' was unexpected)"),
        (_put("fine", "provenance_domain", "review", 0, "status"), "provenance_domain/review/0/status: 'fine' is not"),
        (_put("yesterday", "provenance_domain", "created"), "created: 'yesterday' is not a 'date-time'"),
        (_put("Ada", "provenance_domain", "contributors", 0, "orcid"), "orcid: 'Ada' is not a 'uri'"),
        (_put(["boss"], "provenance_domain", "contributors", 0, "contribution"), "'boss' is not one of"),
        (_put("1", "description_domain", "pipeline_steps", 0, "step_number"), "'1' is not of type 'integer'"),
        (_put([{}], "description_domain", "pipeline_steps", 0, "input_list"), "'uri' is a required property"),
        (_put({}, "execution_domain", "script"), "execution_domain/script: {} is not of type 'array'"),
        (_put([{"x": 1}], "extension_domain"), "'extension_schema' is a required property"),
        (_put("a b", "etag"), "etag: 'a b' does not match"),
    ],
    ids=["domain", "unknown", "status", "time", "orcid", "part", "number", "address", "list", "extension", "etag"],
)
def test_what_is_no_biocompute_object_is_found(
    reviewed: Path, tmp_path: Path, change: Callable[[Any], None], says: str
) -> None:
    with zipfile.ZipFile(reviewed) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("data/bco.json")]
        bco = json.loads(archive.read(name))
    change(bco)
    (tmp_path / "bad.json").write_text(json.dumps(bco))
    ((error,),) = _python(_SCHEMA, IEEE_2791, tmp_path / "bad.json")
    assert says in error


@pytest.mark.parametrize(
    ("decisions", "links"),
    [
        (["withdraw"], []),
        (["approve", "withdraw"], ["plan"]),
        (["approve", "approve", "reject"], ["code", "execute", "plan"]),
    ],
    ids=["at plan", "at code", "at release"],
)
def test_a_study_that_ended_early_is_told_in_all_formats_too(
    lab: Lab, tmp_path: Path, cache: Path, decisions: list[DecisionKind], links: list[str]
) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        lab.run(study, endpoint.base_url, *decisions)
    make_bundle(lab.workplace, lab.study(study), tmp_path / "ended.zip")
    with zipfile.ZipFile(tmp_path / "ended.zip") as archive:
        archive.extractall(tmp_path)
    payload = tmp_path / study / "data"
    found = _python(_VALIDATE, payload, cache, "REQUIRED", *PROFILES)
    assert [one["profile"] for one in found if one["passed"]] == PROFILES
    assert _python(_PROV, payload / "prov.json")[0]["same"]
    assert _python(_SCHEMA, IEEE_2791, payload / "bco.json") == [[]]
    assert sorted(path.name.partition(".")[0] for path in (payload / "in-toto").glob("*.link")) == links
    assert (payload / "in-toto" / "root.layout").exists() == bool(links)
    assert not links or _in_toto(payload).returncode == 0


def test_the_etag_is_the_digest_of_the_domains(payload: Path) -> None:
    bco = json.loads((payload / "bco.json").read_bytes())
    head = {name: bco.pop(name) for name in ("object_id", "spec_version", "etag")}
    assert head["etag"] == digest_of(bco)
