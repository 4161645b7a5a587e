"""The bundle of a study that has ended: what it is made from, and data files that may go into it.

It does not cover what is in a bundle (`provenance.bundle`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from counterproof.agents.study import OpenStudy, Workplace
from counterproof.provenance.bundle import export_bundle
from counterproof.provenance.signing import service_key
from counterproof.provenance.telemetry import bring_spans
from counterproof.provenance.timestamps import Authority
from counterproof.provenance.withheld import Profile
from counterproof.sandbox._private import private_folder
from counterproof.sandbox.gate_line import File
from counterproof.sandbox.secure_side import SecureSide, check_shared


def make_bundle(
    workplace: Workplace,
    study: OpenStudy,
    target: Path,
    *,
    profile: Profile = "full",
    authority: Authority | None = None,
    progress: Callable[[str], None] = lambda _line: None,
    side: SecureSide | None = None,
) -> None:
    """Write the bundle of a study that has ended; the choices are those of `export_bundle`.

    Data files that may go into it come from the secure side; from the vault where none is given.
    """
    bring_spans()
    shared = study.settings.data if study.settings.share_data else ()
    with private_folder(study.folder) as place:
        inputs = {
            file.name: _brought(workplace, side, File(name=file.name, sha256=file.sha256), place / file.sha256)
            for file in shared
        }
        export_bundle(
            study.record,
            target,
            study=study.id,
            service_key=service_key(workplace.store.home),
            inputs=inputs,
            spans=study.folder / "telemetry" / "spans.otlp.jsonl",
            profile=profile,
            authority=authority,
            progress=progress,
        )


def _brought(workplace: Workplace, side: SecureSide | None, file: File, target: Path) -> Path:
    """Return where a data file that may leave the secure side is in the clear; a sealed one is written to `target`.

    The export compares what it reads with the record, wherever it reads it.
    """
    if side is not None:
        side.copy(file, target)
        return target
    check_shared(workplace.vault, file)
    if not workplace.vault.is_sealed(file.sha256):
        return workplace.vault.path(file.sha256)
    workplace.vault.lay(file.sha256, target, name=file.name)
    return target
