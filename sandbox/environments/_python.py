"""Building a Python environment: a venv with exactly the locked packages, byte-compiled, with a font cache.

A read-only folder can't be compiled later (measured cost without: 5 s a run), and without a font cache matplotlib
makes one in each run (0.4 s). pip itself is removed: programs install nothing.

It does not cover finding and naming environments (`environment.py`).

Source: PEP 405 (pyvenv.cfg), pip's hash-checking mode.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from counterproof.provenance.digests import sha256_file
from counterproof.sandbox.environments._steps import step

FONTS = "matplotlib"
_DESCRIBE = """
import importlib.metadata, json, sys
names = sorted({f"{d.metadata['Name'].lower()}=={d.version}" for d in importlib.metadata.distributions()})
print(json.dumps({"python": sys.version.split()[0], "distributions": names}))
"""


def build_python(draft: Path, lock: Path, say: Callable[[str], None], env: Mapping[str, str] | None) -> dict[str, Any]:
    """Build in `draft` and return what the environment's description says.

    Raises:
        MachineTrouble: the packages could not be had or installed.
    """
    base = str(Path(sys._base_executable).resolve())  # type: ignore[attr-defined]  # documented for venv only
    python = str(draft / "bin" / "python")
    # A .pyc checked by time would be void after a copy; unchecked ones are right for a read-only folder.
    compile_all = ["-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    pip = ["-m", "pip", "--isolated"] if env == {} else ["-m", "pip"]
    quiet = ["--no-input", "--disable-pip-version-check", "-q"]
    hashed = ["--require-hashes", "--no-compile", "--retries", "2", "-r", str(lock)]
    say("create")
    step([base, "-m", "venv", str(draft)], env, "An empty environment could not be made")
    say("install")
    step([python, *pip, "install", *quiet, *hashed], env, "The locked packages could not be installed")
    described = json.loads(step([python, "-c", _DESCRIBE], env, "The packages can't be listed"))
    tools = _tools(lock, described)
    if tools:
        step([python, *pip, "uninstall", "-y", *quiet, *tools], env, "pip can't be removed")
    say("compile")
    site = next((draft / "lib").glob("python*/site-packages"))
    step([base, *compile_all, str(site)], env, "The packages could not be compiled", allow_failure=True)
    say("fonts")
    _font_cache(python, site, draft / FONTS)
    described = json.loads(step([python, "-c", _DESCRIBE], env, "The packages can't be listed"))
    return {"lock_sha256": sha256_file(lock), **described}


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
        step([python, "-c", "import matplotlib.font_manager"], settings, "The font cache can't be made")
        made = sorted(Path(folder).glob("fontlist-*.json"))
        target.mkdir(mode=0o755)
        for file in made:
            fonts = json.loads(file.read_bytes())
            for key in ("afmlist", "ttflist"):
                fonts[key] = [font for font in fonts[key] if not font["fname"].startswith("/")]
            (target / file.name).write_text(json.dumps(fonts), encoding="utf-8")
