"""What step 11 is of an analysis and of a synthetic set alike: the files that have a place in a bundle.

A plain-named file is a body of the record, or it is made from the record. What every bundle holds is made again here
(the RO-Crate); what is of one purpose alone is said by those who call.

It does not cover which bodies get a plain name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from counterproof.provenance.bundle import SPANS, pretty
from counterproof.provenance.crate import METADATA, make_crate
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.interop.workflow_crate import PREVIEW
from counterproof.provenance.labels import review_label
from counterproof.provenance.verify.formats import format_names
from counterproof.provenance.verify.reading import Bundle, NotHere, fail_if
from counterproof.provenance.verify.remaking import Remade, explained, other_version, own_version_of

_ALWAYS = {
    METADATA,
    "record/checkpoints.jsonl",
    "record/events.jsonl",
    "record/head.json",
    "record/withheld.json",
    "keys/allowed_signers",
    "keys/service_signers",
}


def check_named(bundle: Bundle, wanted: Mapping[str, str], *, beside: Collection[str]) -> None:
    """Check that the plain-named files are those of the record, and that no other file is there.

    Args:
        bundle: the bundle.
        wanted: the digest of each plain-named file.
        beside: files that are made from the record, and checked otherwise.

    Raises:
        VerificationFailed: one is another, or has no place in a bundle; the text names them.
    """
    faults = [
        f"the file {name} is not that of the record"
        for name, digest in wanted.items()
        if bundle.digest(f"data/{name}") != digest
    ]
    decided = range(1, len(bundle.of_type("decision.recorded")) + 1)
    known = {*_ALWAYS, *beside, *format_names(bundle), *((SPANS,) if bundle.profile == "full" else ())}
    known |= {f"decisions/{at}.json{end}" for at in decided for end in ("", ".sig")}
    strange = set(bundle.names()) - set(wanted) - known
    faults += [f"the file {name} has no place in a bundle" for name in sorted(strange) if name[:13] != "record/blobs/"]
    fail_if(faults)


def shared_inputs(bundle: Bundle) -> dict[str, str]:
    """Return the digests of the data files that a bundle holds, by name; none where they are not shared."""
    created = bundle.events[0].data
    shared = created["data"] if created["share_data"] and bundle.profile == "full" else []
    return {f"inputs/{file['name']}": file["sha256"] for file in shared}


def told(bundle: Bundle, first: str, remade: Sequence[Remade]) -> list[str]:
    """Return the evidence of files that were made again.

    Raises:
        NotHere: some could not be compared: another version made them.
    """
    evidence = [first, *(one.found for one in remade if one.found)]
    if left := sorted(name for one in remade for name in one.left):
        raise NotHere(*evidence, f"can't be compared: {', '.join(left)}{other_version(bundle)}")
    return evidence


def check_crate(bundle: Bundle) -> Remade:
    """The RO-Crate is the one that this version would make."""
    sizes = {name: size for name, size in bundle.sizes().items() if name not in (METADATA, PREVIEW)}
    title, label = bundle.events[0].data["title"], review_label(bundle.events)
    crate = make_crate(bundle.events, sizes, title=title, label=label, version=own_version_of(bundle))
    if bundle.get(METADATA) == pretty(crate):
        return Remade(found="")
    if explained(bundle, METADATA):
        return Remade(found="", left=(METADATA,))
    made, given = ({one["@id"]: one for one in graph["@graph"]} for graph in (crate, bundle.json(METADATA)))
    faults = [f"the RO-Crate says otherwise of {name}" for name in made if made[name] != given.get(name)]
    faults += [f"the RO-Crate names {name}, of which the record knows nothing" for name in given if name not in made]
    fail_if(faults)
    raise VerificationFailed("The RO-Crate says the same as the record in other words, or says it twice.")
