"""Numbers of texts: words, repetition, overlap with sources, readability, sections, and what they say of the patient.

A word is a run of letters or digits, lower-cased. It does not cover meaning: a text may say each attribute and be
nonsense, which is for a person to see.

Sources: Li et al., A Diversity-Promoting Objective Function, NAACL 2016 (distinct-n); Zhu et al., Texygen, SIGIR 2018
(self-BLEU); Papineni et al., BLEU, ACL 2002; Flesch, J Appl Psychol 1948;32:221 (reading ease).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterproof.tools.identifier_text import find_in_text
from counterproof.tools.synth.documents import Document, Said, TextSpecification, Value
from counterproof.tools.synth.images import TOLERANCE_MM, lesion_of
from counterproof.tools.synth.signals import heart_rate

_WORD = re.compile(r"[^\W_]+(?:[.,]\d+)?", re.UNICODE)
_SENTENCE = re.compile(r"[.!?]+(?:\s|$)|\n+")
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")
_VOWELS = re.compile(r"[aeiouy]+")
_SHINGLE = 5
_ALIKE = 0.8
SELF_BLEU_MAX = 100
"""Most texts that self-BLEU looks at: it compares each with all."""
_NEAR = 60
"""So many characters behind a word that announces an attribute, its value must stand."""
_NEGATED = re.compile(r"\b(no|not|non|never|without|denies|denied|negative|absent|nil)\b[^.;\n]*$", re.I)

Floats = NDArray[np.float64]


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return [word.lower() for word in _WORD.findall(text)]


def distinct(texts: Sequence[Sequence[str]], *, n: int, tokens: int) -> float:
    """Return the share of different runs of n words among the first so many runs; 1 is most diverse."""
    runs = [run for text in texts for run in zip(*(text[at:] for at in range(n)), strict=False)][:tokens]
    return len(set(runs)) / len(runs) if runs else 0.0


def self_bleu(texts: Sequence[Sequence[str]], *, most: int = SELF_BLEU_MAX) -> float:
    """Return the mean BLEU-4 of each text beside all others, smoothed by one; 1 repeats itself."""
    chosen = [text for text in texts if len(text) >= 4][:most]
    if len(chosen) < 2:
        return 0.0
    counted = [[Counter(zip(*(text[at:] for at in range(n)), strict=False)) for n in range(1, 5)] for text in chosen]
    return float(np.mean([_bleu(at, chosen, counted) for at in range(len(chosen))]))


def near_duplicates(texts: Sequence[Sequence[str]]) -> float:
    """Return the share of texts that share four fifths of their runs of five words with another one."""
    return len({one for pair in alike(texts) for one in pair}) / len(texts) if texts else 0.0


def alike(texts: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Return the pairs of texts, by place, that share four fifths of their runs of five words."""
    found = [set(zip(*(text[at:] for at in range(_SHINGLE)), strict=False)) or {tuple(text)} for text in texts]
    where: dict[object, list[int]] = {}
    for at, runs in enumerate(found):
        for run in runs:
            where.setdefault(run, []).append(at)
    pairs = []
    for at, runs in enumerate(found):
        shared = Counter(other for run in runs for other in where[run] if other > at)
        pairs += [(at, other) for other, count in shared.items() if count / len(runs | found[other]) >= _ALIKE]
    return pairs


def longest_overlap(texts: Sequence[Sequence[str]], sources: Sequence[Sequence[str]]) -> int:
    """Return the longest run of words that a text shares with a source."""
    low, high = 0, max((len(text) for text in texts), default=0)
    while low < high:
        middle = (low + high + 1) // 2
        known = {tuple(text[at : at + middle]) for text in sources for at in range(len(text) - middle + 1)}
        shared = any(tuple(text[at : at + middle]) in known for text in texts for at in range(len(text) - middle + 1))
        low, high = (middle, high) if shared else (low, middle - 1)
    return low


def reading_ease(text: str) -> float:
    """Return Flesch's reading ease: 100 is easy, 0 is hard."""
    found = words(text)
    sentences = max(1, len([part for part in _SENTENCE.split(text) if part.strip()]))
    syllables = sum(max(1, len(_VOWELS.findall(word))) for word in found)
    count = max(1, len(found))
    return 206.835 - 1.015 * count / sentences - 84.6 * syllables / count


