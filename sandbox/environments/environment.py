"""An analysis environment: an interpreter with the packages of one lock, in a folder of its own.

The idea: programs never run in the application's environment. An environment is built once from a lock
with hashes, byte-compiled (a read-only folder can't be compiled later; measured cost without: 5 s a run),
given a font cache, and renamed to its final place as the last step, so that a half-built one is never used.
Its digest says what a program may import, and is the same on every machine.

It does not cover isolation: the folder is only read here and mounted by the sandbox.

Source: PEP 405 (pyvenv.cfg), pip's hash-checking mode.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from counterproof.provenance.digests import digest_of, sha256_file
from counterproof.provenance.errors import MachineTrouble, UsageError

Language = Literal["python"]

_LOCKS = {"python": Path(__file__).parent / "python" / "requirements.lock"}
_ABOUT = "environment.json"
_FONTS = "matplotlib"
_BUILD_ADVICE = "Run `counterproof sandbox build` (in a checkout: `make setup`)."
_DESCRIBE = """
import importlib.metadata, json, sys
names = sorted({f"{d.metadata['Name'].lower()}=={d.version}" for d in importlib.metadata.distributions()})
print(json.dumps({"python": sys.version.split()[0], "distributions": names}))
"""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One built environment.

    Attributes:
        language: of the programs that it runs.
        name: what a study calls it.
        python: version of the interpreter, major and minor.
        lock_sha256: digest of the lock that it was built from.
        path: its folder on this machine; not part of its identity.
    """

    language: Language
    name: str
    python: str
    lock_sha256: str
    path: Path

    @property
    def digest(self) -> str:
        """Digest of what the environment is, equal on every machine."""
        return digest_of({"language": self.language, "lock": self.lock_sha256, "python": self.python})

    @property
    def site_packages(self) -> Path:
        """The folder with the installed packages."""
        return self.path / "lib" / f"python{self.python}" / "site-packages"

    @property
    def font_cache(self) -> Path:
        """The folder with matplotlib's font cache; may be absent."""
        return self.path / _FONTS

    @property
    def base_executable(self) -> Path:
        """The interpreter that the environment was built with."""
        return (self.path / "bin" / "python").resolve()

    @property
    def distributions(self) -> tuple[str, ...]:
        """The installed packages as `name==version`, sorted."""
        return tuple(_about(self.path)["distributions"])


def default_root() -> Path:
    """Return the folder that environments are built in when none is named: inside the application's own."""
    return Path(sys.prefix) / "environments"


def find_environment(language: Language = "python", root: Path | None = None) -> Environment:
    """Return the environment that was built from the current lock.

    Raises:
        UsageError: there is no lock for that language.
        MachineTrouble: it has not been built, or its interpreter has gone.
    """
    path = _place(language, root or default_root())
    if not (path / _ABOUT).is_file():
        raise MachineTrouble(f"The {language} analysis environment is not built.", advice=_BUILD_ADVICE)
    about = _about(path)
    found = Environment(
        language=language,
        name=str(about["name"]),
        python=str(about["python"]).rpartition(".")[0],
        lock_sha256=str(about["lock_sha256"]),
        path=path,
    )
    if not os.access(found.base_executable, os.X_OK) or not os.access(found.site_packages, os.R_OK):
        raise MachineTrouble(
            f"The {language} analysis environment is damaged: its interpreter or packages have gone.",
            advice="Run `counterproof sandbox build` again; it replaces the damaged one.",
        )
    return found


def build_environment(
    language: Language = "python",
    root: Path | None = None,
    progress: Callable[[str], None] | None = None,
    *,
    env: Mapping[str, str] | None = None,
) -> Environment:
    """Build the environment of the current lock, or return it when it is already there.

    Args:
        language: of the programs.
        root: folder for environments; `default_root()` when None.
        progress: told one line a step.
        env: variables for pip (index, proxy); None means those of this process.

    Raises:
        UsageError: there is no lock for that language.
        MachineTrouble: the packages could not be had or installed; nothing half-built is left in use.
    """
    root = root or default_root()
    path = _place(language, root)
    say = progress or (lambda _line: None)
    with suppress(MachineTrouble):
        return find_environment(language, root)
    with _only_builder(root):
        with suppress(MachineTrouble):  # another process may have built it while we waited
            return find_environment(language, root)
        draft = root / f".{path.name}.building"
        for leftover in (draft, path):
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            _build_python(draft, _LOCKS[language], say, env)
            draft.rename(path)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    say("ready")
    return find_environment(language, root)


