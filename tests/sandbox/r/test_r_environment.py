"""The R environment: what it is made of, and what happens when the system's packages change."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.sandbox import Environment, build_environment, find_environment
from counterproof.sandbox.environments._r import read_wanted

LOCK = '[system]\nR = "r-base-core"\nfonts = "fonts-dejavu-core"\n[packages]\n{}\n'
PATH = {"PATH": os.environ.get("PATH", os.defpath)}


def _copy(environment: Environment, root: Path, **changed: object) -> Path:
    place = root / environment.path.name
    shutil.copytree(environment.path, place, symlinks=True)
    about = json.loads((place / "environment.json").read_text())
    (place / "environment.json").write_text(json.dumps({**about, **changed}))
    return place


def _folder(root: Path, lock: str) -> Path:
    folder = root / "mine"
    folder.mkdir()
    (folder / "packages.toml").write_text(LOCK.format(lock))
    return folder


def test_r_environment_holds_the_wanted_packages_and_what_they_need(r_environment: Environment) -> None:
    names = {item.partition("==")[0] for item in r_environment.distributions}
    assert {"R", "survival", "lme4", "ggplot2", "jsonlite", "rlang", "base"} <= names
    assert set(r_environment.packages) <= names
    assert "testthat" not in names


def test_r_digest_does_not_depend_on_its_place(r_environment: Environment) -> None:
    elsewhere = Environment(
        language="r",
        name="other",
        version=r_environment.version,
        lock_sha256=r_environment.lock_sha256,
        path=Path("/elsewhere"),
    )
    assert elsewhere.digest == r_environment.digest


def test_building_twice_gives_the_same_digest(r_environment: Environment, tmp_path: Path) -> None:
    assert build_environment("r", tmp_path, env=PATH).digest == r_environment.digest


def test_packages_are_byte_compiled(r_environment: Environment) -> None:
    descriptions = [(r_environment.r.library / name / "DESCRIPTION") for name in ("ggplot2", "lme4", "dplyr")]
    assert all("\nBuilt: R " in path.read_text(errors="replace") for path in descriptions)
    # A package without byte code has no lazy-load database of its functions.
    assert all((path.parent / "R" / f"{path.parent.name}.rdb").is_file() for path in descriptions)


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("survival==3.0-0", r"survival 3.0-0 is now \d"),
        ("R==4.0.0", r"R 4.0.0 is now \d"),
        ("gone==1.0", "gone 1.0 is now missing"),
    ],
)
def test_changed_packages_are_refused(r_environment: Environment, tmp_path: Path, before: str, why: str) -> None:
    name = before.partition("==")[0]
    rest = [item for item in r_environment.distributions if not item.startswith(f"{name}==")]
    _copy(r_environment, tmp_path, distributions=[before, *rest])
    with pytest.raises(MachineTrouble, match=rf"have changed since.*{why}.*counterproof env build r"):
        find_environment("r", tmp_path)


def test_package_that_was_removed_is_refused(r_environment: Environment, tmp_path: Path) -> None:
    place = _copy(r_environment, tmp_path)
    (place / "library" / "ggplot2").unlink()
    with pytest.raises(MachineTrouble, match=r"ggplot2 .* is now missing"):
        find_environment("r", tmp_path)


def test_building_again_mends_a_changed_environment(r_environment: Environment, tmp_path: Path) -> None:
    _copy(r_environment, tmp_path, distributions=["R==4.0.0"])
    assert build_environment("r", tmp_path, env=PATH) == find_environment("r", tmp_path)


def test_machine_without_r_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(MachineTrouble, match=r"no 'Rscript' on PATH.*apt-get install.*r-base-core.*r-cran-survival"):
        build_environment("r", tmp_path, env={"PATH": str(tmp_path)})
    assert [item.name for item in tmp_path.iterdir()] == [".lock"]


def test_missing_package_is_named(r_environment: Environment, tmp_path: Path) -> None:
    folder = _folder(tmp_path, 'nonesuch = "r-cran-nonesuch"')
    with pytest.raises(MachineTrouble, match=r"R packages are missing: nonesuch\. .*r-cran-nonesuch"):
        build_environment("mine", tmp_path, folder=folder, env=PATH)


def test_own_r_environment_has_fewer_packages(r_environment: Environment, tmp_path: Path) -> None:
    built = build_environment("mine", tmp_path, folder=_folder(tmp_path, 'jsonlite = "r-cran-jsonlite"'), env=PATH)
    assert (built.language, built.packages) == ("r", ("jsonlite",))
    assert [path.name for path in built.r.library.iterdir()] == ["jsonlite"]
    assert built.digest != r_environment.digest


@pytest.mark.parametrize(
    ("lock", "why"),
    [
        ("", "names no package"),
        ('"a b" = "r-cran-x"', "names 'a b'"),
        ('x = "--reinstall"', "names '--reinstall'"),
        ("x = 1", "names '1'"),
        ("[", "not of the required form"),
    ],
)
def test_wrong_lock_is_refused(tmp_path: Path, lock: str, why: str) -> None:
    (tmp_path / "packages.toml").write_text(LOCK.format(lock))
    with pytest.raises(UsageError, match=why):
        read_wanted(tmp_path / "packages.toml")
