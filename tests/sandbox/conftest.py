"""One proven sandbox for all tests of this folder, and a short way to run a program in it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from counterproof.sandbox import (
    Environment,
    Execution,
    ExecutionSpec,
    Limits,
    LocalSandbox,
    Mount,
    Sandbox,
    WarmSandbox,
    find_environment,
    run_all,
)

Run = Callable[..., Execution]


@pytest.fixture(scope="session")
def environment() -> Environment:
    """The analysis environment of this checkout."""
    return find_environment()


@pytest.fixture(scope="session", params=["cold", "warm"])
def sandbox(request: pytest.FixtureRequest, environment: Environment) -> Iterator[LocalSandbox | WarmSandbox]:
    """The local sandbox with each way to start; its first use probes."""
    if request.param == "cold":
        yield LocalSandbox()
        return
    warm = WarmSandbox()
    assert asyncio.run(warm.probe_warm(environment)).host["tier"] == "warm"
    yield warm
    warm.close()


@pytest.fixture
def run(sandbox: Sandbox, environment: Environment) -> Run:
    """Run one program: source text, inputs by name, and limits that differ from small ones."""

    def run_program(
        source: str, inputs: Mapping[str, Path] | None = None, *, seed: int = 0, **limits: int
    ) -> Execution:
        mounts = tuple(Mount(host=path, target=name) for name, path in (inputs or {}).items())
        spec = ExecutionSpec(
            program=dedent(source).encode(),
            environment=environment,
            inputs=mounts,
            seed=seed,
            limits=Limits(**{"wall_s": 30, "cpu_s": 30, "work_mib": 8, "scratch_mib": 8, "shm_mib": 8, **limits}),
        )
        return run_all(sandbox, [spec])[0]

    return run_program


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """A host full of canaries that everybody may reach who is not isolated."""
    tmp_path.chmod(0o755)
    (tmp_path / "canary").write_text("canary")
    (tmp_path / "input.csv").write_text("x\n1\n")
    (tmp_path / "input.csv").chmod(0o666)
    monkeypatch.setenv("CANARY_SECRET", "CANARY")
    abstract = f"canary-{os.getpid()}"
    path_socket = socket.socket(socket.AF_UNIX)
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix, path_socket:
        unix.bind(f"\0{abstract}")
        unix.listen()
        monkeypatch.chdir(tmp_path)
        path_socket.bind("socket")
        path_socket.listen()
        yield {
            "port": tcp.getsockname()[1],
            "abstract": abstract,
            "folder": str(tmp_path),
            "supervisor": os.getpid(),
        }
