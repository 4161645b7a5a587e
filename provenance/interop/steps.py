"""The steps of a study under one set of names, as every format of this folder tells them.

A study is always the same way: a model or a program does something, then a person decides. An effect belongs to the
step that its key begins with, a decision to the step of its checkpoint. The table is also the workflow file of the
bundle (`workflow.json`), which is what the RO-Crate calls the workflow that was run.

It does not cover what a step read and gave: the formats take that from the record's events.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from counterproof.provenance.record import Event

WORKFLOW = "workflow.json"
Tool = Literal["model", "sandbox", "checkpoint"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a study.

    Attributes:
        name: its name.
        does: what happens in it.
        tool: what does it.
        begins: how the keys of its effects begin, or the kind of its checkpoint.
    """

    name: str
    does: str
    tool: Tool
    begins: str


STEPS = (
    Step(name="plan", does="The model drafts the plan.", tool="model", begins="plan"),
    Step(name="decide-plan", does="A person decides on the plan.", tool="checkpoint", begins="plan"),
    Step(name="write", does="The model writes the program and its replication.", tool="model", begins="write"),
    Step(name="dry-run", does="The programs run on the synthetic twin.", tool="sandbox", begins="dry_run"),
    Step(name="decide-code", does="A person decides on the programs.", tool="checkpoint", begins="code"),
    Step(name="execute", does="The approved programs run on the real data.", tool="sandbox", begins="execute"),
    Step(name="decide-release", does="A person decides what is released.", tool="checkpoint", begins="release"),
    Step(name="report", does="The model drafts the report.", tool="model", begins="report"),
    Step(name="decide-signoff", does="A person signs the report off.", tool="checkpoint", begins="signoff"),
)
_BY_BEGIN = {(step.tool == "checkpoint", step.begins): step for step in STEPS}


def step_of(event: Event) -> Step | None:
    """Return the step that an effect or a decision belongs to; None for what belongs to no step."""
    if event.type == "decision.recorded":
        return _BY_BEGIN.get((True, str(event.data["kind"])))
    if event.type in ("effect.started", "effect.finished", "effect.failed"):
        return _BY_BEGIN.get((False, str(event.data["key"]).partition("/")[0]))
    return None


def workflow_file() -> bytes:
    """Return `workflow.json`: the steps of every study."""
    steps = [{"name": step.name, "does": step.does, "tool": step.tool} for step in STEPS]
    about = "The way of a study in Counterproof. A rejected or edited subject goes back to the step before."
    return json.dumps({"schema": "counterproof/workflow/1", "about": about, "steps": steps}, indent=1).encode() + b"\n"
