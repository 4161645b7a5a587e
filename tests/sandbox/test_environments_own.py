"""Environments of one's own: built from a folder with a lock, found by name, listed beside the others."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.sandbox import (
    Environment,
    ExecutionSpec,
    LocalSandbox,
    build_environment,
    find_environment,
    language_of,
    list_environments,
    run_all,
)


def _wheel(folder: Path, version: str) -> str:
    """Write a wheel of one module and return its line of a lock."""
    path = folder / f"tinystats-{version}-py3-none-any.whl"
    info = f"tinystats-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tinystats.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tinystats\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"tinystats=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels, in place of a package index."""
    return tmp_path_factory.mktemp("index")


@pytest.fixture(scope="module")
def offline(index: Path) -> Mapping[str, str]:
    """Variables with which pip asks nobody but that folder."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PATH": "/usr/bin:/bin", "PIP_CONFIG_FILE": "/dev/null"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, index: Path) -> Path:
    """A folder with a lock of one package."""
    made = tmp_path_factory.mktemp("mine")
    (made / "requirements.lock").write_text(_wheel(index, "1.0"))
    return made


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, folder: Path, offline: Mapping[str, str]) -> Path:
    """A root that everybody may read, with the environment `mine` built in it."""
    root = tmp_path_factory.mktemp("root")
    build_environment("mine", root, folder=folder, env=offline)
    return root


def test_own_environment_is_found_by_its_name(root: Path, environment: Environment) -> None:
    found = find_environment("mine", root)
    assert (found.name, found.language, found.distributions) == ("mine", "python", ("tinystats==1.0",))
    assert found.digest != environment.digest
    assert language_of("mine", root) == "python"


def test_own_environment_runs_programs(root: Path) -> None:
    spec = ExecutionSpec(
        program=b"import tinystats; print(tinystats.VERSION)", environment=find_environment("mine", root)
    )
    (done,) = run_all(LocalSandbox(), [spec])
    assert done.stdout.data == b"1.0\n", done.stderr.data.decode()


def test_own_environment_is_listed_after_the_others(root: Path) -> None:
    rows = list_environments(root)
    assert [(row.name, row.built is not None) for row in rows] == [("python", False), ("r", False), ("mine", True)]
    assert "not built" in rows[0].trouble
    assert "counterproof env build r" in rows[1].trouble


def test_name_and_place_are_not_part_of_the_digest(
    root: Path, folder: Path, offline: Mapping[str, str], tmp_path: Path
) -> None:
    other = build_environment("other", tmp_path, folder=folder, env=offline)
    assert other.digest == find_environment("mine", root).digest


def test_new_lock_makes_another_environment(
    index: Path, folder: Path, offline: Mapping[str, str], tmp_path: Path
) -> None:
    old = build_environment("mine", tmp_path, folder=folder, env=offline)
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "requirements.lock").write_text(_wheel(index, "2.0"))
    new = build_environment("mine", tmp_path, folder=newer, env=offline)
    assert (old.distributions, new.distributions) == (("tinystats==1.0",), ("tinystats==2.0",))
    assert find_environment("mine", tmp_path) == new != old


def test_wrong_hash_is_refused_and_the_old_environment_stays(
    root: Path, folder: Path, offline: Mapping[str, str], tmp_path: Path
) -> None:
    before = find_environment("mine", root)
    (tmp_path / "requirements.lock").write_text(f"tinystats==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(MachineTrouble, match="could not be installed"):
        build_environment("mine", root, folder=tmp_path, env=offline)
    assert find_environment("mine", root) == before
    assert not list(root.glob(".*.building"))


@pytest.mark.parametrize("name", ["python", "r", "Mine", "../mine", "a b", ""])
def test_name_that_can_not_be_used_is_refused(name: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"can't be called .*not 'python' or 'r'"):
        build_environment(name, tmp_path, folder=folder)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "holds no lock"),
        ({"requirements.lock": "pandas==2.2\n"}, "names no hashes.*--generate-hashes"),
        ({"requirements.lock": "", "packages.toml": ""}, "requirements.lock and packages.toml"),
        ({"packages.toml": "x = 1"}, "packages.toml is not of the required form"),
    ],
    ids=["nothing", "no hashes", "two locks", "another form"],
)
def test_folder_that_is_no_environment_is_refused(tmp_path: Path, files: Mapping[str, str], why: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=why):
        build_environment("mine", tmp_path / "root", folder=tmp_path)
