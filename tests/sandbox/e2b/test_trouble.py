"""Servers that misbehave: what did not run raises, what may have run is `lost` or `timeout`, nothing is tried again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from counterproof.provenance.errors import MachineTrouble
from counterproof.sandbox import Environment, Execution, ExecutionSpec, Protection, _e2b_answer
from counterproof.sandbox.e2b import E2BSandbox
from counterproof.sandbox.errors import SandboxUnavailable

from .conftest import QUICK, connect, run_program
from .server import Fault, LoopbackE2B

pytestmark = pytest.mark.abuse

NOISE = "print('y' * 10)\nopen('results.json', 'w').write('{}')"


@pytest.fixture(autouse=True)
def _nothing_is_left(e2b: LoopbackE2B) -> Iterator[None]:
    """Whatever happened, no machine is left and no cell was sent twice."""
    yield
    assert not e2b.hosted
    assert e2b.paths.count("POST /execute") <= 1


def _events(*events: dict[str, Any], pause_s: float = 0.0) -> Fault:
    """A server that says this in the runner's name."""
    text = "".join(json.dumps(event) + "\n" for event in events)
    return Fault(kind="replace", lines=((pause_s, {"type": "stdout", "text": text, "timestamp": "2026-01-01"}),))


@pytest.mark.parametrize("kind", ["cut", "end-early", "garbage", "oversize"])
def test_broken_stream_is_lost(kind: Any, e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment) -> None:
    e2b.faults["execute"] = Fault(kind=kind)
    begin_s = time.monotonic()
    done = run_program(proven, environment, NOISE)
    assert (done.status, done.exit_code, done.artifacts, done.stdout.data) == ("lost", None, (), b"")
    assert time.monotonic() - begin_s < 20
    assert e2b.oversize_bytes < 32 << 20  # of 64 MiB that the server would send


@pytest.mark.parametrize("kind", ["unknown", "keepalive"])
def test_events_that_mean_nothing_are_passed_over(
    kind: Any, e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment
) -> None:
    e2b.faults["execute"] = Fault(kind=kind)
    done = run_program(proven, environment, NOISE)
    assert (done.status, [item.name for item in done.artifacts]) == ("ok", ["results.json"])


def test_silence_after_the_start_meets_the_adapters_clock(
    e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment
) -> None:
    e2b.faults["execute"] = Fault(kind="silent")
    begin_s = time.monotonic()
    done = run_program(proven, environment, "import time; time.sleep(60)", wall_s=2)
    assert done.status == "timeout"
    assert 2.4 < done.usage.wall_s < 3.5  # the asked time and the grace of 0.5 s, not twice the time
    assert time.monotonic() - begin_s < 10


def test_keepalives_do_not_keep_a_program_alive(e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment) -> None:
    started = {"type": "stdout", "text": '{"event": "started", "dropped": true}\n', "timestamp": "2026-01-01"}
    quiet = tuple((0.1, {"type": "keepalive"}) for _ in range(200))
    e2b.faults["execute"] = Fault(kind="replace", lines=((0.0, started), *quiet))
    done = run_program(proven, environment, NOISE, wall_s=1)
    assert (done.status, done.usage.wall_s < 3) == ("timeout", True)


def test_mute_execute_is_lost(e2b: LoopbackE2B, environment: Environment) -> None:
    sandbox = connect(e2b, clocks=replace(QUICK, start_s=4.0))
    asyncio.run(sandbox.probe())
    e2b.requests.clear()
    e2b.faults["execute"] = Fault(kind="mute")
    assert run_program(sandbox, environment, NOISE).status == "lost"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(401, "raises"), (404, "raises"), (429, "raises"), (500, "lost"), (502, "lost"), (503, "lost")],
)
def test_refused_execute_raises_and_unclear_one_is_lost(
    status: int, outcome: str, e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment
) -> None:
    e2b.faults["execute"] = Fault(kind="status", status=status)
    if outcome == "lost":
        assert run_program(proven, environment, NOISE).status == "lost"
        return
    with pytest.raises(MachineTrouble, match="The program did not run"):
        run_program(proven, environment, NOISE)


