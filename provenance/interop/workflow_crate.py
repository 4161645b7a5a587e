"""The workflow of a bundle's RO-Crate: the way of a study, and the run of it that this study was.

What the Provenance Run Crate asks for beyond single actions: `workflow.json` as the workflow, its steps, the tools that
do them, one action for the whole run, and for each model call, execution and decision which step it was (a
`ControlAction`). A step that was taken five times has five of them. The engine's `OrganizeAction` holds them together.

It does not cover the actions themselves (`crate`), nor connections between the parameters of steps.

Source: Workflow Run RO-Crate, Workflow Run Crate 0.5 and Provenance Run Crate 0.5; Workflow RO-Crate 1.0.
"""

from __future__ import annotations

from typing import Any

from counterproof.provenance.events import Event
from counterproof.provenance.interop.steps import STEPS, WORKFLOW, Step, step_of
from counterproof.provenance.permissions import Purpose, purpose_of

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
TOOLS = {"model": "#model", "sandbox": "#program-runner", "checkpoint": "#checkpoint", "maker": "#maker"}
RUN = "#run"
ENGINE = "#engine"
HOST = "#installation"
"""Who runs the steps that no person takes."""
PREVIEW = "ro-crate-preview.html"
"""The crate's own page: no part of the data set, so it is not among the files that the crate lists."""
DATA, REPORT, SET = "#parameter-data", "#parameter-report", "#parameter-set"
_ABOUT = {
    DATA: "The data of the study, where they are shared",
    REPORT: "The report and what was released",
    SET: "The synthetic set that was released, with its card",
}
_ROLES = {DATA: "input", REPORT: "output", SET: "output"}
_HOW_MANY: dict[Purpose, str] = {"analysis": "four", "synthesis": "three"}
_ENDS = ("effect.finished", "effect.failed", "decision.recorded")
_BIOSCHEMAS = "https://bioschemas.org/profiles"
_LANGUAGE = "#language"
_COMPLETED = "http://schema.org/CompletedActionStatus"


def workflow_entities(events: list[Event], files: dict[str, int], *, terms: str, version: str) -> list[dict[str, Any]]:
    """Return the workflow, its steps and parameters, and the run of it.

    Args:
        events: the record.
        files: size of each file of the payload by name.
        terms: the entity that says who may use the study.
        version: of the Counterproof that made the bundle.
    """
    taken = [(event, step) for event in events if (step := step_of(event)) is not None and event.type in _ENDS]
    # The profile has no place for a tool that nothing was done with: a study that ended early has fewer steps.
    tools = {step.tool for _, step in taken}
    purpose = purpose_of(events[0].data)
    way = STEPS[purpose]
    steps = [step for step in way if step.tool in tools]
    examples = {parameter: sorted(name for name in files if parameter_of(name) == parameter) for parameter in _ABOUT}
    parameters = [parameter for parameter, names in examples.items() if names]
    controls = [
        {
            "@id": f"#step-of-event-{event.seq}",
            "@type": "ControlAction",
            "name": f"{step.name}, event {event.seq}",
            "description": step.does,
            "instrument": {"@id": f"#step-{step.name}"},
            "object": {"@id": f"#event-{event.seq}"},
        }
        for event, step in taken
    ]
    return [
        *[{"@id": url, "@type": "CreativeWork", "name": name, "version": at} for url, (name, at) in PROFILES.items()],
        _workflow(purpose, files, parameters, steps, terms),
        *[_step(step, way.index(step) + 1) for step in steps],
        *[_parameter(name, examples[name]) for name in parameters],
        {"@id": _LANGUAGE, "@type": "ComputerLanguage", "name": "JSON", "url": {"@id": "https://www.json.org/"}},
        {
            "@id": ENGINE,
            "@type": "SoftwareApplication",
            "name": "Counterproof",
            "softwareVersion": version,
            "url": page_of(ENGINE),
        },
        _run(events, examples),
        *controls,
        *([_organized(events, controls)] if controls else []),
    ]


def parameter_of(name: str) -> str | None:
    """Return the parameter of the workflow that a file of the payload is an example of."""
    if name.startswith("inputs/"):
        return DATA
    if name.startswith("set/"):
        return SET
    return REPORT if name.startswith("results/") or name in ("report.json", "report.md") else None


def page_of(entity: str) -> dict[str, str]:
    """Return the address of the place in the crate's preview that says what an entity of Counterproof is."""
    return {"@id": f"{PREVIEW}{entity}"}


def one_or_all(values: list[Any]) -> Any:
    """Return the value of a list of one, else the list: RO-Crate wants no list of one."""
    return values[0] if len(values) == 1 else values


def _workflow(
    purpose: Purpose, files: dict[str, int], parameters: list[str], steps: list[Step], terms: str
) -> dict[str, Any]:
    return {
        "@id": WORKFLOW,
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "name": "The way of a study in Counterproof",
        "description": f"Models and programs do the steps, and at {_HOW_MANY[purpose]} checkpoints a person decides.",
        "contentSize": str(files.get(WORKFLOW, 0)),
        "encodingFormat": "application/json",
        "conformsTo": {"@id": f"{_BIOSCHEMAS}/ComputationalWorkflow/1.0-RELEASE"},
        "programmingLanguage": {"@id": _LANGUAGE},
        "license": {"@id": terms},
        "hasPart": one_or_all([{"@id": tool} for name, tool in TOOLS.items() if name in {step.tool for step in steps}]),
        "step": one_or_all([{"@id": f"#step-{step.name}"} for step in steps]),
        "version": "1",
        "url": page_of("#workflow"),
        **{_ROLES[name]: {"@id": name} for name in parameters},
    }


def _step(step: Step, position: int) -> dict[str, Any]:
    return {
        "@id": f"#step-{step.name}",
        "@type": "HowToStep",
        "name": step.name,
        "description": step.does,
        "position": str(position),
        "workExample": {"@id": TOOLS[step.tool]},
    }


def _parameter(name: str, examples: list[str]) -> dict[str, Any]:
    return {
        "@id": name,
        "@type": "FormalParameter",
        "additionalType": "File",
        "name": name.removeprefix("#"),
        "description": _ABOUT[name],
        "conformsTo": {"@id": f"{_BIOSCHEMAS}/FormalParameter/1.0-RELEASE"},
        "workExample": one_or_all([{"@id": example} for example in examples]),
    }


def _run(events: list[Event], examples: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "@id": RUN,
        "@type": "CreateAction",
        "name": f"Run of the study {events[0].data['study']}",
        "instrument": {"@id": WORKFLOW},
        "description": "From the question to the end of the study.",
        "agent": {"@id": HOST},
        "object": one_or_all([{"@id": name} for name in examples[DATA]]),
        "result": one_or_all([{"@id": name} for name in (*examples[REPORT], *examples[SET])]),
        "startTime": events[0].ts,
        "endTime": events[-1].ts,
        "actionStatus": _COMPLETED,
    }


def _organized(events: list[Event], controls: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@id": "#engine-run",
        "@type": "OrganizeAction",
        "name": f"Counterproof runs the study {events[0].data['study']}",
        "instrument": {"@id": ENGINE},
        "description": "The engine took the steps, or waited for a person to take them.",
        "agent": {"@id": HOST},
        "object": one_or_all([{"@id": control["@id"]} for control in controls]),
        "result": {"@id": RUN},
        "startTime": events[0].ts,
        "endTime": events[-1].ts,
        "actionStatus": _COMPLETED,
    }
