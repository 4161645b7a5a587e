"""Synthetic sets that are made as studies in a laboratory: a linked set of made-up patients, and a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from counterproof.agents.models import ModelConfig
from counterproof.agents.set_study import new_set_study
from counterproof.provenance.reviewers import Role
from counterproof.provenance.store import Status
from counterproof.scenarios.server import TurnServer
from counterproof.tools.synth import review
from counterproof.tools.synth.documents import Document, Value
from counterproof.tools.synth.specification import SetSpecification

from ..lab import ADA, AUTHOR_KEY, KEY, LIN, NOWHERE, Lab
from .test_note_writing import PATIENTS, SPECIFICATION, Spoil, answer_with, note

LBW = Path(__file__).parents[2] / "scenarios" / "low-birth-weight" / "data" / "lbw.csv"
MAY, MAY_NOT = "To teach how notes are read.", "Anything about real patients."
LINKED = SetSpecification(kind="multimodal", texts=SPECIFICATION, raters=3, may=MAY, may_not=MAY_NOT)
TABLE = SetSpecification(kind="table", maker="marginals", planned_model="low ~ age + smoke", may=MAY, may_not=MAY_NOT)


def people(lab: Lab) -> None:
    """Register Ada, who may decide everything, and Lin, who makes the sets."""
    if not lab.workplace.registry.active():
        lab.add(ADA, KEY)
        lab.add(LIN, AUTHOR_KEY, Role.INVESTIGATOR)


def _beside(at: int) -> Document:
    facts: dict[str, Value] = {"age": 40 + at, "heart_rate": 60 + at, "creatinine": 1.0, "diabetes": at % 2 == 0}
    return Document(id=f"beside-{at:02}", text=note(facts, at), attributes=facts)


BESIDE = [_beside(at) for at in range(12)]
"""Texts that raters see beside those of the model."""


def new_texts(lab: Lab, specification: SetSpecification = LINKED, *, patients: str = PATIENTS, **options: Any) -> str:
    """Make the study of a set of texts for the made-up patients."""
    people(lab)
    data = lab.home.parent / "patients.csv"
    data.write_text(patients, encoding="utf-8")
    model = ModelConfig(model="made-up", base_url=NOWHERE, api_key_env="")
    return new_set_study(lab.workplace, specification, data=[data], model=model, author=LIN, **options)


def new_table(lab: Lab, specification: SetSpecification = TABLE, *, data: Path = LBW, **options: Any) -> str:
    """Make the study of a synthetic table."""
    people(lab)
    return new_set_study(lab.workplace, specification, data=[data], author=LIN, **options)


@contextmanager
def serving(spoil: Spoil = lambda text, _turn: text) -> Iterator[TurnServer]:
    """Serve the model that writes the notes."""
    with TurnServer([], source=answer_with(spoil)) as server:
        yield server


def rate(lab: Lab, study: str, raters: Sequence[str] = ("ann", "ben", "cem")) -> None:
    """Rate every item of the session of a study, past the page."""
    folder = lab.home / "synthetic" / study / "review"
    for rater in raters:
        for number, item in enumerate(review.open_session(folder).order_for(rater)):
            guess: review.Side = "real" if number % 3 else "synthetic"
            review.rate(
                folder, review.Rating(rater=rater, item=item.id, guess=guess, realism=4, plausibility=3 + number % 3)
            )


def make_texts(lab: Lab, specification: SetSpecification = LINKED, **options: Any) -> str:
    """Make a set of texts from its specification to its end, and return the study."""
    study = new_texts(lab, specification, **options)
    with serving() as server:
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
        if specification.raters:
            rate(lab, study)
        assert lab.run(study, server.base_url, "approve", "approve") is Status.DONE
    return study


def make_table(lab: Lab, specification: SetSpecification = TABLE) -> str:
    """Make a table from its specification to its end, and return the study."""
    study = new_table(lab, specification)
    assert lab.run(study, NOWHERE, "approve", "approve", "approve") is Status.DONE
    return study


def findings(lab: Lab, study: str) -> list[dict[str, str]]:
    """Return what code found, as the checkpoint that waits shows it."""
    found: list[dict[str, str]] = lab.study(study).checkpoints.subject(lab.waiting(study).id)["findings"]
    return found
