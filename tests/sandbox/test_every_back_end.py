"""The one contract: every back end, in every language that it runs, does the same for whoever calls it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent
from typing import TypeVar

import pytest

from counterproof.provenance.errors import UsageError
from counterproof.sandbox import (
    Environment,
    Execution,
    ExecutionSpec,
    LandlockSandbox,
    Limits,
    LocalSandbox,
    Mount,
    Protection,
    Sandbox,
    SandboxUnavailable,
    Session,
    UnsafeUnisolatedSandbox,
    WarmSandbox,
    run_all,
)
from counterproof.sandbox.landlock import NEVER_HELD
from counterproof.sandbox.unsafe import ACKNOWLEDGEMENT

from ..r import r_or_skip
from .e2b.conftest import connect
from .e2b.server import LoopbackE2B
from .fake import FakeSandbox, Script, Scripted

pytestmark = pytest.mark.abuse

T = TypeVar("T")

_WHERE = [
    *((name, language) for name in ("cold", "warm", "fake") for language in ("python", "r")),
    ("landlock", "python"),
    ("unsafe", "python"),
    ("e2b", "python"),
]
_DEGRADED = {"unsafe": frozenset(Protection), "landlock": NEVER_HELD}


@dataclass(frozen=True, kw_only=True)
class Case:
    """The same program in both languages, and what it does."""

    python: str
    r: str
    does: Script

    def source(self, language: str) -> bytes:
        """Return its bytes."""
        return dedent(self.r if language == "r" else self.python).encode()


def _always(**does: object) -> Script:
    return lambda _spec, _given: Scripted(**does)  # type: ignore[arg-type]  # as the case says


def _reads(spec: ExecutionSpec, _given: Mapping[str, bytes]) -> Scripted:
    return Scripted(stdout=spec.inputs[0].host.read_bytes())


CASES = {
    "prints": Case(python="print(1)", r="cat('1\\n')", does=_always(stdout=b"1\n")),
    "complains": Case(
        python="import sys; sys.stderr.write('oh\\n')", r="cat('oh\\n', file = stderr())", does=_always(stderr=b"oh\n")
    ),
    "exits": Case(python="raise SystemExit(7)", r="quit(status = 7)", does=_always(exit_code=7)),
    "fails": Case(
        python="open('results.json', 'w').write('{}')\nraise ValueError('no')",
        r="cat('{}', file = 'results.json')\nstop('no')",
        does=_always(exit_code=1, stderr=b"no", outputs={"results.json": b"{}"}),
    ),
    "seed": Case(
        python="import os; print(os.environ['COUNTERPROOF_SEED'])",
        r="cat(Sys.getenv('COUNTERPROOF_SEED'), '\\n', sep = '')",
        does=lambda spec, _given: Scripted(stdout=f"{spec.seed}\n".encode()),
    ),
    "reads": Case(
        python="import os; print(open(os.environ['COUNTERPROOF_DATA'] + '/a.csv').read(), end='')",
        r="writeLines(readLines(file.path(Sys.getenv('COUNTERPROOF_DATA'), 'a.csv')))",
        does=_reads,
    ),
    "given": Case(
        python="print(open('notes.txt').read())",
        r="cat(readLines('notes.txt', warn = FALSE), '\\n', sep = '')",
        does=lambda _spec, given: Scripted(stdout=given["notes.txt"] + b"\n"),
    ),
    "writes": Case(
        python="""
            import os
            os.mkdir('tables')
            for name in ('tables/b.csv', 'tables/a.csv', 'results.json'):
                open(name, 'w').write(name)
            open('left.csv', 'w').write('x')
        """,
        r="""
            dir.create('tables')
            for (name in c('tables/b.csv', 'tables/a.csv', 'results.json')) cat(name, file = name)
            cat('x', file = 'left.csv')
        """,
        does=_always(
            outputs={name: name.encode() for name in ("tables/b.csv", "tables/a.csv", "results.json")},
            refused={"left.csv": "not one of the outputs"},
        ),
    ),
    "sleeps": Case(
        python="import time\nopen('results.json', 'w').write('{}')\nprint('start', flush=True)\ntime.sleep(60)",
        r="cat('{}', file = 'results.json')\ncat('start\\n')\nflush(stdout())\nSys.sleep(60)",
        does=_always(stdout=b"start\n", takes_s=60.0, outputs={"results.json": b"{}"}),
    ),
    "floods": Case(
        python="import sys\nfor _ in range(400): sys.stdout.write('x' * 65536)",
        r="for (i in 1:400) cat(strrep('x', 65536))",
        does=_always(stdout=b"x" * (400 << 16)),
    ),
}
_SCRIPTS = {case.source(language): case.does for case in CASES.values() for language in ("python", "r")}


@dataclass(frozen=True, kw_only=True)
class BackEnd:
    """A back end and a language that it runs."""

    name: str
    language: str
    sandbox: Sandbox
    environment: Environment

    def spec(self, case: str, *inputs: Mount, seed: int = 0, **limits: int) -> ExecutionSpec:
        """Describe the execution of a case; what a back end can't hold is allowed by name."""
        return ExecutionSpec(
            program=CASES[case].source(self.language),
            program_name="program.R" if self.language == "r" else "program.py",
            environment=self.environment,
            inputs=inputs,
            seed=seed,
            limits=Limits(**{"wall_s": 30, "cpu_s": 30, **limits}),
            allow_degraded=_DEGRADED.get(self.name, frozenset()),
        )

    def run(self, case: str, *inputs: Mount, seed: int = 0, **limits: int) -> Execution:
        """Run a case."""
        return run_all(self.sandbox, [self.spec(case, *inputs, seed=seed, **limits)])[0]