def _place(language: Language, root: Path) -> Path:
    lock = _LOCKS.get(language)
    if lock is None:
        raise UsageError(f"There is no environment for language {language!r}.", allowed=f"Known: {', '.join(_LOCKS)}.")
    return root / f"{language}-{sha256_file(lock)[:12]}"


def _about(path: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((path / _ABOUT).read_bytes())
        return {key: about[key] for key in ("name", "python", "lock_sha256", "distributions")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MachineTrouble(f"'{_ABOUT}' of the environment can't be read.", advice=_BUILD_ADVICE) from error


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


def _build_python(draft: Path, lock: Path, say: Callable[[str], None], env: Mapping[str, str] | None) -> None:
    base = str(Path(sys._base_executable).resolve())  # type: ignore[attr-defined]  # documented for venv only
    python = str(draft / "bin" / "python")
    # A .pyc checked by time would be void after a copy; unchecked ones are right for a read-only folder.
    compile_all = ["-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    pip = ["-m", "pip", "--isolated"] if env == {} else ["-m", "pip"]
    quiet = ["--no-input", "--disable-pip-version-check", "-q"]
    hashed = ["--require-hashes", "--no-compile", "--retries", "2", "-r", str(lock)]
    say("create")
    _step([base, "-m", "venv", str(draft)], env, "An empty environment could not be made")
    say("install")
    _step([python, *pip, "install", *quiet, *hashed], env, "The locked packages could not be installed")
    described = json.loads(_step([python, "-c", _DESCRIBE], env, "The packages can't be listed"))
    _step([python, *pip, "uninstall", "-y", *quiet, *_tools(lock, described)], env, "pip can't be removed")
    say("compile")
    site = next((draft / "lib").glob("python*/site-packages"))
    _step([base, *compile_all, str(site)], env, "The packages could not be compiled", allow_failure=True)
    say("fonts")
    _font_cache(python, site, draft / _FONTS)
    described = json.loads(_step([python, "-c", _DESCRIBE], env, "The packages can't be listed"))
    about = {
        "language": "python",
        "name": "python",
        "lock_sha256": sha256_file(lock),
        "built_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **described,
    }
    (draft / _ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _tools(lock: Path, described: Mapping[str, Any]) -> list[str]:
    """Return the installation tools that venv brought and the lock does not name."""
    text = f"\n{lock.read_text(encoding='utf-8').lower()}"
    present = {str(item).partition("==")[0] for item in described["distributions"]}
    return [name for name in ("setuptools", "pip") if name in present and f"\n{name}==" not in text]


def _font_cache(python: str, site: Path, target: Path) -> None:
    """Make matplotlib's font cache, with its own fonts only, so that figures are equal on every machine."""
    if not (site / "matplotlib").is_dir():
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = {"HOME": folder, "MPLCONFIGDIR": folder, "MPLBACKEND": "Agg"}
        _step([python, "-c", "import matplotlib.font_manager"], settings, "The font cache can't be made")
        made = sorted(Path(folder).glob("fontlist-*.json"))
        target.mkdir(mode=0o755)
        for file in made:
            fonts = json.loads(file.read_bytes())
            for key in ("afmlist", "ttflist"):
                fonts[key] = [font for font in fonts[key] if not font["fname"].startswith("/")]
            (target / file.name).write_text(json.dumps(fonts), encoding="utf-8")


def _step(command: list[str], env: Mapping[str, str] | None, failure: str, *, allow_failure: bool = False) -> str:
    done = subprocess.run(command, env=env, capture_output=True, text=True, umask=0o022, check=False)
    if done.returncode and not allow_failure:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        offline = any(
            word in done.stderr
            for word in ("Connection", "Temporary failure", "resolve", "No matching distribution", "timed out")
        )
        advice = (
            "The package index can't be reached: connect to it, or set PIP_INDEX_URL or PIP_FIND_LINKS."
            if offline
            else "Correct that and build again; nothing half-built was kept."
        )
        raise MachineTrouble(f"{failure}: {lines[-1].strip()}.", advice=advice)
    return done.stdout
