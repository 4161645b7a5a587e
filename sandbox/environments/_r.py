"""Building an R environment: the distribution's R and packages, of which exactly the wanted ones are visible.

The idea: R is not installed a second time. `packages.toml` names what is wanted; building looks for it (as root it can
be installed with apt), finds what it needs in turn, and makes a folder with one link per package, which is the only
package folder that programs see beside R's own. What is installed is the lock: the exact versions of R and of each
package are written down at building, the digest covers them, and an environment whose packages were upgraded since is
refused until it is built again. Fonts are copied, so that figures are equal on machines with the same versions.

It does not cover R built for a folder of its own with libraries elsewhere (conda); R's own folder, `R RHOME`, must be
below /usr or hold all that it needs.

Source: R Installation and Administration, 6; renv, which links packages in the same way.
"""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterproof.provenance.digests import digest_of, sha256_file
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.sandbox.environments._steps import step

LIBRARY, FONTS = "library", "fonts"
_FONT_FILES = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
_FONT_ROOTS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
_DESCRIBE = (
    "cat(R.home(), paste(R.version$major, R.version$minor, sep = '.'), R.home('share'), "
    "extSoftVersion()[['BLAS']], La_library(), .Library, .Library.site, sep = '\\n')"
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.]*")
_DEBIAN_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_SEEN = {"LANG": "C.UTF-8", "TZ": "UTC", "R_LIBS_USER": "/nonexistent"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a `packages.toml` names: R packages, and the system's package for each of them and for R and its fonts."""

    packages: Mapping[str, str]
    system: tuple[str, ...]

    @property
    def apt(self) -> tuple[str, ...]:
        """Everything, as Debian and Ubuntu call it."""
        return tuple(sorted({*self.system, *self.packages.values()}))


@dataclass(frozen=True, kw_only=True)
class Package:
    """An installed R package."""

    name: str
    version: str
    path: Path
    needs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RInstallation:
    """The R of an environment, as the sandbox uses it.

    Attributes:
        home: what `R RHOME` prints.
        share: R's shared files.
        libraries: folders with the BLAS and LAPACK that it was described with.
        library: folder with a link per package.
        fonts: folder with the fonts for figures.
    """

    home: Path
    share: Path
    libraries: tuple[Path, ...]
    library: Path
    fonts: Path


def read_wanted(lock: Path) -> Wanted:
    """Read a `packages.toml`.

    Raises:
        UsageError: it is no TOML or not of the form.
    """
    try:
        raw = tomllib.loads(lock.read_text(encoding="utf-8"))
        packages, system = dict(raw["packages"]), dict(raw["system"])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"The file {lock.name} is not of the required form: {error}.",
            allowed='It has [system] with R = "r-base-core" and fonts = "…", and [packages] with name = "r-cran-name".',
        ) from error
    wrong = [name for name in packages if not _NAME.fullmatch(name)]
    wrong += [str(name) for name in (*packages.values(), *system.values()) if not _DEBIAN_NAME.fullmatch(str(name))]
    if wrong or not packages:
        raise UsageError(
            f"The file {lock.name} names {wrong[0]!r}." if wrong else f"The file {lock.name} names no package.",
            allowed="R packages have letters, digits and dots; system packages are in lower case.",
        )
    return Wanted(packages=packages, system=tuple(system.values()))


def build_r(draft: Path, lock: Path, say: Callable[[str], None], *, search_path: str, install: bool) -> dict[str, Any]:
    """Build in `draft` and return what the environment's description says.

    Args:
        draft: the new folder.
        lock: the `packages.toml`.
        say: told one line a step.
        search_path: folders in which `Rscript` and `apt-get` are looked for, separated by ':'.
        install: whether missing system packages are installed, where this is root and has apt.

    Raises:
        MachineTrouble: R or a package is missing; the text says the command that installs it.
    """
    wanted = read_wanted(lock)
    try:
        return _describe(draft, wanted, say, search_path)
    except MachineTrouble:
        apt = shutil.which("apt-get", path=search_path)
        if not install or apt is None or os.geteuid() != 0:
            raise
        say("install")
        settings = {"PATH": search_path, "DEBIAN_FRONTEND": "noninteractive"}
        options = ["install", "-y", "-qq", "--no-install-recommends"]
        step([apt, "update", "-qq"], settings, "The list of packages could not be had", allow_failure=True)
        step([apt, *options, *wanted.apt], settings, "R could not be installed")
    shutil.rmtree(draft, ignore_errors=True)
    return _describe(draft, wanted, say, search_path)


def installation(path: Path, about: Mapping[str, Any]) -> RInstallation:
    """Return the R of a built environment.

    Args:
        path: its folder.
        about: its description.
    """
    return RInstallation(
        home=Path(about["home"]),
        share=Path(about["share"]),
        libraries=tuple(Path(folder) for folder in about["libraries"]),
        library=path / LIBRARY,
        fonts=path / FONTS,
    )