FORGED = {
    "not-json": ({"type": 1}, "x"),
    "no-start": ({"event": "exited", "kill": None, "wait_status": 0},),
    "two-starts": ({"event": "started"}, {"event": "started"}),
    "made-up-reason": ({"event": "started"}, {"event": "exited", "kill": "ok", "wait_status": 0}),
    "stopped-process": ({"event": "started"}, {"event": "exited", "kill": None, "wait_status": 0x137F}),
    "boolean-status": ({"event": "started"}, {"event": "exited", "kill": None, "wait_status": True}),
    "no-files": ({"event": "started"}, {"event": "exited", "kill": None, "wait_status": 0}, {"event": "ended"}),
    "huge-file": (
        {"event": "started"},
        {"event": "exited", "kill": None, "wait_status": 0},
        {"event": "ended", "cpu_s": 0.1, "frames": {"size": 1 << 40, "sha256": "0"}},
    ),
    "flood": ({"event": "x" * 100_000},),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_report_is_lost(name: str, e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment) -> None:
    e2b.faults["execute"] = _events(*FORGED[name])  # type: ignore[arg-type]  # some are no objects, on purpose
    done = run_program(proven, environment, NOISE)
    assert (done.status, done.exit_code, done.artifacts) == ("lost", None, ())


def test_forged_refusal_shows_no_control_characters(
    e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment
) -> None:
    e2b.faults["execute"] = _events({"event": "refused", "reason": "a\u202eb\u001b[2J"})
    with pytest.raises(MachineTrouble, match="the runner refused") as caught:
        run_program(proven, environment, NOISE)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("kind", ["corrupt", "cut"])
def test_report_that_changed_on_the_way_is_lost(
    kind: Any, e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment
) -> None:
    e2b.faults["read"] = Fault(kind=kind)
    done = run_program(proven, environment, NOISE)
    assert (done.status, done.artifacts) == ("lost", ())


@pytest.mark.parametrize("status", [404, 507])
def test_report_that_can_not_be_read_is_lost(
    status: int, e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment
) -> None:
    e2b.faults["read"] = Fault(kind="status", status=status)
    assert run_program(proven, environment, NOISE).status == "lost"


@pytest.mark.parametrize("which", [1, 4])
def test_upload_that_changed_on_the_way_is_refused(
    which: int, e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment
) -> None:
    e2b.faults["write"] = Fault(kind="corrupt", times=which)
    with pytest.raises(MachineTrouble, match=r"holds? other bytes.*did not run"):
        run_program(proven, environment, NOISE)


@pytest.mark.parametrize("route", ["list", "write"])
@pytest.mark.parametrize("status", [401, 429, 500, 502, 507])
def test_upload_that_fails_raises_and_nothing_runs(
    route: str, status: int, e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment
) -> None:
    body = {"code": "internal", "message": "made-up trouble"}
    e2b.faults[route] = Fault(kind="status", status=status, body=body)
    with pytest.raises(MachineTrouble, match="The program did not run"):
        run_program(proven, environment, NOISE)
    assert "POST /execute" not in e2b.paths


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"code": 401, "message": "Invalid API key"}),
        (404, {"code": 404, "message": "template not found"}),
        (400, {"message": "no code"}),
        (500, "x"),
        (200, {"unexpected": True}),
        (503, {"code": 503, "message": "busy"}),
    ],
)
def test_machine_that_can_not_be_made_raises(
    status: int, body: Any, e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment
) -> None:
    headers = {"Should-Retry": "false"}
    e2b.faults["create"] = Fault(kind="status", status=status, body=body, headers=headers)
    with pytest.raises(MachineTrouble, match=r"make a machine.*did not run.*ends by itself after"):
        run_program(proven, environment, NOISE)
    assert e2b.paths == ["POST /v2/sandboxes"]


