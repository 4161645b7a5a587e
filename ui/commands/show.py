"""`counterproof show`: what happened, or exactly what is to be decided."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from counterproof.agents.study import OpenStudy, open_study, study_of
from counterproof.provenance.labels import mode_notice
from counterproof.provenance.plan_versions import plan_versions
from counterproof.provenance.store import ENDED, Status
from counterproof.tools.library_warnings import LibraryWarning
from counterproof.ui.common import home_option, workplace
from counterproof.ui.output import emit, escaped, json_option, say, write
from counterproof.ui.rendering import checkpoint_text, editable_text, study_text
from counterproof.ui.seen import messages_seen, refused_requests, seen_text


@click.command(name="show")
@click.argument("what", metavar="[STUDY|CHECKPOINT]", required=False)
@click.option("--editable", is_flag=True, help="Print only what an edit replaces, as JSON to start from.")
@click.option("--model-saw", "saw", is_flag=True, help="Every message that the model was sent, with its sources.")
@click.option("--refused", is_flag=True, help="Requests that the guard stopped: they hold real data; for your eyes.")
@home_option
@json_option
def command(what: str | None, editable: bool, saw: bool, refused: bool, home: Path, as_json: bool) -> None:
    """Show what happened in a STUDY, or exactly what is to be decided at a CHECKPOINT.

    Without an argument: all studies. With --json into a file or pipe a checkpoint is the exact bytes that a decision
    signs; those of a release are signed as a salted commitment.
    """
    place = workplace(home)
    if what is None:
        rows = place.store.studies()
        lines = [f"{row['id']}  {row['status']:<16} {row['created_at'][:19]}  {row['title']}" for row in rows]
        emit(rows, "\n".join(lines) or "There is no study yet.", as_json=as_json)
    elif saw or refused:
        study = open_study(place, study_of(what) if "." in what else what)
        rows = refused_requests(study.record) if refused else messages_seen(study.record)
        emit(rows, seen_text(rows) or "Nothing was refused." if refused else seen_text(rows), as_json=as_json)
    elif "." in what:
        _checkpoint(open_study(place, study_of(what)), what, editable=editable, as_json=as_json)
    else:
        study = open_study(place, what)
        events = study.record.events()
        versions = plan_versions(events, study.record.blobs.get)
        row = place.store.study(what)
        value = {
            **row,
            "plan_versions": [vars(version) for version in versions],
            "events": [{"seq": event.seq, "type": event.type, "ts": event.ts, **event.data} for event in events],
        }
        emit(value, study_text(row, events, _checks(study), versions, _warned(study)), as_json=as_json)
        _advise(row, study)


def _checkpoint(study: OpenStudy, checkpoint: str, *, editable: bool, as_json: bool) -> None:
    opened = study.checkpoints.get(checkpoint)
    subject = study.checkpoints.subject(checkpoint)
    if editable:
        write(editable_text(subject))
    elif as_json:
        exact = study.record.blobs.get(opened.subject)
        write(escaped(exact.decode()) if sys.stdout.isatty() else exact, newline=False)
    else:
        decision = study.checkpoints.decision(checkpoint)
        state = f"{decision.decision.decision} by {decision.decision.name}" if decision else "waits for a decision"
        salt = study.checkpoints.salt(checkpoint)
        notice = mode_notice(study.record.of_type("study.created")[0])
        first = study.checkpoints.first_signatures(checkpoint)
        if decision is None and first:
            state = f"signed by {first[0].decision.name}; needs the signature of another person"
        if decision is None:
            seen = f"--seen {opened.subject[:12]}"
            say(f"Decide with: counterproof decide {checkpoint} DECISION --as REVIEWER --comment REASON {seen}")
        write(
            checkpoint_text(
                subject, checkpoint=checkpoint, digest=opened.subject, salt=salt, state=state, notice=notice
            )
        )


def _advise(row: dict[str, Any], study: OpenStudy) -> None:
    waiting = study.checkpoints.waiting()
    if Status(row["status"]) is Status.WAITING and waiting is not None:
        say(f"Next: counterproof show {waiting.id}")
    else:
        say(f"Next: counterproof {'export' if Status(row['status']) in ENDED else 'run'} {study.id}")


def _warned(study: OpenStudy) -> list[LibraryWarning]:
    finished = study.record.of_type("checks.finished")
    kept = [ref.sha256 for event in finished[-1:] for ref in event.refs if ref.role == "warnings"]
    found = json.loads(study.record.blobs.get(kept[0])) if kept else {}
    return [LibraryWarning.model_validate(raw) for raw in found.values()]


def _checks(study: OpenStudy) -> list[dict[str, Any]]:
    finished = study.record.of_type("checks.finished")
    if not finished:
        return []
    found: list[dict[str, Any]] = json.loads(study.record.blobs.get(finished[-1].ref("checks").sha256))
    return found
