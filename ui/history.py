"""View objects of studies: the list, and one study with its status and timeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from counterproof.agents.settings import exposure_in_words
from counterproof.agents.study import Workplace, open_study
from counterproof.provenance.labels import mode_notice
from counterproof.provenance.record import Event
from counterproof.provenance.store import ENDED, Status
from counterproof.ui.reading import noticed_listing
from counterproof.ui.seen import messages_seen
from counterproof.ui.subjects import Listing
from counterproof.ui.views import InboxRow, inbox


@dataclass(frozen=True, kw_only=True)
class TimelineRow:
    """One event of a study."""

    seq: int
    at: str
    who: str
    event: str
    what: str


@dataclass(frozen=True, kw_only=True)
class StudyRow:
    """A study in the list."""

    id: str
    title: str
    status: Status


@dataclass(frozen=True, kw_only=True)
class StudyView:
    """Where a study stands and what happened in it."""

    id: str
    title: str
    question: str
    status: Status
    detail: str
    model: str
    waits: InboxRow | None
    asked_to_run: bool
    may_run: bool
    """Whether a worker can go on with it: it has not ended, and nobody is waited for."""
    bundle: Path | None
    is_scenario: bool
    notice: str
    """What is stated on every page of a study in single-user mode; "" for others."""
    timeline: tuple[TimelineRow, ...]
    exposure: str
    """What the model may see of the data, in words."""
    noticed: Listing | None
    """What was noticed about the data; None before the intake is over."""
    seen: tuple[dict[str, Any], ...]
    """Every message that the model was sent, with its sources."""


def studies(workplace: Workplace) -> list[StudyRow]:
    """Return all studies, newest first."""
    rows = reversed(workplace.store.studies())
    return [StudyRow(id=row["id"], title=row["title"], status=Status(row["status"])) for row in rows]


def study_view(workplace: Workplace, study_id: str, *, now: datetime | None = None) -> StudyView:
    """Return where a study stands.

    Raises:
        UsageError: there is no such study.
        VerificationFailed: its record was changed.
    """
    row = workplace.store.study(study_id)
    study = open_study(workplace, study_id)
    waiting = [wait for wait in inbox(workplace, now=now) if wait.study == study_id]
    status, scenario = Status(row["status"]), study.settings.mode == "scenario"
    intake = study.record.of_type("intake.finished")
    bundle = study.folder / "bundle.zip"
    return StudyView(
        id=study_id,
        title=study.settings.title,
        question=study.settings.question,
        status=status,
        detail=row["detail"],
        model=study.settings.model.model,
        waits=waiting[-1] if waiting else None,
        asked_to_run=bool(row["run_asked"]),
        may_run=not waiting and not scenario and status not in ENDED and status is not Status.RUNNING,
        bundle=bundle if bundle.exists() else None,
        is_scenario=scenario,
        notice=mode_notice(study.record.of_type("study.created")[0]),
        timeline=tuple(_timeline_row(event) for event in _shown(study.record.events())),
        exposure=f"Exposure {study.settings.exposure}: {exposure_in_words(study.settings)}.",
        noticed=noticed_listing(intake[-1].data["noticed"]) if intake else None,
        seen=tuple(messages_seen(study.record)),
    )


def _shown(events: list[Event]) -> list[Event]:
    """Return the events without the starts of effects that finished."""
    finished = {(event.data["key"], event.data["attempt"]) for event in events if event.type == "effect.finished"}
    starts = [event for event in events if event.type == "effect.started"]
    done = {event.seq for event in starts if (event.data["key"], event.data["attempt"]) in finished}
    return [event for event in events if event.seq not in done]


def _timeline_row(event: Event) -> TimelineRow:
    return TimelineRow(
        seq=event.seq,
        at=event.ts[:19].replace("T", " "),
        who=f"{event.actor.kind}: {event.actor.id}",
        event=event.type.replace(".", " "),
        what=_what(event.data),
    )


_TOLD = (
    "id",
    "checkpoint",
    "approval",
    "effect",
    "rows",
    "decision",
    "key",
    "status",
    "round",
    "role",
    "number",
    "ended",
    "reason",
    "error",
    "verdicts",
)
"""Fields of an event that say what happened; the rest stands in the record."""


def _what(data: dict[str, Any]) -> str:
    told = {name: data[name] for name in _TOLD if data.get(name) not in (None, "")}
    return ", ".join(f"{name} {_words(value)}" for name, value in told.items())


def _words(value: Any) -> str:
    return "; ".join(f"{name} {part}" for name, part in value.items()) if isinstance(value, dict) else str(value)
