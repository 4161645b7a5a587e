"""Dry run: both programs run on the twin until they work; the model sees the errors of twin runs in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from counterproof.agents.context import StudyContext
from counterproof.agents.executions import PROGRAM_MEDIA, run_on_twin
from counterproof.agents.nodes._checkpoint import next_number, put_up
from counterproof.agents.nodes.write import told
from counterproof.agents.ordering import make_order
from counterproof.agents.outcomes import PRINTED_MAX, Outcome, recorded_outcome, results_of
from counterproof.agents.reasons import pending
from counterproof.agents.state import StudyState
from counterproof.agents.subjects.code import code_subject
from counterproof.provenance.errors import ModelMayRetry
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.sandbox import Environment, Language
from counterproof.sandbox.orders import ROLES, Order, Role
from counterproof.tools import Plan, check_source

Goto = Literal["write", "code_checkpoint", "export"]


def dry_run(state: StudyState, runtime: Runtime[StudyContext]) -> Command[Goto]:
    """Run what has not run on the twin; put the code up when both programs work, else back to writing."""
    ctx = runtime.context
    plan = ctx.plan(state["plan"])
    orders = {role: _order(ctx, state, role, plan) for role in ROLES}
    runs = _still_good(ctx, state, orders)
    wanted = [role for role in ROLES if role not in runs]
    ctx.progress(f"dry run on the twin: {' and '.join(wanted)}")
    outcomes = ctx.both(lambda role: run_on_twin(ctx, _key(orders[role]), orders[role]), wanted)
    turns = {role: list(said) for role, said in state.get("turns", {}).items()}
    faulty = []
    for role, outcome in zip(wanted, outcomes, strict=True):
        language = ctx.settings.language_of(role)
        fault = _fault(ctx, ctx.text(state["programs"][role]), outcome, plan, language=language)
        if fault:
            faulty.append(role)
            turns.setdefault(role, []).append(told(ctx, fault))
        else:
            runs[role] = ctx.put_json("outcome", outcome.model_dump(mode="json")).sha256
    if not faulty:
        subject = _subject(ctx, state, runs)
        update = put_up(ctx, state, CheckpointKind.CODE, subject)
        return Command(goto="code_checkpoint", update={"twin_runs": runs, "turns": turns, "repairs": 0, **update})
    repairs = state.get("repairs", 0) + 1
    update = {"twin_runs": runs, "turns": turns, "repairs": repairs}
    if repairs <= ctx.settings.max_repairs:
        ctx.progress(f"the {' and '.join(faulty)} program fails on the twin; repair {repairs}")
        return Command(goto="write", update=update)
    reason = f"the {' and '.join(faulty)} program did not work on the twin after {ctx.settings.max_repairs} repairs"
    return Command(goto="export", update={**update, "ended": "cannot_conclude", "reason": reason})


def _order(ctx: StudyContext, state: StudyState, role: Role, plan: Plan) -> Order:
    digests = ctx.environment_digests
    return make_order(ctx, role, state["programs"][role], seed=plan.seed, environments=digests, twin=state["twin"])


def _key(order: Order) -> str:
    return f"dry_run/{order.role}/{order.digest[:16]}"


def _still_good(ctx: StudyContext, state: StudyState, orders: Mapping[Role, Order]) -> dict[str, str]:
    """Return the runs that needn't be made again: not those in an environment that is another one now."""
    runs = state.get("twin_runs", {})
    ran = {role: recorded_outcome(ctx.record, runs[role]).order for role in ROLES if role in runs}
    return {role: runs[role] for role, order in ran.items() if order == orders[role].digest}


def _fault(ctx: StudyContext, code: str, outcome: Outcome, plan: Plan, *, language: Language) -> str:
    errors = [f"line {found.line}: {found.text}" for found in check_source(code, language) if found.level == "error"]
    if errors:
        return "\n".join(errors)
    if outcome.status != "ok":
        stderr = ctx.record.blobs.get(outcome.stderr).decode("utf-8", errors="replace")
        return f"Status: {outcome.status}, exit code {outcome.exit_code}. Standard error:\n{stderr[-PRINTED_MAX:]}"
    try:
        results, _ = results_of(ctx.record, outcome)
    except ModelMayRetry as error:
        return str(error)
    given = results.by_id()
    missing = [
        f"The plan promises {planned.id} in {planned.unit!r}; the program gives "
        + (f"{given[planned.id].unit!r}." if planned.id in given else "no such result.")
        for planned in plan.results
        if planned.id not in given or given[planned.id].unit != planned.unit
    ]
    return "\n".join(missing)


def _subject(ctx: StudyContext, state: StudyState, runs: dict[str, str]) -> dict[str, Any]:
    programs = {role: ctx.text(state["programs"][role]) for role in ROLES}
    environments = {role: _environment(environment) for role, environment in ctx.environments.items()}
    number = next_number(state, CheckpointKind.CODE)
    made = code_subject(ctx, programs, runs, plan=state["plan"], environments=environments, number=number)
    for shown in made["checkers"]:
        ctx.record.put("program", shown["code"].encode(), media=PROGRAM_MEDIA["python"])
    return {**made, "answered": _answered(ctx, state)}


def _answered(ctx: StudyContext, state: StudyState) -> list[dict[str, str]]:
    """Return the answers to the reasons of the rejection that these programs follow on, if they do."""
    if not pending(ctx, CheckpointKind.CODE):
        return []
    kept = state.get("answered", {})
    return [row for role in ROLES if kept.get(role) for row in ctx.json(kept[role])]


def _environment(environment: Environment) -> dict[str, Any]:
    return {
        "name": environment.name,
        "language": environment.language,
        "version": environment.version,
        "digest": environment.digest,
        "packages": list(environment.distributions),
    }
