"""What a bundle holds for people: there, the same each time, closed in itself, and labelled."""

from __future__ import annotations

import io
import json
import zipfile
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

import docx
import pytest

from counterproof.agents.bundling import make_bundle
from counterproof.provenance.errors import UsageError
from counterproof.provenance.store import Status
from counterproof.provenance.verify import verify_bundle

from ..endpoint import Endpoint
from ..lab import Lab, script
from ..provenance.pages import Page
from .conftest import ANSWERS
from .forging import Bag

PAGES = ("record.html", "ro-crate-preview.html", "transparency/statement.html")
WORD = "data/transparency/statement.docx"


@pytest.fixture(params=["demo", "reviewed"])
def bag(request: pytest.FixtureRequest) -> Bag:
    """The files of a bundle."""
    return Bag(request.getfixturevalue(request.param))


@pytest.mark.parametrize("name", PAGES)
def test_each_link_of_a_page_leads_to_a_file_or_a_place_in_the_bundle(bag: Bag, name: str) -> None:
    pages = {page: Page(bag.files[f"data/{page}"]) for page in PAGES}
    links = [link for link in pages[name].links if not link.startswith("https://")]
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        parts = [*Path(name).parent.parts, *Path(unquote(path)).parts] if path else [*Path(name).parts]
        while ".." in parts:
            at = parts.index("..")
            del parts[at - 1 : at + 1]
        target = "/".join(parts)
        assert f"data/{target}" in bag.files, link
        assert not anchor or anchor in pages[target].ids, link


@pytest.mark.parametrize("bundle", ["demo", "reviewed", "table_set", "texts_set"])
def test_the_preview_names_every_file_but_the_bodies(request: pytest.FixtureRequest, bundle: str) -> None:
    bag = Bag(request.getfixturevalue(bundle))
    text = Page(bag.files["data/ro-crate-preview.html"]).text
    own = {"data/ro-crate-metadata.json", "data/ro-crate-preview.html"}
    names = {name for name in bag.files if name.startswith("data/")} - own
    assert [name for name in names if "record/blobs/" not in name and name[5:] not in text] == []


def test_the_word_file_opens_and_no_part_of_it_is_compressed(bag: Bag) -> None:
    with zipfile.ZipFile(io.BytesIO(bag.files[WORD])) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    made = docx.Document(io.BytesIO(bag.files[WORD]))
    assert made.paragraphs[0].text.startswith("Transparency statement")
    last = json.loads(bag.files["data/record/events.jsonl"].splitlines()[-1])["ts"]
    assert made.core_properties.created is not None
    assert made.core_properties.created.isoformat()[:19] == last[:19]


def test_the_answers_are_there_with_their_digest_and_whose_they_are(reviewed: Path) -> None:
    bag = Bag(reviewed)
    assert bag.files["data/transparency/answers.toml"] == ANSWERS
    made = json.loads(bag.files["data/transparency/statement.json"])
    assert made["answers"] == sha256(ANSWERS).hexdigest()
    told = Page(bag.files["data/transparency/statement.html"]).text
    assert f"given by a person in answers.toml (sha256 {made['answers']}), not by the record" in told


def test_without_answers_the_statement_says_so_and_there_is_no_file(demo: Path) -> None:
    bag = Bag(demo)
    assert "data/transparency/answers.toml" not in bag.files
    assert json.loads(bag.files["data/transparency/statement.json"])["answers"] == ""
    assert "none were given" in Page(bag.files["data/transparency/statement.html"]).text


def test_a_replayed_study_is_labelled_on_each_page(demo: Path) -> None:
    bag = Bag(demo)
    for name in PAGES:
        assert "replayed, not reviewed" in Page(bag.files[f"data/{name}"]).text.lower()


def test_the_bag_says_with_what_it_was_made(bag: Bag) -> None:
    info = bag.files["bag-info.txt"].decode().splitlines()
    (agent,) = [line for line in info if line.startswith("Bag-Software-Agent: ")]
    assert all(f"{name} " in agent for name in ("counterproof", "Pygments", "python-docx", "lxml"))
    assert "bagit " not in agent


def _withdrawn(lab: Lab, answers: bytes = b"") -> str:
    study = lab.new()
    lab.study(study).answers.write_bytes(answers)
    with Endpoint(script()) as endpoint:
        lab.run(study, endpoint.base_url, "withdraw")
    return study


def test_exporting_twice_with_answers_gives_the_same_bytes(lab: Lab, tmp_path: Path) -> None:
    study, paths = _withdrawn(lab, ANSWERS), [tmp_path / "a.zip", tmp_path / "b.zip"]
    for path in paths:
        make_bundle(lab.workplace, lab.study(study), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert verify_bundle(paths[0]).ok


def test_answers_that_are_kept_after_the_end_are_in_no_bundle(lab: Lab, tmp_path: Path) -> None:
    study = _withdrawn(lab)
    make_bundle(lab.workplace, lab.study(study), tmp_path / "before.zip")
    lab.study(study).answers.write_bytes(ANSWERS)
    make_bundle(lab.workplace, lab.study(study), tmp_path / "after.zip")
    assert (tmp_path / "before.zip").read_bytes() == (tmp_path / "after.zip").read_bytes()


def test_a_study_that_was_not_signed_off_has_its_answers_in_the_record(lab: Lab, tmp_path: Path) -> None:
    study = _withdrawn(lab, ANSWERS)
    make_bundle(lab.workplace, lab.study(study), tmp_path / "a.zip")
    bag, found = Bag(tmp_path / "a.zip"), verify_bundle(tmp_path / "a.zip")
    assert bag.files["data/transparency/answers.toml"] == ANSWERS
    assert "data/transparency/signed.json" not in bag.files
    assert found.ok
    assert "1 transparency statement of the record, the same when made again; the last signed by nobody" in (
        found.steps[10].evidence
    )


def test_answers_that_are_not_of_their_form_stop_the_study_until_they_are_mended(lab: Lab) -> None:
    study = lab.new()
    lab.study(study).answers.write_bytes(b'[B1]\nanswer = "Another model."\n')
    with Endpoint(script()) as endpoint:
        with pytest.raises(UsageError, match=r"answers\.toml: The answers name B1.*Take it out"):
            lab.run(study, endpoint.base_url, "withdraw")
        assert lab.events(study, "statement.made", "study.ended") == []
        lab.study(study).answers.write_bytes(ANSWERS)
        assert lab.run(study, endpoint.base_url) is Status.WITHDRAWN
    assert len(lab.events(study, "statement.made")) == 1
