"""Analysis environments: identity, and what happens when one is missing or damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.sandbox import Environment, build_environment, find_environment


def test_environment_digest_does_not_depend_on_its_place(environment: Environment) -> None:
    elsewhere = Environment(
        language="python",
        name="other",
        version=environment.version,
        lock_sha256=environment.lock_sha256,
        path=Path("/elsewhere"),
    )
    assert elsewhere.digest == environment.digest


def test_environment_holds_exactly_the_locked_packages(environment: Environment) -> None:
    names = {item.partition("==")[0] for item in environment.distributions}
    assert {"pandas", "lifelines", "matplotlib"} <= names
    assert not {"pip", "setuptools"} & names


def test_environment_is_compiled(environment: Environment) -> None:
    tag = f"cpython-{environment.version.replace('.', '')}"
    sources = list((environment.site_packages / "pandas").rglob("*.py"))
    assert all((file.parent / "__pycache__" / f"{file.stem}.{tag}.pyc").is_file() for file in sources[:50])


def test_font_cache_names_no_font_of_this_machine(environment: Environment) -> None:
    cache = next(environment.font_cache.glob("fontlist-*.json"))
    fonts = json.loads(cache.read_text())["ttflist"]
    assert fonts
    assert not [font["fname"] for font in fonts if font["fname"].startswith("/")]


def test_missing_environment_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(MachineTrouble, match=r"not built.*counterproof sandbox build"):
        find_environment("python", tmp_path)


def test_half_built_environment_is_not_found(tmp_path: Path, environment: Environment) -> None:
    draft = tmp_path / f".{environment.path.name}.building"
    draft.mkdir()
    with pytest.raises(MachineTrouble, match="not built"):
        find_environment("python", tmp_path)


def test_damaged_environment_says_what_to_run(tmp_path: Path, environment: Environment) -> None:
    place = tmp_path / environment.path.name
    place.mkdir()
    (place / "environment.json").write_bytes((environment.path / "environment.json").read_bytes())
    with pytest.raises(MachineTrouble, match=r"damaged.*counterproof sandbox build"):
        find_environment("python", tmp_path)


def test_build_without_an_index_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    offline = {"PIP_NO_INDEX": "1", "PATH": "/usr/bin:/bin", "PIP_CONFIG_FILE": "/dev/null"}
    with pytest.raises(MachineTrouble, match=r"could not be installed.*PIP_INDEX_URL"):
        build_environment("python", tmp_path, env=offline)
    assert [item.name for item in tmp_path.iterdir()] == [".lock"]


def test_build_returns_what_is_there(environment: Environment) -> None:
    assert build_environment("python", environment.path.parent) == environment


@pytest.mark.parametrize("name", ["cobol", "../python", ""])
def test_unknown_environment_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"no environment called '.*python, r.*counterproof env build FOLDER"):
        find_environment(name)
