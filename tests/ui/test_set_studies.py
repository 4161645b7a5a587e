"""A synthetic set from its specification to a bundle that a stranger verifies: replayed model, three raters on a page.

The model's turns were written by hand (`tests/agents/sets/`); people, page, gate, record and bundle are the product's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from streamlit.testing.v1 import AppTest

from counterproof.provenance.store import Status
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.scenarios.server import TurnServer
from counterproof.tools.synth import review

from ..agents.made_sets import LINKED, new_texts, serving
from ..agents.set_scenarios import REJECTED, start, turns_of
from ..lab import ADA, KEY, Lab
from .app_pages import cells_of, page_of, press, text_of

pytestmark = pytest.mark.synthetic
RATERS = ("ann", "ben", "cem")


@pytest.fixture
def lab(tmp_path: Path, sandbox: LocalSandbox, environment: Environment) -> Lab:
    """An installation without a study."""
    return Lab(home=tmp_path / "home", sandbox=sandbox, environment=environment)


def _next(page: AppTest, guess: str, realism: int, plausibility: int) -> AppTest:
    for radio, answer in zip(page.radio, (guess, realism, plausibility), strict=True):
        radio.set_value(answer)
    return press(page, "Next")


def _rate_on_the_page(lab: Lab, study: str, rater: str) -> None:
    folder = lab.home / "synthetic" / study / "review"
    key: dict[str, str] = json.loads((folder / review.KEY).read_bytes())
    page = page_of(lab.home, "synthetic", rate=study)
    page.text_input[0].set_value(rater).run()
    for number, item in enumerate(review.open_session(folder).order_for(rater)):
        page = _next(page, "synthetic" if number % 4 == 0 else key[item.id], 3 + number % 3, 4)
    assert "Everything is rated" in text_of(page)


def _verified_by_a_stranger(bundle: Path, folder: Path) -> dict[str, Any]:
    """Verify a bundle in a process of its own, in an empty folder, without a store."""
    command = [sys.executable, "-P", "-m", "counterproof.ui", "verify", str(bundle), "--json"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _inside(bundle: Path, name: str) -> bytes:
    with zipfile.ZipFile(bundle) as archive:
        (path,) = (one for one in archive.namelist() if one.endswith(f"/data/{name}"))
        return archive.read(path)


def _subject(lab: Lab, study: str) -> dict[str, Any]:
    return lab.study(study).checkpoints.subject(lab.waiting(study).id)


@pytest.mark.parametrize("name", ["letters", "bedside"])
def test_a_set_is_made_rated_by_three_people_released_and_verified_by_a_stranger(
    lab: Lab, tmp_path: Path, name: str
) -> None:
    study = start(lab, name)
    with TurnServer(turns_of(name)) as server:
        assert lab.run(study, server.base_url) is Status.WAITING
        assert server.unused == server.turns  # nothing is asked before the specification is approved
        lab.decide(study)
        assert lab.run(study, server.base_url) is Status.WAITING
        if name in REJECTED:
            assert {row["kind"] for row in _subject(lab, study)["findings"]} == {"sent back", "duplicate"}
            lab.decide(study, "reject", comment=REJECTED[name])
            assert lab.run(study, server.base_url) is Status.WAITING
            assert _subject(lab, study)["reasons"] == [REJECTED[name]]
        assert not [row for row in _subject(lab, study)["findings"] if row["kind"] != "card"]
        for rater in RATERS:
            _rate_on_the_page(lab, study, rater)
        lab.decide(study)
        assert lab.run(study, server.base_url) is Status.WAITING
        release = page_of(lab.home, "decide", checkpoint=lab.waiting(study).id)
        assert "72" in cells_of(release)
        assert {"Approve", "Reject", "Withdraw"} == {
            str(option).partition(":")[0] for option in release.radio[0].options
        }
        lab.decide(study)
        assert lab.run(study, server.base_url) is Status.DONE
        assert (server.unused, server.drifts) == ([], [])
    bundle = lab.study(study).folder / "bundle.zip"
    found = _verified_by_a_stranger(bundle, tmp_path)
    assert found["ok"] is True
    assert {step["name"]: step["outcome"] for step in found["steps"]}["set"] == "ok"
    card = json.loads(_inside(bundle, "set/card.json"))
    assert card["modality"] == {"letters": "text", "bedside": "linked"}[name]
    assert (card["human"]["status"], card["agreement"]["status"]) == ("assessed", "assessed")
    assert (card["human"]["facts"]["raters"], card["human"]["facts"]["ratings"]) == (3, 72)
    assert {"told apart", "realism, synthetic", "plausibility, real"} <= set(card["human"]["facts"])
    assert len(card["agreement"]["facts"]) >= 6
    sections = ("diversity", "clinical_plausibility", "privacy")
    assert all(any(row["value"] is not None for row in card[section]) for section in sections)
    shown = page_of(lab.home, "synthetic", set=study)
    assert "Synthetic, never real" in text_of(shown)
    assert not shown.exception


def test_what_was_planted_is_found_before_the_sample_and_shown_there(lab: Lab) -> None:
    study = start(lab, "letters")
    with TurnServer(turns_of("letters")) as server:
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
    rows = _subject(lab, study)["findings"]
    sent_back = {row["item"]: row["text"] for row in rows if row["kind"] == "sent back"}
    assert set(sent_back) == {"synthetic-00003", "synthetic-00005", "synthetic-00009"}
    assert "age: the table says 47, the text 74" in sent_back["synthetic-00003"]
    assert "it holds what may identify a person" in sent_back["synthetic-00005"]
    assert "the unit is 'umol/l.', not 'mg/dl'" in sent_back["synthetic-00009"]
    (twice,) = (row for row in rows if row["kind"] == "duplicate")
    assert (twice["item"], twice["text"]) == ("synthetic-00007", "nearly the same as synthetic-00008")
    page = page_of(lab.home, "decide", checkpoint=lab.waiting(study).id)
    assert {"sent back", "duplicate", *sent_back} <= set(cells_of(page))
    assert not page.exception


def test_a_sample_is_not_approved_on_the_page_before_enough_people_have_rated(lab: Lab) -> None:
    study = new_texts(lab, LINKED)
    with serving() as server:
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
    page = page_of(lab.home, "decide", checkpoint=lab.waiting(study).id)
    assert f"is on the page Synthetic, as {study}; 3 people must have rated" in text_of(page).replace("\\", "")
    page.selectbox[0].set_value(page.selectbox[0].options[0])
    page.radio[0].set_value("approve")
    page.text_area[0].set_value("Looks good.")
    said = text_of(press(page, "Go to signing"))
    assert "0 people have rated every item" in said
    assert "asks for 3" in said
    assert [event.data["kind"] for event in lab.events(study, "decision.recorded")] == ["specification"]


def test_a_set_is_made_from_the_command_line(lab: Lab, tmp_path: Path) -> None:
    def command(*words: str, code: int = 0) -> str:
        at = () if words[0] == "verify" else ("--home", str(lab.home))
        done = subprocess.run(
            [sys.executable, "-P", "-m", "counterproof.ui", *words, *at],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    specification = Path(__file__).parents[1] / "agents" / "sets" / "letters" / "specification.json"
    patients = specification.with_name("patients.csv")
    lab.add(ADA, KEY)
    key = tmp_path / "ada"
    key.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    key.chmod(0o600)
    given = ("synth", "study", str(specification), "--data", str(patients), "--single-user")
    assert "models.toml" in command(*given, code=2)
    study = command(*given, "--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--api-key-env", "").splitlines()[0]
    assert study.startswith("study-")
    assert "waiting" in command("run", study, code=3)
    assert "specification" in command("inbox")
    shown = command("show", f"{study}.specification.1")
    assert "may_not: No finding about patients" in shown
    assert "has no transparency statement" in command("statement", study, code=2)
    decided = ("decide", f"{study}.specification.1", "--as", ADA, "--comment", "Not needed.", "--key", str(key))
    assert "Signed as Ada" in command(*decided[:2], "reject", *decided[2:])
    assert "rejected" in command("run", study)
    assert "not reviewed to the end" in command("export", study, "-o", "set.zip")
    assert "The bundle holds." in command("verify", "set.zip")
    assert "No real data are opened" in shown
