"""One execution on a remote machine that is made for it and killed after it.

The idea: a machine runs one program and is then ended, whatever happened, so nothing of one program meets another
and nothing has to be cleaned. Two clocks watch: the runner's on the machine, which ends the program and keeps what it
printed, and this adapter's, which stands above it and ends the machine. Nothing is ever tried again.

It does not cover what the machine keeps after its end: that is the provider's word.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import stat
import time
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.sandbox._e2b_report import Report, captured, plain
from counterproof.sandbox._e2b_wire import BASE, Machine, Provider, Upload, WireBroken
from counterproof.sandbox._frames import BrokenFrames, Frames
from counterproof.sandbox._launch import check_inputs
from counterproof.sandbox._profile import SHIM, program_env, shim_plan
from counterproof.sandbox.contract import Attestation, Execution, ExecutionSpec, Limits, Status, Usage, check_given

RUNNER = Path(__file__).parent / "_e2b_runner.py"


@dataclass(frozen=True, kw_only=True)
class Clocks:
    """How long the adapter waits, in seconds.

    Attributes:
        start_s: from handing over the program to its start; the inputs are verified in that time.
        grace_s: added to the program's wall time before the machine is killed, for the way back.
        collect_s: from the program's end to the list of its outputs.
        spare_s: how much longer than all of these the machine lives when nobody kills it.
    """

    start_s: float = 60.0
    grace_s: float = 1.0
    collect_s: float = 60.0
    spare_s: float = 300.0

    def lifetime_s(self, limits: Limits) -> int:
        """Return after how many seconds the provider ends the machine by itself."""
        return int(self.start_s + limits.wall_s + self.grace_s + self.collect_s + self.spare_s)


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """A status that the adapter decided on, and the outputs where there are any."""

    status: Status
    stdout: bytes = b""
    stderr: bytes = b""
    frames: Frames | None = None


@dataclass(kw_only=True)
class E2BSession:
    """One execution on a remote machine; see `contract.Session`."""

    provider: Provider
    spec: ExecutionSpec
    attestation: Attestation
    clocks: Clocks
    _given: dict[str, bytes] = field(default_factory=dict, init=False)
    _cancelled: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _running: asyncio.Task[Execution] | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)

    async def put(self, name: str, data: bytes) -> None:
        """Place a file in the program's working folder before it runs; it is not collected as an output.

        Raises:
            UsageError: the name can't be used or is that of an output, or the session has run or is closed.
        """
        if self._closed or self._running is not None:
            raise UsageError("This session has run or is closed.", advice="Put files before it runs.")
        check_given(name)
        self._given[name] = bytes(data)

    async def run(self) -> Execution:
        """Run the program and wait for its end; when the waiting is cancelled, so is the program.

        Raises:
            MachineTrouble: no machine could be had, so the program did not run, or it could not be ended.
            UsageError: the session has run already or is closed, or an input is not there.
        """
        if self._closed or self._running is not None:
            raise UsageError("This session has run or is closed.", advice="Open a new one; it runs once.")
        self._running = asyncio.create_task(self._execute())
        try:
            return await asyncio.shield(self._running)
        except asyncio.CancelledError:
            await self.close()
            raise

    async def cancel(self) -> None:
        """End the running program; harmless when nothing runs."""
        self._cancelled.set()

    async def close(self) -> None:
        """End everything that belongs to the session; may be called again."""
        self._closed = True
        self._cancelled.set()
        if self._running is not None:
            await asyncio.wait([self._running])

    async def _execute(self) -> Execution:
        check_inputs(self.spec)
        files = await asyncio.to_thread(lambda: list(_uploads(self.spec, self._given)))
        report = Report(limits=self.spec.limits)
        lifetime_s = self.clocks.lifetime_s(self.spec.limits)
        try:
            machine = await self.provider.create(lifetime_s=lifetime_s)
        except WireBroken as error:
            advice = f"If a machine was made all the same, it ends by itself after {lifetime_s} s."
            raise _did_not_run(error, advice) from error
        try:
            outcome = await self._until_cancelled(self._work(machine, files, report))
        finally:
            try:
                await machine.kill()
            except WireBroken as error:
                raise MachineTrouble(
                    f"The remote machine {plain(machine.id)!r} could not be ended: {error}.",
                    advice=f"End it in the provider's dashboard; else it ends by itself after {lifetime_s} s.",
                ) from error
        return self._execution(outcome, report)

    async def _until_cancelled(self, work: Coroutine[None, None, _Outcome]) -> _Outcome:
        task = asyncio.ensure_future(work)
        stop = asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else _Outcome(status="killed")
        finally:
            for item in (task, stop):
                item.cancel()
            await asyncio.gather(task, stop, return_exceptions=True)

    async def _work(self, machine: Machine, files: list[Upload], report: Report) -> _Outcome:
        runner, shim = _upload(RUNNER.read_bytes(), "runner"), _upload(SHIM.read_bytes(), "shim")
        plan = _upload(json.dumps(_plan(self.spec, files, self._given), sort_keys=True).encode(), "plan")
        try:
            await machine.upload([runner, shim, plan, *files])
        except WireBroken as error:
            raise _did_not_run(error) from error
        cell = asyncio.create_task(machine.run(runner.sha256, shim.sha256, plan.sha256, report.feed))
        try:
            status = await self._watch(cell, report)
        finally:
            cell.cancel()
            await asyncio.gather(cell, return_exceptions=True)
        return _Outcome(status=status) if status is not None else await self._collect(machine, report)

    async def _watch(self, cell: asyncio.Task[None], report: Report) -> Status | None:
        """Wait for the runner's last word; return the status where there is none."""
        born_s = time.monotonic()
        while report.ended is None:
            if report.broken:
                return "lost"
            if report.refused is not None:
                raise _did_not_run(WireBroken(f"the runner refused: {report.refused}"))
            if cell.done():
                return _broken_off(cell, report)
            now_s = time.monotonic()
            due_s, status = self._due(report, born_s)
            if now_s >= due_s:
                return status
            report.changed.clear()
            changed = asyncio.create_task(report.changed.wait())
            await asyncio.wait([cell, changed], timeout=due_s - now_s, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
        return "lost" if report.broken else None

    def _due(self, report: Report, born_s: float) -> tuple[float, Status]:
        """Return until when the next event must have come, and what it means when it has not."""
        if report.started_s is None:
            return born_s + self.clocks.start_s, "lost"
        if report.exited_s is None:
            return report.started_s + self.spec.limits.wall_s + self.clocks.grace_s, "timeout"
        return report.exited_s + self.clocks.collect_s, "lost"

    async def _collect(self, machine: Machine, report: Report) -> _Outcome:
        ended = report.ended
        if ended is None:
            return _Outcome(status="lost")
        frames = Frames(limits=self.spec.limits)
        try:
            data = {}
            for name, about in (("stdout", ended.stdout), ("stderr", ended.stderr), ("frames", ended.frames)):
                data[name] = await machine.read(name, size=about.size)
                if sha256_bytes(data[name]) != about.sha256:
                    return _Outcome(status="lost")
            if report.kill is not None:
                return _Outcome(status=report.kill, stdout=data["stdout"], stderr=data["stderr"])
            frames.feed(data["frames"])
        except (WireBroken, BrokenFrames):
            return _Outcome(status="lost")
        if frames.ending is None or not frames.finished:
            return _Outcome(status="lost")
        status = report.status(frames.ending)
        return _Outcome(status=status, stdout=data["stdout"], stderr=data["stderr"], frames=frames)

    def _execution(self, outcome: _Outcome, report: Report) -> Execution:
        ended = report.ended if outcome.status != "lost" else None
        exit_code = None
        if ended is not None and report.kill is None and report.wait_status is not None:
            exit_code = os.waitstatus_to_exitcode(report.wait_status)
        now_s = time.monotonic()
        began_s = report.started_s or now_s
        totals = (ended.stdout_total, ended.stderr_total) if ended is not None else (0, 0)
        frames = outcome.frames
        return Execution(
            status=outcome.status,
            exit_code=exit_code if exit_code is not None and exit_code >= 0 else None,
            signal=-exit_code if exit_code is not None and exit_code < 0 else None,
            stdout=captured(outcome.stdout, totals[0]),
            stderr=captured(outcome.stderr, totals[1]),
            artifacts=frames.artifacts() if frames is not None else (),
            rejected=tuple(frames.rejected) if frames is not None else (),
            usage=Usage(
                wall_s=round((report.exited_s or now_s) - began_s, 3),
                cpu_s=round(ended.cpu_s if ended is not None else 0.0, 3),
                max_rss_mib=round((ended.max_rss_kib if ended is not None else 0) / 1024, 1),
            ),
            attestation=self.attestation,
        )


def _broken_off(cell: asyncio.Task[None], report: Report) -> Status:
    """Judge a run that ended without the runner's last word; only a clear no means that nothing ran."""
    error = cell.exception()
    if isinstance(error, WireBroken) and error.refused and report.started_s is None:
        raise _did_not_run(error) from error
    return "lost"


def _did_not_run(error: WireBroken, advice: str = "") -> MachineTrouble:
    return MachineTrouble(
        f"The remote sandbox could not be used: {error}.", allowed="The program did not run.", advice=advice
    )


def _upload(data: bytes, path: str) -> Upload:
    return Upload(sha256=sha256_bytes(data), size=len(data), source=data, path=path)


def _uploads(spec: ExecutionSpec, given: dict[str, bytes]) -> Iterator[Upload]:
    """Yield the program, the inputs and what was put beside them; links and devices in folders are left out."""
    yield _upload(spec.program, f"program/{spec.program_name}")
    for name, data in given.items():
        yield _upload(data, f"out/{name}")
    for mount in spec.inputs:
        target = mount.target.removeprefix("/")
        host = mount.host.resolve()
        if host.is_file():
            yield _hashed(host, target)
            continue
        for folder, _, names in os.walk(host):
            for name in sorted(names):
                path = Path(folder, name)
                if stat.S_ISREG(path.lstat().st_mode):
                    yield _hashed(path, f"{target}/{path.relative_to(host).as_posix()}")


def _hashed(path: Path, target: str) -> Upload:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Upload(sha256=digest, size=file.tell(), source=path, path=target)


def _plan(spec: ExecutionSpec, files: list[Upload], given: Iterable[str]) -> dict[str, object]:
    """Return what the runner does, as JSON values."""
    return {
        **shim_plan(spec, given),
        "files": [{"sha256": file.sha256, "path": file.path} for file in files],
        "limits": spec.limits.as_dict(),
        "program": f"{BASE}/program/{spec.program_name}",
        "env": remote_env(spec),
        "cwd": f"{BASE}/out",
    }


def remote_env(spec: ExecutionSpec) -> dict[str, str]:
    """Return the program's whole environment on a remote machine: the local one, with other places."""
    places = {"COUNTERPROOF_DATA": f"{BASE}/data", "COUNTERPROOF_OUT": f"{BASE}/out"}
    scratch = dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR"), f"{BASE}/tmp")
    system = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    env = {**program_env(spec), **places, **scratch, **system}
    env.pop("LD_LIBRARY_PATH", None)
    return env
