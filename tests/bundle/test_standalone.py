"""The programs that travel in a bundle: verify.py with Python alone, verify.sh with a shell alone.

They are run as somebody without Counterproof would: as another user where the test may change it, in an empty
environment, by the system's Python. What they say of changed bundles must be no better than what `verify` says.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from counterproof.provenance.interop import files as interop
from counterproof.provenance.verify import verify_bundle

from ..lab import KEY
from .forging import Bag, Story
from .test_files import DEMO, REVIEWED
from .test_histories import REVIEWED as HISTORIES
from .test_set_bundle import CHANGES, sealed_anew
from .test_set_bundle import STEPS as SET_STEPS

PROGRAMS = Path(interop.__file__).parent / "standalone"
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
SOMEBODY = 65534
LINE = re.compile(r" ?(\d+) (\w+) +(ok|failed|not applicable|cannot be checked here): (.+)")
MADE_AGAIN = ("RO-Crate",)
"""How the names of attacks begin that only making the files again finds; verify.py says that it does not."""
STEPS = [
    "container",
    "bag",
    "seal",
    "chain",
    "bodies",
    "decisions",
    "approvals",
    "effects",
    "numbers",
    "marks",
    "copies",
]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may read."""
    folder = Path(tempfile.mkdtemp(prefix="counterproof-bag-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _unpack(bag: Bag, place: Path) -> Path:
    for name, data in bag.files.items():
        path = place / bag.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return place / bag.top


def _as_somebody(*command: str, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
    user = {"user": SOMEBODY, "group": SOMEBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    env = {"PATH": path}
    return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=120, **user)  # type: ignore[call-overload, no-any-return]


def _outcomes(told: subprocess.CompletedProcess[str], steps: list[str]) -> dict[str, str]:
    """Return the outcome of each step; the lines are numbered and named as those of `counterproof verify`."""
    assert told.stderr == ""
    rows = [LINE.fullmatch(line) for line in told.stdout.splitlines()[:-1]]
    assert [(int(row[1]), row[2]) for row in rows if row] == list(enumerate(steps, start=1)), told.stdout
    outcomes = {row[2]: row[3] for row in rows if row}
    assert told.returncode == ("failed" in outcomes.values())
    assert told.stdout.splitlines()[-1].startswith("FAILED" if told.returncode else "OK")
    return outcomes


def _python(bag: Path, steps: list[str] = STEPS, **options: str) -> dict[str, str]:
    return _outcomes(_as_somebody(PYTHON, "-I", str(bag / "data" / "verify" / "verify.py"), **options), steps)


def _shell(bag: Path, steps: list[str] = STEPS, **options: str) -> dict[str, str]:
    return _outcomes(_as_somebody("/bin/sh", str(bag / "data" / "verify" / "verify.sh"), **options), steps)


@pytest.mark.parametrize("name", ["demo", "reviewed"])
def test_the_programs_of_an_untouched_bundle_find_no_fault(
    request: pytest.FixtureRequest, place: Path, name: str
) -> None:
    bundle = request.getfixturevalue(name)
    assert [step.name for step in verify_bundle(bundle).steps] == STEPS
    bag = _unpack(Bag(bundle), place)
    assert _python(bag) == {**dict.fromkeys(STEPS, "ok"), "container": "cannot be checked here"}
    alone = dict.fromkeys(["bag", "seal", "chain", "bodies", "decisions"], "ok")
    assert _shell(bag) == {**dict.fromkeys(STEPS, "cannot be checked here"), **alone}


@pytest.mark.synthetic
@pytest.mark.parametrize(("name", "making"), [("table_set", "ok"), ("texts_set", "not applicable")])
def test_they_verify_a_synthetic_set_by_its_own_steps(
    request: pytest.FixtureRequest, place: Path, name: str, making: str
) -> None:
    bag = _unpack(Bag(request.getfixturevalue(name)), place)
    fine = {**dict.fromkeys(SET_STEPS, "ok"), "container": "cannot be checked here", "making": making}
    assert _python(bag, SET_STEPS) == fine
    alone = dict.fromkeys(["bag", "seal", "chain", "bodies", "decisions"], "ok")
    assert _shell(bag, SET_STEPS) == {**dict.fromkeys(SET_STEPS, "cannot be checked here"), **alone}


@pytest.mark.synthetic
@pytest.mark.tamper
@pytest.mark.parametrize("name", CHANGES)
def test_verify_py_catches_a_changed_set_as_it_is_and_sealed_anew(
    table_set: Path, other_table_set: Path, place: Path, name: str
) -> None:
    """What is made again is left to `counterproof verify`, and verify.py says so."""
    change, caught_by = CHANGES[name]
    plain, anew = Bag(table_set), Bag(table_set)
    for bag in (plain, anew):
        change(bag, Bag(other_table_set))
    assert _fails(_unpack(plain, place / "plain"))
    sealed_anew(anew)
    assert _fails(_unpack(anew, place / "anew")) == (caught_by != {"copies"})


def _fails(bag: Path) -> bool:
    """Say whether verify.py of an installation finds a fault; the one in the bag may be the forger's."""
    return _as_somebody(PYTHON, "-I", str(PROGRAMS / "verify.py"), str(bag)).returncode != 0


def test_they_are_the_ones_of_the_installation(reviewed: Path) -> None:
    files = Bag(reviewed).files
    for name in ("verify.py", "verify.sh"):
        assert files[f"data/verify/{name}"] == (PROGRAMS / name).read_bytes()


def test_without_ssh_keygen_signatures_cannot_be_checked_and_that_is_said(reviewed: Path, place: Path) -> None:
    tools = place / "bin"
    tools.mkdir()
    for tool in ["sh", "sha256sum", "sed", "sort", "find", "grep", "head", "cut", "dirname", "cat"]:
        (tools / tool).symlink_to(str(shutil.which(tool)))
    bag = _unpack(Bag(reviewed), place)
    for found in (_python(bag, path=str(tools)), _shell(bag, path=str(tools))):
        assert {found[step] for step in ("seal", "decisions")} == {"cannot be checked here"}
        assert {found[step] for step in ("bag", "chain", "bodies")} == {"ok"}


@pytest.mark.tamper
@pytest.mark.parametrize(
    "row",
    [b"\xff\xfe\n", b"  and by everybody else\n", b"Source-Organization: The agency\n", b"counterproof-review: x\n"],
    ids=["no text", "folded", "another row", "lower case"],
)
def test_verify_py_names_rows_that_no_bundle_has(reviewed: Path, place: Path, row: bytes) -> None:
    bag = Bag(reviewed)
    bag.files["bag-info.txt"] += row
    bag.reseal()
    found = _python(_unpack(bag, place))
    assert (found["bag"], found["marks"]) == ("ok", "failed")


@pytest.mark.tamper
@pytest.mark.parametrize("name", ["APPROVED.txt", "signatures/another.sig", "data/results/more.csv"])
def test_both_programs_find_what_no_manifest_lists(reviewed: Path, place: Path, name: str) -> None:
    bag = _unpack(Bag(reviewed), place)
    (bag / name).write_text("Approved by everybody.\n")
    assert (_python(bag)["bag"], _shell(bag)["bag"]) == ("failed", "failed")


@pytest.mark.tamper
def test_both_programs_find_a_link(reviewed: Path, place: Path) -> None:
    bag = _unpack(Bag(reviewed), place)
    report = bag / "data" / "report.md"
    report.rename(place / "elsewhere.md")
    report.symlink_to(place / "elsewhere.md")
    assert (_python(bag)["bag"], _shell(bag)["bag"]) == ("failed", "failed")


@pytest.mark.tamper
@pytest.mark.parametrize("name", [name for name in REVIEWED if not name.startswith(MADE_AGAIN)])
def test_verify_py_catches_a_changed_bag_as_it_is_and_sealed_anew(reviewed: Path, place: Path, name: str) -> None:
    attack, step = REVIEWED[name]
    plain, sealed = Bag(reviewed), Bag(reviewed)
    attack(plain)
    attack(sealed)
    sealed.reseal()
    folder = _unpack(plain, place / "plain")
    assert _python(folder)["bag"] == "failed"
    found = _python(_unpack(sealed, place / "sealed"))
    assert found["seal"] == "ok"
    if step != "copies" or "added" not in name:
        assert found[step] == "failed"


@pytest.mark.tamper
@pytest.mark.parametrize("name", HISTORIES)
def test_verify_py_catches_a_history_told_otherwise(reviewed: Path, tmp_path: Path, place: Path, name: str) -> None:
    """Exported by the product itself, sealed with the forger's key: nothing but what the record says gives it away."""
    story = Story(reviewed, tmp_path)
    HISTORIES[name][0](story)
    found = _python(_unpack(Bag(story.export(tmp_path / "told.zip")), place))
    assert found["seal"] == found["bag"] == "ok"
    assert "failed" in found.values()


@pytest.mark.tamper
def test_verify_py_catches_a_statement_that_was_not_shown_even_when_it_is_signed(
    reviewed: Path, tmp_path: Path, place: Path
) -> None:
    story = Story(reviewed, tmp_path)
    story.show(f"{story.study}.signoff.2", {"transparency": {"statement": "0" * 64}})
    story.sign_again(KEY, restate=False)
    found = _python(_unpack(Bag(story.export(tmp_path / "told.zip")), place))
    assert found["decisions"] == "ok"
    assert found["copies"] == "failed"


@pytest.mark.tamper
@pytest.mark.parametrize("name", DEMO)
def test_verify_py_catches_a_changed_scenario_as_it_is(demo: Path, place: Path, name: str) -> None:
    bag = Bag(demo)
    DEMO[name][0](bag)
    assert _python(_unpack(bag, place))["bag"] == "failed"


@pytest.mark.tamper
@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("file added", "bag"),
        ("data edited", "bag"),
        ("bag-info removed", "bag"),
        ("event edited in place", "chain"),
        ("events swapped in place", "chain"),
        ("event dropped in place", "chain"),
        ("head edited in bag-info", "chain"),
        ("comment edited", "decisions"),
        ("signature replaced", "decisions"),
        ("decision removed", "decisions"),
        ("allowed_signers replaced", "decisions"),
        ("contents of two bodies swapped", "bodies"),
    ],
)
def test_verify_sh_catches_what_a_shell_can(reviewed: Path, place: Path, name: str, step: str) -> None:
    bag = Bag(reviewed)
    REVIEWED[name][0](bag)
    found = _shell(_unpack(bag, place))
    assert found["bag"] == "failed"
    assert found[step] == "failed"


@pytest.mark.tamper
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"{}\n",
        b"[]\n",
        b'{"seq": 0}\n',
        b"[" * 100_000 + b"\n",
        b'"\x1b[2J\n',
        b"1" * 5000 + b"\n",
    ],
    ids=["empty", "no text", "object", "list", "no prev", "deep", "control", "long number"],
)
@pytest.mark.parametrize(
    "name",
    ["record/events.jsonl", "record/head.json", "record/withheld.json", "keys/service_signers", "decisions/1.json"],
)
def test_a_hostile_file_gives_a_failed_step_and_never_a_traceback(
    reviewed: Path, place: Path, name: str, content: bytes
) -> None:
    bag = Bag(reviewed)
    bag.files[f"data/{name}"] = content
    folder = _unpack(bag, place)
    assert "failed" in _python(folder).values()
    assert "failed" in _shell(folder).values()


