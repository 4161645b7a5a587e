"""`counterproof replay`: run a bundle or a scenario again and compare."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.verify import verify_bundle
from counterproof.scenarios.bundles import BundleReplay, replay_bundle
from counterproof.scenarios.catalogue import load_scenario, scenario_names
from counterproof.scenarios.replayer import run_scenario, start_scenario
from counterproof.ui.common import progress, workplace
from counterproof.ui.isolation import analysis_environment, sandbox
from counterproof.ui.output import emit, json_option
from counterproof.ui.running import runner
from counterproof.ui.vaults import seal_new


@click.command(name="replay")
@click.argument("what", metavar="FILE.zip|SCENARIO")
@click.option("--data", multiple=True, type=click.Path(path_type=Path, exists=True), help="Data that the bundle lacks.")
@json_option
def command(what: str, data: tuple[Path, ...], as_json: bool) -> None:
    """Run a bundle or a scenario again: model turns from the record, programs executed again, every digest compared.

    Where a program gives other bytes, or the environment of the record is not the one here, its numbers are compared
    with the tolerances of the plan: `identical`, `within tolerance`, `differs`, or `cannot be compared here`. Needs no
    network and no model. Exit code 1 when anything differs, or nothing could be compared.
    """
    with tempfile.TemporaryDirectory(prefix="counterproof-replay-") as folder:
        if what in scenario_names():
            _scenario(what, Path(folder), as_json=as_json)
        else:
            _bundle(Path(what), Path(folder), data, as_json=as_json)


def _scenario(name: str, home: Path, *, as_json: bool) -> None:
    place = workplace(home)
    seal_new(place)
    study = start_scenario(place, load_scenario(name))
    run = run_scenario(runner(place, say=progress()), study)
    text = f"{name}: {run.status}; no request drifted, every turn was used, the results are the expected ones"
    emit({"scenario": name, "status": run.status}, text, as_json=as_json)


def _bundle(path: Path, home: Path, data: tuple[Path, ...], *, as_json: bool) -> None:
    verification = verify_bundle(path)
    if not verification.ok:
        failed = next(step for step in verification.steps if step.outcome == "failed")
        raise VerificationFailed(
            f"The bundle does not hold ({failed.name}): {failed.evidence[0]}",
            advice="A bundle that does not verify is not replayed.",
        )
    if verification.profile == "redacted":
        raise UsageError(
            f"{path} is a redacted bundle: the model's answers and the data that a replay needs were left out of it.",
            advice="Replay the whole bundle, which whoever exported this one can make without --redacted.",
        )
    found = replay_bundle(
        path, home, sandbox=sandbox(), environment=analysis_environment(), data=data, progress=progress()
    )
    emit({"ok": found.ok, "verdict": found.verdict, **asdict(found)}, _text(found, verification.label), as_json=as_json)
    if not found.ok:
        sys.exit(1)


def _text(found: BundleReplay, label: str) -> str:
    lines = [
        f"{'same   ' if row.same else 'DIFFERS'}  {row.what}  {row.recorded[:12]}…"
        + ("" if row.same else f" now {row.again[:12] or 'not made'}")
        for row in found.comparisons
    ]
    if found.stopped:
        lines.append(f"The replay of the whole study stopped: {found.stopped}")
    lines += [
        f"environment of the {one.role} program: " + ("; ".join(one.differences) or f"the same, {one.recorded[:12]}…")
        for one in found.environments
    ]
    lines += [f"{one.verdict}: {one.key}" + (f" ({one.why})" if one.why else "") for one in found.executions]
    same = sum(row.same for row in found.comparisons)
    return "\n".join([*lines, f"{same} of {len(found.comparisons)} digests are the same; {found.verdict} ({label})."])
