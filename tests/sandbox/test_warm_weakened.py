"""Each protection of the warm start, removed: the probe must find out, and nothing may run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from counterproof.sandbox import Environment, SandboxUnavailable, WarmSandbox, _profile, _warm

pytestmark = pytest.mark.abuse

Plan = dict[str, object]


def _without(namespace: str) -> Callable[[Plan], Plan]:
    return lambda plan: {**plan, "namespaces": [name for name in _profile.WARM_NAMESPACES if name != namespace]}


def _with(**changed: object) -> Callable[[Plan], Plan]:
    return lambda plan: {**plan, **changed}


_ALLOW_ALL = "06000000" + "0000ff7f"
_STARTS_COLD = {"mount-namespace", "own-proc"}  # without these nothing starts at all, which is no gain for an attacker

PLANS = {
    "network-namespace": (_without("net"), "network: net namespace"),
    "ipc-namespace": (_without("ipc"), "ipc"),
    "mount-namespace": (_without("mnt"), "fs_write|mnt namespace|sandbox did not start|not permitted|self-test"),
    "uts-namespace": (_without("uts"), "uts namespace"),
    "user-namespace": (_with(user=False), "user namespace"),
    "capabilities": (_with(drop=False), "privileges: Cap"),
    "filter": (_with(filter=_ALLOW_ALL), "syscalls: memory file"),
}

SOURCES = {
    "dumpable": ("_first.py", "confine.set_dumpable(0)", "confine.set_dumpable(1)", "pid 1"),
    "inputs-read-only": ("_confine.py", "_REMOUNT | _BIND | _RDONLY", "_REMOUNT | _BIND", "fs_write: /data"),
    "own-proc": ("_confine.py", 'call("mount", b"proc"', 'str("mount"); len(b"proc"', "processes|signals|self-test"),
    "size-of-folders": ("_confine.py", "size={size},", "", "disk_total"),
    "process-limit": ("_program.py", "resource.setrlimit(getattr(resource, name), (most, most))", "pass",
                      "proc_count|process_limit"),
    "descriptors": ("_program.py", "os.closerange(close_from, _HIGHEST)", "pass", "fs_write|self-test"),
    "program-not-confined": ("_confine.py", 'call("setns", first, _flags(about)', 'str(_flags(about)',
                             "network|ipc|namespace|self-test|fs_write|sandbox did not start"),
}  # fmt: skip


def _weakened_sources(folder: Path, file: str, old: str, new: str) -> dict[str, Path]:
    source = (Path(_profile.__file__).parent / file).read_text("utf-8")
    assert old in source
    (folder / file).write_text(source.replace(old, new), "utf-8")
    return {inside: folder / file if path.name == file else path for inside, path in _profile._INSIDE.items()}


@pytest.mark.parametrize("name", PLANS)
def test_probe_finds_a_weakened_warm_plan(name: str, environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    weaken, gave_way = PLANS[name]
    real = _profile.template_plan
    monkeypatch.setattr(_warm, "template_plan", lambda preload, code: weaken(real(("numpy",), code)))
    _assert_found(name, gave_way, environment)


@pytest.mark.parametrize("name", SOURCES)
def test_probe_finds_a_weakened_warm_process(
    name: str, environment: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, old, new, gave_way = SOURCES[name]
    monkeypatch.setattr(_profile, "_INSIDE", _weakened_sources(tmp_path, file, old, new))
    real = _profile.template_plan
    monkeypatch.setattr(_warm, "template_plan", lambda preload, code: real(("numpy",), code))
    _assert_found(name, gave_way, environment)


def _assert_found(name: str, gave_way: str, environment: Environment) -> None:
    outcome = _outcome(environment)
    if name in _STARTS_COLD and outcome == "cold":
        return
    assert isinstance(outcome, SandboxUnavailable), outcome
    assert outcome.gave_way
    assert re.search(gave_way, str(outcome))


def _outcome(environment: Environment) -> SandboxUnavailable | str:
    try:
        return asyncio.run(WarmSandbox().probe_warm(environment)).host["tier"]
    except SandboxUnavailable as error:
        return error
