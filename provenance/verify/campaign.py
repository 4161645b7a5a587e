"""The steps for the bundle of a comparison, beside `container` (1), and `studies` at the end.

 2. bag       every file is listed with its digest, and nothing is missing or too many
 3. seal      the service key signed the tag manifest
 4. chain     the campaign's record and that of each cell are chains of events of their schemas; the campaign's last
              event names the heads of the cells'
 5. bodies    every body that an event names is there, every data file that a cell names, and no other file
 6. effects   in each cell every effect ended, once, and is a model call or a trial: nothing was run as a study
 7. results   each result is the one of its cell's record, and was scored from an output of a trial on the data
 8. studies   the bundles of cells that were whole studies hold by the steps of a study

It does not score again: the held-out answers are not in the bundle.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from counterproof.provenance.campaign_bundle import named_files
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import Chain, Event
from counterproof.provenance.schemas import check_lines
from counterproof.provenance.verify.container import check_bag, check_seal
from counterproof.provenance.verify.history import follow_effects
from counterproof.provenance.verify.reading import Bundle, NotApplicable, fail_if

_PLAIN = {"README.md", "keys/service_signers", "record/events.jsonl", "results.json", "table.json"}
_KINDS = {"model", "trial"}


def check_campaign_chain(bundle: Bundle) -> list[str]:
    """4: the records are chains of events of their schemas, and the campaign's end names the heads of the cells'."""
    bundle.events = _record(bundle, "record/events.jsonl")
    if [event.type for event in bundle.events] != ["campaign.created", "campaign.ended"]:
        raise VerificationFailed("The campaign's record does not consist of its beginning and its end.")
    created, ended = bundle.events
    if created.data["campaign"] != bundle.top or bundle.info("External-Identifier") != [bundle.top]:
        raise VerificationFailed("The bag's folder is not named after the campaign.")
    if bundle.info("Counterproof-Record-Head") != [ended.digest]:
        raise VerificationFailed("The bag names another head of the record.")
    named = _json(bundle, created.ref("definition").sha256)["cells"]
    heads = ended.data["cells"]
    fail_if(["the cells that ended are not those of the definition"] if set(named) != set(heads) else [])
    total = 0
    for key, head in heads.items():
        events = _cell(bundle, key)
        total += len(events)
        if events[-1].digest != head:
            raise VerificationFailed(f"The record of cell {key} has another head than the campaign's end names.")
    return [f"{len(heads)} cells with {total} events, head {ended.digest}"]


def check_campaign_bodies(bundle: Bundle) -> list[str]:
    """5: the bodies and data files that are named are there, and no other file."""
    ended = bundle.of_type("campaign.ended")[-1].data
    records = [bundle.events, *(_cell(bundle, key) for key in ended["cells"])]
    bodies = {ref.sha256: ref.size for events in records for event in events for ref in event.refs}
    faults = [f"the body {digest} is missing or changed" for digest in bodies if _digest(bundle, digest) != digest]
    definitions = [_blob(bundle, events[0].ref("definition").sha256) for events in records[1:]]
    files = named_files(definitions)
    faults += [
        f"the data file {digest} is missing or changed"
        for digest in files
        if bundle.digest(f"data/files/{digest}") != digest
    ]
    wanted = _PLAIN | {f"blobs/{digest}" for digest in bodies} | {f"files/{digest}" for digest in files}
    wanted |= {f"cells/{key}/events.jsonl" for key in ended["cells"]} | {
        f"studies/{key}.zip" for key in ended["studies"]
    }
    faults += [f"the file {name} belongs to nothing" for name in sorted(set(bundle.names()) - wanted)]
    faults += [
        f"the bundle of the study of {key} is another"
        for key, digest in ended["studies"].items()
        if bundle.digest(f"data/studies/{key}.zip") != digest
    ]
    fail_if(faults)
    return [f"{len(bodies)} bodies, {len(files)} data files"]


def check_campaign_effects(bundle: Bundle) -> list[str]:
    """6: in each cell every effect ended, once, and is a model call or a trial."""
    ended = bundle.of_type("campaign.ended")[-1].data
    followed = 0
    for key in ended["cells"]:
        cell = replace(bundle, events=_cell(bundle, key))
        strange = [
            event for event in cell.events if event.type.startswith("effect.") and event.data["kind"] not in _KINDS
        ]
        fail_if([f"event {event.seq} of cell {key} is an {event.data['kind']}" for event in strange])
        try:
            follow_effects(cell)
            followed += 1
        except NotApplicable:
            continue  # a cell of the gated arm that was stopped has its effects in its study
    return [f"the effects of {followed} cells, each once"]


def check_campaign_results(bundle: Bundle) -> list[str]:
    """7: the results are those of the cells' records, and each was scored from an output of a trial on the data."""
    ended = bundle.of_type("campaign.ended")[-1]
    for role in ("results", "table"):
        if sha256_bytes(bundle.get(f"{role}.json")) != ended.ref(role).sha256:
            raise VerificationFailed(f"The file {role}.json is not the one that the campaign ended with.")
    results = {result["cell"]: result for result in bundle.json("results.json")}
    faults = [] if set(results) == set(ended.data["cells"]) else ["a cell has no result, or a result has no cell"]
    for key, result in results.items():
        events = _cell(bundle, key)
        scored = [event for event in events if event.type == "cell.scored"]
        if len(scored) != 1 or scored[0] is not events[-1] or _json(bundle, scored[0].ref("result").sha256) != result:
            faults.append(f"the result of cell {key} is not that of its record")
        if result["predictions"] and key not in ended.data["studies"] and not _computed(events, result["predictions"]):
            faults.append(f"the predictions of cell {key} come from no trial on the data")
    fail_if(faults)
    return [f"{len(results)} results, each from its cell's record"]


CAMPAIGN_STEPS: tuple[tuple[str, Callable[[Bundle], list[str]]], ...] = (
    ("bag", check_bag),
    ("seal", check_seal),
    ("chain", check_campaign_chain),
    ("bodies", check_campaign_bodies),
    ("effects", check_campaign_effects),
    ("results", check_campaign_results),
)


def _computed(events: list[Event], digest: str) -> bool:
    return any(
        event.type == "effect.finished"
        and event.data["kind"] == "trial"
        and not event.data["synthetic"]
        and any(ref.sha256 == digest and ref.role.startswith("output:") for ref in event.refs)
        for event in events
    )


def _cell(bundle: Bundle, key: str) -> list[Event]:
    events = _record(bundle, f"cells/{key}/events.jsonl")
    if not events or events[0].type != "cell.created" or events[0].data["cell"] != key:
        raise VerificationFailed(f"The record of cell {key} does not begin with the cell.")
    return events


def _record(bundle: Bundle, name: str) -> list[Event]:
    with bundle.stream(name) as lines:
        events = list(Chain().read(lines))
    with bundle.stream(name) as lines:
        check_lines(lines)
    return events


def _digest(bundle: Bundle, digest: str) -> str:
    return bundle.digest(f"data/blobs/{digest}")


def _blob(bundle: Bundle, digest: str) -> bytes:
    data = bundle.get(f"blobs/{digest}")
    if sha256_bytes(data) != digest:
        raise VerificationFailed(f"The file data/blobs/{digest} has been changed.")
    return data


def _json(bundle: Bundle, digest: str) -> Any:
    return json.loads(_blob(bundle, digest))
