"""A coverage plan: which facts, sections, writer and length each text of a set gets, so that the set has given shares.

Shares become whole numbers of texts (largest remainder), and chance says which texts: so a set of twenty has what a set
of a thousand has. `shares` says afterwards how often each was found in the texts. Who writes can't be told from a text;
it is planned, not found.

It does not cover shares of combinations.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from counterproof.tools.synth.documents import Asked, Document, Persona, TextSpecification, Value
from counterproof.tools.synth.evaluation.text_metrics import has_section, must_say, says_at_all, words

DEFAULT_PERSONAS = (
    Persona(description="a resident who writes at the end of a long shift"),
    Persona(description="a senior physician who dictates in short sentences"),
    Persona(description="a nurse practitioner who writes for the general practitioner"),
    Persona(description="a specialist who was asked for advice and writes in detail"),
)


@dataclass(frozen=True, kw_only=True)
class Share:
    """How often something was wanted in the texts of a set, and how often it was found.

    Attributes:
        of: what.
        wanted: 0 to 1.
        found: 0 to 1.
    """

    of: str
    wanted: float
    found: float


def plan(patients: Sequence[Mapping[str, Value]], specification: TextSpecification, *, seed: int) -> list[Asked]:
    """Return what is asked of each text.

    Args:
        patients: one text each.
        specification: the shares.
        seed: of which texts get what.
    """
    count = len(patients)
    personas = specification.personas or DEFAULT_PERSONAS
    writers = _dealt("personas", [one.share for one in personas], count, seed)
    lengths = _dealt("lengths", [one.share for one in specification.lengths], count, seed)
    sections = {
        name: _chosen(name, specification.section_shares.get(name, 1.0), range(count), seed)
        for name in specification.sections
    }
    facts = {
        said.attribute: _chosen(
            said.attribute, said.share, [at for at in range(count) if must_say(patients[at], said.attribute)], seed
        )
        for said in specification.says
    }
    bands = specification.lengths
    return [
        Asked(
            persona=personas[writers[at]].description,
            facts=tuple(
                said.attribute
                for said in specification.says
                if said.attribute in patient and (at in facts[said.attribute] or not must_say(patient, said.attribute))
            ),
            sections=tuple(name for name in specification.sections if at in sections[name]),
            words=(bands[lengths[at]].low, bands[lengths[at]].high) if bands else None,
        )
        for at, patient in enumerate(patients)
    ]


def shares(documents: Sequence[Document], specification: TextSpecification) -> list[Share]:
    """Return wanted and found shares of facts, sections and lengths; none where the specification plans nothing."""
    planned = specification.lengths or specification.section_shares or any(one.share < 1 for one in specification.says)
    if not planned or not documents:
        return []
    out = []
    for said in specification.says:
        of = [one for one in documents if must_say(one.attributes, said.attribute)]
        if of:
            found = sum(says_at_all(one, said) for one in of) / len(of)
            out.append(Share(of=f"fact {said.attribute}", wanted=said.share, found=found))
    for name in specification.sections:
        found = sum(has_section(one, name) for one in documents) / len(documents)
        out.append(Share(of=f"section {name}", wanted=specification.section_shares.get(name, 1.0), found=found))
    total = sum(one.share for one in specification.lengths)
    sizes = [len(words(one.text)) for one in documents]
    for band in specification.lengths:
        found = sum(band.low <= size <= band.high for size in sizes) / len(sizes)
        out.append(Share(of=f"{band.low} to {band.high} words", wanted=band.share / total, found=found))
    return out


def _random(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _chosen(name: str, share: float, among: Sequence[int], seed: int) -> set[int]:
    """Return which of the texts get something that a share of them has."""
    return set(_random(name, seed).permutation(list(among))[: round(share * len(among))].tolist())


def _dealt(name: str, weights: Sequence[float], count: int, seed: int) -> list[int]:
    """Return which of several things each text gets, in numbers as near to their weights as can be."""
    if not weights:
        return []
    exact = np.array(weights) / sum(weights) * count
    numbers = np.floor(exact).astype(int)
    for at in np.argsort(numbers - exact, kind="stable")[: count - int(numbers.sum())]:
        numbers[at] += 1
    dealt: list[int] = _random(name, seed).permutation(np.repeat(np.arange(len(weights)), numbers)).tolist()
    return dealt