def test_links_are_not_followed(reviewed: Path, place: Path) -> None:
    folder = _unpack(Bag(reviewed), place)
    (folder / "data" / "report.md").unlink()
    (folder / "data" / "report.md").symlink_to("/etc/passwd")
    (folder / "data" / "more").symlink_to("/etc")
    found = _as_somebody(PYTHON, "-I", str(PROGRAMS / "verify.py"), str(folder))
    assert "data/more is a link or no plain file" in found.stdout
    assert "data/report.md is a link or no plain file" in found.stdout


def test_an_empty_folder_fails_each_step_that_can_be_taken(place: Path) -> None:
    told = _as_somebody(PYTHON, "-I", str(PROGRAMS / "verify.py"), str(place))
    assert set(_outcomes(told, STEPS).values()) == {"failed", "cannot be checked here"}
    told = _as_somebody("/bin/sh", str(PROGRAMS / "verify.sh"), str(place))
    assert _outcomes(told, STEPS)["bag"] == "failed"


def test_the_page_numbers_the_steps_as_the_programs_do() -> None:
    page = (Path(__file__).parents[2] / "docs" / "bundle.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", page, re.MULTILINE)
    assert [(int(number), name) for number, name in rows] == list(enumerate(STEPS, start=1))


def test_verify_py_is_for_python_3_8_and_its_standard_library() -> None:
    tree = ast.parse((PROGRAMS / "verify.py").read_text(), feature_version=(3, 8))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= set(sys.stdlib_module_names)
    later = {"removeprefix", "removesuffix", "file_digest", "bit_count"}
    assert not later & {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
