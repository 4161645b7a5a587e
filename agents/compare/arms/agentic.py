"""A plan first, then a program that is repaired on the twin until it works there, and run once on the data."""

from __future__ import annotations

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from counterproof.agents.compare.code import code_of
from counterproof.agents.compare.desk import Attempt, Desk, OverLimit
from counterproof.agents.compare.failures import attempt_of, classified, unusable
from counterproof.agents.compare.trials import Trial
from counterproof.agents.prompts import fill
from counterproof.tools.rowguard import RowInRequest

_SHOWN = 6000


def agentic(desk: Desk) -> Attempt:
    """Plan, write, repair on the twin, run."""
    try:
        return _work(desk)
    except OverLimit as error:
        return Attempt(fault="over_limit", detail=str(error))
    except RowInRequest:
        # What is sent beside the model's own words are prompts and errors of its program: that recites the answers.
        return Attempt(fault="leaked", detail="errors of its program hold held-out answers, which it knew by heart")


def _work(desk: Desk) -> Attempt:
    conversation: list[BaseMessage] = [HumanMessage(desk.told("compare_plan"))]
    plan = desk.ask("plan/1", conversation)
    if plan.fault:
        return unusable(plan.fault)
    conversation += [AIMessage(plan.text), HumanMessage(desk.told("compare_program"))]
    for number in range(1, desk.cell.max_repairs + 2):
        answer = desk.ask(f"write/{number}", conversation)
        if answer.fault:
            return unusable(answer.fault)
        code = code_of(answer.text, desk.cell.language)
        if code is None:
            failed = Attempt(fault="no_code", detail="the answer holds no program in the asked language")
            fault = "Your answer holds no program in a fenced code block."
        else:
            trial = desk.room.run(f"twin/{number}", code, desk.cell.prepared.twin, "twin")
            fault = _fault(desk, trial)
            if not fault:
                done = desk.room.run("answer/1", code, desk.data, "answer")
                return attempt_of(code, done, desk.room.record.blobs)
            failed = classified(code, trial, desk.room.record.blobs, where="on the twin")
        conversation += [AIMessage(answer.text), HumanMessage(fill("compare_fault", fault=fault))]
    return failed


def _fault(desk: Desk, trial: Trial) -> str:
    """Return what the model is told of a run on the twin; "" where it worked."""
    if trial.status != "ok":
        stderr = desk.room.record.blobs.get(trial.stderr).decode("utf-8", errors="replace")
        return f"Status: {trial.status}, exit code {trial.exit_code}. Standard error:\n{stderr[-_SHOWN:]}"
    if trial.output(desk.cell.task.output) is None:
        return f"It wrote no {desk.cell.task.output}."
    return ""
