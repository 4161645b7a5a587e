"""What the bundle of a synthetic set holds in place of plan, programs, results and report.

    <study>/data/set/<file>        the files that were released: rows or texts, card, report, summary
    <study>/data/set/released.json what was released, each body with the salt of the commitment that people signed over

Everything else is as in the bundle of an analysis (`bundle`). Of a set that was not released there is no file.

It does not cover the transparency statement, which tells a study with results, nor in-toto and the BioCompute Object,
which are of programs that were run.
"""

from __future__ import annotations

from collections.abc import Sequence

from counterproof.provenance.events import Event
from counterproof.provenance.permissions import purpose_of

SYNTHESIS = "synthesis"
"""What `bag-info.txt` calls the kind of such a bundle."""
RELEASED = "set/released.json"
README = """{facts}
**Synthetic, never real.** No finding about people can rest on what is in here; nothing of it was signed off.

To check it: `counterproof verify FILE.zip` (offline). Without Counterproof, in the unpacked folder:
`python3 -I data/verify/verify.py`, or with a shell alone `sh data/verify/verify.sh`; or by hand:

    sha256sum -c tagmanifest-sha256.txt && sha256sum -c manifest-sha256.txt
    ssh-keygen -Y verify -f data/keys/service_signers -I service -n {bundle_namespace} \\
        -s {signature} < tagmanifest-sha256.txt
    ssh-keygen -Y verify -f data/keys/allowed_signers -I REVIEWER -n {decision_namespace} \\
        -s data/decisions/N.json.sig < data/decisions/N.json

To make it again: `counterproof replay FILE.zip`. It is made from: {data}.

The signatures show who signed what, with which key. That a key belongs to a person must be known from elsewhere.

| file | what it is |
|---|---|
| `record.html` | the whole record, for people: what was released, measures, ratings, decisions, what the model saw |
| `set/` | the set: rows or texts, its evaluation card, report and summary; `released.json` says what was released |
| `decisions/` | the signed statements and their signatures, in order |
| `inputs/` | the marked table that texts were written for; real data only where somebody said that they may be here |
| `keys/` | the public keys of the reviewers and of the service |
| `record/events.jsonl` | everything that happened; each line carries the SHA-256 of the line before |
| `record/checkpoints.jsonl` | how far the record had come at the points that matter, signed by the service key |
| `record/blobs/` | the bodies that the events name |
| `record/withheld.json` | bodies that stayed on the secure side, by their salted commitments |
| `ro-crate-preview.html` | the list of these files, in a browser |
| `verify/` | programs that check the bundle without Counterproof, and the schemas of the record's events |
| `workflow.json`, `prov.json` | the steps; who made what from what, as W3C PROV |
| `transparency/model-saw.json` | every message that the model was sent |
| `telemetry/` | the OpenTelemetry spans |
"""


def released_files(events: Sequence[Event]) -> dict[str, str]:
    """Return the digests of the files that were released, by their names in the bundle; none where nothing was."""
    named: dict[str, str] = {}
    for event in (event for event in events if event.type == "set.released"):
        named[RELEASED] = event.ref("released").sha256
        files = (ref for ref in event.refs if ref.role.startswith("file:"))
        named |= {f"set/{ref.role.removeprefix('file:')}": ref.sha256 for ref in files}
    return named


def names_a_model(events: Sequence[Event]) -> bool:
    """Say whether a study is told with its model: that of an analysis always is, that of a set where one was asked."""
    asked = (event.data["kind"] == "model" for event in events if event.type == "effect.started")
    return purpose_of(events[0].data) == "analysis" or any(asked)
