"""Replaying a bundle offline: model turns from its record, programs executed again, every digest compared.

The study is made anew in a folder of its own, under its old id, with the settings, reviewers and signed decisions of
the bundle. Model calls are answered from the record, programs really run in the sandbox, and each old decision counts
again where the same checkpoint shows the same bytes: its signature covers them. What differs is named.

It needs the data: from the bundle where they were shared, else from whoever has them, by digest. It does not verify the
bundle (`provenance.verify` does), and what it makes is never exported.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from counterproof.agents.runner import Runner
from counterproof.agents.study import OpenStudy, Workplace, open_study, open_workplace, start_study
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.decisions import Checkpoint, check_decision
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import CounterproofError, UsageError, VerificationFailed
from counterproof.provenance.journal import Cassette, finished_effects
from counterproof.provenance.record import Event, read_chain
from counterproof.provenance.reviewers import Reviewer
from counterproof.sandbox import Environment, Sandbox

_DOCUMENTS = ("intake.finished", "plan.locked", "results.released", "report.rendered", "study.ended")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One thing of the record that was made again.

    Attributes:
        what: what it is.
        recorded: its digest in the bundle.
        again: its digest now; "" where it was not made.
    """

    what: str
    recorded: str
    again: str

    @property
    def same(self) -> bool:
        """Whether both are the same bytes."""
        return self.recorded == self.again


@dataclass(frozen=True, kw_only=True)
class BundleReplay:
    """What a replay found.

    Attributes:
        study: the study's id.
        ended: how it ended, as recorded.
        stopped: why the replay stopped before the end; "" when it didn't.
        comparisons: everything that was compared, in the order of the record.
    """

    study: str
    ended: str
    stopped: str
    comparisons: tuple[Comparison, ...]

    @property
    def ok(self) -> bool:
        """Whether everything was made again, and is the same."""
        return not self.stopped and bool(self.comparisons) and all(row.same for row in self.comparisons)


def replay_bundle(
    path: Path,
    home: Path,
    *,
    sandbox: Sandbox,
    environment: Environment,
    data: Sequence[Path] = (),
    progress: Callable[[str], None] = lambda _line: None,
) -> BundleReplay:
    """Run the study of a bundle again.

    Args:
        path: the bundle; verify it first.
        home: an empty folder for the replay.
        sandbox: runs the programs.
        environment: the analysis environment of this machine.
        data: data files that the bundle does not hold.
        progress: is told one line a step.

    Raises:
        UsageError: the file is no bundle, or data are missing.
        VerificationFailed: its record is broken.
    """
    blobs = Blobs(home / "bundle")
    events, inputs = _unpack(path, blobs)
    workplace = open_workplace(home)
    _bring_data(workplace, events[0].data["data"], [*inputs, *(file.read_bytes() for file in data)])
    _bring_reviewers(workplace, events)
    settings = {key: value for key, value in events[0].data.items() if key != "study"}
    study_id = start_study(workplace, events[0].data["study"], settings)
    runner = Runner(
        workplace=workplace,
        sandbox=sandbox,
        environment=environment,
        api_key=lambda _name: "replay",
        progress=progress,
        cassette=Cassette(events, blobs),
        clock=lambda: _approval_time(events),
    )
    stopped = ""
    try:
        runner.run(study_id, decide=lambda study, waiting: _decide_again(events, blobs, study, waiting))
    except CounterproofError as error:
        stopped = str(error)
    again = open_study(workplace, study_id).record.events()
    ended = [event.data["ended"] for event in events if event.type == "study.ended"]
    return BundleReplay(
        study=study_id, ended=ended[-1] if ended else "", stopped=stopped, comparisons=tuple(_compare(events, again))
    )


