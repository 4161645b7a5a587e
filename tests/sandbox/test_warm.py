"""The warm start: the same bytes as cold, nothing shared between executions, and what happens when it can't be had."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from counterproof.provenance.digests import sha256_bytes
from counterproof.sandbox import (
    Environment,
    Execution,
    ExecutionSpec,
    Limits,
    LocalSandbox,
    Mount,
    SandboxUnavailable,
    WarmSandbox,
    _warm,
    run_all,
    run_twice,
)
from counterproof.sandbox import warm as warm_module
from counterproof.sandbox._supervise import Supervision
from counterproof.sandbox._warm import Zygote, _Child
from counterproof.sandbox._watch import processes_of

from ..opened import opened_by

pytestmark = pytest.mark.abuse

_LUNG = Path(__file__).resolve().parents[2] / "scenarios" / "lung-survival"

SAME = {
    "traceback": b"def f(): 1/0\nf()",
    "chained": b"try:\n  1/0\nexcept Exception as error:\n  raise ValueError('x') from error",
    "syntax": b"x = = 2",
    "recursion": b"def f(): f()\nf()",
    "exit-text": b"import sys; sys.exit('bye')",
    "exit-code": b"raise SystemExit(300)",
    "warning-beyond-the-program": b"import warnings; warnings.warn('x', stacklevel=5); warnings.warn('y')",
    "module": b"print(list(globals()), __name__, __file__, __spec__)",
    "interpreter": b"import sys; print(sys.flags, sys.argv, sys.orig_argv, sys.executable, sys.path, sys.stdout)",
    "hash-seed": b"print(hash('abc'), {'a', 'b', 'c', 'd'})",
    "environment": b"import os; print(sorted(os.environ.items()), os.getpid(), os.getcwd(), os.umask(0))",
    "folders": b"import os; print([(p, os.stat(p).st_mode, sorted(os.listdir(p))) for p in ('/', '/dev', '/data')])",
    "status": b"print([l for l in open('/proc/self/status') if l[:3] in ('Cap', 'Sig', 'NoN', 'Sec', 'Uid')])",
    "exit-functions": b"import atexit; atexit.register(print, 1)\nclass D:\n  def __del__(self): print(2)\nd = D()",
    "open-file": b"file = open('results.json', 'w'); file.write('{}')",
    "thread": b"import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()",
    "seeded": b"import random as r, numpy as np; r.seed(1); np.random.seed(1); print(r.random(), np.random.rand())",
    "blas": b"import numpy as np; a = np.random.default_rng(1).normal(size=(300, 300)); print((a @ a).sum().hex())",
    "pickle": b"import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))))",
    "pool": b"import multiprocessing as m\ndef f(x): return x * x\nwith m.Pool(2) as p: print(p.map(f, [1, 2]))",
    "svg": b"import os, matplotlib.pyplot as p; p.rcParams['svg.hashsalt'] = 'x'; p.plot([1, 2]); os.mkdir('figures');"
    b" p.savefig('figures/a.svg', metadata={'Date': None}); p.savefig('figures/a.png'); print(p.gcf().number)",
}


@pytest.fixture(scope="module")
def warm(environment: Environment) -> Iterator[WarmSandbox]:
    sandbox = WarmSandbox()
    assert asyncio.run(sandbox.probe_warm(environment)).host["tier"] == "warm"
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="module")
def cold() -> LocalSandbox:
    return LocalSandbox()


def _seen(done: Execution) -> tuple[object, ...]:
    return done.stdout.data, done.stderr.data, done.status, done.exit_code, done.signal, done.artifacts, done.rejected


_LIMITS = Limits(work_mib=8, scratch_mib=8, shm_mib=8)


def _spec(program: bytes, environment: Environment) -> ExecutionSpec:
    return ExecutionSpec(program=program, environment=environment, limits=_LIMITS)


@pytest.mark.parametrize("name", SAME)
def test_warm_gives_the_same_bytes_as_cold(
    name: str, warm: WarmSandbox, cold: LocalSandbox, environment: Environment
) -> None:
    spec = _spec(SAME[name], environment)
    (one,), (other,) = run_all(cold, [spec]), run_all(warm, [spec])
    assert (one.attestation.host["tier"], other.attestation.host["tier"]) == ("cold", "warm")
    assert _seen(other) == _seen(one)
    assert other.attestation.deterministic() == one.attestation.deterministic()


def test_a_program_sees_that_its_parent_is_outside_of_its_namespace(
    warm: WarmSandbox, cold: LocalSandbox, environment: Environment
) -> None:
    """The one thing of the process itself that tells a warm start from a cold one (docs/sandbox.md)."""
    spec = _spec(b"import os; print(os.getppid())", environment)
    (one,), (other,) = run_all(cold, [spec]), run_all(warm, [spec])
    assert (one.stdout.data, other.stdout.data) == (b"1\n", b"0\n")


@pytest.mark.parametrize("name", ["primary.py", "replication.py"])
def test_warm_gives_the_same_results_of_a_scenario(
    name: str, warm: WarmSandbox, cold: LocalSandbox, environment: Environment
) -> None:
    mount = Mount(host=_LUNG / "data" / "lung.csv", target="lung.csv")
    spec = ExecutionSpec(
        program=(_LUNG / "authored" / name).read_bytes(), environment=environment, inputs=(mount,), seed=1
    )
    (one,), (other,) = run_all(cold, [spec]), run_all(warm, [spec])
    assert one.artifact("results.json") is not None
    assert _seen(other) == _seen(one)


@pytest.mark.parametrize("size", [1 << 15, (1 << 15) + 1, 3 << 16, 2 << 20])
def test_a_long_program_arrives_whole(size: int, warm: WarmSandbox, environment: Environment) -> None:
    code = b"import hashlib; print(hashlib.sha256(open(__file__, 'rb').read()).hexdigest())\n"
    code = code.ljust(size - 1, b"#") + b"\n"
    done = run_all(warm, [_spec(code, environment)] * 2)
    assert [item.stdout.data.decode() for item in done] == [f"{sha256_bytes(code)}\n"] * 2
    assert {item.attestation.host["tier"] for item in done} == {"warm"}


def test_very_long_names_start_cold(warm: WarmSandbox, environment: Environment, tmp_path: Path) -> None:
    deep = tmp_path / "data" / "/".join(["d" * 200] * 6)
    deep.mkdir(parents=True)
    for at in range(60):
        (deep / f"{at}.csv").write_text(str(at))
    spec = _spec(b"import os; print(sum(len(names) for *_, names in os.walk('/data')))", environment)
    (done,) = run_all(warm, [replace(spec, inputs=(Mount(host=tmp_path / "data", target="data"),))])
    assert (done.stdout.data, done.attestation.host["tier"]) == (b"60\n", "cold")


_REFUSED = """
import resource, time
from counterproof.sandbox import ExecutionSpec, Limits, WarmSandbox, find_environment, run_all
resource.setrlimit(resource.RLIMIT_CPU, (1000, 1000))
sandbox = WarmSandbox()
environment = find_environment("python")
assert run_all(sandbox, [ExecutionSpec(program=b"print(1)", environment=environment)])[0].status == "ok"
for size in (10, 1 << 20):
    began_s = time.monotonic()
    try:
        spec = ExecutionSpec(program=b"#" * size, environment=environment, limits=Limits(cpu_s=2000))
        run_all(sandbox, [spec])
    except Exception as error:
        print(error, time.monotonic() - began_s < 10)
