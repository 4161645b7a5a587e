"""Replaying a bundle offline: model turns from its record, programs executed again, results and digests compared.

The study is made anew in a folder of its own, under its old id, with the settings, reviewers and signed decisions of
the bundle. Model calls are answered from the record, programs really run in the sandbox, and each old decision counts
again where the same checkpoint shows the same bytes: its signature covers them. What differs is named.

Where the environment of the record is not the one here, or a program gave other bytes, the study stops at its next
checkpoint, and the executions that are left are made again one by one (`again`) and compared with a tolerance.

A synthetic set is made again in the same way: by its maker from the real data, or from the model's turns; people's
ratings are those of the record.

It needs the data: from the bundle where they were shared, else from whoever has them, by digest. It does not verify the
bundle (`provenance.verify` does), and what it makes is never exported.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

from counterproof.agents.reviews import REVIEWED
from counterproof.agents.runner import Runner
from counterproof.agents.settings import StudySettings
from counterproof.agents.study import BESIDE, OpenStudy, Workplace, open_study, open_workplace, settings_of, start_study
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.decisions import Checkpoint, check_decision
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import CounterproofError, UsageError, VerificationFailed
from counterproof.provenance.events import Event, read_chain
from counterproof.provenance.journal import Cassette, finished_effects
from counterproof.provenance.ledger import Entry
from counterproof.provenance.reviewers import Reviewer
from counterproof.provenance.study_policy import POLICY_ROLE
from counterproof.sandbox import Environment, Sandbox, find_environment
from counterproof.sandbox.orders import ROLES, Role
from counterproof.scenarios.again import ExecutionAgain, Recorded, Verdict, executions_again
from counterproof.tools.synth.review import RATINGS
from counterproof.tools.synth.studies import SESSION, SETS

_DOCUMENTS = (
    "intake.finished",
    "plan.locked",
    "results.released",
    "report.rendered",
    "set.begun",
    "set.written",
    "set.made",
    "set.judged",
    "set.released",
    "study.ended",
)
_OPENING = ("code", "specification")
"""Checkpoints whose approval opens real data."""


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
class EnvironmentAgain:
    """The environment of one of the programs, as recorded and here.

    Attributes:
        role: of which program.
        recorded: its digest in the record.
        here: the digest of the one here; "" where there is none.
        differences: what differs, in words; empty where it is the same.
    """

    role: str
    recorded: str
    here: str
    differences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BundleReplay:
    """What a replay found.

    Attributes:
        study: the study's id.
        ended: how it ended, as recorded.
        stopped: why the replay stopped before the end; "" when it didn't.
        comparisons: everything that was compared by its digest, in the order of the record.
        environments: the environments of the programs; empty where no program was put up.
        executions: every execution of the record.
        ran: whether the replay got as far as an execution.
    """

    study: str
    ended: str
    stopped: str
    comparisons: tuple[Comparison, ...]
    environments: tuple[EnvironmentAgain, ...]
    executions: tuple[ExecutionAgain, ...]
    ran: bool

    @property
    def ok(self) -> bool:
        """Whether nothing differs by more than its tolerance, and something was compared."""
        return self.verdict in ("identical", "within tolerance")

    @property
    def verdict(self) -> Verdict:
        """How the whole compares."""
        found = {one.verdict for one in self.executions}
        exact = not self.stopped and bool(self.comparisons) and all(row.same for row in self.comparisons)
        if "differs" in found or not (exact or self._explained()):
            return "differs"
        if exact or (found <= {"identical", "cannot be compared here"} and "identical" in found):
            return "identical"
        return "within tolerance" if "within tolerance" in found else "cannot be compared here"

    def _explained(self) -> bool:
        """Say whether all that differs can come from programs that gave other bytes, or run in another environment.

        What comes before the first execution depends on neither, nor does what the record says that a model answered.
        """
        other = any(one.differences for one in self.environments) or any(
            one.verdict != "identical" for one in self.executions
        )
        missing = any(not one.here for one in self.environments)
        turns = [row for row in self.comparisons if row.what.startswith("model ") and row.again and not row.same]
        return other and (self.ran or missing) and not turns


def replay_bundle(
    path: Path,
    home: Path,
    *,
    sandbox: Sandbox,
    environment: Environment,
    data: Sequence[Path] = (),
    progress: Callable[[str], None] = lambda _line: None,
    find: Callable[[str], Environment] = find_environment,
) -> BundleReplay:
    """Run the study of a bundle again.

    Args:
        path: the bundle; verify it first.
        home: an empty folder for the replay.
        sandbox: runs the programs.
        environment: the analysis environment of this machine.
        data: data files that the bundle does not hold.
        progress: is told one line a step.
        find: returns the environment that the study names, where it is another.

    Raises:
        UsageError: the file is no bundle, or data are missing.
        VerificationFailed: its record is broken.
        MachineTrouble: a sandbox can't be started.
    """
    blobs = Blobs(home / "bundle")
    events, inputs = _unpack(path, blobs)
    workplace = open_workplace(home)
    _bring_data(workplace, events[0].data["data"], [*inputs, *(file.read_bytes() for file in data)])
    _bring_reviewers(workplace, events)
    policy = blobs.get(events[0].ref(POLICY_ROLE).sha256)
    beside = b"".join(blobs.get(ref.sha256) for ref in events[0].refs if ref.role == BESIDE)
    study_id = start_study(workplace, events[0].data["study"], settings_of(events[0]), policy=policy, beside=beside)
    _bring_words(workplace, study_id, events)
    runner = Runner(
        workplace=workplace,
        sandbox=sandbox,
        environment=environment,
        api_key=lambda _name: "replay",
        progress=progress,
        cassette=Cassette(events, blobs),
        clock=lambda: _approval_time(events),
        find=find,
    )
    stopped = ""
    try:
        runner.run(study_id, decide=lambda study, waiting: _decide_again(events, blobs, study, waiting, home / SETS))
    except CounterproofError as error:
        stopped = str(error)
    study = open_study(workplace, study_id)
    again = study.record.events()
    here = _environments(study.settings, environment, find)
    executions = executions_again(
        Recorded(events=events, blobs=blobs),
        Recorded(events=again, blobs=study.record.blobs),
        vault=workplace.vault,
        sandbox=sandbox,
        environments=here,
        progress=progress,
    )
    ended = [event.data["ended"] for event in events if event.type == "study.ended"]
    return BundleReplay(
        study=study_id,
        ended=ended[-1] if ended else "",
        stopped=stopped,
        comparisons=tuple(_compare(events, again)),
        environments=_compare_environments(events, blobs, here),
        executions=executions,
        ran=any(event.data.get("kind") == "execution" for event in again),
    )


def _environments(
    settings: StudySettings, given: Environment, find: Callable[[str], Environment]
) -> dict[Role, Environment | str]:
    """Return what each program would run in here, or why there is nothing."""
    found: dict[Role, Environment | str] = {}
    for role in (*ROLES, "checks") if settings.checks_on_data else ROLES:
        name, language = settings.environment_of(role), settings.language_of(role)
        try:
            one = given if name == given.name else find(name)
        except CounterproofError as error:
            found[role] = f"there is no environment {name!r} here: {error.what}"
        else:
            found[role] = one if one.language == language else f"the environment {name!r} here is for {one.language}"
    return found


def _compare_environments(
    events: list[Event], blobs: Blobs, here: Mapping[Role, Environment | str]
) -> tuple[EnvironmentAgain, ...]:
    """Compare the environments that the last code checkpoint shows with those here."""
    shown = [event for event in events if event.type == "checkpoint.opened" and event.data["kind"] == "code"]
    if not shown:
        return ()
    recorded = json.loads(blobs.get(shown[-1].data["subject"]))["environments"]
    rows = []
    for role, now in here.items():
        then = recorded[role]
        differences = (now,) if isinstance(now, str) else _differences(then, now)
        digest = "" if isinstance(now, str) else now.digest
        rows.append(EnvironmentAgain(role=role, recorded=then["digest"], here=digest, differences=differences))
    return tuple(rows)


def _differences(then: dict[str, Any], now: Environment) -> tuple[str, ...]:
    """Say in what an environment differs; where only the digest does, the lock is another."""
    if then["digest"] == now.digest:
        return ()
    before, after = (
        dict(line.split("==", 1) for line in packages) for packages in (then["packages"], now.distributions)
    )
    found = [f"{then['language']} {then['version']}, here {now.version}"] if then["version"] != now.version else []
    found += [
        f"{name} {before.get(name, 'not there')}, here {after.get(name, 'not there')}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    return tuple(found) or ("another lock of the same versions",)


def _unpack(path: Path, blobs: Blobs) -> tuple[list[Event], list[bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            top = archive.namelist()[0].partition("/")[0]
            for name in archive.namelist():
                if name.startswith(f"{top}/data/record/blobs/"):
                    blobs.put(archive.read(name))
            inputs = [archive.read(name) for name in archive.namelist() if name.startswith(f"{top}/data/inputs/")]
            events = list(read_chain(archive.read(f"{top}/data/record/events.jsonl")))
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
        about = {key: file[key] for key in ("name", "sha256", "size", "exposure") if key in file}
        workplace.vault.ledger.added(Entry(**about, share=True), by="replay")


def _bring_reviewers(workplace: Workplace, events: list[Event]) -> None:
    for event in events:
        if event.type in ("decision.recorded", "signature.recorded"):
            reviewer = Reviewer.model_validate(event.data["reviewer"])
            if all(known.id != reviewer.id for known in workplace.registry.active()):
                workplace.registry.add(reviewer, by="replay")


def _bring_words(workplace: Workplace, study: str, events: list[Event]) -> None:
    """Say again what was said of columns that may identify a person."""
    record = open_study(workplace, study).record
    for event in events:
        if event.type == REVIEWED:
            record.append(event.type, actor=event.actor, data=event.data)


def _approval_time(events: list[Event]) -> datetime:
    """Return the time of the newest decision that opens data: an approval does not expire for who replays it."""
    times = [event.ts for event in events if event.type == "decision.recorded" and event.data["kind"] in _OPENING]
    return datetime.fromisoformat(times[-1])


def _decide_again(events: list[Event], blobs: Blobs, study: OpenStudy, waiting: Checkpoint, sets: Path) -> bool:
    recorded = [
        event for event in events if event.type == "decision.recorded" and event.data["checkpoint"] == waiting.id
    ]
    if not recorded:
        raise VerificationFailed(f"The bundle has no decision on {waiting.id}.")
    event = recorded[0]
    first = [one for one in events if one.type == "signature.recorded" and one.data["checkpoint"] == waiting.id]
    if event.data["subject"] != waiting.subject:
        raise VerificationFailed(
            f"{waiting.id} shows other bytes than were decided on: {waiting.subject[:12]}…, and the decision is about "
            f"{event.data['subject'][:12]}…."
        )
    for judged in events:
        if judged.type == "set.judged" and judged.data["checkpoint"] == waiting.id:
            (sets / study.id / SESSION / RATINGS).write_bytes(blobs.get(judged.ref("ratings").sha256))
    edited = [ref.sha256 for ref in event.refs if ref.role == "edited"]
    for digest in edited:
        study.record.blobs.put(blobs.get(digest))
    for one in (*first, event):
        statement, signature = (blobs.get(one.ref(role).sha256) for role in ("statement", "signature"))
        reviewer = Reviewer.model_validate(one.data["reviewer"])
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
    opened = {event.data["id"]: event for event in again if event.type == "checkpoint.opened"}
    for event in events:
        if event.type == "checkpoint.opened":
            rows += _refs(f"checkpoint {event.data['id']}", event, opened.get(event.data["id"]))
    for kind in _DOCUMENTS:
        rows += _documents(kind, events, again)
    return rows


def _documents(kind: str, events: list[Event], again: list[Event]) -> list[Comparison]:
    before, now = ([event for event in side if event.type == kind] for side in (events, again))
    rows: list[Comparison] = []
    for event, other in zip_longest(before, now[: len(before)]):
        rows += _refs(kind, event, other)
    return rows


def _refs(what: str, event: Event, again: Event | None) -> list[Comparison]:
    """Compare the bodies that an event names, role by role."""
    other = {ref.role: ref.sha256 for ref in again.refs} if again is not None else {}
    return [
        Comparison(what=f"{what}, {ref.role}", recorded=ref.sha256, again=other.get(ref.role, "")) for ref in event.refs
    ]