def identifiers(documents: Sequence[Document]) -> float:
    """Return the share of texts in which something may identify a person."""
    return sum(bool(find_in_text(one.text)) for one in documents) / len(documents)


def sections(documents: Sequence[Document], specification: TextSpecification) -> float | None:
    """Return the share of texts that have all sections asked of them in order; None where none are asked for."""
    if not specification.sections:
        return None
    return sum(_has_in_order(one, _sections_of(one, specification)) for one in documents) / len(documents)


def has_section(document: Document, name: str) -> bool:
    """Say whether a text has a section."""
    return _has_in_order(document, (name,))


def concepts(documents: Sequence[Document], specification: TextSpecification) -> float | None:
    """Return the mean share of the attributes asked of it that a text says at all; None where none are asked for."""
    found = [
        says_at_all(one, said)
        for one in documents
        for said in specification.says
        if must_say(one.attributes, said.attribute) and (one.asked is None or said.attribute in one.asked.facts)
    ]
    return float(np.mean(found)) if found else None


def says_at_all(document: Document, said: Said) -> bool:
    """Say whether a text speaks of an attribute, whatever it says."""
    return bool(_places(document.text, said))


def must_say(attributes: Mapping[str, Value], name: str) -> bool:
    """Say whether there is something to say: what is missing or not so need not be mentioned."""
    return attributes.get(name, False) is not False


def contradictions(document: Document, specification: TextSpecification) -> list[str]:
    """Return what a text says otherwise than the table of its patient, in words."""
    found = []
    for said in specification.says:
        value = document.attributes.get(said.attribute)
        places = _places(document.text, said)
        if value is None or not places:
            continue
        faults = [_contradicts(document.text, place, value, said) for place in places]
        if all(faults):
            found.append(f"{said.attribute}: {faults[0]}")
    return found


def note_agrees(documents: Sequence[Document], specification: TextSpecification) -> float | None:
    """Return the share of texts that contradict their patient's table nowhere; None where nothing is to be said."""
    if not specification.says:
        return None
    return sum(not contradictions(one, specification) for one in documents) / len(documents)


def signal_agrees(documents: Sequence[Document], specification: TextSpecification) -> float | None:
    """Return the share of signals with the heart rate of the table, within 5 %; None where there is no signal."""
    of = [one for one in documents if one.signal is not None and specification.rate in one.attributes]
    if not of:
        return None
    good = 0
    for one in of:
        wanted, shown = one.attributes[specification.rate], heart_rate(one.signal) if one.signal else None
        good += shown is not None and abs(shown - float(wanted)) <= 0.05 * float(wanted)
    return good / len(of)


def signal_note_agrees(documents: Sequence[Document], specification: TextSpecification) -> float | None:
    """Return the share of signals with a heart rate that the text names, within 5 %; None where no patient has both."""
    said = next((one for one in specification.says if one.attribute == specification.rate), None)
    if said is None:
        return None
    agree = []
    for one in documents:
        named = _numbers(one.text, said) if one.signal is not None else []
        if one.signal is None or not named:
            continue
        shown = heart_rate(one.signal)
        agree.append(shown is not None and any(abs(shown - rate) <= 0.05 * rate for rate in named))
    return sum(agree) / len(agree) if agree else None


def _numbers(text: str, said: Said) -> list[float]:
    """Return the numbers that stand behind the words which announce an attribute."""
    behind = [text[place.end() : place.end() + _NEAR] for place in _places(text, said)]
    found = [number for part in behind if (number := _NUMBER.search(part))]
    return [float(number.group().replace(",", ".")) for number in found]


def image_agrees(documents: Sequence[Document], specification: TextSpecification) -> float | None:
    """Return the share of images with the diameter (within 1.5 mm) and side of the table; None where there is none."""
    shown = [seen_in_image(one, specification) for one in documents]
    found = [one for one in shown if one is not None]
    return float(np.mean([one.agrees for one in found])) if found else None


