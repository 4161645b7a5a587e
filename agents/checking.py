"""The check program of a study: what it is, that it is shown and ordered, and what came of it.

It is made by code from the approved plan and the primary program, shown at the code checkpoint beside the programs, and
opened to the real data by the same gate (decision 006). The model sees none of its evidence; the report is written with
the verdicts, after the release.
"""

from __future__ import annotations

from typing import Any

from counterproof.agents.context import StudyContext
from counterproof.agents.executions import PROGRAM_MEDIA, make_order
from counterproof.agents.outcomes import Outcome
from counterproof.provenance.errors import ToolFailed
from counterproof.sandbox import Language
from counterproof.sandbox.orders import Order
from counterproof.tools import Plan
from counterproof.tools.checks import Check, Observation, ProgramSource, Verdict, parse_observation, static_checks
from counterproof.tools.checks.planned import PlanView, view_of
from counterproof.tools.checks.program import check_program_text


def text_checks(ctx: StudyContext, code: str, language: Language, plan: Plan) -> list[Check]:
    """Return the checks of a program's text."""
    return static_checks(ProgramSource(code=code, language=language), _view(ctx, plan))


def checkers(ctx: StudyContext, primary: str, plan: Plan) -> list[dict[str, Any]]:
    """Return what a reviewer is shown of the check program; nothing where the study has none.

    Args:
        ctx: the study.
        primary: digest of the primary program.
        plan: the locked plan.
    """
    if not ctx.settings.checks_on_data:
        return []
    text = _text(ctx, primary, plan)
    digest = ctx.record.put("program", text.encode(), media=PROGRAM_MEDIA["python"]).sha256
    return [{"role": "checks", "language": "python", "sha256": digest, "code": text}]


def check_orders(ctx: StudyContext, primary: str, plan: Plan) -> list[Order]:
    """Return the order of the check program for the real data; none where the study has none."""
    return [make_order(ctx, "checks", shown["sha256"], seed=plan.seed) for shown in checkers(ctx, primary, plan)]


def observed(ctx: StudyContext, outcome: Outcome | None) -> tuple[Observation | None, list[Check]]:
    """Return what the check program found, and a failed check where it gave nothing that can be read."""
    if outcome is None:
        return None, []
    digest = outcome.output("results.json")
    try:
        if outcome.status != "ok":
            raise ToolFailed(f"The check program ended with status {outcome.status!r}.")
        return parse_observation(ctx.record.blobs.get(digest) if digest else None), []
    except ToolFailed as error:
        title = "Was the program observed on the data?"
        return None, [Check(id="observed", title=title, verdict=Verdict.FAIL, evidence=(error.what,))]


def columns_of(ctx: StudyContext) -> list[str]:
    """Return the names of the columns of the data, as the profile has them."""
    profile = ctx.json(ctx.record.of_type("intake.finished")[-1].ref("profile").sha256)
    return [column["name"] for file in profile["files"] for column in file["columns"]]


def _view(ctx: StudyContext, plan: Plan) -> PlanView:
    return view_of(plan, columns_of(ctx))


def _text(ctx: StudyContext, primary: str, plan: Plan) -> str:
    return check_program_text(ctx.text(primary), ctx.settings.language_of("primary"), _view(ctx, plan))
