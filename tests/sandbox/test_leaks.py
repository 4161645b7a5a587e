"""A thousand executions leave nothing behind: no process, mount, file, descriptor, thread or memory."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import tempfile
import threading
import time
from pathlib import Path

import pytest

from counterproof.sandbox import Environment, ExecutionSpec, Limits, WarmSandbox
from counterproof.sandbox._watch import processes_of

_EXECUTIONS = 1000
_SAME_LOOKS, _MOST_LOOKS = 10, 200
_PROGRAM = b"open('results.json', 'w').write('{}'); open('/tmp/left', 'w').write('x' * 1000); print(1)"


@pytest.mark.slow
def test_thousand_executions_leak_nothing(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sandbox = WarmSandbox()
    spec = ExecutionSpec(program=_PROGRAM, environment=environment, limits=Limits(work_mib=8, scratch_mib=8, shm_mib=8))
    asyncio.run(_many(sandbox, spec, 20))
    gc.collect()  # sandboxes of other tests go first
    before, memory_kib = _held_at_rest(), _memory_kib()
    template_kib = _template_kib(sandbox, environment)
    asyncio.run(_many(sandbox, spec, _EXECUTIONS))
    after = _held_at_rest()
    assert {name: (before[name], now) for name, now in after.items() if now > before[name]} == {}
    assert _memory_kib() - memory_kib < 20_000
    assert _template_kib(sandbox, environment) - template_kib < 20_000
    sandbox.close()


async def _many(sandbox: WarmSandbox, spec: ExecutionSpec, count: int) -> None:
    for _ in range(count):
        session = await sandbox.open(spec)
        done = await session.run()
        await session.close()
        assert (done.status, done.stdout.data, len(done.artifacts)) == ("ok", b"1\n", 1)
        assert done.attestation.host["tier"] == "warm"
    _, zygote = sandbox.prove(spec.environment)
    assert zygote is not None
    zygote.await_reserve()


def _held_at_rest() -> dict[str, int]:
    """Look until nothing changes: the child in reserve answers before it has forked its second process."""
    looks = [_held()]
    while len(looks) < _SAME_LOOKS or any(look != looks[-1] for look in looks[-_SAME_LOOKS:]):
        assert len(looks) < _MOST_LOOKS, f"it does not come to rest: {looks[-_SAME_LOOKS:]}"
        time.sleep(0.1)
        looks.append(_held())
    return looks[-1]


def _held() -> dict[str, int]:
    return {
        "processes": len(list(processes_of(os.getpid()))),
        "mounts": len(Path("/proc/self/mountinfo").read_text("utf-8").splitlines()),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "files": len(list(Path(tempfile.gettempdir()).iterdir())),
    }


def _memory_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _template_kib(sandbox: WarmSandbox, environment: Environment) -> int:
    _, zygote = sandbox.prove(environment)
    assert zygote is not None
    lines = Path(f"/proc/{zygote.pid}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
