"""An analysis environment: an interpreter with the packages of one lock, in a folder of its own.

The idea: programs never run in the application's environment. An environment is built once from its lock, made ready
to be read only, and renamed to its final place as the last step, so that a half-built one is never used. Its digest
says what a program may import, and is the same on every machine. `python` and `r` come with Counterproof; others are
built from a folder with a lock: `requirements.lock` (pip, with hashes) for Python, `packages.toml` for R.

It does not cover isolation: the folder is only read here and mounted by the sandbox.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from counterproof.provenance.digests import digest_of, sha256_file
from counterproof.provenance.errors import CounterproofError, MachineTrouble, UsageError
from counterproof.sandbox.environments._python import FONTS, build_python
from counterproof.sandbox.environments._r import RInstallation, build_r, changes, installation, read_wanted

Language = Literal["python", "r"]

_HERE = Path(__file__).parent
_LOCK_FILES: dict[str, Language] = {"requirements.lock": "python", "packages.toml": "r"}
_BUILT_IN = {"python": _HERE / "python" / "requirements.lock", "r": _HERE / "r" / "packages.toml"}
_LOCKS = "locks"
_ABOUT = "environment.json"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One built environment.

    Attributes:
        language: of the programs that it runs.
        name: what a study calls it; not part of its identity.
        version: of the interpreter: major and minor for Python, all of it for R.
        lock_sha256: digest of the lock that it was built from; for R, of the exact versions that were found.
        path: its folder on this machine; not part of its identity.
    """

    language: Language
    name: str
    version: str
    lock_sha256: str
    path: Path

    @property
    def digest(self) -> str:
        """Digest of what the environment is, equal on every machine."""
        return digest_of({"language": self.language, "lock": self.lock_sha256, self.language: self.version})

    @property
    def site_packages(self) -> Path:
        """The folder with the installed Python packages."""
        return self.path / "lib" / f"python{self.version}" / "site-packages"

    @property
    def font_cache(self) -> Path:
        """The folder with matplotlib's font cache; may be absent."""
        return self.path / FONTS

    @property
    def base_executable(self) -> Path:
        """The Python interpreter that the environment was built with."""
        return (self.path / "bin" / "python").resolve()

    @property
    def r(self) -> RInstallation:
        """The R that it runs programs with; only where the language is R."""
        return installation(self.path, _about(self.path, self.name))

    @property
    def distributions(self) -> tuple[str, ...]:
        """The installed packages as `name==version`."""
        return tuple(_about(self.path, self.name)["distributions"])

    @property
    def packages(self) -> tuple[str, ...]:
        """Names of the packages that were asked for, without those that they need in turn; for R only."""
        return tuple(_about(self.path, self.name).get("wanted", ()))


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An environment that is known here.

    Attributes:
        name: what a study calls it.
        language: of its programs.
        built: the environment; None when it can't be used.
        trouble: why it can't be used, and what to do; "" otherwise.
    """

    name: str
    language: Language
    built: Environment | None
    trouble: str


@dataclass(frozen=True, kw_only=True)
class _Lock:
    """The current lock of a name."""

    name: str
    language: Language
    file: Path

    def place(self, root: Path) -> Path:
        """Return where the environment of this lock is."""
        return root / f"{self.name}-{sha256_file(self.file)[:12]}"


def default_root() -> Path:
    """Return the folder that environments are built in when none is named: inside the application's own."""
    return Path(sys.prefix) / "environments"


def find_environment(name: str = "python", root: Path | None = None) -> Environment:
    """Return the environment that was built from the current lock of a name.

    Raises:
        UsageError: there is no environment of that name.
        MachineTrouble: it has not been built, its interpreter or packages have gone, or R was upgraded since.
    """
    lock = _lock(name, root or default_root())
    path = lock.place(root or default_root())
    if not (path / _ABOUT).is_file():
        raise MachineTrouble(f"The {name} analysis environment is not built.", advice=_build_advice(name))
    return _described(lock, path)


def language_of(name: str, root: Path | None = None) -> Language:
    """Return the language of the programs of an environment, whether it is built or not.

    Raises:
        UsageError: there is no environment of that name.
    """
    return _lock(name, root or default_root()).language


def list_environments(root: Path | None = None) -> tuple[Listed, ...]:
    """Return the environments that are known here, those of Counterproof first."""
    root = root or default_root()
    own = sorted(folder.name for folder in (root / _LOCKS).glob("*") if _NAME.fullmatch(folder.name))
    return tuple(_listed(name, root) for name in (*_BUILT_IN, *own))


def build_environment(
    name: str = "python",
    root: Path | None = None,
    progress: Callable[[str], None] | None = None,
    *,
    folder: Path | None = None,
    install: bool = False,
    env: Mapping[str, str] | None = None,
) -> Environment:
    """Build the environment of a name from its current lock, or return it when it is already there.

    Args:
        name: `python`, `r`, or the name of an environment of your own.
        root: folder for environments; `default_root()` when None.
        progress: told one line a step.
        folder: holds the lock of an environment of your own; None for a lock that is known.
        install: for R, as root with apt: install what is missing.
        env: variables for pip (index, proxy) and PATH; None means those of this process.

    Raises:
        UsageError: there is no lock, or it can't be used.
        MachineTrouble: the packages could not be had or installed; nothing half-built is left in use.
    """
    root = root or default_root()
    lock = _lock_of_folder(name, folder) if folder else _lock(name, root)
    say = progress or (lambda _line: None)
    if folder is None:
        with suppress(MachineTrouble):
            return find_environment(name, root)
    with _only_builder(root):
        path = lock.place(root)
        if not _usable(lock, root):  # another process may have built it while we waited
            _build(lock, path, say, install=install, env=env)
        if folder:
            _keep_lock(lock, root)
    say("ready")
    return find_environment(name, root)


