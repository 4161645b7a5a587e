"""Starts one sandbox: pipes, files without names, and the helper process.

The idea: everything that goes in is a descriptor or a bind mount. Arguments travel in a memory file, so that
neither the process list of the host nor the inside shows them; the helper starts with an empty environment,
for its own would be readable inside as /proc/1/environ. As root the helper is `_stage.py`.

It does not cover what happens afterwards (`_supervise.py`).

Source: bwrap(1), memfd_create(2).
"""

from __future__ import annotations

import marshal
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
from counterproof.sandbox._bytecode import bytecode
from counterproof.sandbox._profile import Runtime, arguments, files_of, shim_command, shim_plan
from counterproof.sandbox._seccomp import seccomp_filter
from counterproof.sandbox._watch import NO_BASELINE, Baseline
from counterproof.sandbox.contract import ExecutionSpec
from counterproof.sandbox.errors import SandboxUnavailable

_STAGE = Path(__file__).parent / "_stage.py"
_STREAMS = ("out", "err", "frames", "notes", "status")
MARSHAL = 2
"""A version that every Python 3 reads; `json` would take the reader 7 ms to import."""
_STAGE_AT = "/tmp"  # covered by a private tmpfs in a mount namespace of its own


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A sandbox that is starting, and the reading ends of its pipes.

    Attributes:
        process: the helper, later bubblewrap's outer process; None for a child of the warm template.
        first: the first process inside and a descriptor of it, where they are known from the start.
        streams: descriptors `out`, `err` (the program's), `frames` (the shim's), `notes` (what bubblewrap
            and the helper complain about) and, cold, `status` (bubblewrap's account of itself).
        baseline: memory that every process has from the warm template.
    """

    process: subprocess.Popen[bytes] | None
    streams: Mapping[str, int]
    first: FirstProcess | None = None
    baseline: Baseline = NO_BASELINE


@dataclass(frozen=True, kw_only=True)
class FirstProcess:
    """The first process of a sandbox: its pid as this process sees it, and a descriptor that stays true to it."""

    pid: int
    pidfd: int


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


def launch(
    bwrap: Bubblewrap, runtime: Runtime, spec: ExecutionSpec, *, drop_uid: int, given: Mapping[str, bytes]
) -> Launched:
    """Start the sandbox; call it in the thread that will supervise it, for it dies with that thread.

    Raises:
        MachineTrouble: there is no system-call filter for this machine, or no process can be started.
    """
    code = machine_filter()
    readers: dict[str, int] = {}
    with ExitStack() as stack:
        passed = Passed(stack)
        writers = {name: passed.pipe(name, readers) for name in _STREAMS}
        try:
            files = {path: passed.file(data) for path, data in files_of(runtime, spec, given).items()}
            plan = passed.file(marshal.dumps(shim_plan(spec, given), MARSHAL))
            sources = Sources(runtime.binds, {mount.target: mount.host for mount in spec.inputs})
            args = arguments(runtime, spec, paths=sources.seen(), fds=files)
            args += ["--seccomp", str(passed.file(code)), "--json-status-fd", str(writers["status"])]
            command = shim_command(runtime, (plan, writers["frames"], writers["out"], writers["err"]))
            helper = Helper(bwrap, sources, notes=writers["notes"], drop_uid=drop_uid)
            process = helper.start(passed, args, command)
        except BaseException:
            for handle in readers.values():
                os.close(handle)
            raise
    return Launched(process=process, streams=readers)


def machine_filter() -> bytes:
    """Return the system-call filter of this machine.

    Raises:
        MachineTrouble: there is none.
    """
    machine = platform.machine()
    code = seccomp_filter(machine)
    if code is None:
        raise SandboxUnavailable(
            f"There is no system-call filter for '{machine}'.", allowed="Known are x86_64 and aarch64."
        )
    return code


class Passed:
    """The descriptors that the helper inherits; ours are closed when it has started."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.handles: list[int] = []

    def pipe(self, name: str, readers: dict[str, int]) -> int:
        """Make a pipe, leave its reading end in `readers`, return its writing end."""
        readers[name], writer = os.pipe()
        return self.keep(writer)

    def file(self, data: bytes) -> int:
        """Make a nameless file in memory with that content."""
        return self.keep(memory_file(data))

    def keep(self, handle: int) -> int:
        """Pass this descriptor too; it is closed here afterwards."""
        self._stack.callback(os.close, handle)
        self.handles.append(handle)
        return handle


def memory_file(data: bytes) -> int:
    """Return a descriptor of a nameless file with that content, at its beginning."""
    handle = os.memfd_create("counterproof", os.MFD_CLOEXEC)
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
    os.lseek(handle, 0, os.SEEK_SET)
    return handle


class Sources:
    """The host's folders and files that are mounted; as root they are reached below the stage."""

    def __init__(self, binds: Mapping[str, Path], inputs: Mapping[str, Path]) -> None:
        self.binds = {name: path.resolve() for name, path in binds.items()}
        self.inputs = {name: path.resolve() for name, path in inputs.items()}

    def seen(self) -> dict[str, str]:
        """Return the path of each source as bubblewrap sees it."""
        if os.geteuid() == 0:
            return {name: f"{_STAGE_AT}/{name.lstrip('/')}" for name in (*self.binds, *self.inputs)}
        return {name: str(path) for name, path in {**self.binds, **self.inputs}.items()}

    def staged(self) -> dict[str, object]:
        """Return what the stage has to bind."""
        return {
            "binds": {name.lstrip("/"): str(path) for name, path in self.binds.items()},
            "inputs": {name.lstrip("/"): str(path) for name, path in self.inputs.items()},
            "stage": _STAGE_AT,
        }


class Helper:
    """Starts bubblewrap; as root by way of the stage, so that it never runs as root."""

    def __init__(self, bwrap: Bubblewrap, sources: Sources, *, notes: int, drop_uid: int) -> None:
        self._bwrap = bwrap
        self._sources = sources
        self._notes = notes
        self._drop_uid = drop_uid

    def start(self, passed: Passed, args: list[str], command: list[str]) -> subprocess.Popen[bytes]:
        """Start it with these arguments and the command inside.

        Raises:
            MachineTrouble: no process can be started.
        """
        inside = ["--unsetenv", "LD_LIBRARY_PATH", *args]  # the stage may set it for bubblewrap itself
        args_fd = passed.file(b"".join(os.fsencode(arg) + b"\0" for arg in inside))
        argv = ["bwrap", "--args", str(args_fd), "--", *command]
        program = str(self._bwrap.path)
        if os.geteuid() == 0:
            about = {"bwrap": program, "argv": argv, "uid": self._drop_uid, "gid": self._drop_uid}
            libraries = str(self._bwrap.libraries or "")
            about_fd = passed.file(marshal.dumps({**about, "libraries": libraries, **self._sources.staged()}, MARSHAL))
            program = sys.executable
            code_fd = passed.file(bytecode(_STAGE.read_bytes(), _STAGE.name))
            argv = [program, "-I", "-S", f"/proc/self/fd/{code_fd}", str(about_fd)]
        return _popen(program, argv, notes=self._notes, handles=passed.handles)


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