"""


def test_a_limit_that_the_machine_refuses_is_named_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", _REFUSED], capture_output=True, text=True, check=True)
    assert re.findall(r"not allowed to raise maximum limit.* (True|False)", done.stdout) == ["True", "True"], done


def _reserved(zygote: Zygote) -> _Child:
    zygote.drop_reserve()
    zygote.reserve(_LIMITS)
    zygote.await_reserve()
    (child,) = zygote._reserve.values()
    return child


def test_an_order_that_does_not_fit_ends_at_once(warm: WarmSandbox, environment: Environment) -> None:
    _, zygote = warm.prove(environment)
    assert zygote is not None
    _reserved(zygote).asked.order.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    began_s = time.monotonic()
    with pytest.raises(SandboxUnavailable, match="did not start"):
        run_all(warm, [_spec(b"#" * 40_000, environment)])
    assert time.monotonic() - began_s < 10
    assert run_all(warm, [_spec(b"#" * 40_000, environment)])[0].status == "ok"


def test_a_child_that_does_not_listen_holds_nobody_up(
    warm: WarmSandbox, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, zygote = warm.prove(environment)
    assert zygote is not None
    monkeypatch.setattr(_warm, "_TAKE_S", 0.5)
    os.kill(_reserved(zygote).program.pid, signal.SIGSTOP)

    async def cancelled() -> Execution:
        session = await warm.open(_spec(b"#" * (1 << 20), environment))
        running = asyncio.create_task(session.run())
        await asyncio.sleep(0.2)
        await session.cancel()
        return await asyncio.wait_for(running, 10)

    assert asyncio.run(cancelled()).status == "killed"


def test_each_execution_is_watched_by_its_own_processes(warm: WarmSandbox, environment: Environment) -> None:
    proven, zygote = warm.prove(environment)
    assert zygote is not None
    spec, cancelled = _spec(b"import time; print(1, flush=True); time.sleep(60)", environment), os.eventfd(1)
    for _ in range(2):
        launched = zygote.launch(spec, [])
        assert launched.first is not None
        assert launched.program is not None
        assert os.read(launched.streams["out"], 1) == b"1"
        assert [_pid_inside(known.pid) for known in (launched.first, launched.program)] == [1, 2]
        Supervision(launched, spec.limits, cancel_fd=cancelled).run(proven.attestation)
    os.close(cancelled)


def test_two_forks_draw_different_numbers(warm: WarmSandbox, environment: Environment) -> None:
    spec = _spec(
        b"import random, uuid, numpy as np; print(random.random(), np.random.rand(), uuid.uuid4())", environment
    )
    drawn = [word for done in run_all(warm, [spec] * 3) for word in done.stdout.data.split()]
    assert len(set(drawn)) == 9


def test_two_executions_share_nothing(warm: WarmSandbox, environment: Environment) -> None:
    source = b"""
