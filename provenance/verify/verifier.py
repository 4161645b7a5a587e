"""Taking the numbered steps of a verification, whatever is in the file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from counterproof.provenance.bundle import KIND
from counterproof.provenance.campaign_bundle import CAMPAIGN
from counterproof.provenance.errors import CounterproofError, MachineTrouble, UsageError, VerificationFailed
from counterproof.provenance.labels import review_label
from counterproof.provenance.set_bundle import SYNTHESIS
from counterproof.provenance.timestamps import read_certificates
from counterproof.provenance.verify.campaign import CAMPAIGN_STEPS
from counterproof.provenance.verify.claims import check_copies, check_marks, check_report
from counterproof.provenance.verify.container import check_bag, check_seal
from counterproof.provenance.verify.history import check_bodies, check_chain, check_effects
from counterproof.provenance.verify.oversight import check_approvals, check_decisions
from counterproof.provenance.verify.reading import Bundle, NotApplicable, NotHere, fail_if
from counterproof.provenance.verify.synthetic import check_making, check_set, check_set_copies
from counterproof.provenance.withheld import Profile
from counterproof.provenance.zips import check_canonical, open_stored

_MALFORMED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What Python raises where data of a stranger are not of the form that a step reads."""

_STEPS: tuple[tuple[str, Callable[[Bundle], list[str]]], ...] = (
    ("bag", check_bag),
    ("seal", check_seal),
    ("chain", check_chain),
    ("bodies", check_bodies),
    ("decisions", check_decisions),
    ("approvals", check_approvals),
    ("effects", check_effects),
    ("numbers", check_report),
    ("marks", check_marks),
    ("copies", check_copies),
)
_SET_STEPS = tuple(
    {"approvals": ("making", check_making), "numbers": ("set", check_set), "copies": ("copies", check_set_copies)}.get(
        name, (name, take)
    )
    for name, take in _STEPS
)
"""Those of a synthetic set: the numbers are the same."""
_CHAIN = 4
_NOT_REVIEWED = "a comparison: nobody approved its programs, which ran on open data"


