"""A part of step 11: what is made for people is made again from the bundle's own record, and every byte compared.

A page can say anything; this one has to say what the record says, with the answers that the record holds. Whatever a
stranger's record does to the making is a failed step that names the file, never an error of the verifier; and a record
that would have one body shown very often is not made at all, because its page would not fit into memory.

Other bytes fail, unless the bag says that it was made with another version of the software that decides on them: of
Counterproof for any file, of python-docx or lxml for the Word file. Then they can't be compared here, and the step says
so and names both versions. Another version of Pygments may colour program text otherwise: the colours are left out of
the comparison, and everything else still counts.

It does not cover whether the bag tells the truth of its versions: verify with the version that it names to be sure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from counterproof.provenance.bundle import AGENT, README, SPANS, made_with, make_readme
from counterproof.provenance.crate import METADATA, blob_name
from counterproof.provenance.errors import CounterproofError, VerificationFailed
from counterproof.provenance.interop.workflow_crate import PREVIEW
from counterproof.provenance.page import make_preview
from counterproof.provenance.page.highlight import without_colours
from counterproof.provenance.permissions import purpose_of
from counterproof.provenance.readable import MODEL_SAW, RECORD_PAGE, STATEMENT, readable_files
from counterproof.provenance.software import versions
from counterproof.provenance.transparency.recorded import recorded_answers
from counterproof.provenance.verify.reading import Bundle, fail_if
from counterproof.provenance.withheld import split_bodies

_PAGES = {README, PREVIEW, RECORD_PAGE, MODEL_SAW}
_STATEMENTS = {f"{STATEMENT}.{ending}" for ending in ("json", "html", "docx")}
_DECIDES = {f"{STATEMENT}.docx": ("counterproof", "python-docx", "lxml")}
"""The software that decides on the bytes of a file, where it is more than Counterproof."""
_SHOWN_MAX = 20
"""How often all bodies may be shown on average; an honest study shows each about three times."""
_SMALL = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Remade:
    """What came of making files again.

    Attributes:
        found: evidence; "" where there is nothing to say.
        left: the files of which another version may have made other bytes, and did.
    """

    found: str
    left: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BundleBlobs:
    """The bodies of a bundle, as the making reads them."""

    bundle: Bundle

    def get(self, digest: str, /) -> bytes:
        """Return a body."""
        return self.bundle.blob(digest)

    def check(self, digest: str, /) -> None:
        """Check a body."""
        self.bundle.check_blob(digest)


def for_people(bundle: Bundle) -> set[str]:
    """Return the files for people that a bundle holds."""
    return _PAGES | (_STATEMENTS if purpose_of(bundle.events[0].data) == "analysis" else set())


def check_readable(bundle: Bundle) -> Remade:
    """Check that each file for people is what the record gives.

    Raises:
        VerificationFailed: one is missing, is another, or can't be made from this record.
        UsageError: the answers in the bundle are not of their form.
    """
    # Read first: a file whose bytes were hit is named at once, and nothing is made for it.
    given = {name: bundle.get(name) for name in sorted(for_people(bundle))}
    answers = recorded_answers(bundle.events, bundle.blob)
    _check_weight(bundle)
    made = _made(bundle, answers)
    other_colours = _is_other(bundle, "Pygments")
    differ = [
        name
        for name, data in given.items()
        if data != made[name]
        and not (name == RECORD_PAGE and other_colours and without_colours(data) == without_colours(made[name]))
    ]
    left = tuple(name for name in differ if explained(bundle, name))
    wrong = [name for name in differ if name not in left]
    fail_if([f"the file {name} is not what the record gives{other_version(bundle)}" for name in wrong])
    answered = ", with the answers of a person" if answers else ""
    colours = given[RECORD_PAGE] != made[RECORD_PAGE] and RECORD_PAGE not in left
    but = " (but for the colours of programs: another Pygments)" if colours else ""
    return Remade(found=f"{len(given) - len(left)} made for people, the same when made again{answered}{but}", left=left)


def explained(bundle: Bundle, name: str) -> bool:
    """Say whether other bytes of a file may come from another version of the software that made it."""
    return any(_is_other(bundle, software) for software in _DECIDES.get(name, ("counterproof",)))


def own_version_of(bundle: Bundle) -> str:
    """Return the version of Counterproof that the bag says it was made with; "" where it says none."""
    return _version_of(bundle, "counterproof")


def _version_of(bundle: Bundle, software: str) -> str:
    names = [part.strip().partition(" ") for part in _agent(bundle).split(";")]
    return next((version for name, _, version in names if name == software), "")


def _is_other(bundle: Bundle, software: str) -> bool:
    """Say whether the bag names a version of some software, and another than is here."""
    return _version_of(bundle, software) not in ("", versions(software)[software])


def _check_weight(bundle: Bundle) -> None:
    sizes = bundle.sizes()
    shown = [(ref.sha256, sizes.get(blob_name(ref.sha256), 0)) for event in bundle.events for ref in event.refs]
    often, once = sum(size for _, size in shown), sum(dict(shown).values())
    if often > _SHOWN_MAX * max(once, _SMALL):
        raise VerificationFailed(
            f"The record names bodies of {once:,} bytes so often that {often:,} bytes would have to be shown; "
            f"the file {RECORD_PAGE} was not made again."
        )


def _made(bundle: Bundle, answers: bytes) -> dict[str, bytes]:
    spans = bundle.get(SPANS) if SPANS in bundle.names() else b""
    withheld = {str(row["sha256"]) for row in split_bodies(bundle.events, bundle.profile)[1]}
    blobs = BundleBlobs(bundle=bundle)
    return {
        **_try(
            f"{RECORD_PAGE} or {STATEMENT}",
            lambda: readable_files(bundle.events, blobs, spans=spans, answers=answers, withheld=withheld),
        ),
        PREVIEW: _preview(bundle),
        README: make_readme(bundle.events, bundle.profile),
    }


def _preview(bundle: Bundle) -> bytes:
    sizes = {name: size for name, size in bundle.sizes().items() if name not in (PREVIEW, METADATA)}
    return _try(PREVIEW, lambda: {PREVIEW: make_preview(bundle.events, sizes)})[PREVIEW]


def _try(what: str, make: Callable[[], dict[str, bytes]]) -> dict[str, bytes]:
    try:
        return make()
    except (CounterproofError, OSError):
        raise
    except Exception as error:
        raise VerificationFailed(f"The file {what} can't be made from this record: {error!r}.") from error


def _agent(bundle: Bundle) -> str:
    return "; ".join(bundle.info(AGENT)) + ";"


def other_version(bundle: Bundle) -> str:
    """Return what to add to a fault where the bag was made with other software than is here; "" where it was not."""
    agent, here = _agent(bundle), made_with()
    return "" if agent == f"{here};" else f" (made with {agent[:200].rstrip(';')}; here is {here})"
