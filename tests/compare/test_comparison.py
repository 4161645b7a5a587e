"""The scripted models are told apart, the leaking ones are caught and not crowned, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.compare import CampaignRun
from counterproof.agents.compare.running import end_campaign, export_campaign
from counterproof.agents.compare.table import Table
from counterproof.provenance.signing import service_key
from counterproof.provenance.verify import verify_bundle
from counterproof.sandbox import WarmSandbox
from counterproof.scenarios.scripted import SCRIPTS, ModelServer

from .tiny import CANARY, Small, make_campaign, make_task, plan_small

pytestmark = pytest.mark.campaign

KNOWN = {
    "good": "completed",
    "flaky": "completed",
    "leaking": "leaked",
    "remembering": "completed",  # nobody has published these labels
    "broken": "does_not_run",
    "prose": "no_code",
    "astray": "wrong_target",
    "slow": "timeout",
    "overlong": "over_limit",
    "reaching": "data_access",
    "careless": "bad_output",
}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, warm: WarmSandbox) -> Iterator[dict[str, Any]]:
    """A comparison of all scripts, done once, and then once more in the same place."""
    folder = tmp_path_factory.mktemp("compared")
    make_task(folder / "tiny", wall_s=4)
    path = make_campaign(folder, list(SCRIPTS))
    with ModelServer() as server:
        small = plan_small(path, folder / "home", sandbox=warm, endpoint=server.base_url)
        for cell in small.planned.cells:
            small.bench.do(cell)
        asked = dict(server.asked)
        for cell in small.planned.cells:
            small.bench.do(cell)
        run = CampaignRun.of_finished(small.place, small.planned.cells)
        yield {
            "small": small,
            "results": {done.result.name: done.result for done in run.done.values()},
            "spent": {done.result.name: done.spent for done in run.done.values()},
            "table": end_campaign(small.planned, run),
            "asked": (asked, dict(server.asked)),
            "folder": folder,
        }


@pytest.mark.parametrize(("script", "category"), KNOWN.items())
def test_each_script_has_its_known_category(compared: dict[str, Any], script: str, category: str) -> None:
    result = compared["results"][script]
    assert (result.category, bool(result.detail)) == (category, category != "completed"), result.detail


def test_every_script_is_known() -> None:
    assert set(KNOWN) == set(SCRIPTS)


def test_the_leaking_model_is_shown_and_not_ranked(compared: dict[str, Any]) -> None:
    table: Table = compared["table"]
    rows = {row.name: row for row in table.rows}
    assert rows["leaking"].claimed is not None
    assert (rows["leaking"].rank, rows["leaking"].value) == (None, None)
    assert (rows["good"].rank, rows["flaky"].rank) == (1, 1)
    places = {one.name: one.place for one in table.standings}
    assert places["leaking"] > places["good"]
    assert compared["results"]["leaking"].probed == "leak"


def test_the_good_model_has_interval_and_a_test_against_the_baseline(compared: dict[str, Any]) -> None:
    result = compared["results"]["good"]
    assert result.ci_low <= result.value <= result.ci_high
    assert result.value > 0.85
    assert result.baseline.reached
    assert result.baseline.p_value < 0.01
    assert result.probed == "clean"


def test_models_are_tested_in_pairs_sample_by_sample(compared: dict[str, Any]) -> None:
    pairs = compared["table"].pairs
    assert {(pair.first, pair.second) for pair in pairs} == {
        ("flaky", "good"),
        ("flaky", "remembering"),
        ("good", "remembering"),
    }
    assert all((pair.difference, pair.p_value, pair.p_holm) == (0.0, 1.0, 1.0) for pair in pairs)


def test_a_second_run_asks_nothing_and_gives_the_same_table(compared: dict[str, Any]) -> None:
    first, second = compared["asked"]
    assert first == second
    small: Small = compared["small"]
    run = CampaignRun.of_finished(small.place, small.planned.cells)
    assert end_campaign(small.planned, run) == compared["table"]
    assert [event.type for event in small.place.record.events()] == ["campaign.created", "campaign.ended"]


def test_another_campaign_folder_gives_the_same_table(
    compared: dict[str, Any], tmp_path: Path, warm: WarmSandbox, server: ModelServer
) -> None:
    names = ["good", "leaking", "prose"]
    tables = []
    for home in ("a", "b"):
        path = make_campaign(compared["folder"], names)
        small = plan_small(path, tmp_path / home, sandbox=warm, endpoint=server.base_url)
        for cell in small.planned.cells:
            small.bench.do(cell)
        run = CampaignRun.of_finished(small.place, small.planned.cells)
        tables.append(end_campaign(small.planned, run).model_dump_json())
    assert tables[0] == tables[1]


def test_tokens_calls_and_retries_are_counted(compared: dict[str, Any]) -> None:
    spent = compared["spent"]
    assert (spent["flaky"].calls, spent["flaky"].failed_calls) == (1, 2)
    assert (spent["good"].calls, spent["good"].failed_calls, spent["good"].trials) == (1, 0, 3)
    assert spent["good"].tokens_in > 100
    assert spent["good"].tokens_out > 100


def test_no_prompt_and_no_record_holds_a_held_out_label(compared: dict[str, Any]) -> None:
    folder: Path = compared["small"].place.folder
    kept = [path for path in folder.parent.rglob("*") if path.is_file()]
    assert len(kept) > 50
    assert not [path.name for path in kept if CANARY.encode() in path.read_bytes()]


def test_the_bundle_is_verified_by_the_same_verify(compared: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "tiny.zip"
    export_campaign(compared["small"].planned, target, key=service_key(tmp_path / "home"))
    found = verify_bundle(target)
    assert found.ok, [step for step in found.steps if step.outcome == "failed"]
    outcomes = {step.name: step.outcome for step in found.steps}
    assert outcomes.pop("studies") == "not applicable"
    assert set(outcomes.values()) == {"ok"}
    assert (found.study, found.ended) == ("tiny", "done")


@pytest.mark.parametrize("part", ["cells/", "blobs/", "files/", "results.json", "table.json", "record/events.jsonl"])
def test_a_changed_byte_of_a_bundle_is_found(compared: dict[str, Any], tmp_path: Path, part: str) -> None:
    target = tmp_path / "tiny.zip"
    export_campaign(compared["small"].planned, target, key=service_key(tmp_path / "home"))
    data = bytearray(target.read_bytes())
    at = data.index(f"tiny/data/{part}".encode()) + 200
    data[at] ^= 1
    target.write_bytes(data)
    assert not verify_bundle(target).ok
