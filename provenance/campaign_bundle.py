"""The bundle of a comparison: the record of the campaign and of every cell, in one file that a stranger can verify.

A bag like a study's (`bundle`), sealed by the same key:

    <campaign>/data/README.md results.json table.json keys/service_signers
    <campaign>/data/record/events.jsonl             the campaign's record; its end names the head of each cell's
    <campaign>/data/cells/<key>/events.jsonl        what happened in a cell
    <campaign>/data/blobs/<sha256>                  the bodies of all of them
    <campaign>/data/files/<sha256>                  data, twins and altered data of the probes
    <campaign>/data/studies/<key>.zip               the bundle of a cell's study

Held-out answers are not in it: whoever has them can score again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.bag import in_memory, write_bag
from counterproof.provenance.bundle import KIND, SIGNATURE, appearing, made_with
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.events import Event
from counterproof.provenance.record import Record
from counterproof.provenance.signing import BUNDLE_NAMESPACE, public_line, sign
from counterproof.provenance.zips import Source

CAMPAIGN = "campaign"
_README = """# {title}

A bundle of the comparison `{campaign}`, made by Counterproof. Programs of models ran on open data without anybody's
approval; nothing in here was reviewed. To check it: `counterproof verify FILE.zip` (offline).

| file | what it is |
|---|---|
| `table.json` | the comparison |
| `results.json` | what came of each cell |
| `record/events.jsonl` | the campaign; its last event names the head of each cell's record |
| `cells/` | the record of each cell: what the model was asked and said, what its programs did |
| `blobs/` | the bodies that the records name |
| `files/` | data of the tasks, synthetic twins, and altered data of the probes for leaks |
| `studies/` | the bundles of cells that were whole studies |
| `keys/` | the public key of the service that sealed this file |
"""


@dataclass(frozen=True, kw_only=True)
class CellFiles:
    """What a bundle takes of a cell: its record, and the bundle of its study where it has one."""

    record: Record
    study: Path | None


def export_campaign_bundle(
    record: Record,
    target: Path,
    *,
    cells: Mapping[str, CellFiles],
    files: Mapping[str, Path],
    service_key: Ed25519PrivateKey,
) -> None:
    """Write the bundle of a comparison that has ended; the file appears whole or not at all.

    Args:
        record: the campaign's record.
        target: the zip file; replaced when it exists.
        cells: of each cell, by its key.
        files: data of tasks by their digests.
        service_key: signs the bag.

    Raises:
        UsageError: the campaign has not ended.
        MachineTrouble: the file can't be written.
    """
    events = record.events()
    ended = [event for event in events if event.type == "campaign.ended"]
    if not ended:
        raise UsageError("The campaign has not ended.", advice="Start it again, then export the bundle.")
    created = events[0].data
    readme = _README.format(title=created["title"], campaign=created["campaign"])
    payload = {
        "README.md": in_memory(readme.encode()),
        "keys/service_signers": in_memory(f"service {public_line(service_key.public_key())}\n".encode()),
        "record/events.jsonl": in_memory(_lines(record, events)),
        **{f"{role}.json": in_memory(record.blobs.get(ended[-1].ref(role).sha256)) for role in ("results", "table")},
        **{f"files/{digest}": _file(path, digest) for digest, path in files.items()},
        **_bodies(record, events),
    }
    for key, cell in cells.items():
        own = cell.record.events()
        payload[f"cells/{key}/events.jsonl"] = in_memory(_lines(cell.record, own))
        payload |= _bodies(cell.record, own)
        if cell.study is not None:
            payload[f"studies/{key}.zip"] = _file(cell.study, ended[-1].data["studies"][key])
    info = {
        "Bagging-Date": events[-1].ts[:10],
        "Bag-Software-Agent": made_with(),
        "External-Identifier": created["campaign"],
        "Counterproof-Record-Head": events[-1].digest,
        KIND: CAMPAIGN,
    }
    try:
        with appearing(target) as new:
            write_bag(
                new,
                created["campaign"],
                info=info,
                payload=payload,
                sign=lambda covered: {SIGNATURE: sign(service_key, covered, namespace=BUNDLE_NAMESPACE)},
                beside={},
            )
    except OSError as error:
        raise MachineTrouble(
            f"The bundle {target} can't be written: {error}.", advice="Nothing is lost; make room and export again."
        ) from error


def named_files(definitions: list[bytes]) -> set[str]:
    """Return the digests of the data files that the definitions of cells name."""
    found: set[str] = set()
    for definition in definitions:
        cell = json.loads(definition)
        prepared = cell["prepared"]
        for files in (cell["task"]["data"], prepared["twin"], prepared["alone"], prepared["labels"]):
            found |= set(files.values())
    return found


def _lines(record: Record, events: list[Event]) -> bytes:
    return b"".join(line + b"\n" for line in record.path.read_bytes().split(b"\n")[: len(events)])


def _bodies(record: Record, events: list[Event]) -> dict[str, Source]:
    """Return the bodies that a record names, by their names in the bundle."""
    digests = {ref.sha256: ref.size for event in events for ref in event.refs}
    return {
        f"blobs/{digest}": Source(open=partial(record.blobs.open, digest), size=size, sha256=digest)
        for digest, size in digests.items()
    }


def _file(path: Path, digest: str) -> Source:
    return Source(open=partial(_open, path), size=path.stat().st_size, sha256=digest)


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")
