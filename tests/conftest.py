"""One proven sandbox, and laboratories in which studies run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from counterproof.provenance.schemas import check_lines
from counterproof.sandbox import Environment, LocalSandbox, find_environment

from .lab import Lab
from .postgres import Server, running_server

_RECORDS = ("studies/*/record", "registry")
_BELOW = ("", "*/", "*/*/")


@pytest.fixture(autouse=True)
def records_are_of_their_schemas(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each event of each study that a test made is of its schema, whatever else the test is about."""
    folder: Path | None = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    for below in _BELOW if folder is not None else ():
        for place in _RECORDS:
            for events in Path(str(folder)).glob(f"{below}{place}/events.jsonl"):
                whole = events.read_bytes().rpartition(b"\n")[0]
                check_lines(whole.splitlines())


@pytest.fixture(scope="session")
def environment() -> Environment:
    """The analysis environment of this checkout."""
    return find_environment()


@pytest.fixture(scope="session")
def sandbox() -> LocalSandbox:
    """The local sandbox; its first use probes."""
    return LocalSandbox()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server of the tests' own."""
    with running_server() as server:
        yield server


@pytest.fixture
def database(postgresql: Server) -> str:
    """The address of an empty database."""
    return postgresql.new_database()


@pytest.fixture
def lab(tmp_path: Path, sandbox: LocalSandbox, environment: Environment) -> Lab:
    """An empty laboratory."""
    return Lab(home=tmp_path / "home", sandbox=sandbox, environment=environment)
