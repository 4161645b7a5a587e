"""What a program sees and may do in a Landlock sandbox: folders, rules, variables.

The idea: without a mount namespace the paths are those of the machine. Each execution has one private folder, with a
small environment (`analysis`), the program, and the folders `out` and `tmp` that it may write; everything else that it
needs is a rule for reading. As root the folders are reached below the stage (`_stage.py`), as in the local sandbox.

It does not cover fonts and packages of the base interpreter, which a rule for reading can't leave out.

Source: `_profile.py`, whose names are kept.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from counterproof.provenance.digests import digest_of
from counterproof.sandbox import _landlock
from counterproof.sandbox._launch import Sources
from counterproof.sandbox._profile import _SYSTEM_LINKS, Runtime, program_env, rlimits, shim_plan
from counterproof.sandbox._seccomp import SOCKET_FAMILIES, refused_calls
from counterproof.sandbox._seccomp_shared import refused_when_shared
from counterproof.sandbox.contract import ExecutionSpec

_HERE = Path(__file__).parent
INSIDE = {
    "__main__.py": _HERE / "_landlock_entry.py",
    "_confine.py": _HERE / "_confine.py",
    "_landlock.py": _HERE / "_landlock.py",
    "_private.py": _HERE / "_private.py",
    "_shim.py": _HERE / "_shim.py",
}
OUTER = {"files": 0, "ports": 0, "scopes": _landlock.ABSTRACT_SOCKETS | _landlock.SIGNALS}
INNER = {"files": _landlock.ALL_FILES, "ports": _landlock.ALL_PORTS, "scopes": OUTER["scopes"]}
_SYSTEM = ("/usr", *_SYSTEM_LINKS, "/etc/ld.so.cache")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_SLACK = 256  # processes that the user may start elsewhere meanwhile; the watch ends a program with too many
_OWN = ("PATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "MPLCONFIGDIR", "COUNTERPROOF_DATA", "COUNTERPROOF_OUT")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where things are as the program sees them.

    Attributes:
        run: the private folder.
        python: the base interpreter's folder.
        executable: the base interpreter.
        site: the packages; "" where there are none.
        data: the folder of the inputs.
        readable: what else may be read: packages, interpreter, inputs.
    """

    run: str
    python: str
    executable: str
    site: str
    data: str
    readable: tuple[str, ...]

    @classmethod
    def of(cls, runtime: Runtime, spec: ExecutionSpec, sources: Sources) -> Places:
        """Return the places of one execution."""
        seen = sources.seen()
        staged = os.geteuid() == 0
        python = seen["python/lib"].removesuffix("/lib") if staged else str(runtime.prefix)
        readable = tuple(path for name, path in seen.items() if name != "run")
        data = seen[spec.inputs[0].target].rpartition("/")[0] if staged and spec.inputs else f"{seen['run']}/data"
        return cls(
            run=seen["run"],
            python=python,
            executable=f"{python}/{runtime.executable.relative_to(runtime.prefix)}",
            site=seen.get("site", ""),
            data=data,
            readable=(data, *readable),
        )


def landlock_digest() -> str:
    """Return the digest of everything in the profile that does not depend on the machine."""
    return digest_of(
        {
            "outer": OUTER,
            "inner": INNER,
            "rights": [_landlock.READ_ONLY, _landlock.READ_WRITE, _landlock.DEVICE],
            "system": _SYSTEM,
            "devices": _DEVICES,
            "refused_calls": (*refused_calls(), *refused_when_shared()),
            "socket_families": SOCKET_FAMILIES,
            "inside": {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in INSIDE.items()},
        }
    )


def furnish(run: Path, runtime: Runtime, spec: ExecutionSpec, given: Mapping[str, bytes], *, owner: int) -> None:
    """Fill the private folder; of what it holds only `out` and `tmp` belong to `owner`."""
    for name in ("analysis/bin", f"analysis/lib/python{runtime.version}", "program", "data", "out", "tmp/matplotlib"):
        (run / name).mkdir(parents=True)
    (run / "program" / spec.program_name).write_bytes(spec.program)
    for name, data in given.items():
        (run / "out" / name).write_bytes(data)
    for name, data in runtime.fonts.items():
        (run / "tmp" / "matplotlib" / name).write_bytes(data)
    run.chmod(0o711)
    for path in (run / "out", run / "tmp", *(run / "out").rglob("*"), *(run / "tmp").rglob("*")):
        os.chown(path, owner, -1)


def connect(run: Path, runtime: Runtime, spec: ExecutionSpec, places: Places) -> None:
    """Make the links of the private folder, to the interpreter, its packages and the inputs."""
    analysis = run / "analysis"
    config = f"home = {Path(places.executable).parent}\ninclude-system-site-packages = false\n"
    (analysis / "pyvenv.cfg").write_text(f"{config}version = {runtime.version}\n", "utf-8")
    (analysis / "bin" / "python").symlink_to(places.executable)
    if runtime.site_packages is not None:
        (analysis / "lib" / f"python{runtime.version}" / "site-packages").symlink_to(places.site)
    if places.data == f"{places.run}/data":
        for mount in spec.inputs:
            (run / "data" / mount.target.rpartition("/")[2]).symlink_to(mount.host.resolve())


def rules(places: Places) -> dict[str, int]:
    """Return the program's rights by path."""
    found = {path: _landlock.READ_ONLY for path in _SYSTEM if Path(path).exists() and not Path(path).is_symlink()}
    found |= dict.fromkeys((*places.readable, f"{places.run}/analysis", f"{places.run}/program"), _landlock.READ_ONLY)
    found |= dict.fromkeys((f"{places.run}/out", f"{places.run}/tmp"), _landlock.READ_WRITE)
    return found | {path: _landlock.DEVICE for path in _DEVICES if Path(path).exists()}


def plan(spec: ExecutionSpec, given: Mapping[str, bytes], places: Places, *, busy: int) -> dict[str, object]:
    """Return what the first process does, as JSON values.

    Args:
        spec: what is executed.
        given: files that are no outputs.
        places: where things are.
        busy: processes and threads that the user has already; the kernel counts them with those of the program.
    """
    program = f"{places.run}/program/{spec.program_name}"
    limits = rlimits(spec.limits)
    return {
        **shim_plan(spec, given),
        "argv": [f"{places.run}/analysis/bin/python", "-s", "-P", program],
        "env": variables(spec, places),
        "cwd": f"{places.run}/out",
        "watched": {"out": f"{places.run}/out"},
        "rlimits": {**limits, "RLIMIT_NPROC": limits["RLIMIT_NPROC"] + busy + _SLACK} if limits else {},
        "supervisor": os.getpid(),
        "run": places.run,
        "outer": {**OUTER, "rules": {}},
        "inner": {**INNER, "rules": rules(places)},
    }


def variables(spec: ExecutionSpec, places: Places) -> dict[str, str]:
    """Return the program's whole environment; that of `_profile.py` with the places of this machine."""
    tmp = f"{places.run}/tmp"
    own = (
        f"{places.run}/analysis/bin:/usr/bin:/bin",
        f"{places.python}/lib",
        tmp,
        tmp,
        f"{tmp}/matplotlib",
        places.data,
        f"{places.run}/out",
    )
    # There are no named semaphores, of which joblib would complain on standard error.
    return {**program_env(spec), **dict(zip(_OWN, own, strict=True)), "JOBLIB_MULTIPROCESSING": "0"}