def changes(path: Path, about: Mapping[str, Any]) -> list[str]:
    """Return what is no longer as it was at building, as "survival 3.5-3 is now 3.5-5"; empty when nothing changed."""
    before = dict(item.split("==", 1) for item in about["distributions"])
    now = {"R": _version_of_r(Path(about["home"]))}
    now |= {package.name: package.version for package in installed((Path(about["home"]) / "library",)).values()}
    now |= {package.name: package.version for package in installed((path / LIBRARY,)).values()}
    found = [
        f"{name} {before[name]} is now {now.get(name, 'missing')}" for name in before if before[name] != now.get(name)
    ]
    found += [f"{name} {now[name]} is new" for name in sorted(set(now) - set(before))]
    found += [f"{folder} is missing" for folder in about["libraries"] if not Path(folder).is_dir()]
    return found


def installed(folders: tuple[Path, ...]) -> dict[str, Package]:
    """Return the packages in library folders by name; the first folder that has one wins, as in R."""
    found: dict[str, Package] = {}
    for folder in folders:
        for description in sorted(folder.glob("*/DESCRIPTION")):
            fields = _fields(description)
            name = fields.get("Package", "")
            if name and name not in found:
                needs = ",".join(fields.get(key, "") for key in ("Depends", "Imports"))
                found[name] = Package(
                    name=name,
                    version=fields.get("Version", ""),
                    path=description.parent,
                    needs=tuple(sorted({*_NAME.findall(re.sub(r"\([^)]*\)", "", needs))} - {"R"})),
                )
    return found


def _describe(draft: Path, wanted: Wanted, say: Callable[[str], None], search_path: str) -> dict[str, Any]:
    install = f"Install them: `apt-get install --no-install-recommends {' '.join(wanted.apt)}` (Debian, Ubuntu)."
    rscript = shutil.which("Rscript", path=search_path)
    if rscript is None:
        raise MachineTrouble("R was not found: there is no 'Rscript' on PATH.", advice=install)
    say("look for R and its packages")
    seen = {**_SEEN, "PATH": search_path}
    lines = step([rscript, "--vanilla", "-e", _DESCRIBE], seen, "R can't be started").splitlines()
    home, version, share, blas, lapack, *folders = lines
    own = Path(home) / "library"
    site = installed(tuple(Path(folder) for folder in folders if Path(folder) != own))
    base = installed((own,))
    missing = sorted(set(wanted.packages) - set(site) - set(base))
    if missing:
        raise MachineTrouble(f"R packages are missing: {', '.join(missing)}.", advice=install)
    fonts = [_font(name) for name in _FONT_FILES]
    if None in fonts:
        raise MachineTrouble("The fonts for figures are missing: DejaVu Sans.", advice=install)
    linked = _closure(wanted, site, base)
    _make_library(draft / LIBRARY, linked)
    (draft / FONTS).mkdir(mode=0o755)
    for font in fonts:
        assert font is not None
        shutil.copyfile(font, draft / FONTS / font.name)
    packages = sorted(f"{package.name}=={package.version}" for package in (*base.values(), *linked))
    numeric = [Path(blas).resolve(), Path(lapack).resolve()]
    lock = {
        "packages": [f"R=={version}", *packages],
        "numeric": [path.name for path in numeric],
        "fonts": {name: sha256_file(draft / FONTS / name) for name in _FONT_FILES},
    }
    return {
        "r": version,
        "lock_sha256": digest_of(lock),
        "distributions": lock["packages"],
        "numeric": lock["numeric"],
        "home": home,
        "share": share,
        "libraries": sorted({str(path.parent) for path in numeric}),
        "wanted": sorted(wanted.packages),
    }


def _closure(wanted: Wanted, site: Mapping[str, Package], base: Mapping[str, Package]) -> list[Package]:
    """Return the wanted packages with all that they need, except for those in R's own folder."""
    left, found = sorted(wanted.packages), dict[str, Package]()
    while left:
        name = left.pop()
        if name in base or name in found:
            continue
        if name not in site:
            raise MachineTrouble(
                f"The R package {name} is missing, which another one needs.",
                advice="Install it with the system's packages, or with install.packages() as root.",
            )
        found[name] = site[name]
        left += site[name].needs
    return [found[name] for name in sorted(found)]


def _make_library(folder: Path, packages: list[Package]) -> None:
    folder.mkdir(mode=0o755, parents=True)
    for package in packages:
        (folder / package.name).symlink_to(package.path.resolve())


def _font(name: str) -> Path | None:
    return next((path for root in _FONT_ROOTS for path in sorted(root.rglob(name))), None)


def _fields(description: Path) -> dict[str, str]:
    """Read a DESCRIPTION (Debian control format; lines that begin with space continue a field)."""
    try:
        text = description.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    rows = re.sub(r"\n[ \t]+", " ", text).splitlines()
    return {key: value.strip() for key, colon, value in (row.partition(":") for row in rows) if colon}


def _version_of_r(home: Path) -> str:
    """Return R's version; its base package always has the same."""
    return _fields(home / "library" / "base" / "DESCRIPTION").get("Version", "missing")
