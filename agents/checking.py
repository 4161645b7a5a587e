"""The check program of a study: what it is, that it is shown and ordered, and what came of it.

It is made by code from the approved plan and the primary program, shown at the code checkpoint beside the programs, and
opened to the real data by the same gate (decision 006). The model sees none of its evidence; the report is written with
the verdicts, after the release.
"""

from __future__ import annotations

from typing import Any

from counterproof.agents.outcomes import Outcome
from counterproof.agents.papers import Papers
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import ToolFailed
from counterproof.sandbox import Language
from counterproof.tools import Plan
from counterproof.tools.checks import Check, Observation, ProgramSource, Verdict, parse_observation, static_checks
from counterproof.tools.checks.planned import PlanView, view_of
from counterproof.tools.checks.program import check_program_text


def text_checks(papers: Papers, code: str, language: Language, plan: Plan) -> list[Check]:
    """Return the checks of a program's text."""
    return static_checks(ProgramSource(code=code, language=language), _view(papers, plan))


def checkers(papers: Papers, primary: str, plan: Plan) -> list[dict[str, Any]]:
    """Return what a reviewer is shown of the check program; nothing where the study has none.

    Args:
        papers: of the study.
        primary: the primary program.
        plan: the locked plan.
    """
    if not papers.settings.checks_on_data:
        return []
    text = check_program_text(primary, papers.settings.language_of("primary"), _view(papers, plan))
    return [{"role": "checks", "language": "python", "sha256": sha256_bytes(text.encode()), "code": text}]


def observed(papers: Papers, outcome: Outcome | None) -> tuple[Observation | None, list[Check]]:
    """Return what the check program found, and a failed check where it gave nothing that can be read."""
    if outcome is None:
        return None, []
    digest = outcome.output("results.json")
    try:
        if outcome.status != "ok":
            raise ToolFailed(f"The check program ended with status {outcome.status!r}.")
        return parse_observation(papers.record.blobs.get(digest) if digest else None), []
    except ToolFailed as error:
        title = "Was the program observed on the data?"
        return None, [Check(id="observed", title=title, verdict=Verdict.FAIL, evidence=(error.what,))]


def columns_of(papers: Papers) -> list[str]:
    """Return the names of the columns of the data, as the profile has them."""
    profile = papers.json(papers.record.of_type("intake.finished")[-1].ref("profile").sha256)
    return [column["name"] for file in profile["files"] for column in file["columns"]]


def _view(papers: Papers, plan: Plan) -> PlanView:
    return view_of(plan, columns_of(papers))
