"""The wheel holds everything of the six folders under one name, and the three lists of folders agree."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("agents", "tools", "sandbox", "provenance", "ui", "scenarios")
_NOT_SHIPPED = ("__pycache__", "*.pyc", "*.egg-info", ".*")
_SHIPPED_SUFFIXES = {".py", ".toml", ".json", ".jsonl", ".lock", ".md", ".csv", ".typed"}

_IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted({module.split(".")[0] for module in sys.modules}))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is built: a build in the tree itself would leave, and could pick up, a stale `build/`."""
    copy = tmp_path_factory.mktemp("tree")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns(*_NOT_SHIPPED))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "NOTICE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path) -> dict[str, bytes]:
    """The files of the built wheel."""
    command = [sys.executable, "-P", "-m", "build", "--wheel", "--no-isolation", "--outdir", "out", "."]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (tree / "out").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _sources(tree: Path) -> dict[str, bytes]:
    paths = [path for folder in FOLDERS for path in (tree / folder).rglob("*") if path.is_file()]
    named = {f"counterproof/{path.relative_to(tree).as_posix()}": path.read_bytes() for path in paths}
    return {name: data for name, data in named.items() if name not in _unclear_terms()}


def _unclear_terms() -> set[str]:
    """Data files that are in the repository and not in the wheel."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["exclude-package-data"]
    return {f"{package.replace('.', '/')}/{name}" for package, names in listed.items() for name in names}


def _settings() -> dict[str, dict[str, str]]:
    settings: dict[str, dict[str, str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    return settings


def test_mapping_links_and_roots_agree() -> None:
    links = {f"counterproof.{path.name}": path.resolve() for path in (ROOT / ".links" / "counterproof").iterdir()}
    mapped = {name: (ROOT / folder).resolve() for name, folder in _settings()["package-dir"].items()}
    setup = ast.parse((ROOT / "setup.py").read_text())
    (roots,) = (node.value for node in setup.body if isinstance(node, ast.Assign))
    assert mapped == links == {f"counterproof.{name}": ROOT / name for name in FOLDERS}
    assert ast.literal_eval(roots) == FOLDERS


def test_no_folder_named_counterproof_hides_the_package() -> None:
    assert not (ROOT / "counterproof").exists()


def test_every_source_is_in_the_wheel(tree: Path, wheel: dict[str, bytes]) -> None:
    sources = {name: data for name, data in _sources(tree).items() if Path(name).suffix in _SHIPPED_SUFFIXES}
    assert len(sources) > len(FOLDERS)
    assert sorted(set(sources) - set(wheel)) == []
    assert [name for name, data in sources.items() if wheel[name] != data] == []


def test_no_file_of_an_unknown_kind_is_left_out(tree: Path, wheel: dict[str, bytes]) -> None:
    left_out = sorted(set(_sources(tree)) - set(wheel))
    assert left_out == [], "name their suffix in [tool.setuptools.package-data]"


def test_the_wheel_holds_nothing_else(tree: Path, wheel: dict[str, bytes]) -> None:
    ours = {name for name in wheel if name.startswith("counterproof/")}
    assert sorted(ours - set(_sources(tree))) == []
    assert {name.split("/")[0] for name in set(wheel) - ours} == {"counterproof-0.1.0.dist-info"}


def test_data_whose_terms_are_not_clear_stay_out_of_the_wheel_with_their_notice_in(wheel: dict[str, bytes]) -> None:
    unclear = _unclear_terms()
    assert unclear
    assert all((ROOT / name.removeprefix("counterproof/")).is_file() for name in unclear)
    assert not unclear & set(wheel)
    assert {f"{name.rpartition('/')[0]}/LICENSE.md" for name in unclear} <= set(wheel)


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_is_typed(folder: str, wheel: dict[str, bytes]) -> None:
    assert f"counterproof/{folder}/py.typed" in wheel


def test_the_command_is_installed(wheel: dict[str, bytes]) -> None:
    entries = wheel["counterproof-0.1.0.dist-info/entry_points.txt"].decode()
    assert "[console_scripts]\ncounterproof = counterproof.ui.cli:main" in entries


def test_the_metadata_name_python_and_licence(wheel: dict[str, bytes]) -> None:
    metadata = message_from_bytes(wheel["counterproof-0.1.0.dist-info/METADATA"])
    assert (metadata["Name"], metadata["Requires-Python"]) == ("counterproof", ">=3.11")
    assert metadata["License-Expression"] == "Apache-2.0"
    assert any(name.endswith("licenses/LICENSE") for name in wheel)


def _modules() -> list[str]:
    """All modules but pages and `__main__`, which run when they are imported, and programs, which are data.

    Nor the main files of sandboxes and what runs beside a program, which find their helpers and libraries only inside.
    """
    paths = [path.relative_to(ROOT) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    named = [path.with_suffix("") if path.stem != "__init__" else path.parent for path in paths]
    skipped = {
        "__main__",
        "pages",
        "programs",
        "authored",
        "observed",
        "app",
        "_landlock_entry",
        "_warm_entry",
        "_first",
        "_program",
        "_zygote",
    }
    return [
        f"counterproof.{'.'.join(name.parts)}"
        for name in named
        if not skipped & set(name.parts) and all(part.isidentifier() for part in name.parts)
    ]


@pytest.mark.parametrize("folder", [name for name in FOLDERS if (ROOT / name / "__init__.py").exists()])
def test_an_installed_folder_runs_its_init(folder: str) -> None:
    # Seen with setuptools 84: an editable install made before the folder had an `__init__.py` takes it for a
    # namespace for good, and every `from counterproof.<folder> import name` fails.
    code = f"import counterproof.{folder} as package; print(package.__file__)"
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    found = done.stdout.strip()
    assert found == str(ROOT / folder / "__init__.py"), f"{found}{done.stderr}: run `pip install -e .` again"


def test_no_module_has_a_second_name() -> None:
    modules = _modules()
    assert "counterproof.provenance.record" in modules
    command = [sys.executable, "-P", "-c", _IMPORT_ALL, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"counterproof", "json"} <= set(done.stdout.split())
    assert not set(FOLDERS) & set(done.stdout.split())
