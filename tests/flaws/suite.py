"""Running the suite: each program and the check program on its data, in the sandbox, as a study does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from counterproof.provenance.digests import sha256_bytes
from counterproof.sandbox import Environment, Execution, ExecutionSpec, Mount, Sandbox, run_all
from counterproof.tools.checks import Check, Evidence, Verdict, run_checks
from counterproof.tools.checks.planned import view_of
from counterproof.tools.checks.program import check_program_text
from counterproof.tools.checks.verdict import ProgramSource, parse_observation
from counterproof.tools.results import parse_flow, parse_results

from .flaw import Flaw, program
from .plans import plan_of
from .python_flaws import PYTHON_FLAWS
from .r_flaws import R_FLAWS

FLAWS: tuple[Flaw, ...] = (*PYTHON_FLAWS, *R_FLAWS)
_SEED = 20260101


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the checks said of one program.

    Attributes:
        checks: every verdict, by id.
        stderr: what the program printed on standard error; for a test that failed.
    """

    checks: dict[str, Check]
    stderr: str = ""

    def says(self, check: str) -> Verdict:
        """Return the verdict of one check."""
        return self.checks[check].verdict

    @property
    def failed(self) -> list[str]:
        """The checks that fail."""
        return [name for name, made in self.checks.items() if made.verdict is Verdict.FAIL]


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Where programs run."""

    sandbox: Sandbox
    python: Environment
    r: Environment | None
    folder: Path

    def outcome(self, flaw: Flaw, *, sound: bool) -> Outcome:
        """Run one program and the checks of it."""
        files = (flaw.other_data if sound and flaw.other_data else flaw.data)()
        mounts = [self._mount(name, body) for name, body in files.items()]
        code = program(flaw, sound=sound)
        plan = plan_of(flaw)
        frame = pd.read_csv(mounts[0].host)
        columns = tuple(map(str, frame.columns))
        checker = check_program_text(code, flaw.language, view_of(plan, columns))
        first, observed = self._run(code, flaw.language, mounts), self._run(checker, "python", mounts)
        answer = _artifact(first, "results.json")
        results = parse_results(answer)
        plan = plan_of(flaw, results)
        evidence = Evidence(
            plan=plan,
            rows=len(frame),
            columns=columns,
            primary=results,
            replication=results,
            flow=parse_flow(_artifact(first, "flow.json")),
            source=ProgramSource(code=code, language=flaw.language),
            results_sha256=sha256_bytes(answer or b""),
            observation=parse_observation(_artifact(observed, "results.json")),
        )
        made = {check.id: check for check in run_checks(evidence)}
        return Outcome(checks=made, stderr=first.stderr.data.decode(errors="replace"))

    def _mount(self, name: str, body: bytes) -> Mount:
        path = self.folder / sha256_bytes(body)[:16] / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
        return Mount(host=path, target=name)

    def _run(self, code: str, language: str, mounts: Sequence[Mount]) -> Execution:
        environment = self.python if language == "python" else self.r
        assert environment is not None
        name = "program.py" if language == "python" else "program.R"
        spec = ExecutionSpec(
            program=code.encode(), environment=environment, inputs=tuple(mounts), seed=_SEED, program_name=name
        )
        (execution,) = run_all(self.sandbox, [spec])
        assert execution.status == "ok", execution.stderr.data.decode(errors="replace")[-3000:]
        return execution


def _artifact(execution: Execution, name: str) -> bytes | None:
    return next((found.data for found in execution.artifacts if found.name == name), None)


def table(found: dict[str, tuple[Outcome, Outcome]]) -> str:
    """Return the table of the suite as Markdown, from the outcomes of flawed and sound program by flaw."""
    lines = ["| flaw | data | check | flawed | sound twin |", "|---|---|---|---|---|"]
    for flaw in FLAWS:
        if flaw.id in found:
            flawed, sound = found[flaw.id]
            alarms = "" if not sound.failed else f" ({', '.join(sound.failed)} fail)"
            said = f"{flawed.says(flaw.check)} | {sound.says(flaw.check)}{alarms}"
            lines.append(f"| {flaw.id} | {flaw.source} | `{flaw.check}` | {said} |")
    rate, sources = rates(found), {flaw.source for flaw in FLAWS if flaw.id in found}
    counted = f"{rate['detected']} detected, {rate['false_alarms']} false alarms on the sound twins"
    lines += ["", f"{len(found)} flaws over {len(sources)} data sets: {counted}."]
    return "\n".join(lines) + "\n"


def rates(found: dict[str, tuple[Outcome, Outcome]]) -> dict[str, int]:
    """Return how many flaws were detected by their own check, and how many twins gave an alarm.

    A flaw is detected where its check fails or warns; a twin gives a false alarm where any check fails, or its own
    warns.
    """
    detected = alarms = 0
    for flaw in FLAWS:
        if flaw.id not in found:
            continue
        flawed, sound = found[flaw.id]
        detected += flawed.says(flaw.check) in (Verdict.FAIL, Verdict.WARN)
        alarms += bool(sound.failed) or sound.says(flaw.check) is Verdict.WARN
    return {"detected": detected, "false_alarms": alarms}


def as_json(found: dict[str, tuple[Outcome, Outcome]]) -> str:
    """Return the figures as JSON."""
    return json.dumps({"flaws": len(found), **rates(found)})
