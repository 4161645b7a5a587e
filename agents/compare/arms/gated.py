"""The whole study, with decisions by a script: plan, two programs, checks on the data, release, report.

The script is strict and sees what a reviewer would: it approves the plan; it approves programs unless a check of
their text fails, sends them back once with the finding, and then withdraws; it releases what the disclosure checks
let go, and signs off. Its key is marked as a replay reviewer's, so the study's bundle says "replayed, not reviewed".

The study has a store of its own in the cell's folder, and its bundle becomes part of the cell. Predictions stay on the
secure side of the study: the scoring reads them from there.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from counterproof.agents.compare.cell import Category
from counterproof.agents.compare.place import CellPlace
from counterproof.agents.compare.workbench import Attempt, Workbench, output_form
from counterproof.agents.outcomes import Outcome
from counterproof.agents.reviews import FOUND, say
from counterproof.agents.study import OpenStudy, Workplace, new_study, open_study, open_workplace
from counterproof.provenance.decisions import Checkpoint, DecisionKind
from counterproof.provenance.errors import DecisionRequired, ToolFailed
from counterproof.provenance.reviewers import Reviewer, Role
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.signing import load_key, own_key, public_line
from counterproof.provenance.store import Status
from counterproof.tools.looking import Said

_REVIEWER = "campaign"


def gated(workbench: Workbench) -> Attempt:
    """Run the study of the cell to its end, from wherever it stands, and return what its primary program gave."""
    workplace = open_workplace(workbench.place.folder / "home")
    study = _study(workbench, workplace)
    try:
        status = _run(workbench, workplace, study)
    except ToolFailed as error:
        return Attempt(fault="no_code", detail=(error.what.partition("The last fault: ")[2] or error.what)[:300])
    opened = open_study(workplace, study)
    bundle = opened.folder / "bundle.zip"
    if bundle.exists():
        shutil.copyfile(bundle, workbench.place.bundle)
    return _attempt(opened, status)


def _run(workbench: Workbench, workplace: Workplace, study: str) -> Status:
    runner = workbench.runner(workplace)

    def decide(opened: OpenStudy, waiting: Checkpoint) -> bool:
        return _decide(workplace, opened, waiting)

    try:
        return runner.run(study, decide=decide)
    except DecisionRequired:
        _name_columns(open_study(workplace, study))
        return runner.run(study, decide=decide)


def _name_columns(study: OpenStudy) -> None:
    """Say of columns that may identify a person that they don't: the data of a task are open or made up."""
    for row in study.record.of_type(FOUND)[-1].data["findings"]:
        why = "Scripted: the data of the task are open or simulated."
        say(study, Said(file=row["file"], column=row["column"], said="not one", why=why, by=_REVIEWER))


def study_of(place: CellPlace) -> OpenStudy:
    """Return the study of a cell that was begun."""
    workplace = open_workplace(place.folder / "home")
    return open_study(workplace, workplace.store.studies()[0]["id"])


def _study(workbench: Workbench, workplace: Workplace) -> str:
    """Return the id of the cell's study, which is made when there is none."""
    there = workplace.store.studies()
    if there:
        return str(there[0]["id"])
    _register(workplace)
    cell = workbench.cell
    data = workbench.place.folder / "data"
    data.mkdir(exist_ok=True)
    for name, sha256 in cell.task.data.items():
        shutil.copyfile(workbench.room.files / sha256, data / name)
    beside = "" if cell.task.analysis else f"\n\nBeside its results the primary program writes {output_form(cell)}"
    ids = f"\n\nThe results have the ids {', '.join(cell.task.analysis.results)}." if cell.task.analysis else ""
    return new_study(
        workplace,
        question=f"{cell.task.question}{beside}{ids}",
        data=[data / name for name in cell.task.data],
        model=cell.model,
        title=cell.task.title,
        scenario=f"{cell.campaign}/{cell.key}",
        limits={"wall_s": cell.limits.wall_s, "memory_mib": cell.limits.memory_mib},
        language=cell.language,
        replication_language=cell.language,
        make_id=lambda: f"study-{cell.key[:8]}",
    )


def _register(workplace: Workplace) -> None:
    if any(reviewer.id == _REVIEWER for reviewer in workplace.registry.active()):
        return
    key = own_key(_key(workplace), comment=_REVIEWER)
    workplace.registry.add(
        Reviewer(
            id=_REVIEWER,
            name="Script of a comparison",
            affiliation="none: a script of this installation of Counterproof, and no person",
            roles=tuple(Role),
            public_key=public_line(key.public_key()),
            replay=True,
        ),
        by="counterproof",
    )


def _key(workplace: Workplace) -> Path:
    return workplace.store.home / "keys" / _REVIEWER


def _decide(workplace: Workplace, study: OpenStudy, waiting: Checkpoint) -> bool:
    decision: DecisionKind = "approve"
    comment = "Scripted: nobody looked."
    failed = _failed_checks(study, waiting)
    if failed:
        before = [event for event in study.record.of_type("decision.recorded") if event.data["decision"] == "reject"]
        decision, comment = ("withdraw" if before else "reject"), f"Scripted: failed checks: {'; '.join(failed)}"
    study.checkpoints.decide(
        waiting.id,
        KeySigner(key=load_key(_key(workplace), passphrase=None)),
        reviewer=_REVIEWER,
        decision=decision,
        comment=comment,
        seen=waiting.subject,
    )
    return True


def _failed_checks(study: OpenStudy, waiting: Checkpoint) -> list[str]:
    if waiting.kind != "code":
        return []
    subject = study.checkpoints.subject(waiting.id)
    return [
        f"{program['role']}: {made['id']}: {made['evidence'][0] if made.get('evidence') else ''}"
        for program in subject["programs"]
        for made in program["checks"]
        if made["verdict"] == "fail"
    ]


def _attempt(study: OpenStudy, status: Status) -> Attempt:
    ended: list[dict[str, Any]] = [event.data for event in study.record.of_type("study.ended")]
    reason = ended[-1]["reason"] if ended else ""
    outcome, program = _primary(study)
    if status is Status.OVER_BUDGET:
        return Attempt(fault="over_limit", detail="the study is over its budget")
    if status is not Status.DONE or outcome is None:
        return Attempt(program=program, fault=_category(reason), detail=reason[:300])
    blobs = study.record.blobs
    return Attempt(program=program, outputs={output.name: blobs.get(output.sha256) for output in outcome.outputs})


def _category(reason: str) -> Category:
    """Return what kind of end it is that a study says it came to."""
    return "does_not_run" if "did not work on the twin" in reason else "refused"


def _primary(study: OpenStudy) -> tuple[Outcome | None, str]:
    """Return what the primary program gave on the real data, and the program."""
    for event in reversed(study.record.of_type("effect.finished")):
        if event.data["kind"] != "execution" or event.data["synthetic"]:
            continue
        order = json.loads(study.record.blobs.get(event.ref("request").sha256))
        if order["role"] == "primary":
            outcome = Outcome.model_validate_json(study.record.blobs.get(event.ref("response").sha256))
            return outcome, study.record.blobs.get(order["program"]).decode()
    return None, ""
