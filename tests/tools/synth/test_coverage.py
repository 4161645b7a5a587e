"""The coverage plan of a set of texts, what is learned from a corpus, and the specifications that come with us."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from counterproof.provenance.errors import UsageError
from counterproof.tools.synth.corpora import BEHIND, figures_of, guided
from counterproof.tools.synth.coverage import plan, shares
from counterproof.tools.synth.documents import (
    KINDS,
    Document,
    Kind,
    Length,
    Persona,
    Said,
    TextSpecification,
    parse_specification,
    ready_made,
)

pytestmark = pytest.mark.synthetic
SPECIFICATION = TextSpecification(
    sections=("History", "Plan"),
    section_shares={"Plan": 0.5},
    says=(Said(attribute="pulse", share=0.75), Said(attribute="diabetes")),
    personas=(Persona(description="one", share=3), Persona(description="another")),
    lengths=(Length(low=10, high=20), Length(low=20, high=40, share=3)),
)
PATIENTS = [{"pulse": 60 + at, "diabetes": at % 2 == 0} for at in range(40)]


def test_a_plan_has_the_shares_that_are_asked_for() -> None:
    planned = plan(PATIENTS, SPECIFICATION, seed=1)
    assert Counter(one.persona for one in planned) == {"one": 30, "another": 10}
    assert Counter(one.words for one in planned) == {(10, 20): 10, (20, 40): 30}
    assert sum("Plan" in one.sections for one in planned) == 20
    assert all("History" in one.sections for one in planned)
    assert sum("pulse" in one.facts for one in planned) == 30


def test_a_plan_follows_from_the_seed() -> None:
    assert plan(PATIENTS, SPECIFICATION, seed=1) == plan(PATIENTS, SPECIFICATION, seed=1)
    assert plan(PATIENTS, SPECIFICATION, seed=1) != plan(PATIENTS, SPECIFICATION, seed=2)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 41])
def test_every_text_gets_a_writer_and_a_length_however_few_there_are(count: int) -> None:
    planned = plan([{"pulse": 60}] * count, SPECIFICATION, seed=1)
    assert len(planned) == count
    assert all(one.words in {(10, 20), (20, 40)} for one in planned)


def test_without_a_specification_everything_is_said_and_nothing_is_planned() -> None:
    form = TextSpecification(says=(Said(attribute="pulse"),), sections=("History",))
    assert {one.facts for one in plan(PATIENTS, form, seed=1)} == {("pulse",)}
    assert shares([Document(id="1", text="pulse", attributes={"pulse": 1})], form) == []


def _text(at: int, *, with_plan: bool, long: bool) -> str:
    body = " ".join(["word"] * (26 if long else 11))
    return f"History\n{f'pulse {60 + at}' if at % 4 else ''} {body}\n" + ("Plan\nnone" if with_plan else "")


def test_shares_that_were_found_stand_beside_those_that_were_wanted() -> None:
    documents = [
        Document(id=str(at), text=_text(at, with_plan=at < 20, long=at >= 10), attributes={**facts})
        for at, facts in enumerate(PATIENTS)
    ]
    found = {one.of: (one.wanted, one.found) for one in shares(documents, SPECIFICATION)}
    assert found["fact pulse"] == (0.75, 0.75)
    assert found["section Plan"] == (0.5, 0.5)
    assert found["section History"] == (1.0, 1.0)
    assert found["20 to 40 words"] == (0.75, 0.75)


def _corpus(count: int) -> list[Document]:
    chance = random.Random(1)
    out = []
    for at in range(count):
        middle = " ".join(chance.choice(["pain", "cough", "fever", "rest"]) for _ in range(chance.randint(30, 200)))
        odd = "Zebrafarbig" if at == 3 else ""
        plan_ = "Plan\nSee again." if at % 4 else ""
        rare = "Family\nNone." if at < 5 else ""
        out.append(Document(id=str(at), text=f"History\n{middle} {odd}.\n{rare}\n{plan_}"))
    return out


def test_figures_of_a_corpus_become_a_specification() -> None:
    documents = _corpus(200)
    form = TextSpecification(sections=("History", "Family", "Plan"), says=(Said(attribute="pulse"),))
    made = guided(form, figures_of(documents, form))
    assert made.sections == ("History", "Plan")
    assert made.section_shares == {"History": 1.0, "Plan": 0.75}
    assert made.says == form.says
    assert made.corpus["documents"] == 200
    assert made.corpus["vocabulary"] < 20
    sizes = [len(one.text.split()) for one in documents]
    for band in made.lengths:
        assert band.low % 10 == band.high % 10 == 0
        assert sum(band.low <= size <= band.high for size in sizes) >= BEHIND
    assert sum(one.share for one in made.lengths) == pytest.approx(1, abs=0.1)
    again = parse_specification(made.model_dump_json().encode(), source="again")
    assert again == made


@pytest.mark.canary
def test_no_text_and_no_extreme_of_a_corpus_is_in_its_figures() -> None:
    documents = _corpus(200)
    longest = documents[0].model_copy(update={"id": "x", "text": "History\n" + "word " * 5000})
    form = TextSpecification(sections=("History", "Plan"))
    told = guided(form, figures_of([*documents, longest], form)).model_dump_json()
    assert not {word for word in ("zebrafarbig", "pain", "cough", "word") if word in told.lower()}
    assert max(one.high for one in guided(form, figures_of([*documents, longest], form)).lengths) < 250


@pytest.mark.parametrize("size", [1, 25, 300])
def test_texts_of_one_length_have_one_band(size: int) -> None:
    documents = [Document(id=str(at), text="word " * size) for at in range(50)]
    (band,) = figures_of(documents, TextSpecification()).lengths
    assert band.low <= size <= band.high


def test_a_small_corpus_and_one_without_the_sections_are_refused() -> None:
    form = TextSpecification(sections=("Anamnesis",))
    with pytest.raises(UsageError, match=r"39 documents.*At least 40"):
        figures_of(_corpus(39), form)
    with pytest.raises(UsageError, match="Fewer than 10 documents of the corpus have a section"):
        guided(form, figures_of(_corpus(60), form))


@pytest.mark.parametrize("kind", KINDS)
def test_a_specification_comes_with_each_kind_and_says_every_column(kind: Kind) -> None:
    form = ready_made(kind, [{"pulse": 60, "potassium": 4.25}, {"pulse": 70, "diabetes": True}])
    assert form.kind == kind
    assert form.personas
    assert form.lengths
    assert bool(form.sections) == (kind != "patient message")
    assert {one.attribute: one.tolerance for one in form.says} == {"pulse": 0, "potassium": 0.005, "diabetes": 0}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b'{"sections": ["A"], "section_shares": {"B": 0.5}}', "section_shares of 'B'"),
        (b'{"sections": ["A"], "section_shares": {"A": 0}}', "section_shares of 'A'"),
        (b'{"lengths": [{"low": 20, "high": 20}]}', "as many words at its low end"),
        (b'{"kind": "poem"}', "kind"),
    ],
)
def test_shares_that_do_not_fit_are_refused(given: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_specification(given, source="given")
