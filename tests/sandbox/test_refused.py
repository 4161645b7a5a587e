"""A machine whose isolation is missing or broken in any part: refused as unavailable, and the program has not run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from counterproof.sandbox import Environment, ExecutionSpec, LocalSandbox, SandboxUnavailable, _launch, run_all

pytestmark = pytest.mark.abuse

Patch = pytest.MonkeyPatch
_VERSION = 'if [ "$1" = --version ]; then echo bubblewrap 0.11.0; exit 0; fi'
BWRAPS = {
    "no-op": (f'{_VERSION}\nshift 3; exec "$@"', "did not start, so nothing ran"),
    "no-op-that-finds-the-program": (f"{_VERSION}\ncp /dev/null ran; echo '{{\"child-pid\": 1}}' >&3", "did not start"),
    "too-old": ("echo bubblewrap 0.6.1", "0.8.0 or newer"),
    "no-version": ("exit 3", "says it is ''"),
    "user-namespaces-blocked": (
        f"{_VERSION}\necho 'bwrap: No permissions to create new namespace' >&2; exit 1",
        "max_user_namespaces",
    ),
    "user-namespaces-without-rights": (
        f"{_VERSION}\necho 'bwrap: setting up uid map: Permission denied' >&2; exit 1",
        "apparmor_parser -r",
    ),
}


def _refused(sandbox: LocalSandbox, environment: Environment, folder: Path, message: str) -> None:
    folder.chmod(0o777)
    proof = folder / "ran"
    program = f"open({str(proof)!r}, 'w').close()\nprint('ran')".encode()
    with pytest.raises(SandboxUnavailable, match=message):
        run_all(sandbox, [ExecutionSpec(program=program, environment=environment)])
    assert not proof.exists()


@pytest.mark.parametrize("name", BWRAPS)
def test_wrong_bubblewrap_runs_nothing(name: str, tmp_path: Path, environment: Environment) -> None:
    script, message = BWRAPS[name]
    fake = tmp_path / "bin" / "bwrap"
    fake.parent.mkdir(mode=0o755)
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    _refused(LocalSandbox(search_path=str(fake.parent), bundled=False), environment, tmp_path, message)


def _filter(code: bytes) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(_launch, "machine_filter", lambda: code)


def _unreadable(patch: Patch) -> None:
    """Pass the filter as a descriptor that can only be written."""
    real, code = _launch.memory_file, _launch.machine_filter()

    def memory_file(data: bytes) -> int:
        handle = real(data)
        if data != code:
            return handle
        try:
            return os.open(f"/proc/self/fd/{handle}", os.O_WRONLY | os.O_CLOEXEC)
        finally:
            os.close(handle)

    patch.setattr(_launch, "memory_file", memory_file)


FILTERS: dict[str, Callable[[Patch], None]] = {
    "unreadable": _unreadable,
    "empty": _filter(b""),
    "cut": _filter(b"\x06\x00\x00\x00\x00"),
    "senseless": _filter(b"\xff" * 64),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filter_that_fails_runs_nothing(
    name: str, monkeypatch: Patch, tmp_path: Path, environment: Environment
) -> None:
    FILTERS[name](monkeypatch)
    _refused(LocalSandbox(), environment, tmp_path, "nothing ran|does not hold|self-test ended")
