"""Bundles of tables by the makers `dp` and `model`: they verify and replay, and what is told otherwise is found."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import read_chain
from counterproof.provenance.marks import MARKS, content_digest, read_cells, write_content
from counterproof.provenance.verify import verify_bundle
from counterproof.provenance.verify.reading import Bundle
from counterproof.provenance.verify.set_makers import check_made, check_opened
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.scenarios.bundles import replay_bundle
from counterproof.scenarios.server import TurnServer

from ..agents.made_sets import LBW, new_table
from ..agents.set_scenarios import start, turns_of
from ..agents.test_set_makers import PRIVATE
from ..lab import NOWHERE, Lab
from ..tools.synth.test_private_maker import PUBLIC
from .forging import Bag, blob
from .test_set_bundle import failed_steps, sealed_again

pytestmark = [pytest.mark.tamper, pytest.mark.synthetic]
ROWS = "lbw.synthetic.csv"
Line = dict[str, Any]


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory, sandbox: LocalSandbox, environment: Environment) -> Path:
    """The bundle of a table with differential privacy."""
    lab = Lab(home=tmp_path_factory.mktemp("private") / "home", sandbox=sandbox, environment=environment)
    study = new_table(lab, PRIVATE, policy=PUBLIC)
    lab.run(study, NOWHERE, "approve", "approve", "approve")
    return lab.study(study).folder / "bundle.zip"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, sandbox: LocalSandbox, environment: Environment) -> Path:
    """The bundle of a table whose rows a model wrote."""
    lab = Lab(home=tmp_path_factory.mktemp("written") / "home", sandbox=sandbox, environment=environment)
    with TurnServer(turns_of("births")) as server:
        study = start(lab, "births")
        lab.run(study, server.base_url, "approve", "approve", "approve")
    return lab.study(study).folder / "bundle.zip"


def _opened(events: list[Line]) -> Line:
    found: Line = next(event["data"] for event in events if event["type"] == "gate.opened")
    return found


def _less_epsilon(bag: Bag) -> None:
    bag.events(lambda events: _opened(events).update(epsilon=0.5))


def _other_rows_of_the_model(bag: Bag) -> None:
    bag.events(lambda events: _opened(events).update(written=sha256_bytes(b"other rows")))


def _no_rows_of_the_model(bag: Bag) -> None:
    bag.events(lambda events: _opened(events).update(written=""))


def _rows_of_a_model(bag: Bag) -> None:
    bag.events(lambda events: _opened(events).update(written=sha256_bytes(b"rows")))


def _one_row_less(bag: Bag) -> None:
    cells = {name: column[1:] for name, column in read_cells(bag.files[f"data/set/{ROWS}"]).items()}
    card = json.loads(bag.files["data/set/card.json"])
    card["provenance"] |= {"content_sha256": content_digest(cells), "rows": len(cells["bwt"])}
    bag.files["data/set/card.json"] = json.dumps(card).encode()
    cells[MARKS[1]] = [sha256_bytes(bag.files["data/set/card.json"])] * len(cells["bwt"])
    bag.files[f"data/set/{ROWS}"] = write_content(cells)


def _another_epsilon_on_the_card(bag: Bag) -> None:
    bag.replace("data/set/card.json", '"epsilon": 3.0', '"epsilon": 0.5')


def _another_policy(bag: Bag) -> None:
    """Let the policy allow less than was taken: its digest stands in the first event and in each decision."""
    events = list(read_chain(bag.files["data/record/events.jsonl"]))
    name = blob(events[0].ref("policy").sha256)
    bag.files[name] = bag.files[name].replace(b"epsilon = 8", b"epsilon = 2")


TALES: dict[str, tuple[str, Callable[[Bag], None], str]] = {
    "less epsilon was taken": ("private", _less_epsilon, "making"),
    "a model wrote private rows": ("private", _rows_of_a_model, "making"),
    "a row less": ("private", _one_row_less, "set"),
    "another epsilon on the card": ("private", _another_epsilon_on_the_card, "set"),
    "a policy that allows less": ("private", _another_policy, "bodies"),
    "other rows of the model": ("written", _other_rows_of_the_model, "making"),
    "no rows of the model": ("written", _no_rows_of_the_model, "making"),
    "a row of the model less": ("written", _one_row_less, "set"),
}


@pytest.mark.parametrize(("kind", "tell", "caught_by"), TALES.values(), ids=TALES)
def test_what_is_told_otherwise_is_found(
    kind: str, tell: Callable[[Bag], None], caught_by: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bag = Bag(request.getfixturevalue(kind))
    tell(bag)
    found = failed_steps(verify_bundle(sealed_again(bag, tmp_path / "x.zip")))
    assert caught_by in found, found


def _read(archive: zipfile.ZipFile) -> tuple[Bundle, Line, Line]:
    """Return a bundle with its events, the specification that was approved, and the card."""
    top = archive.namelist()[0].partition("/")[0]
    bundle = Bundle(archive=archive, top=top)
    bundle.events = list(read_chain(archive.read(f"{top}/data/record/events.jsonl")))
    (opened,) = bundle.of_type("gate.opened")
    subject = bundle.document(bundle.approvals()[opened.data["approval"]].data["subject"])
    return bundle, subject["editable"], bundle.json("set/card.json")


APPROVED: dict[str, tuple[str, Line, str]] = {
    "another number of rows": ("private", {"rows": 121}, "has 120 rows, its card counts 120, and 121 were approved"),
    "another epsilon": ("private", {"epsilon": 2}, "'dp' made the set with epsilon 3; not approved"),
    "another maker": ("written", {"maker": "trees"}, "'model' made the set with epsilon 0; not approved"),
}


@pytest.mark.parametrize(("kind", "changed", "says"), APPROVED.values(), ids=APPROVED)
def test_a_set_that_was_approved_otherwise_is_found_whoever_signed(
    kind: str, changed: Line, says: str, request: pytest.FixtureRequest
) -> None:
    """What an agent could have had signed that showed people another specification than it had made."""
    with zipfile.ZipFile(request.getfixturevalue(kind)) as archive:
        bundle, specification, card = _read(archive)
        check_made(bundle, specification, card, ROWS)
        (opened,) = bundle.of_type("gate.opened")
        check_opened(bundle, opened, specification)
        with pytest.raises(VerificationFailed, match=says):
            check_made(bundle, {**specification, **changed}, card, ROWS)
        if "rows" not in changed:
            with pytest.raises(VerificationFailed, match="something else was approved"):
                check_opened(bundle, opened, {**specification, **changed})


@pytest.mark.parametrize("kind", ["private", "written"])
def test_a_set_is_made_again_with_every_digest_the_same(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, sandbox: LocalSandbox, environment: Environment
) -> None:
    bundle: Path = request.getfixturevalue(kind)
    again = replay_bundle(bundle, tmp_path / "again", sandbox=sandbox, environment=environment, data=[LBW])
    assert again.stopped == ""
    assert [row for row in again.comparisons if not row.same] == []
    assert again.verdict == "identical"
    named = {row.what for row in again.comparisons}
    assert {"set.released, file:card.json", f"set.released, file:{ROWS}"} <= named
    assert ("set.written, written" in named) is (kind == "written")
