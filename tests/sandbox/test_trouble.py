"""Machines that can't isolate: refused with the reason and the cure, and nothing runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.sandbox import (
    Environment,
    ExecutionSpec,
    LocalSandbox,
    Protection,
    _launch,
    _profile,
    run_all,
)
from counterproof.sandbox._bubblewrap import start_trouble

pytestmark = pytest.mark.abuse


def _fake_bwrap(folder: Path, script: str) -> LocalSandbox:
    """A sandbox that finds this shell script instead of bubblewrap."""
    fake = folder / "bwrap"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    return LocalSandbox(search_path=str(folder), bundled=False)


def test_missing_bubblewrap_is_refused(tmp_path: Path, environment: Environment) -> None:
    spec = ExecutionSpec(program=b"pass", environment=environment)
    with pytest.raises(MachineTrouble, match=r"'bwrap' was not found.*apt-get install bubblewrap") as caught:
        run_all(LocalSandbox(search_path=str(tmp_path), bundled=False), [spec])
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo bubblewrap 0.6.1", r"'bubblewrap 0.6.1'.*0.8.0 or newer.*apt-get install"),
        ("echo hello", r"'hello'.*0.8.0 or newer"),
        ("exit 3", r"says it is ''"),
    ],
    ids=["too-old", "something-else", "fails"],
)
def test_wrong_bubblewrap_is_refused(tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(MachineTrouble, match=message):
        asyncio.run(_fake_bwrap(tmp_path, script).probe())


_VERSION = 'if [ "$1" = --version ]; then echo bubblewrap 0.11.0; exit 0; fi'


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1", "apparmor_parser -r"),
        ("echo 'bwrap: No permissions to create new namespace' >&2; exit 1", "max_user_namespaces"),
        ('shift 3; exec "$@"', "did not start, so nothing ran"),
        ("exit 0", "did not start, so nothing ran"),
        ('sleep 0.1; echo \'{"child-pid": "x"}\' >&3; exit 7', "did not start, so nothing ran"),
    ],
    ids=["apparmor", "no-user-namespaces", "no-op", "silent", "liar"],
)
def test_bubblewrap_that_does_not_isolate_is_refused(tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(MachineTrouble, match=message):
        asyncio.run(_fake_bwrap(tmp_path, f"{_VERSION}\n{script}").probe())


@pytest.mark.parametrize(
    "evidence",
    [
        "stage: [Errno 1] unshare: Operation not permitted\n",
        "setpriv: setresuid failed: Operation not permitted\n",
    ],
)
def test_restricted_root_is_told_to_run_as_a_user(evidence: str) -> None:
    assert "Run Counterproof as an ordinary user" in str(start_trouble(evidence))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up root")
def test_without_setpriv_root_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, **rest: None if name == "setpriv" else real(name, **rest))
    with pytest.raises(MachineTrouble, match=r"'setpriv' was not found.*Install util-linux"):
        asyncio.run(LocalSandbox().probe())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up root")
def test_a_setpriv_that_does_not_give_up_root_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.which
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # the stage covers the usual place
        liar = Path(folder) / "setpriv"
        liar.write_text('#!/bin/sh\nshift 3; exec "$@"\n')
        liar.chmod(0o755)
        monkeypatch.setattr(
            shutil, "which", lambda name, **rest: str(liar) if name == "setpriv" else real(name, **rest)
        )
        with pytest.raises(MachineTrouble, match="would run as root of the host"):
            asyncio.run(LocalSandbox().probe())


def test_advice_for_a_sandbox_that_did_not_start_names_the_evidence() -> None:
    error = start_trouble("bwrap: execvp /opt/python/bin/python: Permission denied\n")
    assert "Permission denied" in str(error)
    assert error.exit_code == 4


@pytest.mark.parametrize(
    ("dropped", "gave_way"),
    [
        ("--unshare-net", Protection.NETWORK),
        ("--unshare-ipc", Protection.IPC),
        ("--unshare-uts", Protection.PRIVILEGES),
    ],
)
def test_probe_finds_a_weakened_profile(monkeypatch: pytest.MonkeyPatch, dropped: str, gave_way: Protection) -> None:
    weaker = tuple(item for item in _profile._ISOLATE if item not in (dropped, "--hostname", "sandbox"))
    monkeypatch.setattr(_profile, "_ISOLATE", weaker)
    with pytest.raises(MachineTrouble, match=rf"does not hold: .*{gave_way}"):
        asyncio.run(LocalSandbox().probe())


def test_probe_finds_a_filter_that_lets_all_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    allow_all = b"\x06\x00\x00\x00\x00\x00\xff\x7f"
    monkeypatch.setattr(_launch, "seccomp_filter", lambda machine: allow_all)
    with pytest.raises(MachineTrouble, match=r"does not hold: .*syscalls: memory file"):
        asyncio.run(LocalSandbox().probe())


def test_probe_finds_limits_that_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_profile, "rlimits", lambda limits: {})
    with pytest.raises(MachineTrouble, match=r"does not hold: .*proc_count|ended as 'process_limit'"):
        asyncio.run(LocalSandbox().probe())


def test_shim_refuses_to_end_processes_outside_of_a_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    weaker = tuple(item for item in _profile._ISOLATE if item != "--as-pid-1")
    monkeypatch.setattr(_profile, "_ISOLATE", weaker)
    with pytest.raises(MachineTrouble, match="not pid 1"):
        asyncio.run(LocalSandbox().probe())


def test_probe_finds_a_writable_root(monkeypatch: pytest.MonkeyPatch) -> None:
    real = _profile.arguments

    def writable(*args: object, **kwargs: object) -> list[str]:
        found = real(*args, **kwargs)  # type: ignore[arg-type]  # passed through
        at = max(at for at, item in enumerate(found) if item == "--remount-ro")
        return found[:at] + found[at + 2 :]

    monkeypatch.setattr(_launch, "arguments", writable)
    with pytest.raises(MachineTrouble, match=r"does not hold: .*fs_write: /"):
        asyncio.run(LocalSandbox().probe())


def test_machine_without_a_filter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "pdp11")
    with pytest.raises(MachineTrouble, match=r"'pdp11'.*x86_64 and aarch64"):
        asyncio.run(LocalSandbox().probe())


def test_sandbox_refuses_to_run_as_root() -> None:
    with pytest.raises(UsageError, match=r"user id is 0.*unprivileged"):
        LocalSandbox(drop_uid=0)


def test_wrong_input_and_broken_machine_stay_apart(sandbox: LocalSandbox, environment: Environment) -> None:
    text = b"import sys; sys.stderr.write('bwrap: No permissions to create new namespace'); sys.exit(1)"
    done = run_all(sandbox, [ExecutionSpec(program=text, environment=environment)])[0]
    assert (done.status, done.exit_code) == ("error", 1)


def test_real_bubblewrap_is_there() -> None:
    assert shutil.which("bwrap", path=os.defpath) is not None
