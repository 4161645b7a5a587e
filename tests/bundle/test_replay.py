"""Replaying a bundle: everything is made again and compared, or it is said what can't be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.runner import make_bundle
from counterproof.provenance.errors import UsageError
from counterproof.provenance.verify import verify_bundle
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.scenarios.bundles import BundleReplay, replay_bundle

from ..endpoint import Endpoint
from ..lab import PRIMARY, Lab, program, script, trial_csv, written
from .forging import Bag, Story

CLOCK = program("Depends on the time.", formula="sum(of) / len(of) + __import__('time').time_ns() % 1000003 * 1e-9")


@pytest.fixture
def again(tmp_path: Path, sandbox: LocalSandbox, environment: Environment) -> Any:
    """Replays a bundle in a folder of its own."""

    def replay(bundle: Path, *data: Path) -> BundleReplay:
        home = tmp_path / f"replay-{len(list(tmp_path.iterdir()))}"
        return replay_bundle(bundle, home, sandbox=sandbox, environment=environment, data=data)

    return replay


def _study(lab: Lab, folder: Path, *, share_data: bool = False, code: str = PRIMARY) -> Path:
    study, bundle = lab.new(share_data=share_data), folder / "study.zip"
    with Endpoint(script(primary=[written(code)])) as endpoint:
        lab.run(study, endpoint.base_url, "approve", "approve", "approve", "approve")
    make_bundle(lab.workplace, lab.study(study), bundle)
    return bundle


def _differing(found: BundleReplay) -> list[str]:
    return [row.what for row in found.comparisons if not row.same]


def test_a_replay_gives_every_digest_again(reviewed: Path, again: Any) -> None:
    found: BundleReplay = again(reviewed)
    assert (found.stopped, _differing(found), found.ended) == ("", [], "done")
    kinds = {row.what.split()[0].rstrip(",") for row in found.comparisons}
    assert kinds >= {"model", "execution", "checkpoint", "plan.locked", "results.released", "report.rendered"}
    assert len(found.comparisons) > 30
    assert found.ok


def test_a_replay_needs_data_that_were_not_shared(lab: Lab, tmp_path: Path, again: Any) -> None:
    bundle = _study(lab, tmp_path)
    digest = "7daf320222f551186956704870217035339147676256161ec2c1d7931c6c514e"
    with pytest.raises(UsageError, match=rf"trial\.csv: {len(trial_csv())} bytes, {digest}\. Give it with --data"):
        again(bundle)
    other = tmp_path / "trial.csv.txt"
    other.write_bytes(trial_csv() + b"\n")
    with pytest.raises(UsageError, match=r"does not hold the data file trial\.csv"):
        again(bundle, other)
    (tmp_path / "renamed.csv").write_bytes(trial_csv())
    assert again(bundle, tmp_path / "renamed.csv").ok


def test_a_program_that_depends_on_the_time_is_shown_to_differ(lab: Lab, tmp_path: Path, again: Any) -> None:
    """Such a program differs from its replication by little, so the study itself goes through."""
    bundle = _study(lab, tmp_path, share_data=True, code=CLOCK)
    assert verify_bundle(bundle).ended == "done"
    found: BundleReplay = again(bundle)
    assert not found.ok
    assert any("dry_run/primary" in what and what.endswith("response") for what in _differing(found))
    assert "code.1 shows other bytes than were decided on" in found.stopped
    assert not any("replication" in what and "dry_run" in what for what in _differing(found))


@pytest.mark.tamper
def test_a_recorded_answer_that_was_changed_shows(reviewed: Path, tmp_path: Path, again: Any) -> None:
    (tmp_path / "work").mkdir()
    story = Story(reviewed, tmp_path / "work")

    def better(body: dict[str, Any]) -> None:
        answer = json.loads(body["body"])
        message = answer["choices"][0]["message"]
        message["content"] = json.dumps({**json.loads(message["content"]), "sensitivity": "many"})
        body["body"] = json.dumps(answer)

    story.json(story.first("effect.finished", key="plan/2/1"), "response", better)
    found: BundleReplay = again(story.export(tmp_path / "forged.zip"))
    assert not found.ok
    assert "plan.2 shows other bytes than were decided on" in found.stopped


@pytest.mark.tamper
def test_a_recorded_request_that_was_changed_shows(reviewed: Path, tmp_path: Path, again: Any) -> None:
    (tmp_path / "work").mkdir()
    story = Story(reviewed, tmp_path / "work")
    for kind in ("started", "finished"):
        story.json(story.first(f"effect.{kind}", key="plan/2/1"), "request", lambda body: body | {"model": "other"})
    found: BundleReplay = again(story.export(tmp_path / "forged.zip"))
    assert not found.ok
    assert "asks for something else than what is recorded" in found.stopped
    assert "+ " in found.stopped


@pytest.mark.parametrize(
    "content", [b"", b"PK\x05\x06" + bytes(18), b"no zip at all"], ids=["empty", "no files", "text"]
)
def test_what_is_no_bundle_is_refused(tmp_path: Path, again: Any, content: bytes) -> None:
    (tmp_path / "odd.zip").write_bytes(content)
    with pytest.raises(UsageError, match=r"odd\.zip is no bundle: .*`counterproof verify` says what is wrong"):
        again(tmp_path / "odd.zip")


@pytest.mark.tamper
def test_a_bundle_with_an_empty_record_is_refused(reviewed: Path, tmp_path: Path, again: Any) -> None:
    bag = Bag(reviewed)
    bag.files["data/record/events.jsonl"] = b""
    with pytest.raises(UsageError, match="is no bundle"):
        again(bag.write(tmp_path / "odd.zip"))


def test_a_study_that_stopped_at_its_plan_is_replayed(lab: Lab, tmp_path: Path, again: Any) -> None:
    study, bundle = lab.new(share_data=True), tmp_path / "withdrawn.zip"
    with Endpoint(script()) as endpoint:
        lab.run(study, endpoint.base_url, "withdraw")
    make_bundle(lab.workplace, lab.study(study), bundle)
    found: BundleReplay = again(bundle)
    assert (found.stopped, found.ok, found.ended) == ("", True, "withdrawn")
