"""Verifying a bundle that somebody dropped on a page: the numbered steps and its record, with no study of this store.

Its record is listed event by event as text. The record page inside is a stranger's HTML: it is handed out as a file and
never shown here.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.events import read_chain
from counterproof.provenance.verify import Verification, verify_bundle
from counterproof.ui.history import timeline_row
from counterproof.ui.subjects import Listing

RECORD_PAGE = "data/record.html"
RECORD = "data/record/events.jsonl"


@dataclass(frozen=True, kw_only=True)
class BundleView:
    """What was found in a bundle.

    Attributes:
        ok: whether it holds.
        verdict: in words.
        about: study, end, review and head.
        steps: the numbered steps.
        events: its record, event by event.
        record_page: the whole record as one page, to be kept and opened; nothing where it is missing or too large.
    """

    ok: bool
    verdict: str
    about: Listing
    steps: Listing
    events: Listing
    record_page: bytes


def bundle_view(content: bytes, *, authority: bytes = b"") -> BundleView:
    """Verify a bundle.

    Args:
        content: the zip.
        authority: certificates (PEM) of the time-stamping authority that is trusted; nothing for none.

    Raises:
        UsageError: it is empty.
    """
    if not content:
        raise UsageError("The file is empty.", advice="Choose the bundle, a .zip file.")
    with tempfile.TemporaryDirectory(prefix="counterproof-") as folder:
        path = Path(folder) / "bundle.zip"
        path.write_bytes(content)
        found = verify_bundle(path, authority=authority)
    steps = [
        {"#": str(step.number), "step": step.name, "outcome": step.outcome, "evidence": "; ".join(step.evidence)}
        for step in found.steps
    ]
    said = {"title": found.title, "ended": found.ended, "review": found.label, "head": found.head}
    about = [{"what": name, "value": value} for name, value in {"study": found.study, **said}.items()]
    return BundleView(
        ok=found.ok,
        verdict=_verdict(found),
        about=Listing(title="What it says", rows=tuple(about)),
        steps=Listing(title="Numbered verification", rows=tuple(steps)),
        events=Listing(title="What happened", rows=tuple(_events(content)), empty="Its record can't be read."),
        record_page=_part(content, RECORD_PAGE),
    )


def _verdict(found: Verification) -> str:
    if not found.ok:
        failed = ", ".join(f"{step.number} {step.name}" for step in found.steps if step.outcome == "failed")
        return f"The bundle does NOT hold: {failed}."
    if not found.left:
        return "The bundle holds."
    left = ", ".join(f"{step.number} {step.name}" for step in found.left)
    return f"The bundle holds, but for what could not be checked here: {left}."


def _events(content: bytes) -> list[dict[str, str]]:
    try:
        return [
            {"#": str(row.seq), "time (UTC)": row.at, "who": row.who, "event": row.event, "what": row.what}
            for row in map(timeline_row, read_chain(_part(content, RECORD)))
        ]
    except VerificationFailed:
        return []


def _part(content: bytes, name: str, *, longest: int = 50_000_000) -> bytes:
    """Return a file of a zip; nothing where it is missing or too large."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            names = [one for one in bundle.namelist() if one.endswith(name)]
            if not names or bundle.getinfo(names[0]).file_size > longest:
                return b""
            return bundle.read(names[0])
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError):
        return b""
