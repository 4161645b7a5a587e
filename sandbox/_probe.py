"""Attacks the isolation before anything else runs, and says what held.

The idea: a helper that merely exists proves nothing (a no-op `bwrap` on PATH would be one), so the host puts up
canaries (a file that everybody may read, a TCP and an abstract socket) and `_attack.py` tries from inside to
reach them, and much else. A second program takes more memory than it may. All of it has to fail.

It does not cover the limits on output, wall and processor time: they need nothing from the machine but a clock,
and are listed as held because the supervisor enforces them.

Source: the abuse cases of the project's sandbox study.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterproof.sandbox._profile import MIB, Runtime, program_env
from counterproof.sandbox.contract import Execution, ExecutionSpec, Limits, Mount, Protection
from counterproof.sandbox.environments.environment import Environment
from counterproof.sandbox.errors import SandboxUnavailable

_ATTACK = Path(__file__).parent / "_attack.py"
# Where memory is refused it keeps what it has: on a busy machine the watch looks later than that.
HOG = b"""
import time
kept = []
while True:
    try:
        kept.append(b"x" * (8 << 20))
    except MemoryError:
        time.sleep(0.05)
"""
"""Takes all memory."""
_SUPERVISED = (Protection.OUTPUT, Protection.WALL, Protection.CPU)
_LIMITS = Limits(wall_s=20, cpu_s=20, memory_mib=256, processes=12, work_mib=2, scratch_mib=2, shm_mib=2)
_NAMESPACES = ("ipc", "mnt", "net", "pid", "user", "uts")
_STAYS_S = (0.0, 0.5, 3.0)

Run = Callable[[Runtime, ExecutionSpec], "Observed"]


@dataclass(frozen=True, kw_only=True)
class Observed:
    """An execution, and the most files that the watch counted during it."""

    execution: Execution
    files: int


def attack(run: Run, runtime: Runtime, *, template: int | None = None) -> tuple[Protection, ...]:
    """Attack a sandbox from inside and return the protections that held, sorted: all of them.

    Args:
        run: starts one execution and waits for it.
        runtime: what it runs on.
        template: pid of the warm template, whose namespaces must be foreign too.

    Raises:
        SandboxUnavailable: an attack succeeded, was not made, or the sandbox did not start.
    """
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        place = Path(folder)
        place.chmod(0o755)
        hog = pool.submit(run, runtime, _spec(runtime, HOG, Limits(memory_mib=64, wall_s=20)))
        with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
            name = f"counterproof-canary-{secrets.token_hex(8)}"
            abstract.bind(f"\0{name}")
            abstract.listen()
            (place / "canary").write_text(name, "utf-8")
            # The watch looks every few milliseconds; on a busy machine the attacker must stay longer to be seen.
            for stay_s in _STAYS_S:
                about = _about(
                    place,
                    port=tcp.getsockname()[1],
                    abstract=name,
                    runtime=runtime,
                    template=template,
                    stay_s=stay_s,
                )
                mount = Mount(host=about, target="probe.json")
                attacked = run(runtime, _spec(runtime, _ATTACK.read_bytes(), _LIMITS, mount))
                if attacked.files:
                    break
        return _judge(attacked, hog.result())


def _spec(runtime: Runtime, program: bytes, limits: Limits, *inputs: Mount) -> ExecutionSpec:
    nothing = Environment(
        language="python", name="probe", version=runtime.version, lock_sha256="0" * 64, path=runtime.prefix
    )
    return ExecutionSpec(program=program, environment=nothing, inputs=inputs, limits=limits)


def _about(place: Path, *, port: int, abstract: str, runtime: Runtime, template: int | None, stay_s: float) -> Path:
    """Write what the attacker has to know to a file that only this user may read."""
    allowed = [*program_env(_spec(runtime, b"-", _LIMITS)), "PWD", "LC_CTYPE"]
    foreign = ["self", *([template] if template else [])]
    about = {
        "port": port,
        "abstract": abstract,
        "canary": str(place / "canary"),
        "supervisor": os.getpid(),
        "namespaces": {name: [os.readlink(f"/proc/{pid}/ns/{name}") for pid in foreign] for name in _NAMESPACES},
        "variables": allowed,
        "folder_bytes": _LIMITS.work_mib * MIB,
        "processes": _LIMITS.processes,
        "stay_s": stay_s,
    }
    path = place / "probe.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(about), "utf-8")
    return path


def _judge(attacked: Observed, hog: Observed) -> tuple[Protection, ...]:
    report = _report(attacked.execution)
    gave_way = [str(item) for item in report["gave_way"]]
    if hog.execution.status != "oom":
        gave_way.append(f"mem_total: a program that took all memory ended as {hog.execution.status}")
    if not max(attacked.files, hog.files):
        gave_way.append("inodes: the files of the sandbox can't be counted")
    inside = set(report["tried"])
    held = {Protection.MEM_TOTAL, Protection.INODES, *_SUPERVISED}
    held |= {protection for protection in Protection if protection.value in inside}
    missing = [f"{protection}: not attacked" for protection in Protection if protection not in held]
    if gave_way or missing:
        raise SandboxUnavailable(
            f"The isolation of this machine does not hold: {'; '.join(gave_way + missing)}.",
            advice="Nothing was run. Install bubblewrap from your distribution, not a replacement of it.",
            evidence=json.dumps(report),
            gave_way=tuple(gave_way + missing),
        )
    return tuple(sorted(held))


def _report(execution: Execution) -> dict[str, Any]:
    artifact = execution.artifact("results.json")
    if execution.status != "ok" or artifact is None:
        last = execution.stderr.data.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise SandboxUnavailable(
            f"The isolation self-test ended as '{execution.status}': {last[:300]}.",
            advice="Nothing was run. Report this with the output of `counterproof sandbox check`.",
            gave_way=(f"the self-test ended as '{execution.status}'",),
        )
    report: dict[str, Any] = json.loads(artifact.data)
    return report