def _build(
    lock: _Lock, path: Path, say: Callable[[str], None], *, install: bool, env: Mapping[str, str] | None
) -> None:
    draft = path.parent / f".{path.name}.building"
    for leftover in (draft, path):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        if lock.language == "python":
            built = build_python(draft, lock.file, say, env)
        else:
            search_path = (env or {}).get("PATH") or os.defpath
            built = build_r(draft, lock.file, say, search_path=search_path, install=install)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        about = {"language": lock.language, "name": lock.name, "built_at": at, **built}
        (draft / _ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _lock(name: str, root: Path) -> _Lock:
    """Return the current lock of a name."""
    if name in _BUILT_IN:
        return _Lock(name=name, language=_LOCK_FILES[_BUILT_IN[name].name], file=_BUILT_IN[name])
    for file, language in _LOCK_FILES.items():
        path = root / _LOCKS / name / file
        if _NAME.fullmatch(name) and path.is_file():
            return _Lock(name=name, language=language, file=path)
    raise UsageError(
        f"There is no environment called {name!r}.",
        allowed=f"Known: {', '.join(listed.name for listed in list_environments(root))}.",
        advice="Build one of your own: `counterproof env build FOLDER --name NAME`.",
    )


def _lock_of_folder(name: str, folder: Path) -> _Lock:
    """Return the lock in a folder of somebody's own."""
    if not _NAME.fullmatch(name) or name in _BUILT_IN:
        raise UsageError(
            f"An environment of your own can't be called {name!r}.",
            allowed="Up to 40 lower-case letters, digits and '-', beginning with a letter; not 'python' or 'r'.",
        )
    found = [file for file in _LOCK_FILES if (folder / file).is_file()]
    if len(found) != 1:
        raise UsageError(
            f"The folder {folder} holds {' and '.join(found) or 'no lock'}.",
            allowed="One of requirements.lock (Python) and packages.toml (R).",
            advice="Make the lock of a Python environment with `uv pip compile --generate-hashes` or `pip-compile`.",
        )
    lock = folder / found[0]
    if found[0] == "packages.toml":
        read_wanted(lock)
    elif b"--hash=sha256:" not in lock.read_bytes():
        raise UsageError(
            f"The lock {lock} names no hashes.",
            advice="Make it with `uv pip compile --generate-hashes` or `pip-compile --generate-hashes`.",
        )
    return _Lock(name=name, language=_LOCK_FILES[found[0]], file=lock)


def _keep_lock(lock: _Lock, root: Path) -> None:
    """Make this the current lock of its name; a lock of the other language goes."""
    kept = root / _LOCKS / lock.name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=kept, prefix=".", delete=False) as new:
        new.write(lock.file.read_bytes())
    Path(new.name).chmod(0o644)
    Path(new.name).replace(kept / lock.file.name)
    for other in set(_LOCK_FILES) - {lock.file.name}:
        (kept / other).unlink(missing_ok=True)


def _listed(name: str, root: Path) -> Listed:
    language: Language = "python"
    try:
        language = _lock(name, root).language
        return Listed(name=name, language=language, built=find_environment(name, root), trouble="")
    except CounterproofError as error:
        return Listed(name=name, language=language, built=None, trouble=str(error))


def _usable(lock: _Lock, root: Path) -> bool:
    try:
        _described(lock, lock.place(root))
    except MachineTrouble:
        return False
    return True


def _described(lock: _Lock, path: Path) -> Environment:
    """Return the environment in a folder as its description says, when it is still as it was at building."""
    about = _about(path, lock.name)
    version = str(about[lock.language])
    found = Environment(
        language=lock.language,
        name=lock.name,
        version=version.rpartition(".")[0] if lock.language == "python" else version,
        lock_sha256=str(about["lock_sha256"]),
        path=path,
    )
    _still_there(found, about)
    return found


def _still_there(found: Environment, about: Mapping[str, Any]) -> None:
    advice = f"{_build_advice(found.name)} It replaces the damaged one."
    if found.language == "r":
        changed = changes(found.path, about)
        if changed:
            raise MachineTrouble(
                f"R or its packages have changed since the {found.name} environment was built: "
                f"{'; '.join(changed[:5])}{' …' if len(changed) > 5 else ''}.",
                advice=f"{_build_advice(found.name)} Programs that were approved for the old versions are put to a "
                "reviewer again.",
            )
    elif not os.access(found.base_executable, os.X_OK) or not os.access(found.site_packages, os.R_OK):
        raise MachineTrouble(
            f"The {found.name} analysis environment is damaged: its interpreter or packages have gone.", advice=advice
        )


def _build_advice(name: str) -> str:
    if name == "python":
        return "Run `counterproof sandbox build` (in a checkout: `make setup`)."
    return f"Run `counterproof env build {name}`{' (in a checkout: `make setup`)' if name == 'r' else ''}."


def _about(path: Path, name: str) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((path / _ABOUT).read_bytes())
        about["lock_sha256"], about["distributions"], about[about["language"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MachineTrouble(f"'{_ABOUT}' of the environment can't be read.", advice=_build_advice(name)) from error
    return about


@contextmanager
def _only_builder(root: Path) -> Iterator[None]:
    """Let one process build at a time; the lock goes with the process."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise MachineTrouble(
            f"The folder for environments can't be written: {error.strerror}.",
            advice="Choose another root, or run as the user who installed Counterproof.",
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