Outcome = Literal["ok", "failed", "not applicable", "cannot be checked here"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a verification.

    Attributes:
        number: as in the documentation.
        name: its name.
        outcome: "not applicable" where the record shows why there is nothing to check; "cannot be checked here" where
            no fault was found and something is left, for the reason that the evidence gives.
        evidence: what was found, line by line.
    """

    number: int
    name: str
    outcome: Outcome
    evidence: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a verification found.

    Attributes:
        study: the study's id; "" when it can't be read.
        title: its title.
        ended: how it ended.
        label: how it was reviewed.
        head: digest of the last event.
        profile: what the bundle holds: "full", "redacted", or "" when it can't be read.
        steps: the numbered steps.
    """

    study: str
    title: str
    ended: str
    label: str
    head: str
    profile: Profile | Literal[""]
    steps: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        """Whether no step failed; something may be left that could not be checked here."""
        return all(step.outcome != "failed" for step in self.steps)

    @property
    def left(self) -> tuple[Step, ...]:
        """The steps of which something could not be checked here."""
        return tuple(step for step in self.steps if step.outcome == "cannot be checked here")


def verify_bundle(path: Path, *, authority: bytes = b"") -> Verification:
    """Verify a bundle.

    Args:
        path: the zip file.
        authority: certificates (PEM) of the time-stamping authority that is trusted; then there must be a time stamp.

    Raises:
        UsageError: there is no such file, or the certificates can't be read.
        MachineTrouble: the file can't be read, or there is no room to work in.
    """
    if not path.is_file():
        raise UsageError(f"There is no bundle {path}.", advice="Name a zip file made by `counterproof export`.")
    if authority:
        read_certificates(authority)
    try:
        return _verify(path, authority)
    except OSError as error:
        raise MachineTrouble(
            f"The bundle {path} can't be verified here: {error}.", advice="Mend its permissions or make room in TMPDIR."
        ) from error


def _verify(path: Path, authority: bytes) -> Verification:
    try:
        archive = open_stored(path)
    except VerificationFailed as error:
        step = _step(1, "container", "failed", [str(error)])
        return Verification(study="", title="", ended="", label="", head="", profile="", steps=(step,))
    with archive:
        top = archive.namelist()[0].partition("/")[0]
        bundle = Bundle(archive=archive, top=top, authority=authority)
        steps, kind = [_container(bundle, path)], _kind(bundle)
        taken = {CAMPAIGN: (*CAMPAIGN_STEPS, _studies_step(authority)), SYNTHESIS: _SET_STEPS}.get(kind, _STEPS)
        for number, (name, take) in enumerate(taken, 2):
            steps.append(_take(number, name, take, bundle))
        return _campaign_summary(bundle, steps) if kind == CAMPAIGN else _summary(bundle, steps)


def _kind(bundle: Bundle) -> str:
    """Return what a bundle says that it is of; "" for an analysis, and for one that can't be read."""
    with suppress(*_MALFORMED, VerificationFailed):
        return " ".join(bundle.info(KIND))
    return ""


def _studies_step(authority: bytes) -> tuple[str, Callable[[Bundle], list[str]]]:
    """Return the last step of a comparison: the bundles of its studies hold, by the steps of a study."""

    def check_studies(bundle: Bundle) -> list[str]:
        named = bundle.of_type("campaign.ended")[-1].data["studies"]
        if not named:
            raise NotApplicable("no cell of the comparison is a study")
        with tempfile.TemporaryDirectory(prefix="counterproof-verify-") as folder:
            for key in named:
                unpacked = Path(folder, f"{key}.zip")
                with bundle.stream(f"studies/{key}.zip") as file, unpacked.open("wb") as out:
                    shutil.copyfileobj(file, out)
                found = _verify(unpacked, authority)
                failed = [f"the study of {key}: {step.name}: {step.evidence[0]}" for step in found.steps if _bad(step)]
                fail_if(failed)
                unpacked.unlink()
        return [f"{len(named)} bundles of studies, each verified by its own steps"]

    return "studies", check_studies


def _bad(step: Step) -> bool:
    return step.outcome == "failed"


def _campaign_summary(bundle: Bundle, steps: list[Step]) -> Verification:
    given = {"study": bundle.top, "title": "", "ended": "", "label": "", "head": ""}
    with suppress(*_MALFORMED, VerificationFailed):
        created, ended = bundle.events[0].data, bundle.of_type("campaign.ended")[-1]
        label = _NOT_REVIEWED
        given = {"study": created["campaign"], "title": created["title"], "ended": "done", "label": label}
        given["head"] = ended.digest
    return Verification(**given, profile="full", steps=tuple(steps))


def _container(bundle: Bundle, path: Path) -> Step:
    """1: each byte of the zip is as it would have been written. What is read through here is not read again."""
    try:
        bundle.digests = check_canonical(bundle.archive, path)
    except VerificationFailed as error:
        return _step(1, "container", "failed", [str(error)])
    return _step(1, "container", "ok", ["every byte as written"])


def _take(number: int, name: str, take: Callable[[Bundle], list[str]], bundle: Bundle) -> Step:
    if not bundle.events and number > _CHAIN:
        return _step(number, name, "failed", [f"the record can't be read: see step {_CHAIN}"])
    try:
        return _step(number, name, "ok", take(bundle))
    except NotApplicable as reason:
        return _step(number, name, "not applicable", [str(reason)])
    except NotHere as left:
        return _step(number, name, "cannot be checked here", [str(line) for line in left.args])
    except CounterproofError as error:
        return _step(number, name, "failed", [str(error)])
    except _MALFORMED as error:
        return _step(number, name, "failed", [f"something is not of the form that it should have: {error!r}"])


def _step(number: int, name: str, outcome: Outcome, evidence: list[str]) -> Step:
    return Step(number=number, name=name, outcome=outcome, evidence=tuple(evidence))


def _summary(bundle: Bundle, steps: list[Step]) -> Verification:
    try:
        created = bundle.events[0].data
        ended = bundle.of_type("study.ended")[-1].data["ended"]
        label, profile = review_label(bundle.events), bundle.profile
        study, title, head = created["study"], created["title"], bundle.events[-1].digest
    except (*_MALFORMED, VerificationFailed):
        return Verification(study=bundle.top, title="", ended="", label="", head="", profile="", steps=tuple(steps))
    return Verification(
        study=study, title=title, ended=ended, label=label, head=head, profile=profile, steps=tuple(steps)
    )
