"""Starts one sandbox: pipes, files without names, and the helper process.

The idea: everything that goes in is a descriptor or a bind mount. Arguments travel in a memory file, so that
neither the process list of the host nor the inside shows them; the helper starts with an empty environment,
for its own would be readable inside as /proc/1/environ. As root it is started on the stage (`_stage.py`), as somebody
who is not root.

It does not cover what happens afterwards (`_supervise.py`).

Source: bwrap(1), memfd_create(2).
"""

from __future__ import annotations

import marshal
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.sandbox._bubblewrap import Bubblewrap, start_trouble
from counterproof.sandbox._profile import Runtime, arguments, files_of, shim_command, shim_plan
from counterproof.sandbox._seccomp import seccomp_filter
from counterproof.sandbox._stage import staged
from counterproof.sandbox._watch import NO_BASELINE, Baseline
from counterproof.sandbox.contract import ExecutionSpec
from counterproof.sandbox.errors import SandboxUnavailable

STREAMS = ("out", "err", "frames", "notes", "status")
MARSHAL = 2
"""A version that every Python 3 reads; `json` would take the reader 7 ms to import."""
_STAGE_AT = "/tmp"  # covered by a private tmpfs in a mount namespace of its own
_LIBRARIES = "bubblewrap.libs"


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A sandbox that is starting, and the reading ends of its pipes.

    Attributes:
        process: the helper, later bubblewrap's outer process; None for a child of the warm template.
        first: the first process inside, where it is known from the start.
        program: the program's process, where it is no child of the first.
        streams: descriptors `out`, `err` (the program's), `frames` (the shim's), `notes` (what bubblewrap
            and the helper complain about) and, cold, `status` (bubblewrap's account of itself).
        baseline: memory that every process has from the warm template.
    """

    process: subprocess.Popen[bytes] | None
    streams: Mapping[str, int]
    first: Known | None = None
    program: Known | None = None
    baseline: Baseline = NO_BASELINE


@dataclass(frozen=True, kw_only=True)
class Known:
    """A process of a sandbox: its pid as this process sees it, and a descriptor that stays true to it."""

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
        writers = {name: passed.pipe(name, readers) for name in STREAMS}
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
    write_all(handle, data)
    os.lseek(handle, 0, os.SEEK_SET)
    return handle


def write_all(handle: int, data: bytes) -> None:
    """Write all of it."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


class Sources:
    """The host's folders and files that are mounted; as root they are reached on the stage."""

    def __init__(self, binds: Mapping[str, Path], inputs: Mapping[str, Path]) -> None:
        self.binds = {name: path.resolve() for name, path in binds.items()}
        self.inputs = {name.lstrip("/"): path.resolve() for name, path in inputs.items()}

    def seen(self) -> dict[str, str]:
        """Return the path of each folder, and of each input by its target, as a helper sees it."""
        found = {**self.binds, **{f"/{name}": path for name, path in self.inputs.items()}}
        if os.geteuid() == 0:
            return {name: f"{_STAGE_AT}/{name.lstrip('/')}" for name in found}
        return {name: str(path) for name, path in found.items()}


class Helper:
    """Starts bubblewrap."""

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
        inside = ["--unsetenv", "LD_LIBRARY_PATH", *args]  # it may be set for bubblewrap itself
        args_fd = passed.file(b"".join(os.fsencode(arg) + b"\0" for arg in inside))
        argv = ["bwrap", "--args", str(args_fd), "--", *command]
        beside = self._bwrap.libraries
        return start_helper(
            self._bwrap.path, argv, passed, self._sources, notes=self._notes, drop_uid=self._drop_uid, libraries=beside
        )


def start_helper(
    program: Path,
    argv: list[str],
    passed: Passed,
    sources: Sources,
    *,
    notes: int,
    drop_uid: int,
    libraries: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program of this machine with an empty environment; as root on the stage, and as another user.

    Args:
        program: the program.
        argv: its arguments, its name the first.
        passed: what it inherits.
        sources: what it must be able to reach.
        notes: descriptor for what it prints.
        drop_uid: user and group that it runs as when this process is root.
        libraries: a folder of libraries that it would look for beside its own path, which the stage may cover.

    Raises:
        MachineTrouble: no process can be started.
    """
    if os.geteuid() != 0:
        return _popen(str(program), argv, notes=notes, handles=passed.handles)
    setpriv = shutil.which("setpriv", path=os.defpath)
    if setpriv is None:
        raise SandboxUnavailable(
            "This process is root, and 'setpriv' was not found, which gives up root.",
            advice="Install util-linux, or run Counterproof as an ordinary user.",
        )
    name = f"helper/{program.name}"
    binds = {**sources.binds, name: program, **({_LIBRARIES: libraries} if libraries else {})}
    env = {"LD_LIBRARY_PATH": f"{_STAGE_AT}/{_LIBRARIES}"} if libraries else {}
    # Python could give up root, too, but copies its memory for that: 10 ms in a large process.
    as_user = ["setpriv", f"--reuid={drop_uid}", f"--regid={drop_uid}", "--clear-groups", f"{_STAGE_AT}/{name}"]
    try:
        with staged(binds, sources.inputs, at=_STAGE_AT):
            return _popen(setpriv, [*as_user, *argv[1:]], notes=notes, handles=passed.handles, env=env)
    except OSError as error:
        raise start_trouble(f"stage: {error}") from error


def _popen(
    program: str, argv: list[str], *, notes: int, handles: list[int], env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            executable=program,
            env=env or {},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=notes,
            stderr=notes,
            pass_fds=handles,
        )
    except OSError as error:
        raise MachineTrouble(f"No process can be started: {error.strerror}.", advice="Try later.") from error