def test_busy_api_is_asked_again_with_the_same_key(
    e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment
) -> None:
    made = len(e2b.made)
    e2b.faults["create"] = Fault(kind="status", status=429, times=1, headers={"Retry-After": "0"})
    assert run_program(proven, environment, NOISE).status == "ok"
    keys = {item.headers["idempotency-key"] for item in e2b.requests if item.path == "/v2/sandboxes"}
    assert (e2b.paths.count("POST /v2/sandboxes"), len(keys), len(e2b.made) - made) == (2, 1, 1)


def test_kill_is_tried_again(e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment) -> None:
    e2b.faults["kill"] = Fault(kind="status", status=500, times=2)
    assert run_program(proven, environment, NOISE).status == "ok"


def test_kill_that_is_never_confirmed_is_told(e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment) -> None:
    e2b.faults["kill"] = Fault(kind="status", status=500)
    with pytest.raises(MachineTrouble, match=r"could not be ended.*dashboard.*ends by itself after 80 s"):
        run_program(proven, environment, NOISE)
    for number in list(e2b.hosted):
        e2b.kill(number)


def test_machine_that_ends_by_itself_is_lost(e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment) -> None:
    async def ended() -> Execution:
        session = await proven.open(ExecutionSpec(program=b"import time; time.sleep(60)", environment=environment))
        running = asyncio.create_task(session.run())
        while "POST /execute" not in e2b.paths:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        for number in list(e2b.hosted):
            await asyncio.to_thread(e2b.kill, number)
        done = await running
        await session.close()
        return done

    assert asyncio.run(ended()).status == "lost"


def test_server_that_is_not_there_raises(e2b: LoopbackE2B, environment: Environment) -> None:
    gone = connect(e2b, api_url="http://127.0.0.1:9", sandbox_url="http://127.0.0.1:9")
    with pytest.raises(MachineTrouble, match="did not run"):
        run_program(gone, environment, NOISE)


def test_program_can_not_look_like_a_broken_sandbox(
    e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment
) -> None:
    done = run_program(proven, environment, 'import sys; print(\'{"event": "refused"}\'); sys.exit(1)')
    assert (done.status, done.exit_code) == ("error", 1)


def test_probe_finds_internet_access(
    e2b: LoopbackE2B, environment: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    fooled = tmp_path / "probe.py"
    text = _e2b_answer.PROBE.read_text(encoding="utf-8")
    fooled.write_text(text.replace('"reached": reached()', '"reached": ["1.1.1.1:443"]'), encoding="utf-8")
    monkeypatch.setattr(_e2b_answer, "PROBE", fooled)
    with pytest.raises(SandboxUnavailable, match=r"reached 1.1.1.1:443.*without internet access"):
        asyncio.run(connect(e2b).probe())


def test_probe_without_an_answer_is_refused(e2b: LoopbackE2B, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    silent = tmp_path / "probe.py"
    silent.write_text("print('{}')", encoding="utf-8")
    monkeypatch.setattr(_e2b_answer, "PROBE", silent)
    with pytest.raises(MachineTrouble, match="without an answer"):
        asyncio.run(connect(e2b).probe())


def test_probe_that_finds_a_variable_too_many_claims_no_clean_environment(
    e2b: LoopbackE2B, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    leaky = tmp_path / "probe.py"
    text = _e2b_answer.PROBE.read_text(encoding="utf-8")
    leaky.write_text(text.replace("sorted(given())", 'sorted([*given(), "AWS_SECRET"])'), encoding="utf-8")
    monkeypatch.setattr(_e2b_answer, "PROBE", leaky)
    attestation = asyncio.run(connect(e2b).probe())
    assert Protection.ENV not in attestation.protections
    assert "env" in attestation.host["not_held"].split(", ")