@pytest.fixture(scope="module")
def sandboxes(environment: Environment) -> Iterator[Callable[[str], Sandbox]]:
    """Each back end, made when it is first asked for."""
    made: dict[str, Sandbox] = {}
    with LoopbackE2B(environment, rootless=True) as e2b:
        makers: dict[str, Callable[[], Sandbox]] = {
            "cold": LocalSandbox,
            "warm": WarmSandbox,
            "landlock": LandlockSandbox,
            "unsafe": lambda: UnsafeUnisolatedSandbox(ACKNOWLEDGEMENT),
            "fake": lambda: FakeSandbox(_SCRIPTS),
            "e2b": lambda: connect(e2b),
        }
        yield lambda name: made.setdefault(name, makers[name]()) if name not in made else made[name]
        if isinstance(warm := made.get("warm"), WarmSandbox):
            warm.close()


@pytest.fixture(params=_WHERE, ids=lambda where: "-".join(where))
def back_end(request: pytest.FixtureRequest, sandboxes: Callable[[str], Sandbox], environment: Environment) -> BackEnd:
    """One back end with one language."""
    name, language = request.param
    chosen = r_or_skip() if language == "r" else environment
    return BackEnd(name=name, language=language, sandbox=sandboxes(name), environment=chosen)


def test_prints_and_ends(back_end: BackEnd) -> None:
    done = back_end.run("prints")
    assert (done.status, done.exit_code, done.signal) == ("ok", 0, None)
    assert (done.stdout.data, done.stdout.total_bytes, done.stdout.truncated) == (b"1\n", 2, False)
    assert (done.artifacts, done.rejected) == ((), ())


def test_streams_stay_apart(back_end: BackEnd) -> None:
    done = back_end.run("complains")
    assert (done.stdout.data, done.stderr.data) == (b"", b"oh\n")


def test_exit_code_is_the_programs(back_end: BackEnd) -> None:
    done = back_end.run("exits")
    assert (done.status, done.exit_code) == ("error", 7)


def test_failure_is_a_status_and_its_outputs_are_kept(back_end: BackEnd) -> None:
    done = back_end.run("fails")
    assert (done.status, done.exit_code) == ("error", 1)
    assert b"no" in done.stderr.data
    assert [item.name for item in done.artifacts] == ["results.json"]


def test_seed_reaches_the_program(back_end: BackEnd) -> None:
    assert back_end.run("seed", seed=4294967295).stdout.data == b"4294967295\n"


def test_input_is_read(back_end: BackEnd, tmp_path: Path) -> None:
    (tmp_path / "host.csv").write_text("x\n1\n")
    mount = Mount(host=tmp_path / "host.csv", target="a.csv")
    assert back_end.run("reads", mount).stdout.data == b"x\n1\n"


