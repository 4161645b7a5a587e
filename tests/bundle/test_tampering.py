"""Every alteration of the table: `verify` names the place, and other people's programs catch it, or an anchor does."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from counterproof.provenance.digests import sha256_file
from counterproof.provenance.events import read_chain
from counterproof.provenance.verify import verify_bundle

from .forging import Bag, failed
from .outsiders import BIN, COMMANDS, TOOLS, decisions_hold, holds, seal_holds, unzip_holds
from .tampering import ALTERATIONS, POWERS, Alteration, table

pytestmark = [pytest.mark.tamper, pytest.mark.third_party]
PAGE = Path(__file__).parents[2] / "docs" / "bundle.md"
_NAMED = {f"{one.power}: {one.what}": one for one in ALTERATIONS}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache that answers rocrate-validator's questions for JSON-LD contexts."""
    path = tmp_path_factory.mktemp("contexts") / "cache"
    program = str(Path(__file__).with_name("prime_cache.py"))
    told = subprocess.run([str(BIN / "python"), program, str(path)], capture_output=True, text=True, timeout=300)
    assert told.returncode == 0, told.stderr
    return path


def _unpacked(bag: Bag, folder: Path) -> Path:
    """Write the files of a bag into a folder."""
    for name, data in bag.files.items():
        path = folder / bag.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / bag.top


@pytest.mark.parametrize("name", ["demo", "reviewed"])
@pytest.mark.parametrize("tool", TOOLS)
def test_the_bundle_as_it_is_holds(
    request: pytest.FixtureRequest, tmp_path: Path, cache: Path, name: str, tool: str
) -> None:
    assert holds(tool, _unpacked(Bag(request.getfixturevalue(name)), tmp_path), cache)


def test_there_are_more_than_forty_alterations_each_with_a_name_of_its_own() -> None:
    assert len(_NAMED) == len(ALTERATIONS) > 60
    assert {one.power for one in ALTERATIONS} == set(POWERS)
    assert [one.what for one in ALTERATIONS if not one.tools and not one.anchors] == []
    assert {tool for one in ALTERATIONS for tool in one.tools} == {"unzip", *TOOLS}


def _cases(*, caught: bool) -> list[Any]:
    return [pytest.param(one, id=name) for name, one in _NAMED.items() if bool(one.step) is caught]


@pytest.mark.parametrize("one", _cases(caught=True))
def test_verify_catches_it_and_so_do_the_programs_of_others(
    request: pytest.FixtureRequest, demo: Path, tmp_path: Path, cache: Path, one: Alteration
) -> None:
    bag, bundle = _altered(request, tmp_path, one)
    found = failed(bundle)
    assert one.step in found, found
    assert one.place in found[one.step]
    folder = _unpacked(bag, tmp_path / "unpacked")
    asked = {tool: unzip_holds(bundle) if tool == "unzip" else holds(tool, folder, cache) for tool in one.tools}
    assert [tool for tool, fine in asked.items() if fine] == []
    if not one.tools:
        _needs_its_anchor(request, one, folder, bundle)


@pytest.mark.parametrize("one", _cases(caught=False))
def test_nobody_can_catch_it_but_with_the_anchor(
    request: pytest.FixtureRequest, tmp_path: Path, one: Alteration
) -> None:
    bag, bundle = _altered(request, tmp_path, one)
    assert failed(bundle) == {}
    _needs_its_anchor(request, one, _unpacked(bag, tmp_path / "unpacked"), bundle)


def test_the_documentation_prints_the_table() -> None:
    told = PAGE.read_text(encoding="utf-8")
    assert table() in told, "docs/bundle.md is stale: put in what `.venv/bin/python -m tests.bundle.tampering` prints"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_documentation_prints_the_scripts(name: str) -> None:
    assert f"```sh\n{COMMANDS[name]}```\n" in PAGE.read_text(encoding="utf-8")


def _altered(request: pytest.FixtureRequest, folder: Path, one: Alteration) -> tuple[Bag, Path]:
    original: Path = request.getfixturevalue(one.bundle)
    (folder / "work").mkdir()
    bag = one.make(original, folder / "work")
    bundle = bag.write(folder / "altered.zip")
    one.zipped(bundle)
    assert bundle.read_bytes() != original.read_bytes()
    return bag, bundle


def _needs_its_anchor(request: pytest.FixtureRequest, one: Alteration, folder: Path, bundle: Path) -> None:
    """No program of others finds anything; what was known from elsewhere does, and finds nothing in the original.

    rocrate-validator is not asked: it looks at no digest, and the product made these crates itself.
    """
    cannot = {"rocrate-validator"}
    assert [tool for tool in set(TOOLS) - cannot if not holds(tool, folder, folder)] == []
    assert unzip_holds(bundle)
    original: Path = request.getfixturevalue(one.bundle)
    true = _unpacked(Bag(original), folder.parent / "original")
    known, heads = true / "data" / "keys", [_head(true), _head(folder)]
    assert heads[0] == verify_bundle(original).head
    caught = {
        "head": heads[0] != heads[1],
        "service key": not seal_holds(folder, known / "service_signers"),
        "reviewers' keys": not decisions_hold(folder, known / "allowed_signers"),
    }
    if not any(caught.values()):
        caught["file"] = sha256_file(original) != sha256_file(bundle)
    assert {name for name, found in caught.items() if found} == set(one.anchors)
    assert seal_holds(true, known / "service_signers")
    assert decisions_hold(true, known / "allowed_signers")


def _head(bag: Path) -> str:
    return list(read_chain((bag / "data" / "record" / "events.jsonl").read_bytes()))[-1].digest
