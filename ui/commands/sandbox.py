"""`counterproof sandbox`: the isolation self-test, and building the analysis environment."""

from __future__ import annotations

import asyncio

import click

from counterproof.sandbox import build_environment
from counterproof.ui import environment
from counterproof.ui.common import progress
from counterproof.ui.output import emit, json_option
from counterproof.ui.running import sandbox


@click.group(name="sandbox")
def command() -> None:
    """Test the isolation; build the analysis environment."""


@command.command()
@json_option
def check(as_json: bool) -> None:
    """Attack the isolation from inside and say what held. Exit code 4 when anything required did not."""
    found = asyncio.run(sandbox().probe())
    host = "; ".join(f"{name} {value}" for name, value in sorted(found.host.items()))
    text = "\n".join([f"{found.back_end}: holds", *[f"  {name}" for name in found.protections], host])
    emit({**found.deterministic(), "host": dict(found.host)}, text, as_json=as_json)


@command.command()
@json_option
def build(as_json: bool) -> None:
    """Build the Python analysis environment from its lock; does nothing when it is there."""
    built = build_environment("python", progress=progress(), env=environment.for_subprocess())
    value = {"language": built.language, "python": built.python, "digest": built.digest, "path": str(built.path)}
    emit(value, f"{built.name}: Python {built.python}, {len(built.distributions)} packages", as_json=as_json)
