"""The executions of a bundle, made again here and compared with what was recorded, number by number.

An execution that the replayed study made again is taken from there. Where that study could not get so far, because it
runs in another environment or a program gave other bytes, the recorded program is run alone: on the recorded inputs,
with the recorded seed and limits, in the sandbox, in the environment of this machine. No gate is asked then, because no
study goes on from it: the data are those of whoever replays, the program is one that the bundle shows as approved, and
nothing of what it gives leaves this process but the comparison.

An execution is

- `identical`: every file and both streams have the recorded digests, or commitments (`provenance.commitments`): whoever
  has the data can compare what nobody may see;
- `within tolerance`: bytes differ, and every number of `results.json` that can be compared agrees, by the comparator of
  the two programs: the plan's relative tolerance for value, interval and p value of each result, none for counts and
  participants;
- `differs`: a number does not agree, or it ended otherwise;
- `cannot be compared here`: there is no environment for it, or what it gave stayed on the secure side and has other
  bytes now.

It does not cover tables and figures with other bytes: they are named, not compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import ModelMayRetry
from counterproof.provenance.events import Event
from counterproof.provenance.journal import finished_effects
from counterproof.provenance.vault import Vault
from counterproof.sandbox import Environment, Execution, ExecutionSpec, Limits, Mount, Sandbox, run_all
from counterproof.sandbox.orders import Order, Role
from counterproof.tools import Comparison, Flow, Plan, PlannedResult, ResultsFile, compare, parse_flow, parse_results

Verdict = Literal["identical", "within tolerance", "differs", "cannot be compared here"]
_RESULTS, _FLOW = "results.json", "flow.json"
_STREAMS = ("stdout", "stderr")


@dataclass(frozen=True, kw_only=True)
class Number:
    """One number of a result.

    Attributes:
        result: id of the result.
        field: "value", "ci_low", "ci_high", "p_value" or "n".
        recorded: what the record gives.
        again: what came of it here.
        tolerance: largest relative difference that counts as agreement.
        verdict: how both compare.
    """

    result: str
    field: str
    recorded: float | None
    again: float | None
    tolerance: float
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class ExecutionAgain:
    """One execution and what came of it here.

    Attributes:
        key: its key in the record.
        synthetic: whether it ran on the twin.
        verdict: how both compare.
        why: what differs, or why nothing can be compared; "" where all is identical.
        files: files and streams with other bytes.
        numbers: the numbers that were compared, where the bytes of `results.json` differ.
    """

    key: str
    synthetic: bool
    verdict: Verdict
    why: str
    files: tuple[str, ...] = ()
    numbers: tuple[Number, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What an execution gave: its status, and its files and streams by name."""

    status: str
    files: Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A record with its bodies."""

    events: Sequence[Event]
    blobs: Blobs


def executions_again(
    recorded: Recorded,
    replayed: Recorded,
    *,
    vault: Vault,
    sandbox: Sandbox,
    environments: Mapping[Role, Environment | str],
    progress: Callable[[str], None],
) -> tuple[ExecutionAgain, ...]:
    """Compare every finished execution of a record.

    Args:
        recorded: the bundle's record.
        replayed: the record of the study that was run again.
        vault: the real data, by digest.
        sandbox: runs programs that were not run again there.
        environments: what each program runs in here, or why there is none.
        progress: is told one line a program.

    Raises:
        MachineTrouble: a sandbox can't be started.
    """
    found, there = [], finished_effects(list(replayed.events))
    for key, event in finished_effects(list(recorded.events)).items():
        if event.data["kind"] != "execution":
            continue
        order = Order.model_validate_json(recorded.blobs.get(event.ref("request").sha256))
        environment = environments[order.role]
        made: _Made | str
        if key in there:
            made = _from_record(there[key], replayed.blobs)
        elif isinstance(environment, str):
            made = environment
        else:
            progress(f"replay: {key} alone")
            spec = _spec(order, environment, recorded.blobs, vault)
            made = _from_execution(*run_all(sandbox, [spec]), names=None if order.synthetic else _names(event))
        name = sha256_bytes if order.synthetic else replayed.blobs.commit
        found.append(_compared(recorded, event, order, made, name=name))
    return tuple(found)


def _from_record(event: Event, blobs: Blobs) -> _Made:
    return _Made(status=event.data["status"], files={name: blobs.get(sha) for name, sha in _names(event).items()})


def _from_execution(execution: Execution, *, names: Mapping[str, str] | None) -> _Made:
    """Return what an execution gave; of a real run only files with recorded names count, as in the study."""
    files = {"stdout": execution.stdout.data, "stderr": execution.stderr.data}
    files |= {one.name: one.data for one in execution.artifacts if names is None or one.name in names}
    return _Made(status=execution.status, files=files)


def _names(event: Event) -> dict[str, str]:
    """Return the digest of each file and stream that an execution gave."""
    named = {ref.role.removeprefix("output:"): ref.sha256 for ref in event.refs if ref.role.startswith("output:")}
    return {**{name: event.ref(name).sha256 for name in _STREAMS}, **named}


def _spec(order: Order, environment: Environment, blobs: Blobs, vault: Vault) -> ExecutionSpec:
    inputs: Blobs | Vault = blobs if order.synthetic else vault
    return ExecutionSpec(
        program=blobs.get(order.program),
        environment=environment,
        inputs=tuple(Mount(host=inputs.path(ref.sha256), target=ref.name) for ref in order.inputs),
        limits=Limits(**order.limits),
        seed=order.seed,
        program_name=order.program_name,
    )


def _compared(
    recorded: Recorded, event: Event, order: Order, made: _Made | str, *, name: Callable[[bytes], str]
) -> ExecutionAgain:
    def say(verdict: Verdict, why: str, **more: Any) -> ExecutionAgain:
        return ExecutionAgain(key=event.data["key"], synthetic=order.synthetic, verdict=verdict, why=why, **more)

    if isinstance(made, str):
        return say("cannot be compared here", made)
    before, status = _names(event), event.data["status"]
    if made.status != status:
        return say("differs", f"it ended {made.status!r}, and in the record {status!r}")
    now = {file: name(data) for file, data in made.files.items()}
    files = tuple(sorted(file for file in {*before, *now} if before.get(file) != now.get(file)))
    if not files:
        return say("identical", "")
    other = f"other bytes: {', '.join(files)}"
    released = _released(recorded, event)
    try:
        if _flow_differs(recorded, released, before.get(_FLOW, ""), made.files.get(_FLOW)):
            return say("differs", f"other participants; {other}", files=files)
        if _RESULTS not in files:
            known: Verdict = "within tolerance" if _RESULTS in now else "cannot be compared here"
            return say(known, other, files=files)
        then, withheld = _recorded_results(recorded, released, before.get(_RESULTS, ""))
        if then is None:
            return say("cannot be compared here", f"{withheld}; {other}", files=files)
        rows = _rows(_plan(recorded, event), then, parse_results(made.files.get(_RESULTS)))
    except ModelMayRetry as error:
        return say("differs", str(error), files=files)
    apart = [row for row in rows if row.verdict == "differs"]
    verdict: Verdict = "differs" if apart else "within tolerance"
    why = "; ".join(filter(None, (_words(apart or rows, apart=bool(apart)), withheld, other)))
    return say(verdict, why, files=files, numbers=rows)


def _released(recorded: Recorded, event: Event) -> dict[str, Any]:
    """Return what was released of an execution on the real data; empty where nothing was."""
    for one in (one for one in recorded.events if one.type == "results.released"):
        released: dict[str, Any] = json.loads(recorded.blobs.get(one.ref("released").sha256))
        if released["execution"] == event.ref("response").sha256:
            return released
    return {}


def _recorded_results(recorded: Recorded, released: dict[str, Any], digest: str) -> tuple[ResultsFile | None, str]:
    """Return the recorded results as far as they are in the bundle, and what is said of the rest."""
    if digest and recorded.blobs.has(digest):
        return parse_results(recorded.blobs.get(digest)), ""
    if released.get("results"):
        held = "what was not released is not compared" if released["suppressed"] else ""
        body = {"schema": "counterproof/results/1", "results": released["results"]}
        return ResultsFile.model_validate(body), held
    return None, "its results stayed on the secure side"


def _flow_differs(recorded: Recorded, released: dict[str, Any], digest: str, now: bytes | None) -> bool:
    """Say whether the participants are others; where the bundle doesn't hold them, that they are not known to be."""
    if digest and recorded.blobs.has(digest):
        return parse_flow(recorded.blobs.get(digest)) != parse_flow(now)
    return bool(released.get("flow")) and Flow.model_validate(released["flow"]) != parse_flow(now)