def image_note_agrees(documents: Sequence[Document], specification: TextSpecification) -> float | None:
    """Return the share of texts that say no other diameter or side than their image shows; None without images."""
    if specification.image is None or not (says := _of_image(specification)):
        return None
    alone = specification.model_copy(update={"says": says})
    found = [one for one in (seen_in_image(document, specification) for document in documents) if one is not None]
    good = [one.as_shown is not None and not contradictions(one.as_shown, alone) for one in found]
    return float(np.mean(good)) if good else None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the image of a document shows.

    Attributes:
        agrees: whether it is what the table says.
        as_shown: the document with what the image shows in the place of what the table says; None for no lesion.
    """

    agrees: bool
    as_shown: Document | None


def seen_in_image(document: Document, specification: TextSpecification) -> Seen | None:
    """Return what an image shows; None where there is none, or the table does not speak of it."""
    names = specification.image
    if names is None or document.image is None or not {names.diameter, names.side} <= set(document.attributes):
        return None
    lesion = lesion_of(document.image)
    if lesion is None:
        return Seen(agrees=False, as_shown=None)
    said = document.attributes
    shown = {**said, names.diameter: round(lesion.diameter_mm, 1), names.side: lesion.side}
    near = abs(lesion.diameter_mm - float(said[names.diameter])) <= TOLERANCE_MM
    return Seen(
        agrees=near and lesion.side == str(said[names.side]).lower(),
        as_shown=document.model_copy(update={"attributes": shown}),
    )


def _of_image(specification: TextSpecification) -> tuple[Said, ...]:
    """Return how a text says what an image shows, with as much tolerance as the measurement needs."""
    names = specification.image
    if names is None:
        return ()
    return tuple(
        said.model_copy(update={"tolerance": max(said.tolerance, TOLERANCE_MM)})
        for said in specification.says
        if said.attribute in (names.diameter, names.side)
    )


def _bleu(at: int, texts: Sequence[Sequence[str]], counted: Sequence[Sequence[Counter[tuple[str, ...]]]]) -> float:
    logs = 0.0
    for n in range(4):
        own = counted[at][n]
        most: Counter[tuple[str, ...]] = Counter()
        for other in range(len(texts)):
            if other != at:
                most |= counted[other][n]
        hits = sum((own & most).values())
        total = sum(own.values())
        logs += math.log((hits + 1) / (total + 1)) / 4
    length = len(texts[at])
    nearest = min((len(text) for other, text in enumerate(texts) if other != at), key=lambda one: abs(one - length))
    return math.exp(min(0.0, 1 - nearest / length)) * math.exp(logs)


def _sections_of(document: Document, specification: TextSpecification) -> tuple[str, ...]:
    return specification.sections if document.asked is None else document.asked.sections


def _has_in_order(document: Document, names: Sequence[str]) -> bool:
    pattern = r".*?".join(rf"^[#* ]*{re.escape(name)}\b" for name in names)
    return bool(re.search(pattern, document.text, re.I | re.M | re.S))


def _places(text: str, said: Said) -> list[re.Match[str]]:
    names = said.words or (said.attribute.replace("_", " "),)
    pattern = "|".join(re.escape(name) for name in names)
    return list(re.finditer(rf"\b(?:{pattern})\b", text, re.I))


def _contradicts(text: str, place: re.Match[str], value: object, said: Said) -> str:
    """Return what contradicts a value at one place of a text; "" where nothing does."""
    behind = text[place.end() : place.end() + _NEAR]
    if isinstance(value, bool):
        denied = bool(_NEGATED.search(text[max(0, place.start() - _NEAR) : place.start()]))
        return "" if denied != value else f"the table says {value}, the text {'denies' if denied else 'affirms'} it"
    if isinstance(value, str):
        around = text[max(0, place.start() - _NEAR) : place.end() + _NEAR].lower()
        return "" if value.lower() in around else f"the table says {value!r}, the text does not"
    number = _NUMBER.search(behind)
    if number is None:
        return "there is no number"
    found = float(number.group().replace(",", "."))
    if abs(found - float(str(value))) > said.tolerance + 1e-9:
        return f"the table says {value}, the text {number.group()}"
    unit = behind[number.end() :].lstrip()
    if said.unit and not unit.lower().startswith(said.unit.lower()):
        return f"the unit is {unit.split()[0] if unit.split() else 'missing'!r}, not {said.unit!r}"
    return ""
