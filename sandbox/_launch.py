"""Starts one sandbox: pipes, files without names, and the helper process.

The idea: everything that goes in is a descriptor or a bind mount. Arguments travel in a memory file, so that
neither the process list of the host nor the inside shows them; the helper starts with an empty environment,
for its own would be readable inside as /proc/1/environ. As root the helper is `_stage.py`.

It does not cover what happens afterwards (`_supervise.py`).

Source: bwrap(1), memfd_create(2).
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.sandbox._bubblewrap import Bubblewrap
from counterproof.sandbox._profile import Runtime, arguments, files_of, shim_command, shim_plan
from counterproof.sandbox._seccomp import seccomp_filter
from counterproof.sandbox.contract import ExecutionSpec

_STAGE = Path(__file__).parent / "_stage.py"
_STREAMS = ("out", "err", "frames", "notes", "status")
_STAGE_AT = "/tmp"  # covered by a private tmpfs in a mount namespace of its own


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A sandbox that is starting, and the reading ends of its pipes.

    Attributes:
        process: the helper, later bubblewrap's outer process.
        streams: descriptors `out`, `err` (the program's), `frames` (the shim's), `notes` (what bubblewrap
            and the helper complain about) and `status` (bubblewrap's account of itself).
    """

    process: subprocess.Popen[bytes]
    streams: Mapping[str, int]


def check_inputs(spec: ExecutionSpec) -> None:
    """Refuse inputs that are not there.

    Raises:
        UsageError: an input is neither a file nor a folder, or may not be read.
    """
    for mount in spec.inputs:
        if not (mount.host.is_file() or mount.host.is_dir()):
            raise UsageError(
                f"Input '{mount.host.name}' is not a file or folder that exists.",
                advice="Check the path of the data set.",
            )
        if not os.access(mount.host, os.R_OK):
            raise UsageError(
                f"Input '{mount.host.name}' may not be read by this user.", advice="Change its permissions."
            )


def launch(bwrap: Bubblewrap, runtime: Runtime, spec: ExecutionSpec, *, drop_uid: int) -> Launched:
    """Start the sandbox; call it in the thread that will supervise it, for it dies with that thread.

    Raises:
        MachineTrouble: there is no system-call filter for this machine, or no process can be started.
    """
    machine = platform.machine()
    code = seccomp_filter(machine)
    if code is None:
        raise MachineTrouble(
            f"There is no system-call filter for '{machine}'.", allowed="Known are x86_64 and aarch64."
        )
    readers: dict[str, int] = {}
    with ExitStack() as stack:
        passed = _Passed(stack)
        writers = {name: passed.pipe(name, readers) for name in _STREAMS}
        try:
            files = {path: passed.file(data) for path, data in files_of(runtime, spec).items()}
            plan = passed.file(json.dumps(shim_plan(spec)).encode())
            binds = {name: path.resolve() for name, path in runtime.binds().items()}
            inputs = {mount.target: mount.host.resolve() for mount in spec.inputs}
            paths = _seen_paths(binds, inputs)
            args = arguments(runtime, spec, paths=paths, fds=files)
            args += ["--seccomp", str(passed.file(code)), "--json-status-fd", str(writers["status"])]
            args_fd = passed.file(b"".join(os.fsencode(arg) + b"\0" for arg in args))
            command = ["bwrap", "--args", str(args_fd), "--"]
            command += shim_command(runtime, (plan, writers["frames"], writers["out"], writers["err"]))
            program = str(bwrap.path)
            if os.geteuid() == 0:
                about = {"bwrap": program, "argv": command, "uid": drop_uid, "gid": drop_uid}
                staged = {"binds": _below_stage(binds), "inputs": _below_stage(inputs), "stage": _STAGE_AT}
                program = sys.executable
                about_fd = passed.file(json.dumps({**about, **staged}).encode())
                command = [program, "-I", "-S", str(_STAGE), str(about_fd)]
            process = _popen(program, command, notes=writers["notes"], handles=passed.handles)
        except BaseException:
            for handle in readers.values():
                os.close(handle)
            raise
    return Launched(process=process, streams=readers)


class _Passed:
    """The descriptors that the helper inherits; ours are closed when it has started."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.handles: list[int] = []

    def pipe(self, name: str, readers: dict[str, int]) -> int:
        """Make a pipe, leave its reading end in `readers`, return its writing end."""
        readers[name], writer = os.pipe()
        return self._keep(writer)

    def file(self, data: bytes) -> int:
        """Make a nameless file in memory with that content."""
        handle = self._keep(os.memfd_create("counterproof", os.MFD_CLOEXEC))
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.lseek(handle, 0, os.SEEK_SET)
        return handle

    def _keep(self, handle: int) -> int:
        self._stack.callback(os.close, handle)
        self.handles.append(handle)
        return handle


def _popen(program: str, command: list[str], *, notes: int, handles: list[int]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            executable=program,
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=notes,
            stderr=notes,
            pass_fds=handles,
        )
    except OSError as error:
        raise MachineTrouble(f"No process can be started: {error.strerror}.", advice="Try later.") from error


def _seen_paths(binds: Mapping[str, Path], inputs: Mapping[str, Path]) -> dict[str, str]:
    """Return the path of each source as bubblewrap sees it: below the stage when there is one."""
    if os.geteuid() == 0:
        return {name: f"{_STAGE_AT}/{name.lstrip('/')}" for name in (*binds, *inputs)}
    return {name: str(path) for name, path in {**binds, **inputs}.items()}


def _below_stage(sources: Mapping[str, Path]) -> dict[str, str]:
    return {name.lstrip("/"): str(path) for name, path in sources.items()}
