"""View objects of studies: the list, one study with where it stands, and what happened in it.

Each is read on its own, and lists come in pages, so that a study with hundreds of model calls opens at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from counterproof.agents.reviews import undecided
from counterproof.agents.settings import exposure_in_words
from counterproof.agents.study import open_study
from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.events import Event
from counterproof.provenance.labels import mode_notice
from counterproof.provenance.permissions import purpose_of
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.store import ENDED, Status
from counterproof.tools.looking import MEANINGS, Meaning
from counterproof.ui.desk import Desk
from counterproof.ui.reading import noticed_listing
from counterproof.ui.subjects import Listing
from counterproof.ui.views import InboxRow, inbox

STUDIES_PER_PAGE = 20
EVENTS_PER_PAGE = 100

Standing = Literal["done", "now", "to come", "not reached"]


@dataclass(frozen=True, kw_only=True)
class TimelineRow:
    """One event of a study."""

    seq: int
    at: str
    who: str
    event: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """One page of the events of a study, newest page first."""

    rows: tuple[TimelineRow, ...]
    page: int
    pages: int


@dataclass(frozen=True, kw_only=True)
class StudyRow:
    """A study in the list."""

    id: str
    title: str
    status: Status


@dataclass(frozen=True, kw_only=True)
class StudyList:
    """One page of the studies, newest first."""

    rows: tuple[StudyRow, ...]
    page: int
    pages: int


@dataclass(frozen=True, kw_only=True)
class PathStep:
    """One step of the way of a study."""

    name: str
    standing: Standing


@dataclass(frozen=True, kw_only=True)
class ColumnToName:
    """A column that may identify a person and waits for a word."""

    file: str
    column: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class StudyView:
    """Where a study stands."""

    id: str
    title: str
    question: str
    status: Status
    detail: str
    model: str
    path: tuple[PathStep, ...]
    waits: InboxRow | None
    asked_to_run: bool
    may_run: bool
    """Whether a worker can go on with it: it has not ended, and nobody is waited for."""
    undecided: tuple[ColumnToName, ...]
    """Columns that a person must say a word of before it goes on."""
    meanings: tuple[Meaning, ...]
    """What can be said of them."""
    bundle: Path | None
    is_scenario: bool
    notice: str
    """What is stated on every page of a study in single-user mode; "" for others."""
    exposure: str
    """What the model may see of the data, in words."""
    noticed: Listing | None
    """What was noticed about the data; None before the intake is over."""


def study_list(desk: Desk, *, page: int = 1) -> StudyList:
    """Return some of the studies, newest first.

    Raises:
        NotAllowed: nobody is there.
    """
    desk.require("read")
    store = desk.workplace.store
    pages = max(1, -(-store.count_studies() // STUDIES_PER_PAGE))
    at = min(max(1, page), pages)
    rows = store.newest(STUDIES_PER_PAGE, skip=(at - 1) * STUDIES_PER_PAGE)
    return StudyList(
        rows=tuple(StudyRow(id=row["id"], title=row["title"], status=Status(row["status"])) for row in rows),
        page=at,
        pages=pages,
    )


def only_example(desk: Desk) -> str:
    """Return the id of the example study where the store has no other; "" where it has.

    Raises:
        NotAllowed: nobody is there.
    """
    desk.require("read")
    rows = desk.workplace.store.newest(2)
    if len(rows) != 1 or open_study(desk.workplace, rows[0]["id"]).settings.mode != "scenario":
        return ""
    return str(rows[0]["id"])


def study_view(desk: Desk, study_id: str, *, now: datetime | None = None) -> StudyView:
    """Return where a study stands.

    Raises:
        UsageError: there is no such study.
        NotAllowed: nobody is there.
        VerificationFailed: its record was changed.
    """
    desk.require("read")
    row = desk.workplace.store.study(study_id)
    study = open_study(desk.workplace, study_id)
    waiting = inbox(desk.workplace, now=now, study=study_id)
    status, scenario = Status(row["status"]), study.settings.mode == "scenario"
    intake = study.record.of_type("intake.finished")
    bundle = study.folder / "bundle.zip"
    unnamed = [] if intake else undecided(study.record)
    return StudyView(
        id=study_id,
        title=study.settings.title,
        question=study.settings.question,
        status=status,
        detail=row["detail"],
        model=study.settings.model.model,
        path=tuple(_path(study.record.events())),
        waits=waiting[-1] if waiting else None,
        asked_to_run=bool(row["run_asked"]),
        may_run=not waiting and not scenario and status not in ENDED and status is not Status.RUNNING,
        undecided=tuple(ColumnToName(**{key: one[key] for key in ("file", "column", "reason")}) for one in unnamed),
        meanings=MEANINGS,
        bundle=bundle if bundle.exists() else None,
        is_scenario=scenario,
        notice=mode_notice(study.record.of_type("study.created")[0]),
        exposure=f"Exposure {study.settings.exposure}: {exposure_in_words(study.settings)}.",
        noticed=noticed_listing(intake[-1].data["noticed"]) if intake else None,
    )


def timeline(desk: Desk, study_id: str, *, page: int = 1) -> Timeline:
    """Return what happened in a study: page 1 has the newest events, each page its events oldest first.

    Raises:
        UsageError: there is no such study.
        NotAllowed: nobody is there.
        VerificationFailed: its record was changed.
    """
    desk.require("read")
    events = _shown(open_study(desk.workplace, study_id).record.events())
    pages = max(1, -(-len(events) // EVENTS_PER_PAGE))
    at = min(max(1, page), pages)
    end = len(events) - (at - 1) * EVENTS_PER_PAGE
    rows = [timeline_row(event) for event in events[max(0, end - EVENTS_PER_PAGE) : end]]
    return Timeline(rows=tuple(rows), page=at, pages=pages)


def _path(events: list[Event]) -> list[PathStep]:
    """Return the way of the study with where it stands, by what its record has since it last went back to the plan."""
    created = events[0]
    back = [at for at, event in enumerate(events) if _is_decided(event, "replan")]
    taken_in = any(event.type == "intake.finished" for event in events)
    events = events[back[-1] + 1 :] if back else events
    types = {event.type for event in events}
    kinds = {str(event.data["kind"]) for event in events if event.type == "checkpoint.opened"}
    approved = {str(event.data["kind"]) for event in events if _is_decided(event, "approve")}
    ended = any(event.type == "study.ended" and event.data["ended"] == "done" for event in events)
    if purpose_of(created.data) == "synthesis":
        done = [
            ("intake", CheckpointKind.SPECIFICATION in kinds),
            ("◆1 specification", CheckpointKind.SPECIFICATION in approved),
            ("made", "set.made" in types),
            ("◆2 sample", CheckpointKind.SAMPLE in approved),
            ("judged", CheckpointKind.RELEASE in kinds),
            ("◆3 release", "set.released" in types),
            ("bundle", ended),
        ]
        return _standings(done, over="study.ended" in types)
    done = [
        ("intake", taken_in),
        ("plan", "plan.drafted" in types),
        ("◆1 plan", CheckpointKind.PLAN in approved),
        ("programs, dry run on the twin", CheckpointKind.CODE in kinds),
        ("◆2 code", CheckpointKind.CODE in approved),
        ("run on the data, checks", CheckpointKind.RELEASE in kinds),
        ("◆3 release", "results.released" in types),
        ("report", CheckpointKind.SIGNOFF in kinds),
        ("◆4 sign-off", CheckpointKind.SIGNOFF in approved),
        ("bundle", ended),
    ]
    return _standings(done, over="study.ended" in types)


def _standings(done: Sequence[tuple[str, bool]], *, over: bool) -> list[PathStep]:
    """Return the steps with where each stands: up to the first that is not done, and after it."""
    reached = next((at for at, (_, is_done) in enumerate(done) if not is_done), len(done))
    after: Standing = "not reached" if over else "to come"
    here: Standing = "now" if after == "to come" else after
    return [
        PathStep(name=name, standing="done" if at < reached else here if at == reached else after)
        for at, (name, _) in enumerate(done)
    ]


def _is_decided(event: Event, decision: DecisionKind) -> bool:
    return event.type == "decision.recorded" and event.data["decision"] == decision


def _shown(events: list[Event]) -> list[Event]:
    """Return the events without the starts of effects that finished."""
    finished = {(event.data["key"], event.data["attempt"]) for event in events if event.type == "effect.finished"}
    starts = [event for event in events if event.type == "effect.started"]
    done = {event.seq for event in starts if (event.data["key"], event.data["attempt"]) in finished}
    return [event for event in events if event.seq not in done]


def timeline_row(event: Event) -> TimelineRow:
    """Return one event as a row for reading."""
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
    if not isinstance(value, dict):
        return str(value)
    if all(isinstance(part, str) for part in value.values()):  # a verdict for each of forty checks
        return "; ".join(f"{number} {word.replace('_', ' ')}" for word, number in Counter(value.values()).items())
    return "; ".join(f"{name} {part}" for name, part in value.items())
