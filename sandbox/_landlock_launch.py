"""Starts one Landlock sandbox: its private folder, its pipes and its first process.

The idea: as in `_launch.py` everything goes in by descriptors, and the first process starts with an empty environment;
its own code travels as a zip in memory, so that no path has to be reachable for the unprivileged user. As root that
user is taken on, on the stage (`_stage.py`), which needs the right to change mounts; without it nothing runs.

It does not cover what happens afterwards (`_landlock_supervise.py`).

Source: memfd_create(2), landlock(7).
"""

from __future__ import annotations

import io
import json
import os
import platform
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from counterproof.sandbox import _landlock_profile
from counterproof.sandbox._landlock_profile import INSIDE, Places, connect, furnish
from counterproof.sandbox._launch import STREAMS, Launched, Passed, Sources, machine_filter, start_helper
from counterproof.sandbox._private import private_folder
from counterproof.sandbox._profile import Runtime
from counterproof.sandbox._seccomp_shared import shared_filter
from counterproof.sandbox._watch import real_uid
from counterproof.sandbox.contract import ExecutionSpec
from counterproof.sandbox.errors import SandboxUnavailable


@contextmanager
def launched(
    runtime: Runtime, spec: ExecutionSpec, given: Mapping[str, bytes], *, drop_uid: int, parent: Path | None
) -> Iterator[tuple[Launched, Path]]:
    """Start the sandbox and give it with its private folder, which goes away at the end; supervise it in this thread.

    Raises:
        MachineTrouble: there is no filter for this machine, or no process can be started.
    """
    with private_folder(parent) as run:
        yield _launch(runtime, spec, given, drop_uid=drop_uid, run=run), run


def filters() -> list[bytes]:
    """Return the system-call filters of this machine.

    Raises:
        MachineTrouble: there is none.
    """
    second = shared_filter(platform.machine())
    if second is None:
        raise SandboxUnavailable(f"There is no system-call filter for '{platform.machine()}'.")
    return [machine_filter(), second]


def _launch(runtime: Runtime, spec: ExecutionSpec, given: Mapping[str, bytes], *, drop_uid: int, run: Path) -> Launched:
    user = drop_uid if os.geteuid() == 0 else os.geteuid()
    sources = Sources({**runtime.binds, "run": run}, {mount.target: mount.host for mount in spec.inputs})
    places = Places.of(runtime, spec, sources)
    furnish(run, runtime, spec, given, owner=user)
    connect(run, runtime, spec, places)
    about = _landlock_profile.plan(spec, given, places, busy=_tasks_of(user))
    about["filters"] = [code.hex() for code in filters()]
    readers: dict[str, int] = {}
    with ExitStack() as stack:
        passed = Passed(stack)
        writers = {name: passed.pipe(name, readers) for name in STREAMS}
        try:
            own = passed.file(_zip())
            handles = [passed.file(json.dumps(about).encode())]
            handles += [writers[name] for name in ("frames", "out", "err", "status")]
            command = [places.executable, "-I", "-S", f"/proc/self/fd/{own}", *map(str, handles)]
            env = shutil.which("env", path=os.defpath) or "/usr/bin/env"
            argv = ["env", "-i", f"LD_LIBRARY_PATH={places.python}/lib", *command]
            process = start_helper(Path(env), argv, passed, sources, notes=writers["notes"], drop_uid=drop_uid)
        except BaseException:
            for handle in readers.values():
                os.close(handle)
            raise
    return Launched(process=process, streams=readers)


def _zip() -> bytes:
    """Return the code of the first process."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as file:
        for name, path in INSIDE.items():
            file.writestr(name, path.read_bytes())
    return packed.getvalue()


def _tasks_of(user: int) -> int:
    """Return how many processes and threads a user has now."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and real_uid(int(name)) == user:
            try:
                count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue  # it has just ended
    return count