import glob, os, socket, time
for folder in ('/out', '/tmp', '/dev/shm'):
    open(f'{folder}/left', 'x').write('x')
server = socket.create_server(('127.0.0.1', 4444))
abstract = socket.socket(socket.AF_UNIX); abstract.bind(chr(0) + 'mine')
time.sleep(0.4)
print(sorted(n for n in os.listdir('/proc') if n.isdigit()), os.path.exists('/.jobs'))
"""
    done = run_all(warm, [_spec(source, environment)] * 3)
    assert [(item.status, item.stdout.data) for item in done] == [("ok", b"['1', '2'] False\n")] * 3


def test_a_program_can_not_see_the_template(warm: WarmSandbox, environment: Environment) -> None:
    source = b"import sys, os; print({'zygote', 'confine', 'shim'} & set(sys.modules), os.listdir('/proc/self/fd'))"
    assert run_all(warm, [_spec(source, environment)])[0].stdout.data == b"set() ['0', '1', '2', '3']\n"


def test_template_that_died_is_replaced(warm: WarmSandbox, environment: Environment) -> None:
    _, zygote = warm.prove(environment)
    assert zygote is not None
    children = [pid for pid in processes_of(os.getpid()) if _is_template(pid)]
    for pid in children:
        with contextlib.suppress(ProcessLookupError):  # it died with the one before
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    done = run_all(warm, [_spec(b"print(1)", environment)])[0]
    assert (done.status, done.attestation.host["tier"]) == ("ok", "warm")


def test_template_that_dies_while_a_program_runs_loses_it(environment: Environment) -> None:
    sandbox = WarmSandbox()

    async def lose() -> str:
        session = await sandbox.open(_spec(b"import time; time.sleep(60)", environment))
        running = asyncio.create_task(session.run())
        while not sandbox._zygotes:
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        await asyncio.to_thread(sandbox.close)
        done = await running
        await session.close()
        return done.status

    asyncio.run(sandbox.probe_warm(environment))
    assert asyncio.run(lose()) == "lost"


def test_cancelling_a_warm_program_kills_it(warm: WarmSandbox, environment: Environment) -> None:
    async def cancelled() -> str:
        session = await warm.open(_spec(b"import time; time.sleep(60)", environment))
        running = asyncio.create_task(session.run())
        await asyncio.sleep(0.3)
        await session.cancel()
        done = await running
        await session.close()
        return done.status

    assert asyncio.run(cancelled()) == "killed"


def test_large_inputs_start_cold(
    warm: WarmSandbox, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_module, "MOST_WARM_INPUT_BYTES", 3)
    (tmp_path / "a.csv").write_text("x\n1\n")
    spec = replace(
        _spec(b"print(open('/data/a.csv').read())", environment),
        inputs=(Mount(host=tmp_path / "a.csv", target="a.csv"),),
    )
    done = run_all(warm, [spec])[0]
    assert (done.stdout.data, done.attestation.host["tier"]) == (b"x\n1\n\n", "cold")


def test_without_rights_in_the_namespace_programs_start_cold(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("counterproof.sandbox._profile._TEMPLATE", _without_rights())
    sandbox = WarmSandbox()
    done = run_all(sandbox, [_spec(b"print(1)", environment)])[0]
    assert (done.status, done.attestation.host["tier"]) == ("ok", "cold")
    assert "Operation not permitted" in done.attestation.host["cold_because"]


def test_environment_without_a_preload_list_starts_cold(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_module, "preload_of", lambda environment: ())
    done = run_all(WarmSandbox(), [_spec(b"print(1)", environment)])[0]
    assert (done.status, done.attestation.host["cold_because"]) == ("ok", "the environment has no preload list")


def test_template_with_threads_is_not_forked(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Zygote, "MOST_THREADS", 0)
    done = run_all(WarmSandbox(), [_spec(b"print(1)", environment)])[0]
    assert (done.status, done.attestation.host["tier"]) == ("ok", "cold")
    assert "can't be forked safely" in done.attestation.host["cold_because"]


def test_sandbox_that_warms_up_is_waited_for(environment: Environment) -> None:
    sandbox = WarmSandbox()
    sandbox.warm_up(environment)
    assert run_all(sandbox, [_spec(b"print(1)", environment)])[0].attestation.host["tier"] == "warm"
    sandbox.close()


def test_warming_up_says_nothing_where_it_can_not(environment: Environment) -> None:
    sandbox = WarmSandbox(search_path="/nonexistent", bundled=False)
    sandbox.warm_up(environment)
    with pytest.raises(SandboxUnavailable, match="was not found on PATH"):
        run_all(sandbox, [_spec(b"print(1)", environment)])


def test_closed_sandbox_boots_again(environment: Environment) -> None:
    sandbox = WarmSandbox()
    for _ in range(2):
        assert run_all(sandbox, [_spec(b"print(1)", environment)])[0].attestation.host["tier"] == "warm"
        sandbox.close()


@pytest.mark.parametrize("waited", [False, True], ids=["asked for", "in reserve"])
def test_closed_template_leaves_no_descriptor(environment: Environment, waited: bool) -> None:
    gc.collect()  # what other tests left lets go of its files now
    before = Counter(opened_by(os.getpid()))
    sandbox = WarmSandbox()
    _, zygote = sandbox.prove(environment)
    assert zygote is not None
    zygote.reserve(Limits())
    if waited:
        zygote.await_reserve()
    sandbox.close()
    left = Counter(opened_by(os.getpid())) - before  # what others let go of meanwhile does not count
    assert not left


def test_forgotten_template_ends(environment: Environment) -> None:
    before = set(processes_of(os.getpid()))
    sandbox = WarmSandbox()
    asyncio.run(sandbox.probe_warm(environment))
    assert set(processes_of(os.getpid())) - before
    del sandbox
    until = time.monotonic() + 5
    while time.monotonic() < until and set(processes_of(os.getpid())) - before:
        time.sleep(0.05)
    assert not set(processes_of(os.getpid())) - before


def test_same_program_twice_is_compared_byte_by_byte(warm: WarmSandbox, environment: Environment) -> None:
    assert run_twice(warm, _spec(SAME["seeded"], environment)).equal
    differing = run_twice(warm, _spec(b"import os; open('results.json', 'wb').write(os.urandom(8))", environment))
    assert not differing.equal
    assert differing.different == ("results.json",)


def test_required_protection_that_is_missing_is_refused(environment: Environment) -> None:
    sandbox = LocalSandbox()
    attestation = asyncio.run(sandbox.probe())
    weaker = replace(attestation, protections=attestation.protections[1:])
    with pytest.raises(SandboxUnavailable, match=r"does not give what is required: cpu.*allow_degraded"):
        weaker.checked(_spec(b"pass", environment))


def _without_rights() -> tuple[str, ...]:
    from counterproof.sandbox import _profile

    return tuple(item for item in _profile._TEMPLATE if item not in ("--cap-add", "ALL"))


def _pid_inside(pid: int) -> int:
    """Return the pid that a process has in its own namespace."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("NSpid:"))
    return int(line.split()[-1])


def _is_template(pid: int) -> bool:
    try:
        return b"importlib_bootstrap.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
