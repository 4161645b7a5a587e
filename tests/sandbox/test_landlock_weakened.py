"""Each protection of the sandbox without namespaces, taken away: the probe finds it, and nothing runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from counterproof.sandbox import (
    Environment,
    ExecutionSpec,
    LandlockSandbox,
    SandboxUnavailable,
    _landlock,
    _landlock_launch,
    _landlock_profile,
    run_all,
)
from counterproof.sandbox.landlock import NEVER_HELD

pytestmark = pytest.mark.abuse

Patch = pytest.MonkeyPatch
_ALLOW_ALL = b"\x06\x00\x00\x00\x00\x00\xff\x7f"


def _inner(**changed: int) -> Callable[[Patch, Path], None]:
    return lambda patch, _: patch.setattr(_landlock_profile, "INNER", {**_landlock_profile.INNER, **changed})


def _outer(scopes: int) -> Callable[[Patch, Path], None]:
    changed = {**_landlock_profile.OUTER, "scopes": scopes}
    return lambda patch, _: patch.setattr(_landlock_profile, "OUTER", changed)


def _both(*weaken: Callable[[Patch, Path], None]) -> Callable[[Patch, Path], None]:
    def change(patch: Patch, folder: Path) -> None:
        for one in weaken:
            one(patch, folder)

    return change


def _rights(name: str, value: int) -> Callable[[Patch, Path], None]:
    return lambda patch, _: patch.setattr(_landlock, name, value)


def _filters(first: bool, second: bool) -> Callable[[Patch, Path], None]:
    def change(patch: Patch, _: Path) -> None:
        real = _landlock_launch.filters()
        kept = [code if keep else _ALLOW_ALL for code, keep in zip(real, (first, second), strict=True)]
        patch.setattr(_landlock_launch, "filters", lambda: kept)

    return change


def _broken(code: bytes) -> Callable[[Patch, Path], None]:
    return lambda patch, _: patch.setattr(_landlock_launch, "filters", lambda: [code])


def _without(file: str, text: str, instead: str) -> Callable[[Patch, Path], None]:
    """Change the code of the first process."""

    def change(patch: Patch, folder: Path) -> None:
        source = _landlock_profile.INSIDE[file].read_text("utf-8")
        assert source.count(text) == 1
        weaker = folder / file
        weaker.write_text(source.replace(text, instead), "utf-8")
        patch.setitem(_landlock_profile.INSIDE, file, weaker)

    return change


def _variable(patch: Patch, _: Path) -> None:
    real = _landlock_profile.variables
    patch.setattr(_landlock_profile, "variables", lambda *about: {**real(*about), "SECRET": "x"})


def _no_limits(patch: Patch, _: Path) -> None:
    patch.setattr(_landlock_profile, "rlimits", lambda _: {})


_MAIN = "__main__.py"
WEAKER: dict[str, tuple[Callable[[Patch, Path], None], str]] = {
    "no-rules-for-files": (_inner(files=0), "fs_read: /canary"),
    "reading-not-handled": (_inner(files=_landlock.ALL_FILES & ~_landlock.READ_FILE), "fs_read: /canary"),
    "listing-not-handled": (_inner(files=_landlock.ALL_FILES & ~_landlock.READ_DIR), "fs_read: names in the canary"),
    "writing-not-handled": (_inner(files=_landlock.ALL_FILES & ~_landlock.WRITE_FILE), "fs_write: .*/canary"),
    "truncation-not-handled": (_inner(files=_landlock.ALL_FILES & ~(1 << 14)), "fs_write: size"),
    "inputs-writable": (
        _rights("READ_ONLY", _landlock.READ_ONLY | _landlock.READ_WRITE),
        r"fs_write: .*probe\.txt",
    ),
    "signals-inside-not-scoped": (_inner(scopes=_landlock.ABSTRACT_SOCKETS), "signals: the first process"),
    "signals-not-scoped": (_outer(_landlock.ABSTRACT_SOCKETS), "signals leave the Landlock domain"),
    "no-inner-domain": (_without(_MAIN, '_landlock.restrict(plan["inner"])', "pass"), "fs_read: /canary"),
    "no-first-filter": (_filters(False, True), "syscalls: memory file"),
    "no-second-filter": (_filters(True, False), "network: socket with a path.*fs_write: mode"),
    "no-filter": (_filters(False, False), "network: AF_INET socket.*ipc: semget"),
    "no-filter-and-no-rules-for-ports": (_both(_filters(False, False), _inner(ports=0)), "network: TCP to the host"),
    "no-filter-and-no-scopes": (_both(_filters(False, False), _inner(scopes=0), _outer(2)), "network: abstract socket"),
    "filter-empty": (_broken(b""), "did not start, so nothing ran"),
    "filter-cut": (_broken(_ALLOW_ALL[:5]), "did not start, so nothing ran"),
    "filter-senseless": (_broken(b"\xff" * 64), "did not start, so nothing ran"),
    "filters-not-installed": (_without(_MAIN, "_confine._install(bytes.fromhex(code))", "pass"), "syscalls: no filter"),
    "a-strange-variable": (_variable, "env: variables"),
    "limits-not-set": (_no_limits, "disk_total: a file larger than allowed.*proc_count: limit"),
    "files-not-closed": (
        _without(_MAIN, "_shim.close_others({0, 1, 2, frame_fd})", "os.dup2(1, 9)"),
        "fs_write: inherited descriptors",
    ),
    "orphans-not-ended": (
        _without("_shim.py", "os.kill(-1, _signal.SIGKILL)", "return"),
        "orphans: a process outlived",
    ),
    "memory-not-watched": (
        lambda patch, _: patch.setattr("counterproof.sandbox._watch._memory_kib", lambda _: 0),
        "mem_total: a program that took all memory",
    ),
}


@pytest.mark.parametrize("name", WEAKER)
def test_weaker_sandbox_is_refused(name: str, monkeypatch: Patch, tmp_path: Path, environment: Environment) -> None:
    weaken, message = WEAKER[name]
    weaken(monkeypatch, tmp_path)
    proof = tmp_path / "ran"
    spec = ExecutionSpec(
        program=f"open({str(proof)!r}, 'w')".encode(), environment=environment, allow_degraded=NEVER_HELD
    )
    with pytest.raises(SandboxUnavailable, match=rf"(?s){message}") as caught:
        run_all(LandlockSandbox(), [spec])
    assert not proof.exists()
    if name == "orphans-not-ended":
        _end_orphan(int(json.loads(caught.value.evidence)["orphan"]))


def _end_orphan(pid: int) -> None:
    """End what the weakened sandbox has left; the number is real, for there is no namespace."""
    assert b"/analysis/bin/python\0-s\0-P" in Path(f"/proc/{pid}/cmdline").read_bytes()
    os.kill(pid, signal.SIGKILL)


def test_whole_sandbox_is_not_refused() -> None:
    assert asyncio.run(LandlockSandbox().probe()).back_end == "landlock"


def test_machine_without_a_filter_is_refused(monkeypatch: Patch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "pdp11")
    with pytest.raises(SandboxUnavailable, match="no system-call filter for 'pdp11'"):
        asyncio.run(LandlockSandbox().probe())
