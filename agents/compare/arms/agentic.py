"""A plan first, then a program that is repaired on the twin until it works there, and run once on the data."""

from __future__ import annotations

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from counterproof.agents.compare.code import code_of
from counterproof.agents.compare.failures import attempt_of, classified, unusable
from counterproof.agents.compare.trials import Trial
from counterproof.agents.compare.workbench import Attempt, OverLimit, Workbench
from counterproof.agents.prompts import fill
from counterproof.tools.rowguard import RowInRequest

_SHOWN = 6000


def agentic(workbench: Workbench) -> Attempt:
    """Plan, write, repair on the twin, run."""
    try:
        return _work(workbench)
    except OverLimit as error:
        return Attempt(fault="over_limit", detail=str(error))
    except RowInRequest:
        # What is sent beside the model's own words are prompts and errors of its program: that recites the answers.
        return Attempt(fault="leaked", detail="errors of its program hold held-out answers, which it knew by heart")


def _work(workbench: Workbench) -> Attempt:
    conversation: list[BaseMessage] = [HumanMessage(workbench.told("compare_plan"))]
    plan = workbench.ask("plan/1", conversation)
    if plan.fault:
        return unusable(plan.fault)
    conversation += [AIMessage(plan.text), HumanMessage(workbench.told("compare_program"))]
    for number in range(1, workbench.cell.max_repairs + 2):
        answer = workbench.ask(f"write/{number}", conversation)
        if answer.fault:
            return unusable(answer.fault)
        code = code_of(answer.text, workbench.cell.language)
        if code is None:
            failed = Attempt(fault="no_code", detail="the answer holds no program in the asked language")
            fault = "Your answer holds no program in a fenced code block."
        else:
            trial = workbench.room.run(f"twin/{number}", code, workbench.cell.prepared.twin, "twin")
            fault = _fault(workbench, trial)
            if not fault:
                done = workbench.room.run("answer/1", code, workbench.data, "answer")
                return attempt_of(code, done, workbench.room.record.blobs)
            failed = classified(code, trial, workbench.room.record.blobs, where="on the twin")
        conversation += [AIMessage(answer.text), HumanMessage(fill("compare_fault", fault=fault))]
    return failed


def _fault(workbench: Workbench, trial: Trial) -> str:
    """Return what the model is told of a run on the twin; "" where it worked."""
    if trial.status != "ok":
        stderr = workbench.room.record.blobs.get(trial.stderr).decode("utf-8", errors="replace")
        return f"Status: {trial.status}, exit code {trial.exit_code}. Standard error:\n{stderr[-_SHOWN:]}"
    if trial.output(workbench.cell.task.output) is None:
        return f"It wrote no {workbench.cell.task.output}."
    return ""
