"""Replaying a bundle: everything is made again and compared, or it is said what can't be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.bundling import make_bundle
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.verify import verify_bundle
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.scenarios.bundles import BundleReplay, replay_bundle

from ..endpoint import Endpoint
from ..lab import PRIMARY, Lab, program, script, trial_csv, written
from .forging import Bag, Story

CLOCK = program(
    "Depends on the time.",
    middle="import time\nnow = time.time_ns() % 1000003 * 1e-12",
    formula="sum(of) / len(of) + now",
)


@pytest.fixture
def again(tmp_path: Path, sandbox: LocalSandbox, environment: Environment) -> Any:
    """Replays a bundle in a folder of its own."""

    def replay(bundle: Path, *data: Path, **changed: Any) -> BundleReplay:
        home = tmp_path / f"replay-{len(list(tmp_path.iterdir()))}"
        given: dict[str, Any] = {"environment": environment, **changed}
        return replay_bundle(bundle, home, sandbox=sandbox, data=data, **given)

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
    assert {one.verdict for one in found.executions} == {"identical"}
    assert [one.differences for one in found.environments] == [(), ()]
    assert (found.verdict, found.ok) == ("identical", True)


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


def test_a_program_that_depends_on_the_time_is_within_the_tolerance(lab: Lab, tmp_path: Path, again: Any) -> None:
    """Such a program differs from its replication by little, so the study itself goes through."""
    bundle = _study(lab, tmp_path, share_data=True, code=CLOCK)
    assert verify_bundle(bundle).ended == "done"
    found: BundleReplay = again(bundle)
    assert any("dry_run/primary" in what and what.endswith("response") for what in _differing(found))
    assert "code.1 shows other bytes than were decided on" in found.stopped
    assert not any("replication" in what and "dry_run" in what for what in _differing(found))
    verdicts = _verdicts(found)
    assert verdicts == {
        ("dry_run/primary", "within tolerance"),
        ("dry_run/replication", "identical"),
        ("execute/primary", "within tolerance"),
        ("execute/replication", "identical"),
    }
    assert (found.verdict, found.ok) == ("within tolerance", True)
    (real,) = [one for one in found.executions if one.key.startswith("execute/primary")]
    assert {(row.result, row.field, row.tolerance) for row in real.numbers} == {
        ("difference", "value", 1e-4),
        ("difference", "n", 0.0),
        ("mean_control", "value", 1e-4),
        ("mean_control", "n", 0.0),
    }
    assert "4 numbers differ by at most" in real.why
    assert "tolerances 0, 0.0001; other bytes: results.json" in real.why


def _verdicts(found: BundleReplay) -> set[tuple[str, str]]:
    return {("/".join(one.key.split("/")[:2]), one.verdict) for one in found.executions}


def test_executions_in_another_environment_are_compared_and_the_environments_too(
    reviewed: Path, again: Any, environment: Environment
) -> None:
    other = replace(environment, lock_sha256="0" * 64)
    found: BundleReplay = again(reviewed, environment=other)
    assert "code.1 shows other bytes than were decided on" in found.stopped
    assert {(one.role, one.here == other.digest, one.recorded == environment.digest) for one in found.environments} == {
        ("primary", True, True),
        ("replication", True, True),
    }
    assert {one.differences for one in found.environments} == {("another lock of the same versions",)}
    assert {verdict for _, verdict in _verdicts(found)} == {"identical"}
    assert len(found.executions) == 4
    assert (found.verdict, found.ok) == ("identical", True)


def test_what_has_no_environment_here_is_not_compared_and_says_so(
    reviewed: Path, again: Any, environment: Environment
) -> None:
    def nowhere(name: str) -> Environment:
        raise MachineTrouble(f"The environment {name!r} has not been built.")

    found: BundleReplay = again(reviewed, environment=replace(environment, name="other"), find=nowhere)
    why = "there is no environment 'python' here: The environment 'python' has not been built."
    assert {(one.verdict, one.why) for one in found.executions} == {("cannot be compared here", why)}
    assert {one.differences for one in found.environments} == {(why,)}
    assert "has not been built" in found.stopped
    assert (found.verdict, found.ok) == ("cannot be compared here", False)


def test_one_program_without_an_environment_leaves_the_other_to_be_compared(
    lab: Lab, tmp_path: Path, again: Any, environment: Environment
) -> None:
    other = replace(environment, name="second")
    study, bundle = lab.new(share_data=True, replication_environment="second"), tmp_path / "study.zip"
    with Endpoint(script()) as endpoint:
        runner = lab.runner(endpoint.base_url, find={"second": other}.__getitem__)
        for _ in range(4):
            runner.run(study)
            lab.decide(study)
        runner.run(study)
    make_bundle(lab.workplace, lab.study(study), bundle)

    def nowhere(name: str) -> Environment:
        raise UsageError(f"There is no environment {name!r}.")

    found: BundleReplay = again(bundle, find=nowhere)
    assert _verdicts(found) == {
        ("dry_run/primary", "identical"),
        ("dry_run/replication", "cannot be compared here"),
        ("execute/primary", "identical"),
        ("execute/replication", "cannot be compared here"),
    }
    assert (found.verdict, found.ok) == ("identical", True)


@pytest.mark.tamper
def test_a_recorded_number_that_was_changed_differs(reviewed: Path, tmp_path: Path, again: Any) -> None:
    (tmp_path / "work").mkdir()
    story = Story(reviewed, tmp_path / "work")
    event = next(
        one
        for one in story.events
        if one["type"] == "effect.finished" and one["data"]["key"].startswith("dry_run/replication")
    )

    def better(results: dict[str, Any]) -> None:
        results["results"][0]["value"] *= 1.001

    story.json(event, "output:results.json", better)
    found: BundleReplay = again(story.export(tmp_path / "forged.zip"))
    (one,) = [one for one in found.executions if one.verdict != "identical"]
    assert one.verdict == "differs"
    assert "difference.value is" in one.why
    assert "(tolerance 0.0001)" in one.why
    assert (found.verdict, found.ok) == ("differs", False)


@pytest.mark.tamper
def test_recorded_participants_that_were_changed_differ(reviewed: Path, tmp_path: Path, again: Any) -> None:
    (tmp_path / "work").mkdir()
    story = Story(reviewed, tmp_path / "work")
    event = next(
        one
        for one in story.events
        if one["type"] == "effect.finished" and one["data"]["key"].startswith("dry_run/primary")
    )
    story.json(event, "output:flow.json", lambda flow: flow.update(assessed=81, excluded=[{"reason": "age", "n": 1}]))
    found: BundleReplay = again(story.export(tmp_path / "forged.zip"))
    (one,) = [one for one in found.executions if one.verdict != "identical"]
    assert (one.verdict, one.why) == ("differs", "other participants; other bytes: flow.json")
    assert not found.ok


def test_a_failed_execution_fails_again(repaired: Path, tmp_path: Path, again: Any) -> None:
    (tmp_path / "trial.csv").write_bytes(trial_csv())
    found: BundleReplay = again(repaired, tmp_path / "trial.csv")
    assert [one.verdict for one in found.executions] == ["identical"] * 5
    assert found.verdict == "identical"


def test_a_program_that_differs_on_the_secure_side_cannot_be_compared(lab: Lab, tmp_path: Path, again: Any) -> None:
    """What the replication gave on the real data was not released: its digest is all that the bundle has."""
    study, bundle = lab.new(share_data=True), tmp_path / "study.zip"
    with Endpoint(script(replication=[written(CLOCK)])) as endpoint:
        lab.run(study, endpoint.base_url, "approve", "approve", "approve", "approve")
    make_bundle(lab.workplace, lab.study(study), bundle)
    found: BundleReplay = again(bundle)
    (real,) = [one for one in found.executions if one.key.startswith("execute/replication")]
    assert real.verdict == "cannot be compared here"
    assert real.why == "its results stayed on the secure side; other bytes: results.json"
    assert ("dry_run/replication", "within tolerance") in _verdicts(found)
    assert found.ok


@pytest.mark.tamper
def test_a_recorded_answer_that_was_changed_shows(reviewed: Path, tmp_path: Path, again: Any) -> None:
    (tmp_path / "work").mkdir()
    story = Story(reviewed, tmp_path / "work")

    def better(body: dict[str, Any]) -> None:
        answer = json.loads(body["body"])
        message = answer["choices"][0]["message"]
        message["content"] = json.dumps({**json.loads(message["content"]), "software": "any"})
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
