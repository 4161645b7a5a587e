"""Running a scenario: a whole study with recorded model turns and scripted decisions.

The turns come from a loopback server (`server`), the decisions from the replay reviewer, whose key is made for the
store and marked as such. Everything else is the product as it is: graph, gate, sandbox, record.

A scenario passes when no request drifted, every turn was used, and the released results are the expected ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterproof.agents.reviews import say
from counterproof.agents.runner import Runner
from counterproof.agents.study import OpenStudy, Workplace, new_id, new_study, open_study
from counterproof.provenance.decisions import Checkpoint
from counterproof.provenance.errors import ToolFailed
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import Reviewer, Role
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.signing import load_key, own_key, public_line
from counterproof.provenance.store import Status
from counterproof.scenarios.catalogue import ROOT, Scenario, load_scenario
from counterproof.scenarios.server import TurnServer
from counterproof.tools.exposure import DataRules
from counterproof.tools.looking import Said

REPLAY_REVIEWER = "replay"


class ScenarioFailed(ToolFailed):
    """A scenario no longer gives what was recorded; the text says where."""


@dataclass(frozen=True, kw_only=True)
class ScenarioRun:
    """How a scenario ended.

    Attributes:
        study: id of its study.
        status: where the study stands.
    """

    study: str
    status: Status


def start_scenario(workplace: Workplace, scenario: Scenario, *, make_id: Callable[[], str] = new_id) -> str:
    """Make the study of a scenario and return its id."""
    _replay_reviewer(workplace)
    study = new_study(
        workplace,
        question=scenario.question,
        data=scenario.data_paths,
        model=scenario.model,
        title=scenario.title,
        codebook=scenario.codebook,
        scenario=scenario.name,
        share_data=scenario.share_data,
        rules={name: DataRules(exposure=scenario.exposure, subject=scenario.subject) for name in scenario.data},
        language=scenario.language,
        replication_language=scenario.replication_language,
        checks_on_data=scenario.checks_on_data,
        make_id=make_id,
    )
    for word in scenario.identifiers:
        say(open_study(workplace, study), Said(**word.model_dump(), by=REPLAY_REVIEWER))
    return study


def run_scenario(runner: Runner, study_id: str, *, root: Path = ROOT) -> ScenarioRun:
    """Run the study of a scenario to its end, from wherever it stands.

    Args:
        runner: runs it; its endpoint is replaced by the scenario's turns.
        study_id: a study made by `start_scenario`.
        root: the catalogue.

    Raises:
        ScenarioFailed: a request drifted, a turn was not used, or a result is not the expected one.
        CounterproofError: the study stopped.
    """
    workplace = runner.workplace
    study = open_study(workplace, study_id)
    scenario = load_scenario(study.settings.scenario, root)
    with TurnServer(scenario.read_turns()) as server:
        running = Runner(**{**vars(runner), "endpoint": server.base_url})
        try:
            status = running.run(
                study_id, decide=lambda open_, waiting: scripted_decision(workplace, scenario, open_, waiting)
            )
        finally:
            if server.drifts:
                raise ScenarioFailed(server.drifts[0])
    unused = _unused(server, study.record)
    if unused:
        raise ScenarioFailed(f"{unused} of {len(server.turns)} turns of scenario {scenario.name!r} were not used.")
    differences = _differences(scenario, study)
    if differences:
        raise ScenarioFailed("The results are not the expected ones: " + "; ".join(differences))
    return ScenarioRun(study=study_id, status=status)


def scripted_decision(workplace: Workplace, scenario: Scenario, study: OpenStudy, waiting: Checkpoint) -> bool:
    """Sign the next decision of the script at the checkpoint that waits."""
    done = len(study.record.of_type("decision.recorded"))
    if done >= len(scenario.decisions) or scenario.decisions[done].kind != waiting.kind:
        raise ScenarioFailed(f"The script of {scenario.name!r} has no decision for {waiting.id} (number {done + 1}).")
    scripted = scenario.decisions[done]
    study.checkpoints.decide(
        waiting.id,
        KeySigner(key=load_key(workplace.store.home / "keys" / REPLAY_REVIEWER, passphrase=None)),
        reviewer=REPLAY_REVIEWER,
        decision=scripted.decision,
        comment=scripted.comment,
        seen=waiting.subject,
    )
    return True


def _replay_reviewer(workplace: Workplace) -> None:
    if any(reviewer.id == REPLAY_REVIEWER for reviewer in workplace.registry.active()):
        return
    path = workplace.store.home / "keys" / REPLAY_REVIEWER
    key = public_line(own_key(path, comment=REPLAY_REVIEWER).public_key())
    reviewer = Reviewer(
        id=REPLAY_REVIEWER,
        name="Replay reviewer",
        affiliation="none: a script of this installation of Counterproof, and no person",
        roles=tuple(Role),
        public_key=key,
        replay=True,
    )
    workplace.registry.add(reviewer, by="counterproof")


def _unused(server: TurnServer, record: Record) -> int:
    """Return how many turns no recorded call asked for, in this process or in one that died."""
    asked = [
        json.loads(record.blobs.get(event.ref("request").sha256))
        for event in record.of_type("effect.finished")
        if event.data["kind"] == "model"
    ]
    return sum(turn.request not in asked for turn in server.turns)


def _differences(scenario: Scenario, study: OpenStudy) -> list[str]:
    released = study.record.of_type("results.released")
    given: dict[str, dict[str, Any]] = {}
    if released:
        document = json.loads(study.record.blobs.get(released[-1].ref("released").sha256))
        given = {result["id"]: result for result in document["results"]}
    rows = []
    for expected in scenario.expected:
        result = given.get(expected.result)
        if result is None:
            rows.append(f"{expected.result} was not released")
            continue
        for field, tolerance in (
            ("value", expected.tolerance),
            ("ci_low", expected.tolerance),
            ("ci_high", expected.tolerance),
            ("p_value", expected.p_tolerance),
        ):
            wanted = getattr(expected, field)
            if wanted is not None and not _close(result[field], wanted, tolerance):
                rows.append(f"{expected.result}.{field} is {result[field]}, expected {wanted} within {tolerance}")
    return rows


def _close(given: float | None, wanted: float, tolerance: float) -> bool:
    return given is not None and abs(given - wanted) <= tolerance
