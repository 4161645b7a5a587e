"""The images of a linked set: raters see them without a mark, whoever looks at the sample sees them as they are."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from counterproof.provenance.errors import UsageError
from counterproof.provenance.store import Status
from counterproof.provenance.verify import verify_bundle
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.tools.synth import review
from counterproof.tools.synth.documents import Document, Image, Shown, written
from counterproof.tools.synth.images import head_image, is_marked, lesion_of

from ..agents.made_sets import BESIDE, LINKED, new_texts, rate, serving
from ..agents.test_note_writing import PATIENTS, SPECIFICATION
from ..lab import Lab
from .app_pages import page_of, text_of

pytestmark = pytest.mark.synthetic
IMAGED = LINKED.model_copy(
    update={"texts": SPECIFICATION.model_copy(update={"image": Shown(diameter="lesion_mm", side="side")})}
)


def _with_lesions() -> str:
    head, *rows = PATIENTS.strip().splitlines()
    sides = ("left", "right")
    return (
        "\n".join([f"{head},lesion_mm,side", *(f"{row},{10 + at},{sides[at % 2]}" for at, row in enumerate(rows))])
        + "\n"
    )


@pytest.fixture
def lab(tmp_path: Path, sandbox: LocalSandbox, environment: Environment) -> Lab:
    """An installation without a study."""
    return Lab(home=tmp_path / "home", sandbox=sandbox, environment=environment)


def _image(png: str) -> Image:
    return Image(png=png, mm_per_pixel=1.0)


def _beside() -> list[Document]:
    return [one.model_copy(update={"image": head_image(20, "left", seed=at)}) for at, one in enumerate(BESIDE)]


def test_raters_see_images_blinded_and_the_sample_shows_them_marked(lab: Lab) -> None:
    study = new_texts(lab, IMAGED, patients=_with_lesions(), beside=written(_beside()))
    with serving() as server:
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
        subject = lab.study(study).checkpoints.subject(lab.waiting(study).id)
        assert len(subject["images"]) == len(subject["shown"]) == IMAGED.shown
        assert all(is_marked(_image(png)) for png in subject["images"])
        folder = lab.home / "synthetic" / study / "review"
        items = review.open_session(folder).items
        assert len(items) == 24
        assert not any(is_marked(_image(item.png)) for item in items)
        assert all(lesion_of(_image(item.png)) is not None for item in items)
        laid = review.lay_image(folder, items[0])
        assert laid is not None
        assert laid.read_bytes() == base64.b64decode(items[0].png)
        assert len(page_of(lab.home, "decide", checkpoint=f"{study}.sample.1").get("image")) == IMAGED.shown
        page = page_of(lab.home, "synthetic", rate=study)
        page.text_input[0].set_value("ann").run()
        assert "1 of 24" in text_of(page)
        assert len(page.get("image")) == 1
        rate(lab, study)
        assert lab.run(study, server.base_url, "approve", "approve") is Status.DONE
    card = json.loads((lab.home / "synthetic" / study / "card.json").read_bytes())
    assert card["human"]["facts"]["items shown with their image"] == 24
    assert verify_bundle(lab.study(study).folder / "bundle.zip").ok


def test_texts_beside_with_an_image_that_can_not_be_shown_are_refused(lab: Lab) -> None:
    broken = [one.model_copy(update={"image": _image("AAAA")}) for one in BESIDE]
    with pytest.raises(UsageError, match="An image can't be read"):
        new_texts(lab, IMAGED, patients=_with_lesions(), beside=written(broken))
