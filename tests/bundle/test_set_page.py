"""The record page of a synthetic set: all of it in one file, nothing before the release, and made again by `verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from counterproof.agents.bundling import make_bundle
from counterproof.provenance.page import make_page
from counterproof.provenance.store import Status
from counterproof.provenance.verify import verify_bundle
from counterproof.sandbox import Environment, LocalSandbox

from ..agents.made_sets import MAY, TABLE, make_texts, new_table
from ..lab import NOWHERE, Lab
from ..provenance.pages import Page
from ..provenance.test_record_page import HOSTILE
from .forging import Bag
from .test_set_bundle import failed_steps, sealed_again

pytestmark = pytest.mark.synthetic
PARTS = "set measures ratings decisions specification twins model costs timeline trace withheld verification"


@pytest.fixture
def lab(tmp_path: Path, sandbox: LocalSandbox, environment: Environment) -> Lab:
    """An installation without a study."""
    return Lab(home=tmp_path / "home", sandbox=sandbox, environment=environment)


@pytest.fixture(params=["table_set", "texts_set"])
def bag(request: pytest.FixtureRequest) -> Bag:
    """The files of the bundle of a set."""
    return Bag(request.getfixturevalue(request.param))


def _page(bag: Bag) -> Page:
    return Page(bag.files["data/record.html"])


def _page_of(lab: Lab, study: str) -> Page:
    record = lab.study(study).record
    return Page(make_page(record.events(), record.blobs))


def test_each_part_is_there_and_each_link_leads_somewhere(bag: Bag) -> None:
    page = _page(bag)
    assert set(PARTS.split()) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not {"results", "plan", "programs", "report"} & set(page.ids)
    for link in page.links:
        path, _, anchor = link.partition("#")
        assert not anchor or anchor in page.ids, link
        assert not path or path.startswith("https://") or f"data/{unquote(path)}" in bag.files, link
    assert "data/set/report.html" in {f"data/{unquote(link)}" for link in page.links}


def test_it_says_what_was_released_and_that_it_is_synthetic(bag: Bag) -> None:
    page, card = _page(bag), json.loads(bag.files["data/set/card.json"])
    files = [name.removeprefix("data/set/") for name in bag.files if name.startswith("data/set/")]
    for said in ("Synthetic, never real.", "Done: the set was released.", MAY, *card["limits"]):
        assert said in page.text
    assert all(name in page.text for name in files if name != "released.json")
    measured = [one for part in card.values() if isinstance(part, list) for one in part if isinstance(one, dict)]
    assert measured
    assert all(one["definition"]["title"] in page.text for one in measured)


def test_raters_and_their_agreement_stand_there(texts_set: Path) -> None:
    text = _page(Bag(texts_set)).text
    assert "rateritemstook for realtook for syntheticann20137ben20137cem20137" in text
    assert "guess: Fleiss' kappa0.0476-0.145 to 0.206" in text
    assert "Not signed; names are as the raters gave them." in text


def test_a_subject_that_the_release_opened_is_linked_and_told_from_what_was_signed(table_set: Path) -> None:
    bag = Bag(table_set)
    events = map(json.loads, bag.files["data/record/events.jsonl"].splitlines())
    (released,) = (event for event in events if event["type"] == "set.released")
    opened = {ref["role"]: ref["sha256"] for ref in released["refs"]}
    page = _page(bag)
    assert page.text.count("(opened at the release; what was signed is its commitment ") == 2
    for role in ("subject", "sample"):
        assert any(opened[role][2:] in link for link in page.links)


def test_messages_to_the_model_have_their_sources(texts_set: Path) -> None:
    calls = json.loads(Bag(texts_set).files["data/transparency/model-saw.json"])["calls"]
    assert len(calls) == 20
    sources = {tuple(message["sources"]) for call in calls for message in call["messages"]}
    assert sources == {
        ("instructions",),
        ("specification", "row of a synthetic table", "comment of a reviewer"),
    }


@pytest.mark.parametrize("decisions", [("withdraw",), ("approve", "withdraw"), ("approve", "approve", "withdraw")])
def test_of_a_set_that_was_not_released_nothing_is_told(lab: Lab, decisions: tuple[Any, ...]) -> None:
    study = new_table(lab, TABLE)
    assert lab.run(study, NOWHERE, *decisions) is Status.WITHDRAWN
    found = verify_bundle(lab.study(study).folder / "bundle.zip")
    assert found.ok, failed_steps(found)
    page = Page(Bag(lab.study(study).folder / "bundle.zip").files["data/record.html"])
    assert page.text.count("No set was released, or this copy leaves it out.") == 2
    assert "Releasednothing" in page.text
    assert "set/report.html" not in page.links
    secure = [
        lab.study(study).record.blobs.get(ref.sha256)
        for event in lab.study(study).record.events()
        for ref in event.refs
        if ref.side == "secure" and ref.role.endswith(".csv")
    ]
    assert len(secure) == 2 * (len(decisions) > 1) + (len(decisions) > 2)
    rows = {row for data in secure for row in data.decode().splitlines()[1:]}
    assert not [row for row in rows if row in page.text]


@pytest.mark.tamper
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("record.html", "took for real", "took for fake"),
        ("record.html", "Synthetic, never real. ", "Real. "),
        ("record.html", "</body>", "<script>1</script></body>"),
        ("transparency/model-saw.json", "row of a synthetic table", "question"),
    ],
)
def test_a_page_that_says_something_else_is_found(
    texts_set: Path, tmp_path: Path, file: str, old: str, new: str
) -> None:
    bag = Bag(texts_set)
    bag.replace(f"data/{file}", old, new)
    bag.remake_crate()
    found = failed_steps(verify_bundle(sealed_again(bag, tmp_path / "x.zip")))
    assert f"{file} is not what the record gives" in found["copies"]


@pytest.mark.tamper
@pytest.mark.parametrize("file", ["record.html", "transparency/model-saw.json"])
def test_a_page_that_is_missing_is_found(texts_set: Path, tmp_path: Path, file: str) -> None:
    bag = Bag(texts_set)
    del bag.files[f"data/{file}"]
    assert file in failed_steps(verify_bundle(sealed_again(bag, tmp_path / "x.zip")))["copies"]


def test_a_redacted_copy_says_what_it_leaves_out(lab: Lab, tmp_path: Path) -> None:
    study = make_texts(lab)
    make_bundle(lab.workplace, lab.study(study), tmp_path / "redacted.zip", profile="redacted")
    found = verify_bundle(tmp_path / "redacted.zip")
    assert not [step.name for step in found.steps if step.outcome == "failed"], failed_steps(found)
    page = _page(Bag(tmp_path / "redacted.zip"))
    assert "This copy withholds the request." in page.text
    assert "Synthetic, never real." in page.text


@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - {"control"}))  # those are refused when a study is made
def test_hostile_text_is_only_text(lab: Lab, name: str) -> None:
    said = HOSTILE[name]
    study = new_table(lab, TABLE.model_copy(update={"may_not": f"Nothing {said}"}))
    assert lab.run(study, NOWHERE) is Status.WAITING
    lab.decide(study, "reject", comment=f"Because {said}")
    page = _page_of(lab, study)
    assert (page.tags["script"], page.tags["style"], page.tags.get("iframe", 0), page.tags.get("img", 0)) == (
        1,
        1,
        0,
        0,
    )
