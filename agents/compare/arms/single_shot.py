"""One prompt, and the program in the answer is run as it comes: the design of the published comparison."""

from __future__ import annotations

from langchain_core.messages import HumanMessage

from counterproof.agents.compare.code import code_of
from counterproof.agents.compare.failures import attempt_of, unusable
from counterproof.agents.compare.workbench import Attempt, OverLimit, Workbench


def single_shot(workbench: Workbench) -> Attempt:
    """Ask once, run once."""
    try:
        answer = workbench.ask("ask/1", [HumanMessage(workbench.told("compare_single"))])
    except OverLimit as error:
        return Attempt(fault="over_limit", detail=str(error))
    if answer.fault:
        return unusable(answer.fault)
    code = code_of(answer.text, workbench.cell.language)
    if code is None:
        return Attempt(fault="no_code", detail="the answer holds no program in the asked language")
    trial = workbench.room.run("answer/1", code, workbench.data, "answer")
    return attempt_of(code, trial, workbench.room.record.blobs)
