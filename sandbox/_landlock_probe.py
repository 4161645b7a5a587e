"""Attacks the Landlock sandbox before anything else runs, and says what held.

The idea: as `_probe.py`. What this back end can't hold is known attack by attack (`_KNOWN`); any other that succeeds
means that it does not even hold what it promises, and nothing runs. The canaries are open to everybody and belong to
the user that the program runs as, so that no other permission can stand in for Landlock.

It does not cover the limits on output, wall and processor time, which the supervisor enforces with a clock.

Source: the abuse cases of the project's sandbox study.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from counterproof.sandbox._attack import __file__ as _helpers
from counterproof.sandbox._probe import _LIMITS, _SUPERVISED, HOG, _report, _spec
from counterproof.sandbox._profile import Runtime, program_env, rlimits
from counterproof.sandbox.contract import Execution, ExecutionSpec, Limits, Mount, Protection
from counterproof.sandbox.errors import SandboxUnavailable

Run = Callable[[Runtime, ExecutionSpec], Execution]

_HERE = Path(__file__).parent
_ENTRY = b'\n\nif __name__ == "__main__":\n'
_KNOWN = frozenset({"fs_read: existence of other files", "processes: numbers of other processes"})
_ATTACKED = frozenset(Protection) - {Protection.MEM_TOTAL, Protection.INODES, Protection.ORPHANS, *_SUPERVISED}


def attack(run: Run, runtime: Runtime, *, user: int, never_held: frozenset[Protection]) -> tuple[Protection, ...]:
    """Attack a sandbox from inside and return the protections that held, sorted: all but those of `never_held`.

    Args:
        run: starts one execution and waits for it.
        runtime: what it runs on.
        user: that the program runs as.
        never_held: what is not attested, whatever is found.

    Raises:
        SandboxUnavailable: another attack succeeded, or was not made, or the sandbox did not start.
    """
    with _canaries(user) as about:
        given = Mount(host=Path(str(about["folder"])) / "probe.txt", target="probe.txt")
        program = attacker(
            {
                **about,
                "variables": [*program_env(_spec(runtime, b"-", _LIMITS)), "JOBLIB_MULTIPROCESSING", "PWD", "LC_CTYPE"],
            }
        )
        attacked = run(runtime, _spec(runtime, program, _LIMITS, given))
    hog = run(runtime, _spec(runtime, HOG, Limits(memory_mib=64, wall_s=20)))
    report = _report(attacked)
    gave_way = [item for item in map(str, report["gave_way"]) if item not in _KNOWN]
    gave_way += [f"{item}: not attacked" for item in sorted(_ATTACKED - set(report["tried"]))]
    if hog.status != "oom":
        gave_way.append(f"mem_total: a program that took all memory ended as {hog.status}")
    if Path(f"/proc/{int(report['orphan'])}").exists():
        gave_way.append("orphans: a process outlived its program")
    if gave_way:
        raise SandboxUnavailable(
            f"The Landlock isolation of this machine does not hold: {'; '.join(gave_way)}.",
            advice="Nothing was run. Use LocalSandbox, or report this with the output of `uname -a`.",
            evidence=json.dumps(report),
            gave_way=tuple(gave_way),
        )
    return tuple(sorted(frozenset(Protection) - never_held))


def attacker(about: dict[str, Any]) -> bytes:
    """Return the program that attacks, with what it has to know about the host."""
    helpers = Path(_helpers).read_bytes().partition(_ENTRY)[0]
    own = (_HERE / "_landlock_attack.py").read_bytes().replace(b"from __future__ import annotations\n", b"")
    return helpers + b"\n\n" + own + f"\n\nattack_all({json.dumps(about)!r})\n".encode()


@contextmanager
def _canaries(user: int) -> Iterator[dict[str, Any]]:
    """Put up what everybody may reach who is not isolated, and tell the attacker where."""
    with (
        tempfile.TemporaryDirectory(dir=_beside_the_stage()) as folder,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as named,
    ):
        name = f"counterproof-canary-{secrets.token_hex(8)}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        named.bind(f"{folder}/socket")
        named.listen()
        for file in ("canary", "probe.txt"):
            (Path(folder) / file).write_text(name, "utf-8")
        for path in (Path(folder), *Path(folder).iterdir()):
            path.chmod(0o777)
            os.chown(path, user, -1)
        limits = {key: value for key, value in rlimits(_LIMITS).items() if key != "RLIMIT_NPROC"}
        yield {
            "port": tcp.getsockname()[1],
            "abstract": name,
            "folder": folder,
            "supervisor": os.getpid(),
            "rlimits": limits,
        }


def _beside_the_stage() -> str | None:
    """Return a folder that is seen inside; as root the stage covers the usual one."""
    return next((path for path in ("/var/tmp", "/dev/shm") if os.access(path, os.W_OK)), None)
