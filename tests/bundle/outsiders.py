"""Programs that are not ours, as anybody has them, asked whether an unpacked bundle holds.

Each says whether it finds nothing wrong. `COMMANDS` holds the scripts that `docs/bundle.md` prints; they run in the
unpacked folder. What an outsider knows beforehand (a key, a head) is given by the caller, never taken from the bundle.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

BIN = Path(sys.prefix) / "validators" / "bin"
COMMANDS: dict[str, str] = {
    "sha256sum": "sha256sum -c tagmanifest-sha256.txt && sha256sum -c manifest-sha256.txt\n",
    "seal": r"""ssh-keygen -Y verify -f data/keys/service_signers -I service -n counterproof-bundle \
    -s signatures/tagmanifest-sha256.txt.sig < tagmanifest-sha256.txt
""",
    "decisions": r"""for f in data/decisions/*.json; do
    who=$(sed 's/.*"reviewer":"\([^"]*\)".*/\1/' "$f")
    ssh-keygen -Y verify -f data/keys/allowed_signers -I "$who" -n counterproof-decision -s "$f.sig" < "$f" || exit 1
done
""",
    "lines": r"""before=$(printf %064d 0)
while IFS= read -r line; do
    case $line in *"\"prev\":\"$before\""*) ;; *) exit 1 ;; esac
    before=$(printf %s "$line" | sha256sum | cut -c1-64)
    echo "$before"
done < data/record/events.jsonl > ../lines
for f in data/decisions/*.json; do
    grep -qx "$(sed 's/.*"history":"\([0-9a-f]*\)".*/\1/' "$f")" ../lines || exit 1
done
""",
    "bodies": r"""(cd data/record/blobs/sha256 &&
    for f in */*; do echo "$(echo "$f" | tr -d /)  $f"; done | sha256sum --quiet -c) &&
find data/plan.json data/report.* data/programs data/results data/transparency/signed.json -type f | while read -r f; do
    test -f "$(sha256sum < "$f" | sed 's,^\(..\)\([0-9a-f]*\).*,data/record/blobs/sha256/\1/\2,')" || exit 1
done
""",
}
"""What each asks: the files; the seal; the reviewers' signatures; whether the record is one chain that still holds the
lines that were signed; whether each body has the digest that it is called by, and each plain-named file is a body."""


def holds(tool: str, bag: Path, cache: Path) -> bool:
    """Say whether a program finds nothing wrong.

    Args:
        tool: a name of `TOOLS`.
        bag: the unpacked folder.
        cache: a folder for what rocrate-validator would ask the network for.
    """
    return TOOLS[tool](bag, cache)


def seal_holds(bag: Path, signers: Path) -> bool:
    """Say whether the seal is that of the service key that is known from elsewhere."""
    return _shell(COMMANDS["seal"].replace("data/keys/service_signers", f"'{signers}'"), bag)


def decisions_hold(bag: Path, signers: Path) -> bool:
    """Say whether the decisions are those of the reviewers whose keys are known from elsewhere."""
    return _shell(COMMANDS["decisions"].replace("data/keys/allowed_signers", f"'{signers}'"), bag)


def _shell(command: str, folder: Path) -> bool:
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, timeout=120).returncode == 0


def _line(name: str) -> Callable[[Path, Path], bool]:
    return lambda bag, _cache: _shell(COMMANDS[name], bag)


def _bagit(bag: Path, _cache: Path) -> bool:
    command = [sys.executable, "-m", "bagit", "--quiet", "--validate", str(bag)]
    return subprocess.run(command, capture_output=True, timeout=120).returncode == 0


def _in_toto(bag: Path, _cache: Path) -> bool:
    folder = bag / "data" / "in-toto"
    if not (folder / "root.layout").exists():
        # A study that ended before its plan was locked has none.
        return b'"type":"plan.locked"' not in (bag / "data/record/events.jsonl").read_bytes()
    keys = ["--verification-keys", folder / "service.pem"]
    return _validator("in-toto-verify", "--layout", folder / "root.layout", *keys, "--link-dir", folder) == 0


def _rocrate(bag: Path, cache: Path) -> bool:
    told = _validator("python", "-c", _ROCRATE, bag / "data", cache)
    assert told in (0, 1), "rocrate-validator could not run"
    return told == 0


def _validator(program: str, *arguments: object) -> int:
    assert BIN.is_dir(), f"There are no validators in {BIN}: run `make .venv/.validators`."
    command = [str(BIN / program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=300).returncode


_ROCRATE = """
import sys
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
found = services.validate(ValidationSettings(
    rocrate_uri=sys.argv[1], profile_identifier="provenance-run-crate-0.5", requirement_severity=Severity.REQUIRED,
    offline=True, cache_path=sys.argv[2],
))
sys.exit(0 if found.passed() else 1)
"""
TOOLS: dict[str, Callable[[Path, Path], bool]] = {
    **{name: _line(name) for name in COMMANDS},
    "bagit.py": _bagit,
    "in-toto-verify": _in_toto,
    "rocrate-validator": _rocrate,
}


def unzip_holds(bundle: Path) -> bool:
    """Say whether unzip finds no error in the zip."""
    return subprocess.run(["unzip", "-tqq", str(bundle)], capture_output=True, timeout=60).returncode == 0
