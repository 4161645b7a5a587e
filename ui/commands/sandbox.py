"""`counterproof sandbox`: the isolation self-test, its speed, and building the analysis environment."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace

import click

from counterproof.provenance.errors import MachineTrouble
from counterproof.sandbox import Attestation, WarmSandbox, build_environment, find_environment
from counterproof.sandbox.contract import IN_WORDS
from counterproof.sandbox.speed import measure
from counterproof.ui import environment
from counterproof.ui.common import progress
from counterproof.ui.isolation import sandbox
from counterproof.ui.output import emit, json_option


@click.group(name="sandbox")
def command() -> None:
    """Test the isolation; build the analysis environment."""


@command.command()
@json_option
def check(as_json: bool) -> None:
    """Attack the isolation from inside and say what held. Exit code 4 when anything required did not."""
    here = sandbox()
    found = asyncio.run(_probed(here))
    here.close()
    host = "; ".join(f"{name} {value}" for name, value in sorted(found.host.items()) if name != "cold_because")
    lines = [f"{found.back_end}: every attack from inside failed, so programs may run here."]
    lines += [f"  held  {name:<12} {IN_WORDS[name]}" for name in found.protections]
    lines += [_start(found), host]
    emit({**found.deterministic(), "host": dict(found.host)}, "\n".join(lines), as_json=as_json)


async def _probed(here: WarmSandbox) -> Attestation:
    """Probe the cold start, and the warm one where the environment is built."""
    cold = await here.probe()
    try:
        python = find_environment()
    except MachineTrouble as error:
        return replace(cold, host={**cold.host, "cold_because": error.what})
    return await here.probe_warm(python)


def _start(found: Attestation) -> str:
    if found.host["tier"] == "warm":
        return "Programs start warm (tier A): a fork of an interpreter that has the analysis stack, isolated alike."
    because = found.host.get("cold_because", "")
    return f"Programs start cold (tier B), isolated alike but slower, because: {because}"


@command.command()
@click.option("--rounds", type=click.IntRange(3, 99), default=9, show_default=True, help="Starts of each kind.")
@json_option
def bench(rounds: int, as_json: bool) -> None:
    """Measure how fast programs start and end on this machine; takes half a minute."""
    here = sandbox()
    speed = measure(find_environment(), sandbox=here, rounds=rounds)
    here.close()
    rows = [f"{row.name:<30} {row.value:>9.2f} {row.unit:<5} goal {row.goal:<8} {row.verdict}" for row in speed.rows()]
    value = {**asdict(speed), "rows": [{**asdict(row), "ok": row.ok} for row in speed.rows()]}
    emit(value, "\n".join(rows), as_json=as_json)


@command.command()
@json_option
def build(as_json: bool) -> None:
    """Build the Python analysis environment from its lock; does nothing when it is there."""
    built = build_environment("python", progress=progress(), env=environment.for_subprocess())
    value = {"language": built.language, "version": built.version, "digest": built.digest, "path": str(built.path)}
    emit(value, f"{built.name}: Python {built.version}, {len(built.distributions)} packages", as_json=as_json)
