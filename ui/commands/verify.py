"""`counterproof verify`: verify a bundle, offline."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from counterproof.provenance.verify import Verification, verify_bundle
from counterproof.ui.output import emit, json_option


@click.command(name="verify")
@click.argument("bundle", type=click.Path(path_type=Path))
@json_option
def command(bundle: Path, as_json: bool) -> None:
    """Verify BUNDLE offline, in numbered steps; needs neither store nor model. Exit code 1 when a step fails."""
    found = verify_bundle(bundle)
    emit({"ok": found.ok, **asdict(found)}, verification_text(found), as_json=as_json)
    if not found.ok:
        sys.exit(1)


def verification_text(found: Verification) -> str:
    """Return a verification as lines for a person."""
    marks = {"ok": "ok    ", "failed": "FAILED", "not applicable": "n/a   "}
    lines = [f"{found.study}: {found.title}"] if found.study else []
    for step in found.steps:
        first, *rest = step.evidence or ("",)
        lines.append(f"{step.number:>3} {marks[step.outcome]} {step.name:<10} {first}")
        lines += [f"{'':>22}{line}" for line in rest]
    if found.label:
        lines.append(f"Ended: {found.ended}. Review: {found.label}. Head: {found.head}")
    lines.append("The bundle holds." if found.ok else "The bundle does NOT hold.")
    return "\n".join(lines)
