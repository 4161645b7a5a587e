"""What a release lets go: one document, put up with the verdicts, signed over, and released to the byte.

It is made of the program's outputs and of the verdicts. As `proposed release` it stands beside the subject of the
checkpoint, as a salted commitment: the signature covers the event that names both. An approval lets just these bytes
go, with the salt, so whoever has the bundle can tell that no other number was released than was put up.

Before anybody signs, and before anything goes, document and items are made again from what the execution left in the
store (`check_proposed`): a release that shows other numbers than the program gave is not signed.

It does not cover a store whose record of the execution was forged, too: whoever has the data runs it again (`replay`).
"""

from __future__ import annotations

from typing import Any

from counterproof.agents.outcomes import Outcome, Output, recorded_outcome, results_of
from counterproof.provenance.checkpoints import Checkpoints
from counterproof.provenance.digests import canonical_json, sha256_bytes
from counterproof.provenance.errors import ToolFailed, VerificationFailed
from counterproof.provenance.record import Record
from counterproof.sandbox.orders import Order
from counterproof.tools import OutputFile, Outputs, review_outputs
from counterproof.tools.library_warnings import LibraryWarning

_ADVICE = "Don't sign. Look into who changed the store, and withdraw the study or send it back to its plan."


def proposed_release(
    record: Record, checkpoint: str, subject: dict[str, Any]
) -> tuple[dict[str, Any], tuple[Output, ...]]:
    """Return what the approval of a release would let go: the document, and the files that it names.

    Args:
        record: the study's record.
        checkpoint: id of the release checkpoint.
        subject: what it shows: execution, items with their verdicts, warnings and checks.

    Raises:
        ToolFailed: it is of a run on the twin.
        VerificationFailed: no execution of this study gave the outcome that it names.
    """
    outcome = recorded_outcome(record, subject["execution"])
    if outcome.synthetic:
        raise ToolFailed("The results are the twin's; what was computed from synthetic data is never released.")
    results, flow = results_of(record, outcome)
    passed = {item["id"] for item in subject["items"] if item["verdict"] == "release"}
    files = tuple(output for output in outcome.outputs if output.name in passed)
    document = {
        "schema": "counterproof/released/2",
        "checkpoint": checkpoint,
        "execution": subject["execution"],
        "order": outcome.order,
        "synthetic": False,
        "results": [item.model_dump(mode="json") for item in results.results if f"result:{item.id}" in passed],
        "flow": flow.model_dump(mode="json", by_alias=True) if "flow" in passed else None,
        "files": [_opened(record, output) for output in files],
        "warnings": [warning for id_, warning in subject.get("warnings", {}).items() if id_ in passed],
        "suppressed": sorted(item["id"] for item in subject["items"] if item["verdict"] != "release"),
        "checks": {made["id"]: made["verdict"] for made in subject["checks"]},
    }
    return document, files


def check_proposed(record: Record, checkpoints: Checkpoints, checkpoint: str) -> tuple[bytes, tuple[Output, ...]]:
    """Return the document that was put up to be released, and its files: it is what the checkpoint shows, made anew.

    Raises:
        ToolFailed: as `proposed_release`.
        VerificationFailed: what is shown is not what the program gave; or another document was put up than what is
            shown would let go, or none.
    """
    subject = checkpoints.subject(checkpoint)
    try:
        _check_shown(record, checkpoint, subject)
        document, files = proposed_release(record, checkpoint, subject)
    except (LookupError, TypeError, ValueError) as error:
        raise VerificationFailed(f"{checkpoint} is not of the form of a release: {error}.", advice=_ADVICE) from error
    body = canonical_json(document)
    if record.blobs.get(checkpoints.proposed(checkpoint)) != body:
        raise VerificationFailed(
            f"{checkpoint} was put up with another document than what it shows would let go.", advice=_ADVICE
        )
    return body, files


def outputs_of(record: Record, outcome: Outcome, **more: Any) -> Outputs:
    """Return what an execution gave as the disclosure checks take it; `more` is what they are told beside.

    Raises:
        ModelMayRetry: results or flow are missing or not of the form.
    """
    results, flow = results_of(record, outcome)
    return Outputs(
        results=results.results,
        flow=flow,
        files=[
            OutputFile(name=output.name, data=record.blobs.get(output.sha256), sha256=output.sha256)
            for output in outcome.outputs
        ],
        results_sha256=outcome.output("results.json") or "",
        flow_sha256=outcome.output("flow.json") or "",
        **more,
    )


def _check_shown(record: Record, checkpoint: str, subject: dict[str, Any]) -> None:
    """Refuse a release that shows anything else than what the primary program gave, or shows it twice."""
    created = record.of_type("study.created")[0].data
    about = {name: created[name] for name in ("study", "title", "question", "exposure")} | {"kind": "release"}
    if {name: subject[name] for name in about} != about or "specification" in subject:
        raise VerificationFailed(f"{checkpoint} shows something else than a release of this study.", advice=_ADVICE)
    outcome = recorded_outcome(record, subject["execution"])
    order = Order.model_validate_json(record.blobs.get(outcome.order))
    given = {item.id: (item.shows, item.sha256) for item in review_outputs(outputs_of(record, outcome), ())}
    warnings = {
        id_: LibraryWarning.model_validate(warning).in_words() for id_, warning in subject.get("warnings", {}).items()
    }
    items = subject["items"]
    shown = {item["id"]: (item["shows"], item["sha256"]) for item in items if item["id"] not in warnings}
    warned = {item["id"]: item["shows"] for item in items if item["id"] in warnings}
    verdicts = {item["id"]: item["verdict"] for item in items}
    if (order.role, shown, warned) != ("primary", given, warnings) or len(verdicts) != len(items):
        raise VerificationFailed(f"{checkpoint} shows something else than the program gave.", advice=_ADVICE)
    if verdicts != subject["editable"]:
        raise VerificationFailed(f"{checkpoint} shows other verdicts than an edit would begin from.", advice=_ADVICE)


def _opened(record: Record, output: Output) -> dict[str, str]:
    """Open the commitment of a released file: with the salt, anyone can check that the execution gave these bytes."""
    return {
        "name": output.name,
        "sha256": sha256_bytes(record.blobs.get(output.sha256)),
        "commitment": output.sha256,
        "salt": record.blobs.salt(output.sha256),
    }
