"""Images of synthetic patients: they show what the table says, carry their mark, and an image of another is told."""

from __future__ import annotations

import base64
import io
import sys

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from counterproof.provenance.errors import UsageError
from counterproof.tools.synth.documents import Document, Image, Said, Shown, TextSpecification
from counterproof.tools.synth.evaluation.card import Card
from counterproof.tools.synth.evaluation.texts import Texts, evaluate_texts
from counterproof.tools.synth.images import TOLERANCE_MM, head_image, image_of, is_marked, lesion_of, without_mark
from counterproof.tools.synth.specification import SetSpecification
from counterproof.tools.synth.studies import found_in_texts

pytestmark = pytest.mark.synthetic
NAMES = Shown(diameter="lesion_mm", side="side")
SPECIFICATION = TextSpecification(
    says=(
        Said(attribute="lesion_mm", words=("lesion of",), unit="mm", tolerance=0.05),
        Said(attribute="side", words=("hemisphere",)),
    ),
    image=NAMES,
)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("diameter", [8.0, 11.5, 20.0, 33.0, 40.0])
def test_an_image_shows_the_lesion_that_it_was_made_with(diameter: float, side: str) -> None:
    for seed in range(4):
        seen = lesion_of(head_image(diameter, side, seed=seed))
        assert seen is not None
        assert seen.diameter_mm == pytest.approx(diameter, abs=TOLERANCE_MM)
        assert seen.side == side


def test_the_same_seed_draws_the_same_image() -> None:
    assert head_image(20, "left", seed=1) == head_image(20, "left", seed=1)
    assert head_image(20, "left", seed=1) != head_image(20, "left", seed=2)


def test_the_mark_is_inside_the_file_and_on_the_image() -> None:
    image = head_image(20, "left", seed=1)
    assert is_marked(image)
    opened = PIL.Image.open(io.BytesIO(base64.b64decode(image.png)))
    assert (np.asarray(opened)[-14:, :80] > 200).sum() > 50
    file = io.BytesIO()
    opened.save(file, format="PNG", pnginfo=None)
    assert not is_marked(image.model_copy(update={"png": base64.b64encode(file.getvalue()).decode()}))


def test_raters_see_an_image_in_which_nothing_says_what_it_is() -> None:
    image = head_image(20, "left", seed=1)
    bare = without_mark(image)
    assert not is_marked(bare)
    opened, before = (PIL.Image.open(io.BytesIO(base64.b64decode(one.png))) for one in (bare, image))
    assert opened.info == {}
    pixels, marked = np.asarray(opened), np.asarray(before)
    assert pixels[-14:, 4:84].max() == 0
    assert (pixels[:-14] == marked[:-14]).all()
    assert lesion_of(bare) == lesion_of(image)
    assert PIL.ImageDraw.Draw(opened).textbbox((4, 186), "SYNTHETIC")[2] < 84  # all of the mark was there
    assert without_mark(bare) == bare


def test_the_left_of_the_patient_is_on_the_right_of_the_image() -> None:
    opened = PIL.Image.open(io.BytesIO(base64.b64decode(head_image(30, "left", seed=1, noise=False).png)))
    inside = np.asarray(opened, dtype=float)[60:140, 45:155]
    assert inside[:, 55:].mean() > inside[:, :55].mean() + 20


@pytest.mark.parametrize(
    ("diameter", "side", "said"),
    [(7.9, "left", "A lesion of 7.9 mm"), (41, "left", "8 to 40 mm"), (20, "middle", "on the side 'middle'")],
)
def test_what_can_not_be_drawn_is_refused(diameter: float, side: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        head_image(diameter, side, seed=1)


def test_an_attribute_that_is_no_diameter_is_named() -> None:
    with pytest.raises(UsageError, match="lesion_mm is 'large'"):
        image_of({"lesion_mm": "large", "side": "left"}, NAMES, seed=1)
    assert image_of({"side": "left"}, NAMES, seed=1) is None


@pytest.mark.parametrize("png", ["no image", base64.b64encode(b"GIF89a").decode()])
def test_a_file_that_is_no_image_of_ours_is_refused(png: str) -> None:
    with pytest.raises(UsageError, match="An image can't be read"):
        lesion_of(Image(png=png, mm_per_pixel=1))


def _documents() -> list[Document]:
    out = []
    for at in range(12):
        facts = {"lesion_mm": 9.0 + 2.5 * at, "side": "left" if at % 2 else "right"}
        text = f"Round lesion of {facts['lesion_mm']} mm in the {facts['side']} hemisphere. Case {at}."
        out.append(Document(id=f"d{at}", text=text, attributes=facts, image=image_of(facts, NAMES, seed=at)))
    return out


def _card(made: list[Document]) -> Card:
    texts = Texts(
        name="x",
        made=made,
        sources=(),
        sources_name="",
        holdout=(),
        specification=SPECIFICATION,
        maker={},
        seed=1,
    )
    return evaluate_texts(texts)


def test_table_text_and_image_agree_between_floor_and_ceiling() -> None:
    card = _card(_documents())
    assert card.modality == "linked"
    for id_ in ("image_agrees", "image_note_agrees"):
        measure = card.measure(f"plausibility.{id_}")
        assert (measure.value, measure.ceiling, measure.verdict) == (1.0, 1.0, "pass")
        assert measure.floor is not None
        assert measure.floor < 0.4


def test_an_image_of_another_patient_is_told_by_table_and_text() -> None:
    made = _documents()
    made[0] = made[0].model_copy(update={"image": made[7].image})
    assert {"plausibility.image_agrees", "plausibility.image_note_agrees"} <= set(_card(made).flagged)


def test_a_text_that_says_another_size_than_image_and_table_is_told() -> None:
    made = _documents()
    made[3] = made[3].model_copy(update={"text": made[3].text.replace("16.5 mm", "26.5 mm")})
    flagged = set(_card(made).flagged)
    assert "plausibility.image_agrees" not in flagged
    assert {"plausibility.image_note_agrees", "plausibility.note_agrees"} <= flagged


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.transform", None)
    with pytest.raises(UsageError, match=r"pip install 'counterproof\[images\]'"):
        head_image(20, "left", seed=1)


def test_an_image_of_another_patient_is_found_in_a_set() -> None:
    wanted = SetSpecification(kind="multimodal", texts=SPECIFICATION, may="Teaching.", may_not="Anything else.")
    text = "There is a lesion of 20 mm in the left hemisphere."
    sound, other = (
        Document(id=side, text=text, attributes={"lesion_mm": 20.0, "side": "left"}, image=head_image(20, side, seed=1))
        for side in ("left", "right")
    )
    assert found_in_texts([sound], wanted) == []
    assert [(row["kind"], row["item"]) for row in found_in_texts([other], wanted)] == [("image", "right")]
