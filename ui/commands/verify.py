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
@click.option(
    "--tsa-ca",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Certificates (PEM) of the time-stamping authority that you trust; then there must be a time stamp.",
)
@json_option
def command(bundle: Path, tsa_ca: Path | None, as_json: bool) -> None:
    """Verify BUNDLE offline, in numbered steps; needs neither store nor model.

    Exit code 1 when a step fails. What could not be checked here, and why, is said in words and changes no exit code.
    """
    found = verify_bundle(bundle, authority=tsa_ca.read_bytes() if tsa_ca is not None else b"")
    left = [f"{step.number} {step.name}" for step in found.left]
    emit({"ok": found.ok, "left": left, **asdict(found)}, verification_text(found), as_json=as_json)
    if not found.ok:
        sys.exit(1)


def verification_text(found: Verification) -> str:
    """Return a verification as lines for a person; what a bundle says stays in its line, whatever it holds."""
    marks = {"ok": "ok    ", "failed": "FAILED", "not applicable": "n/a   ", "cannot be checked here": "left  "}
    lines = [f"{found.study}: {found.title}"] if found.study else []
    for step in found.steps:
        first, *rest = step.evidence or ("",)
        lines.append(f"{step.number:>3} {marks[step.outcome]} {step.name:<10} {first}")
        lines += [f"{'':>22}{line}" for line in rest]
    if found.label:
        lines.append(f"Ended: {found.ended}. Review: {found.label}. Head: {found.head}")
    lines.append(_verdict(found))
    return "\n".join(" ".join(line.splitlines()) for line in lines)


def _verdict(found: Verification) -> str:
    if not found.ok:
        return "The bundle does NOT hold."
    if not found.left:
        return "The bundle holds."
    left = ", ".join(f"{step.number} {step.name}" for step in found.left)
    return f"The bundle holds: verified, but for what could not be checked here ({left})."
