"""Whether the locks of a shared folder hold between machines.

Records are appended to under `flock`. On a network file system that was mounted with local locks, two machines would
both hold the lock of one record; such a folder is refused. The options are those of nfs(5) and of Lustre's mount.

It does not cover network file systems whose options don't show it: for those, what their manual says of `flock` between
machines has to be read (docs/worker.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from counterproof.provenance.errors import UsageError

_MOUNTS = Path("/proc/self/mountinfo")
_LOCAL = {
    "nfs": ("nolock", "local_lock=all", "local_lock=flock"),
    "nfs4": ("nolock", "local_lock=all", "local_lock=flock"),
    "lustre": ("localflock", "noflock"),
}


@dataclass(frozen=True, kw_only=True)
class Mounted:
    """One mounted file system: where, of which kind, with which options."""

    at: Path
    kind: str
    options: frozenset[str]


def check_locks(folder: Path, *, mounts: str | None = None) -> None:
    """Refuse a folder whose locks other machines don't see.

    Args:
        folder: the shared folder.
        mounts: the text of `/proc/self/mountinfo`; None to read it.

    Raises:
        UsageError: it is mounted with local locks.
    """
    mounted = _mount_of(folder.resolve(), mounts if mounts is not None else _read())
    if mounted is None or mounted.kind not in _LOCAL:
        return
    met = sorted(set(_LOCAL[mounted.kind]) & mounted.options)
    if mounted.kind == "lustre" and "flock" not in mounted.options and not met:
        met = ["no flock"]
    if met:
        raise UsageError(
            f"The folder {folder} is on {mounted.kind}, mounted at {mounted.at} with {', '.join(met)}: its locks don't "
            "reach other machines.",
            allowed="A shared store needs locks that hold between machines.",
            advice="Mount it with them (NFS: without `nolock` and `local_lock`; Lustre: with `flock`).",
        )


def _read() -> str:
    return _MOUNTS.read_text(errors="replace") if _MOUNTS.exists() else ""


def _mount_of(folder: Path, mounts: str) -> Mounted | None:
    """Return the file system that a folder is on: the longest mount point above it, the last where two are one."""
    best: Mounted | None = None
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if not dash or len(fields) < 6 or len(kind) < 3:
            continue
        at = Path(fields[4].replace("\\040", " "))
        if folder.is_relative_to(at) and (best is None or len(at.parts) >= len(best.at.parts)):
            options = frozenset(fields[5].split(",")) | frozenset(kind[2].split(","))
            best = Mounted(at=at, kind=kind[0], options=options)
    return best
