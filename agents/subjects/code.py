"""What ◆2 code shows: the programs with what their text tells, their runs on the twin, and what is to be run."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from counterproof.agents.checking import checkers, text_checks
from counterproof.agents.ordering import Environments, make_order, real_orders
from counterproof.agents.outcomes import PRINTED_MAX, Outcome, executed, recorded_outcome, results_of
from counterproof.agents.papers import Papers
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.sandbox.orders import ROLES, Role
from counterproof.tools import Plan, check_source


def code_subject(
    papers: Papers,
    programs: Mapping[Role, str],
    runs: Mapping[str, str],
    *,
    plan: str,
    environments: Mapping[Role, Mapping[str, Any]],
    number: int,
) -> dict[str, Any]:
    """Return what a code checkpoint shows.

    Args:
        papers: of the study.
        programs: the text of each program.
        runs: digest of the outcome of each on the twin.
        plan: digest of the locked plan.
        environments: what the programs run in, as a reviewer is told of it; each has its `digest`.
        number: of the checkpoint, among those of its kind.
    """
    locked, before = papers.plan(plan), _shown_before(papers, number)
    digests = {role: environment["digest"] for role, environment in environments.items()}
    orders = real_orders(papers, programs, locked, environments=digests)
    return {
        "plan": plan,
        "programs": [
            {
                **_program(papers, role, programs[role], locked),
                "diff_since_last_shown": _diff(before.get(role), programs[role]),
                "twin_run": _twin_run(papers, recorded_outcome(papers.record, runs[role])),
            }
            for role in ROLES
        ],
        "checkers": checkers(papers, programs["primary"], locked),
        "orders": [order.model_dump(mode="json") for order in orders],
        "reads": [file.model_dump(mode="json") for file in papers.settings.data],
        "environments": {role: dict(environment) for role, environment in environments.items()},
        "editable": {role: programs[role] for role in ROLES},
    }


def recorded_runs(
    papers: Papers, programs: Mapping[Role, str], plan: Plan, *, environments: Environments
) -> dict[str, str]:
    """Return the digest of the outcome that each program had on the twin, as the record has it.

    Args:
        papers: of the study.
        programs: the text of each program.
        plan: the locked plan.
        environments: what the programs run in.

    Raises:
        VerificationFailed: a program was never run on it.
    """
    twins = [ref for ref in papers.record.of_type("intake.finished")[-1].refs if ref.role.startswith("twin:")]
    twin = {ref.role.removeprefix("twin:"): ref.sha256 for ref in twins}
    ran = executed(papers.record, synthetic=True)
    found: dict[str, str] = {}
    for role in ROLES:
        program = sha256_bytes(programs[role].encode())
        order = make_order(papers, role, program, seed=plan.seed, environments=environments, twin=twin)
        if order.digest not in ran:
            raise VerificationFailed(f"The {role} program that is shown was never run on the twin.")
        found[role] = ran[order.digest]
    return found


def _program(papers: Papers, role: Role, code: str, plan: Plan) -> dict[str, Any]:
    language = papers.settings.language_of(role)
    return {
        "role": role,
        "language": language,
        "sha256": sha256_bytes(code.encode()),
        "code": code,
        "static": [vars(found) for found in check_source(code, language)],
        "checks": [made.model_dump(mode="json") for made in text_checks(papers, code, language, plan)],
    }


def _twin_run(papers: Papers, outcome: Outcome) -> dict[str, Any]:
    results, flow = results_of(papers.record, outcome)
    return {
        "synthetic": True,
        "status": outcome.status,
        "stdout": papers.record.blobs.get(outcome.stdout).decode("utf-8", errors="replace")[:PRINTED_MAX],
        "results": [result.model_dump(mode="json") for result in results.results],
        "flow": flow.model_dump(mode="json", by_alias=True),
        "outputs": [output.model_dump(mode="json") for output in outcome.outputs],
        "rejected": list(outcome.rejected),
    }


def _shown_before(papers: Papers, number: int) -> dict[str, str]:
    """Return the programs that the code checkpoint before this one showed; none for the first."""
    for event in papers.record.of_type("checkpoint.opened"):
        if event.data["kind"] == CheckpointKind.CODE and event.data["id"].endswith(f".{number - 1}"):
            found: dict[str, str] = papers.json(event.data["subject"])["editable"]
            return found
    return {}


def _diff(before: str | None, code: str) -> str:
    if before is None:
        return ""
    lines = difflib.unified_diff(before.splitlines(), code.splitlines(), "shown before", "now", lineterm="")
    return "\n".join(lines)
