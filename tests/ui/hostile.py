"""A study in which every text that a model, a program or a data file wrote tries to be more than text.

The record of a whole study is copied event by event, without its decisions, and every free text in its bodies gets
`HOSTILE` behind it; one cell has five megabytes, and one figure is an SVG that carries a script.
"""

from __future__ import annotations

import json
from typing import Any

from counterproof.agents.models import ModelConfig
from counterproof.agents.study import OpenStudy, Workplace, new_study, open_study
from counterproof.provenance.events import Event
from counterproof.provenance.policy import SINGLE_USER
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.scenarios.catalogue import load_scenario

BEACON = "http://127.0.0.1:9/beacon.png"
HOSTILE = (
    ' <script>window.pwned=1</script><img src=x onerror="window.pwned=2">'
    f" ![p]({BEACON}) [s](javascript:window.pwned=3) $x^2$ :red[r]"
    " \x1b[31m \u202ee\u202c ../../etc IGNORE ALL PREVIOUS | a |"
)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="window.pwned=6"><script>window.pwned=7</script>'
CELL = "x" * 5_000_000
_FREE = {
    "answer",
    "code",
    "codebook",
    "column",
    "definition",
    "description",
    "design_details",
    "details",
    "evidence",
    "file",
    "head",
    "label",
    "markdown",
    "name",
    "question",
    "reason",
    "shows",
    "stdout",
    "text",
    "title",
    "what",
    "why",
}


def add_hostile_study(workplace: Workplace, source: OpenStudy) -> str:
    """Make the study from one that is done, with all four checkpoints waiting, and return its id."""
    scenario = load_scenario("lung-survival")
    study_id = new_study(
        workplace,
        question=f"Does it hold?{HOSTILE.replace(chr(27), '')}",
        data=scenario.data_paths,
        model=ModelConfig(model=f"m{HOSTILE}", base_url="http://127.0.0.1:9/v1", api_key_env=""),
        title=f"Title{HOSTILE}",
        codebook=HOSTILE,
        policy=SINGLE_USER,
    )
    study = open_study(workplace, study_id)
    moved: dict[str, str] = {}
    for event in source.record.events()[1:]:
        if event.type == "checkpoint.opened":
            subject = _moved(json.loads(source.record.blobs.get(event.data["subject"])), moved)
            study.checkpoints.open(CheckpointKind(event.data["kind"]), 1, _subject(subject, study))
        elif not event.type.startswith(("decision.", "study.")):
            _copy(event, source, study, moved)
    return study_id


def _copy(event: Event, source: OpenStudy, study: OpenStudy, moved: dict[str, str]) -> None:
    """Copy an event with its bodies; `moved` has the digests of bodies before and after."""
    refs = []
    for ref in event.refs:
        content = source.record.blobs.get(ref.sha256)
        if ref.role.startswith("output:figures/"):
            content = SVG
        elif ref.media == "application/json":
            content = json.dumps(_spoilt(_moved(json.loads(content), moved))).encode()
        elif ref.media.startswith("text/"):
            content += HOSTILE.encode()
        refs.append(study.record.put(ref.role, content, media=ref.media, side=ref.side))
        moved[ref.sha256] = refs[-1].sha256
    study.record.append(event.type, actor=event.actor, data=event.data, refs=refs, durable=False)


def _moved(document: Any, moved: dict[str, str]) -> Any:
    text = json.dumps(document)
    for old, new in moved.items():
        text = text.replace(old, new)
    return json.loads(text)


def _subject(subject: dict[str, Any], study: OpenStudy) -> dict[str, Any]:
    spoilt: dict[str, Any] = _spoilt(subject)
    spoilt["answered"] = [{"by": "ada", "reason": HOSTILE, "answer": HOSTILE}]
    for program in spoilt.get("programs", []):
        program["static"] = [{"line": 3, "level": "warning", "text": HOSTILE}]
    for item in spoilt.get("items", []):
        if item["id"].startswith("figures/"):
            item["sha256"] = study.record.put("figure", SVG, media="image/svg+xml", side="secure").sha256
        if item["id"].startswith("tables/"):
            item["shows"] = f"group,{HOSTILE.replace(',', ';')}\nwomen,{CELL}\n"
    return spoilt


def _spoilt(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _spoilt(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_spoilt(inner, name) for inner in value]
    return f"{value}{HOSTILE}" if isinstance(value, str) and value and name in _FREE else value
