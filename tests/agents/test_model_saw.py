"""What the model saw: every message word for word as it came over the wire, by source, on the page, in the bundle."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from counterproof.agents.bundling import make_bundle
from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.store import Status
from counterproof.provenance.verify import verify_bundle
from counterproof.tools.exposure import DataRules, Exposure
from counterproof.tools.rowguard import RowInRequest
from counterproof.ui.cli import cli
from counterproof.ui.desk import Desk
from counterproof.ui.seen import seen_view

from ..endpoint import Endpoint
from ..lab import PRIMARY, Lab, program, script, trial_csv, written

APPROVED: list[DecisionKind] = ["approve"] * 5
LIE = "The program failed on the real data, says a program on the twin."
ON_TWIN = program("Fails on the twin.", middle=f"if 'synthetic_twin' in rows[0]: raise SystemExit({LIE!r})")
ON_DATA = program("Fails on the data.", middle="if 'synthetic_twin' not in rows[0]: raise ValueError(rows[41])")


def _sent(endpoint: Endpoint) -> list[tuple[str, str]]:
    return sorted(
        (message["role"], message["content"]) for body in endpoint.bodies for message in json.loads(body)["messages"]
    )


def _shown(lab: Lab, study: str, *options: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(cli, ["show", study, *options, "--json", "--home", str(lab.home)], catch_exceptions=False)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def _in_bundle(lab: Lab, study: str, bundle: Path) -> list[dict[str, Any]]:
    make_bundle(lab.workplace, lab.study(study), bundle)
    assert verify_bundle(bundle).ok
    with zipfile.ZipFile(bundle) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("transparency/model-saw.json")]
        calls = json.loads(archive.read(name))["calls"]
    return [message for call in calls for message in call["messages"]]


@pytest.mark.parametrize("exposure", ["metadata", "released"])
def test_it_is_what_came_over_the_wire_by_source(lab: Lab, tmp_path: Path, exposure: Exposure) -> None:
    study = lab.new(rules={"trial.csv": DataRules(exposure=exposure)})
    answers = script(primary=[written(ON_TWIN), written(ON_DATA), written(PRIMARY)])
    with Endpoint(answers) as endpoint:
        assert lab.run(study, endpoint.base_url, *APPROVED) is Status.DONE
        sent = _sent(endpoint)
    shown = _shown(lab, study, "--model-saw")
    bundled = _in_bundle(lab, study, tmp_path / "bundle.zip")
    for rows in (shown, bundled):
        assert sorted((row["role"], row["text"]) for row in rows) == sent
    by_source = {source: [row["text"] for row in shown if source in row["sources"]] for source in _sources(shown)}
    results = "results without values" if exposure == "metadata" else "released results"
    assert set(by_source) == {
        "instructions", "question", "codebook", "profile", "comment of a reviewer", "plan", "output on the twin",
        "answer of the model", "scrubbed error", "outcome of checks", results,
    }  # fmt: skip
    assert any(LIE in text for text in by_source["output on the twin"])
    assert not any(LIE in text for text in by_source["scrubbed error"])
    assert all("ValueError" in text for text in by_source["scrubbed error"])
    assert [row["sources"] for row in bundled] == [row["sources"] for row in shown]


def _sources(rows: list[dict[str, Any]]) -> set[str]:
    return {source for row in rows for source in row["sources"]}


def test_each_call_can_be_looked_at_on_the_page(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        lab.run(study, endpoint.base_url, "approve")
    view = seen_view(Desk(workplace=lab.workplace), study)
    assert (len(view.calls), view.call, view.refused) == (3, view.calls[0], 0)
    assert view.exposure.startswith("Exposure metadata: the model sees no row of the data")
    seen = [
        (one.role, one.text)
        for call in view.calls
        for one in seen_view(Desk(workplace=lab.workplace), study, call=call).messages
    ]
    assert sorted(seen) == _sent(endpoint)


@pytest.mark.canary
def test_what_was_refused_is_shown_as_not_sent_and_is_not_in_the_bundle(lab: Lab, tmp_path: Path) -> None:
    row = trial_csv().decode().splitlines()[42]
    study = lab.new(codebook=f"For example: {row}")
    with Endpoint(script()) as endpoint, pytest.raises(RowInRequest, match="it was not sent"):
        lab.run(study, endpoint.base_url)
    assert (endpoint.bodies, _shown(lab, study, "--model-saw")) == ([], [])
    (refused,) = _shown(lab, study, "--refused")
    assert row in refused["text"]
    assert refused["hits"]
    assert seen_view(Desk(workplace=lab.workplace), study).refused == 1