def test_outputs_are_sorted_and_others_named(back_end: BackEnd) -> None:
    done = back_end.run("writes")
    assert [(item.name, item.data.decode()) for item in done.artifacts] == [
        (name, name) for name in ("results.json", "tables/a.csv", "tables/b.csv")
    ]
    assert [item.name for item in done.rejected] == ["left.csv"]


def test_wall_time_ends_it_without_outputs(back_end: BackEnd) -> None:
    done = back_end.run("sleeps", wall_s=2)
    assert (done.status, done.exit_code, done.artifacts) == ("timeout", None, ())
    assert done.usage.wall_s < 6


def test_flood_of_output_ends_it(back_end: BackEnd) -> None:
    done = back_end.run("floods", stdout_kib=16)
    assert (done.status, done.stdout.truncated, len(done.stdout.data)) == ("output_limit", True, 16 << 10)


def test_executions_come_in_the_order_of_their_specifications(back_end: BackEnd) -> None:
    done = run_all(back_end.sandbox, [back_end.spec("seed", seed=seed) for seed in (3, 1, 2)])
    assert [item.stdout.data for item in done] == [b"3\n", b"1\n", b"2\n"]
    assert run_all(back_end.sandbox, []) == ()


def test_put_file_is_there(back_end: BackEnd) -> None:
    async def given(session: Session) -> Execution:
        await session.put("notes.txt", b"hello")
        return await session.run()

    done = _in_session(back_end, "given", given)
    assert (done.status, done.stdout.data, done.artifacts) == ("ok", b"hello\n", ())


@pytest.mark.parametrize("name", ["results.json", "../x", "", "a/b", "x\0"])
def test_put_refuses_a_name(back_end: BackEnd, name: str) -> None:
    async def given(session: Session) -> None:
        await session.put(name, b"")

    with pytest.raises(UsageError, match="Choose another name"):
        _in_session(back_end, "prints", given)


def test_session_runs_once(back_end: BackEnd) -> None:
    async def twice(session: Session) -> None:
        await session.run()
        await session.run()

    with pytest.raises(UsageError, match="it runs once"):
        _in_session(back_end, "prints", twice)


def test_closed_session_does_nothing(back_end: BackEnd) -> None:
    async def late(session: Session) -> None:
        await session.close()
        await session.close()
        await session.cancel()
        await session.run()

    with pytest.raises(UsageError, match="is closed"):
        _in_session(back_end, "prints", late)


def test_cancelled_program_was_killed(back_end: BackEnd) -> None:
    async def cancelled(session: Session) -> Execution:
        running = asyncio.create_task(session.run())
        await asyncio.sleep(1.0)
        await session.cancel()
        return await running

    done = _in_session(back_end, "sleeps", cancelled)
    assert (done.status, done.artifacts) == ("killed", ())
    assert done.usage.wall_s < 20


def test_missing_input_is_refused(back_end: BackEnd, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone.csv"):
        back_end.run("reads", Mount(host=tmp_path / "gone.csv", target="a.csv"))


def test_attestation_names_the_back_end_and_what_is_degraded(back_end: BackEnd) -> None:
    proven = asyncio.run(back_end.sandbox.probe())
    done = back_end.run("prints").attestation
    assert (done.back_end, done.protections, done.profile_sha256) == (
        proven.back_end,
        proven.protections,
        proven.profile_sha256,
    )
    assert set(done.degraded) == set(Protection) - set(proven.protections)
    assert bool(done.degraded) == (back_end.name in ("unsafe", "landlock", "e2b"))
    json.dumps(done.deterministic())


def test_what_is_not_held_is_refused_unless_named(back_end: BackEnd) -> None:
    proven = asyncio.run(back_end.sandbox.probe())
    weaker = replace(proven, protections=())
    spec = back_end.spec("prints")
    refused = replace(spec, allow_degraded=frozenset())
    with pytest.raises(SandboxUnavailable, match="Nothing was run"):
        weaker.checked(refused)
    assert set(weaker.checked(replace(spec, allow_degraded=frozenset(Protection))).degraded) == set(Protection)


def _in_session(back_end: BackEnd, case: str, use: Callable[[Session], Awaitable[T]]) -> T:
    async def run() -> T:
        session = await back_end.sandbox.open(back_end.spec(case))
        try:
            return await use(session)
        finally:
            await session.close()

    return asyncio.run(run())