def _plan(recorded: Recorded, event: Event) -> Plan:
    locked = [one for one in recorded.events if one.type == "plan.locked" and one.seq < event.seq]
    return Plan.model_validate_json(recorded.blobs.get(locked[-1].ref("plan").sha256))


def _rows(plan: Plan, then: ResultsFile, now: ResultsFile) -> tuple[Number, ...]:
    """Return each number that the record gives, beside that of now; one that is not planned has the usual tolerance."""
    known, planned = then.by_id(), {result.id for result in plan.results}
    more = tuple(
        PlannedResult(id=result.id, label=result.label, unit=result.unit, method=plan.methods[0].id)
        for result in then.results
        if result.id not in planned
    )
    every = plan.model_copy(update={"results": (*plan.results, *more)})
    return tuple(
        Number(
            result=row.result,
            field=row.field,
            recorded=row.primary,
            again=row.replication,
            tolerance=row.tolerance,
            verdict=_verdict(row),
        )
        for row in compare(every, then, now)
        if row.result in known
    )


def _verdict(row: Comparison) -> Verdict:
    if row.primary == row.replication:
        return "identical"
    return "within tolerance" if row.agrees else "differs"


def _words(rows: Sequence[Number], *, apart: bool) -> str:
    if apart:
        return "; ".join(
            f"{row.result}.{row.field} is {row.again}, in the record {row.recorded} (tolerance {row.tolerance:g})"
            for row in rows
        )
    tolerances = ", ".join(f"{one:g}" for one in sorted({row.tolerance for row in rows}))
    largest = max(_apart(row) for row in rows)
    return f"{len(rows)} numbers differ by at most {largest:.2g} of the larger; tolerances {tolerances}"


def _apart(row: Number) -> float:
    one, two = row.recorded or 0.0, row.again or 0.0
    return abs(one - two) / max(abs(one), abs(two), 1e-300)
