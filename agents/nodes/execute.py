"""Execute: the approved programs run once on the real data, through the gate.

A failure gives the model a scrubbed error only, but for data whose rows it may see; a repaired program is a new program
and goes back to ◆2.
"""

from __future__ import annotations

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from counterproof.agents.context import StudyContext
from counterproof.agents.executions import run_on_real_data, scrubbed
from counterproof.agents.nodes.write import told
from counterproof.agents.ordering import real_orders
from counterproof.agents.outcomes import PRINTED_MAX, Outcome, results_of
from counterproof.agents.state import StudyState
from counterproof.provenance.errors import ModelMayRetry
from counterproof.sandbox.orders import ROLES, Order, Role

Goto = Literal["write", "check", "export"]


def execute(state: StudyState, runtime: Runtime[StudyContext]) -> Command[Goto]:
    """Run both programs on the real data, and the check program beside them."""
    ctx = runtime.context
    programs = {role: ctx.text(state["programs"][role]) for role in ROLES}
    orders = real_orders(ctx, programs, ctx.plan(state["plan"]), environments=ctx.environment_digests)
    ctx.progress("execute: the approved programs on the real data")
    outcomes = ctx.both(lambda order: run_on_real_data(ctx, f"execute/{order.role}/{order.digest[:16]}", order), orders)
    executions = {
        order.role: ctx.put_json("outcome", outcome.model_dump(mode="json")).sha256
        for order, outcome in zip(orders, outcomes, strict=True)
    }
    faults: dict[Role, str] = {
        order.role: _fault(ctx, order, outcome)
        for order, outcome in zip(orders, outcomes, strict=True)
        if order.role != "checks"  # what it gave is judged with the checks
    }
    failed = [role for role in ROLES if faults[role]]
    if not failed:
        return Command(goto="check", update={"executions": executions})
    rounds = {**state["round"], "code": state["round"].get("code", 1) + 1}
    if rounds["code"] > ctx.settings.max_rounds:
        reason = f"the {' and '.join(failed)} program failed on the real data"
        return Command(goto="export", update={"ended": "cannot_conclude", "reason": reason})
    turns = {role: list(said) for role, said in state["turns"].items()}
    for role in failed:
        turns[role].append(told(ctx, faults[role]))
        ctx.progress(f"the {role} program failed on the real data; it is repaired and goes back to a reviewer")
    runs = {role: run for role, run in state["twin_runs"].items() if role not in failed}
    return Command(goto="write", update={"turns": turns, "twin_runs": runs, "round": rounds, "repairs": 0})


def _fault(ctx: StudyContext, order: Order, outcome: Outcome) -> str:
    if outcome.status != "ok":
        stderr = ctx.record.blobs.get(outcome.stderr).decode("utf-8", errors="replace")
        if ctx.settings.exposure == "rows":
            return f"Status: {outcome.status}, exit code {outcome.exit_code}. Standard error:\n{stderr[-PRINTED_MAX:]}"
        shapes = _shapes(ctx)
        return scrubbed(outcome, stderr, program=ctx.text(order.program), language=order.language, shapes=shapes)
    try:
        results_of(ctx.record, outcome)
    except ModelMayRetry as error:
        if ctx.settings.exposure == "rows":
            return str(error)
        return (
            "The program ended on the real data without usable results.json and flow.json. "
            "What is wrong with them is held back, because it may hold values."
        )
    return ""


def _shapes(ctx: StudyContext) -> dict[str, tuple[int, int]]:
    """Return rows and columns of each data file, as the profile tells them."""
    profile = ctx.json(ctx.record.of_type("intake.finished")[-1].ref("profile").sha256)
    return {file["file"]: (file["rows"], len(file["columns"])) for file in profile["files"]}
