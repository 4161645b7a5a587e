"""The steps of a study under one set of names, as every format of this folder tells them.

A study of one purpose is always the same way: a model, a program or a maker does something, then a person decides. An
effect belongs to the step that its key begins with, a decision to the step of its checkpoint. The table is also the
workflow file of the bundle (`workflow.json`), which is what the RO-Crate calls the workflow that was run.

It does not cover what a step read and gave: the formats take that from the record's events.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from counterproof.provenance.events import Event
from counterproof.provenance.permissions import Purpose

WORKFLOW = "workflow.json"
Tool = Literal["model", "sandbox", "checkpoint", "maker"]


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


_RELEASE = Step(name="decide-release", does="A person decides what is released.", tool="checkpoint", begins="release")
_ANALYSIS = (
    Step(name="plan", does="The model drafts the plan.", tool="model", begins="plan"),
    Step(name="decide-plan", does="A person decides on the plan.", tool="checkpoint", begins="plan"),
    Step(name="write", does="The model writes the program and its replication.", tool="model", begins="write"),
    Step(name="dry-run", does="The programs run on the synthetic twin.", tool="sandbox", begins="dry_run"),
    Step(name="decide-code", does="A person decides on the programs.", tool="checkpoint", begins="code"),
    Step(name="execute", does="The approved programs run on the real data.", tool="sandbox", begins="execute"),
    _RELEASE,
    Step(name="report", does="The model drafts the report.", tool="model", begins="report"),
    Step(name="decide-signoff", does="A person signs the report off.", tool="checkpoint", begins="signoff"),
)
_SYNTHESIS = (
    Step(
        name="decide-specification",
        does="A person decides on the specification of the set.",
        tool="checkpoint",
        begins="specification",
    ),
    Step(name="write", does="The model writes rows, or texts for those of a table.", tool="model", begins="synth"),
    Step(
        name="make", does="A maker makes the table beside the real rows, where those are.", tool="maker", begins="make"
    ),
    Step(name="decide-sample", does="A person decides on a sample of the set.", tool="checkpoint", begins="sample"),
    _RELEASE,
)
STEPS: dict[Purpose, tuple[Step, ...]] = {"analysis": _ANALYSIS, "synthesis": _SYNTHESIS}
"""The steps of a study, by what it is for."""
_CALLED: dict[Purpose, str] = {"analysis": "a study", "synthesis": "a synthetic set"}
_BY_BEGIN = {(step.tool == "checkpoint", step.begins): step for steps in STEPS.values() for step in steps}


def step_of(event: Event) -> Step | None:
    """Return the step that an effect or a decision belongs to; None for what belongs to no step."""
    if event.type == "decision.recorded":
        return _BY_BEGIN.get((True, str(event.data["kind"])))
    if event.type in ("effect.started", "effect.finished", "effect.failed"):
        return _BY_BEGIN.get((False, str(event.data["key"]).partition("/")[0]))
    return None


def workflow_file(purpose: Purpose) -> bytes:
    """Return `workflow.json`: the steps of every study of a purpose."""
    steps = [{"name": step.name, "does": step.does, "tool": step.tool} for step in STEPS[purpose]]
    about = f"The way of {_CALLED[purpose]} in Counterproof. A rejected or edited subject goes back to the step before."
    return json.dumps({"schema": "counterproof/workflow/1", "about": about, "steps": steps}, indent=1).encode() + b"\n"