def _unpack(path: Path, blobs: Blobs) -> tuple[list[Event], list[bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            top = archive.namelist()[0].partition("/")[0]
            for name in archive.namelist():
                if name.startswith(f"{top}/data/record/blobs/"):
                    blobs.put(archive.read(name))
            inputs = [archive.read(name) for name in archive.namelist() if name.startswith(f"{top}/data/inputs/")]
            events = read_chain(archive.read(f"{top}/data/record/events.jsonl"))
            if not events or events[0].type != "study.created":
                raise KeyError("its record does not begin with a study")
            return events, inputs
    except (OSError, zipfile.BadZipFile, KeyError, IndexError) as error:
        raise UsageError(
            f"{path} is no bundle: {error}.", advice="`counterproof verify` says what is wrong with it."
        ) from error


def _bring_data(workplace: Workplace, wanted: list[dict[str, Any]], given: list[bytes]) -> None:
    found = {sha256_bytes(content): content for content in given}
    for file in wanted:
        if file["sha256"] not in found:
            raise UsageError(
                f"The bundle does not hold the data file {file['name']}: {file['size']} bytes, {file['sha256']}.",
                advice="Give it with --data; it must be the same bytes.",
            )
        workplace.vault.put(found[file["sha256"]])


def _bring_reviewers(workplace: Workplace, events: list[Event]) -> None:
    for event in events:
        if event.type == "decision.recorded":
            reviewer = Reviewer.model_validate(event.data["reviewer"])
            if all(known.id != reviewer.id for known in workplace.registry.active()):
                workplace.registry.add(reviewer, by="replay")


def _approval_time(events: list[Event]) -> datetime:
    """Return the time of the newest decision on code: an approval does not expire for who replays it."""
    times = [event.ts for event in events if event.type == "decision.recorded" and event.data["kind"] == "code"]
    return datetime.fromisoformat(times[-1])


def _decide_again(events: list[Event], blobs: Blobs, study: OpenStudy, waiting: Checkpoint) -> bool:
    recorded = [
        event for event in events if event.type == "decision.recorded" and event.data["checkpoint"] == waiting.id
    ]
    if not recorded:
        raise VerificationFailed(f"The bundle has no decision on {waiting.id}.")
    event = recorded[0]
    if event.data["subject"] != waiting.subject:
        raise VerificationFailed(
            f"{waiting.id} shows other bytes than were decided on: {waiting.subject[:12]}…, and the decision is about "
            f"{event.data['subject'][:12]}…."
        )
    statement, signature = (blobs.get(event.ref(role).sha256) for role in ("statement", "signature"))
    reviewer = Reviewer.model_validate(event.data["reviewer"])
    edited = [ref.sha256 for ref in event.refs if ref.role == "edited"]
    for digest in edited:
        study.record.blobs.put(blobs.get(digest))
    study.checkpoints.record(check_decision(statement, signature, reviewer=reviewer), refs_edited=edited)
    return True


def _compare(events: list[Event], again: list[Event]) -> list[Comparison]:
    rows: list[Comparison] = []
    replayed = finished_effects(again)
    for key, event in finished_effects(events).items():
        for role in ("request", "response"):
            other = replayed.get(key)
            rows.append(
                Comparison(
                    what=f"{event.data['kind']} {key}, {role}",
                    recorded=event.ref(role).sha256,
                    again=other.ref(role).sha256 if other else "",
                )
            )
    subjects = {event.data["id"]: event.data["subject"] for event in again if event.type == "checkpoint.opened"}
    for event in events:
        if event.type == "checkpoint.opened":
            now = subjects.get(event.data["id"], "")
            rows.append(Comparison(what=f"checkpoint {event.data['id']}", recorded=event.data["subject"], again=now))
    for kind in _DOCUMENTS:
        rows += _documents(kind, events, again)
    return rows


def _documents(kind: str, events: list[Event], again: list[Event]) -> list[Comparison]:
    before, now = ([event for event in side if event.type == kind] for side in (events, again))
    rows = []
    for at, event in enumerate(before):
        other = {ref.role: ref.sha256 for ref in now[at].refs} if at < len(now) else {}
        rows += [
            Comparison(what=f"{kind}, {ref.role}", recorded=ref.sha256, again=other.get(ref.role, ""))
            for ref in event.refs
        ]
    return rows
