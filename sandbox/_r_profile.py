"""What the profile adds for R programs: R, its packages and fonts, and fixed settings in place of the system's.

The idea: R stays where it is installed, below /usr; its configuration folder is covered, so that neither the machine's
`Renviron` and `Rprofile.site` nor a user's profile is read. Packages come from one folder of links, at `LIBRARY`. The
system's choice of BLAS (/etc/alternatives) is not there, so its folder is named. R is started itself, without the shell
script around it, on `run.R`, which runs the program as `Rscript --vanilla` does and names its lines when it fails.

It does not cover the rest of the profile (`_profile.py`), nor a warm start: an R program starts R anew.

Source: R's `Startup` manual page; fonts-conf(5).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from counterproof.sandbox.environments import Environment
from counterproof.sandbox.environments._r import RInstallation

RUN = Path(__file__).parent / "environments" / "r" / "run.R"
RUN_AT, LIBRARY, FONTS = "/opt/counterproof/run.R", "/opt/r/library", "/opt/r/fonts"
SETTINGS = """\
EDITOR=vi
PAGER=cat
R_BROWSER=false
R_BZIPCMD=bzip2
R_GZIPCMD=gzip
R_PAPERSIZE=a4
R_PDFVIEWER=false
R_PRINTCMD=false
R_TEXI2DVICMD=false
R_UNZIPCMD=unzip
R_ZIPCMD=zip
SED=sed
TAR=tar
"""
FONT_SETTINGS = f"""\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{FONTS}</dir><cachedir>/tmp/fontconfig</cachedir></fontconfig>
"""
_ETC_BYTES = "65536"
# R's Sys.which() calls /usr/bin/which, which Debian 12 links to here; utils can't be loaded without it.
_ALTERNATIVES = ("awk", "which")


def installation_of(environment: Environment) -> RInstallation | None:
    """Return the R of an environment, None where it is not for R."""
    return environment.r if environment.language == "r" else None


def fixed() -> dict[str, str]:
    """Return what is the same on every machine, for the digest of the profile."""
    return {"run": RUN.read_text(encoding="utf-8"), "settings": SETTINGS, "fonts": FONT_SETTINGS}


def binds(r: RInstallation) -> dict[str, Path]:
    """Return the host folders that are mounted, by the name of their mount."""
    found = {"r/library": r.library, "r/fonts": r.fonts}
    outside = [folder for folder in (r.home, *_package_roots(r)) if not folder.is_relative_to("/usr")]
    return {**found, **{f"outside/{number}": folder for number, folder in enumerate(dict.fromkeys(outside))}}


def inside(name: str, folder: Path) -> str:
    """Return where a mount of `binds()` is inside; what lies outside of /usr keeps its path."""
    return str(folder) if name.startswith("outside/") else f"/opt/{name}"


def files(r: RInstallation) -> dict[str, bytes]:
    """Return the files that are made inside, by their path there."""
    return {
        RUN_AT: RUN.read_bytes(),
        f"{r.home}/etc/Renviron": SETTINGS.encode(),
        f"{r.home}/etc/ldpaths": f"LD_LIBRARY_PATH={_libraries(r)}\nexport LD_LIBRARY_PATH\n".encode(),
        "/etc/fonts/fonts.conf": FONT_SETTINGS.encode(),
    }


def cover(r: RInstallation) -> list[str]:
    """Return bubblewrap's arguments for what R calls, and that cover its configuration; new files come afterwards."""
    links = [Path("/etc/alternatives") / name for name in _ALTERNATIVES]
    present = [(str(link.resolve()), str(link)) for link in links if link.is_symlink()]
    named = [item for target, link in present for item in ("--symlink", target, link)]
    return [*named, "--perms", "0755", "--size", _ETC_BYTES, "--tmpfs", f"{r.home}/etc"]


def protect(r: RInstallation) -> list[str]:
    """Return bubblewrap's arguments that make the new configuration read-only."""
    return ["--remount-ro", f"{r.home}/etc"]


def command(r: RInstallation, program: str) -> list[str]:
    """Return the command that runs a program."""
    options = ["--no-echo", "--no-restore", "--vanilla", f"--file={RUN_AT}", "--args", program]
    return [f"{r.home}/bin/exec/R", *options]


def variables(r: RInstallation) -> dict[str, str]:
    """Return the variables of an R program beside those of every program."""
    return {
        "LD_LIBRARY_PATH": _libraries(r),
        "MC_CORES": "1",
        "PATH": "/usr/bin:/bin",
        "R_HOME": str(r.home),
        "R_LIBS_SITE": LIBRARY,
        "R_LIBS_USER": "/nonexistent",
        "R_SHARE_DIR": str(r.share),
        "VROOM_THREADS": "1",
    }


def _libraries(r: RInstallation) -> str:
    return ":".join(str(folder) for folder in (r.home / "lib", *r.libraries))


def _package_roots(r: RInstallation) -> Mapping[Path, None]:
    return dict.fromkeys(link.resolve().parent for link in sorted(r.library.iterdir()))
