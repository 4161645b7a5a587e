"""The evaluation card of synthetic texts, alone or linked with the table and the signal of each patient.

Each number stands beside shuffled text (the words of all texts in an order of chance, in documents of the same lengths,
with the signals of other patients) as floor, and real texts that the maker did not see as ceiling, where there are any.
Of images, the floor are those of other patients, and the ceiling the same ones drawn without noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.tools.synth.coverage import shares
from counterproof.tools.synth.documents import Document, TextSpecification, content_of
from counterproof.tools.synth.evaluation import text_metrics as of
from counterproof.tools.synth.evaluation.card import Assessment, Card, Measure, Provenance, Source, judged, rounded
from counterproof.tools.synth.evaluation.definitions import Definition, Section, define, limit
from counterproof.tools.synth.evaluation.utility import auc
from counterproof.tools.synth.images import image_of

_FEWEST = 5
_SPARE = 20
_NO_SOURCES = "no real texts were given"
_OWN = "own"
_KS = "1 - Kolmogorov-Smirnov distance to the real texts"
DEFINITIONS: tuple[Definition, ...] = (
    define(
        "fidelity.length",
        "Length",
        f"{_KS}, of words a text",
        direction="higher is better",
        range="0 to 1",
        limit=limit("at least", 0.6),
        source=_OWN,
    ),
    define(
        "fidelity.readability",
        "Readability",
        f"{_KS}, of Flesch's reading ease",
        direction="higher is better",
        range="0 to 1",
        limit=limit("at least", 0.5),
        source="Flesch, J Appl Psychol 1948;32:221, https://doi.org/10.1037/h0057532",
    ),
    define(
        "fidelity.vocabulary",
        "Words",
        "1 - total variation distance of the shares of words to the real texts'",
        direction="higher is better",
        range="0 to 1",
        limit=limit("ceiling minus", 0.3),
        source=_OWN,
    ),
    define(
        "utility.label",
        "Train on synthetic, test on real",
        "AUC on held-out real texts of a logistic regression on TF-IDF of the candidate's words",
        direction="higher is better",
        range="0 to 1; 0.5 is chance",
        library="scikit-learn TfidfVectorizer, LogisticRegression",
        limit=limit("at least", 0.6),
        source="Esteban, Hyland and Raetsch 2017, https://arxiv.org/abs/1706.02633",
        needs_holdout=True,
    ),
    define(
        "privacy.identifiers",
        "Identifiers",
        "share of texts in which the identifier finder finds something",
        direction="lower is better",
        range="0 to 1",
        library="tools/identifier_text.py on presidio-analyzer and phonenumbers",
        limit=limit("at most", 0.0, "the HIPAA Privacy Rule, 45 CFR 164.514(b)(2)"),
        source="45 CFR 164.514(b)(2)",
    ),
    define(
        "privacy.longest_overlap",
        "Longest run of a real text",
        "most words in a row that a candidate text shares with a real one",
        direction="lower is better",
        range="0 and more words",
        limit=limit("at most", 12),
        source="Lee et al., ACL 2022, https://arxiv.org/abs/2107.06499, on longer runs",
    ),
    *(
        define(
            f"diversity.distinct_{n}",
            f"Different {what}",
            f"share of different {what} among equally many (distinct-{n})",
            direction="higher is better",
            range="0 to 1",
            limit=limit("ceiling minus", 0.25),
            source="Li et al., NAACL 2016, https://arxiv.org/abs/1510.03055",
        )
        for n, what in enumerate(("words", "pairs of neighbouring words", "runs of three words"), start=1)
    ),
    define(
        "diversity.self_bleu",
        "Repetition between texts (self-BLEU)",
        f"mean BLEU-4 of each text beside all others; of the first {of.SELF_BLEU_MAX} texts at most",
        direction="lower is better",
        range="0 to 1",
        limit=limit("ceiling plus", 0.2),
        source="Zhu et al., SIGIR 2018, https://arxiv.org/abs/1802.01886",
    ),
    define(
        "diversity.near_duplicates",
        "Near duplicates",
        "share of texts with four fifths of their runs of five words in common with another (Jaccard)",
        direction="lower is better",
        range="0 to 1",
        limit=limit("at most", 0.02),
        source="Broder, Compression and Complexity of Sequences 1997, https://doi.org/10.1109/SEQUEN.1997.666900",
        catches="duplicated notes",
    ),
    define(
        "diversity.plan_kept",
        "Coverage plan",
        "1 - largest absolute difference between the wanted and the found share of texts with a fact, a section, or a "
        "length",
        direction="higher is better",
        range="0 to 1",
        limit=limit("at least", 0.9),
        source=_OWN,
        catches="a set that leaves its plan",
    ),
    define(
        "plausibility.sections",
        "Sections",
        "share of texts with all sections of the specification in their order",
        direction="higher is better",
        range="0 to 1",
        limit=limit("at least", 0.95),
        source=_OWN,
    ),
    define(
        "plausibility.concepts",
        "What must be said is said",
        "share of the patients' attributes of the specification that their texts name",
        direction="higher is better",
        range="0 to 1",
        limit=limit("at least", 0.9),
        source=_OWN,
    ),
    define(
        "plausibility.note_agrees",
        "Text and table agree",
        "share of texts that say no attribute with another value, sign or unit than the patient's table",
        direction="higher is better",
        range="0 to 1",
        limit=limit("at least", 1.0),
        source=_OWN,
        catches="a contradicting note, a wrong unit",
    ),
    define(
        "plausibility.signal_agrees",
        "Signal and table agree",
        "share of signals whose rate of R peaks is the heart rate of the table within 5 %",
        direction="higher is better",
        range="0 to 1",
        library="SciPy find_peaks",
        limit=limit("at least", 0.98),
        source=_OWN,
    ),
    define(
        "plausibility.signal_note_agrees",
        "Signal and text agree",
        "share of signals whose rate of R peaks is within 5 % of a rate that the text names; of patients with both",
        direction="higher is better",
        range="0 to 1",
        library="SciPy find_peaks",
        limit=limit("at least", 0.98),
        source=_OWN,
    ),
    define(
        "plausibility.image_agrees",
        "Image and table agree",
        "share of images whose bright region has the diameter (of equal area, within 1.5 mm) and the side of the table",
        direction="higher is better",
        range="0 to 1",
        library="scikit-image regionprops",
        limit=limit("at least", 0.98),
        source=_OWN,
        catches="an image of another patient",
    ),
    define(
        "plausibility.image_note_agrees",
        "Image and text agree",
        "share of texts that say no other diameter (within 1.5 mm) or side than their image shows",
        direction="higher is better",
        range="0 to 1",
        library="scikit-image regionprops",
        limit=limit("at least", 0.98),
        source=_OWN,
        catches="an image of another patient",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Texts:
    """What a card of texts is made from.

    Attributes:
        name: file name of the synthetic texts.
        made: the synthetic texts.
        sources: real texts that the maker may have seen; none for texts from a specification alone.
        sources_name: file name of them.
        holdout: real texts that it did not see.
        specification: what texts must be like.
        maker: how they were made.
        seed: of all draws.
    """

    name: str
    made: Sequence[Document]
    sources: Sequence[Document]
    sources_name: str
    holdout: Sequence[Document]
    specification: TextSpecification
    maker: Mapping[str, Any]
    seed: int


def evaluate_texts(texts: Texts) -> Card:
    """Make the card of synthetic texts.

    Raises:
        UsageError: there are fewer than five.
    """
    if len(texts.made) < _FEWEST:
        raise UsageError(f"There are {len(texts.made)} synthetic texts.", allowed=f"At least {_FEWEST}.")
    floor = shuffled(texts.made, texts.seed)
    candidates = {"value": texts.made, "floor": floor, "ceiling": texts.holdout, "copy": texts.sources}
    of_images = {"value": texts.made, "floor": _of_others(texts), "ceiling": _drawn(texts)}
    measures = [
        _measure(definition, texts, of_images if _is_of_images(definition) else candidates)
        for definition in DEFINITIONS
    ]

    def section(name: Section) -> tuple[Measure, ...]:
        return tuple(measure for measure in measures if measure.definition.section == name)

    nobody = Assessment(status="not assessed", reason="nobody was asked; see `counterproof synth review`")
    linked = any(one.signal is not None or one.image is not None for one in texts.made)
    content = content_of(texts.sources)
    return Card(
        modality="linked" if linked else "text",
        provenance=Provenance(
            name=texts.name,
            content_sha256=sha256_bytes(content_of(texts.made)),
            rows=len(texts.made),
            real=Source(name=texts.sources_name, sha256=sha256_bytes(content), rows=len(texts.sources))
            if texts.sources
            else None,
            holdout="a file of its own" if texts.holdout else "none",
            training_rows=len(texts.sources),
            holdout_rows=len(texts.holdout),
            planned_model="",
            outcome=texts.specification.label,
            subgroups="",
            maker=dict(texts.maker),
            left_out={},
            seed=texts.seed,
            software={name: version(name) for name in ("numpy", "scipy", "scikit-learn", "presidio-analyzer")},
        ),
        fidelity=section("fidelity"),
        utility=section("utility"),
        privacy=section("privacy"),
        diversity=section("diversity"),
        clinical_plausibility=section("clinical_plausibility"),
        fairness=(),
        judge=nobody,
        human=nobody,
        agreement=nobody,
        limits=tuple(_limits(texts)),
    )


def shuffled(documents: Sequence[Document], seed: int) -> list[Document]:
    """Return documents of the same lengths whose words stand in an order of chance, with the signals of others."""
    random = np.random.default_rng(seed)
    every = [word for one in documents for word in one.text.split()]
    order = random.permutation(len(every))
    out, begin = [], 0
    for one, at_other in zip(documents, random.permutation(len(documents)).tolist(), strict=True):
        count = len(one.text.split())
        text = " ".join(every[at] for at in order[begin : begin + count].tolist())
        out.append(one.model_copy(update={"text": text or "-", "signal": documents[at_other].signal}))
        begin += count
    return out


def _measure(definition: Definition, texts: Texts, candidates: Mapping[str, Sequence[Document]]) -> Measure:
    compute = _COMPUTE[definition.id]
    reason = _not_assessed(definition, texts)
    values = {
        name: rounded(compute(documents, texts)) if documents and not reason and _has(name, definition) else None
        for name, documents in candidates.items()
    }
    if values["value"] is None and not reason:
        reason = "the specification asks for nothing of the kind"
    detail: dict[str, float] = {}
    if definition.id == "plausibility.note_agrees":
        found = {one.id: of.contradictions(one, texts.specification) for one in texts.made}
        detail = {f"{name}: {'; '.join(said)}": float(len(said)) for name, said in found.items() if said}
    if definition.id == "diversity.plan_kept":
        for one in shares(texts.made, texts.specification):
            detail |= {f"{one.of}, wanted": rounded(one.wanted) or 0.0, f"{one.of}, found": rounded(one.found) or 0.0}
    verdict = judged(definition, values["value"], floor=values["floor"], ceiling=values["ceiling"], low=None)
    return Measure(
        definition=definition,
        value=values["value"],
        floor=values["floor"],
        ceiling=values["ceiling"],
        copy=values.get("copy"),
        verdict=verdict,
        reason=reason,
        sampled=of.SELF_BLEU_MAX
        if definition.id == "diversity.self_bleu" and len(texts.made) > of.SELF_BLEU_MAX
        else None,
        detail=dict(list(detail.items())[:_SPARE]),
    )


def _not_assessed(definition: Definition, texts: Texts) -> str:
    if definition.id in _OF_SOURCES and not texts.sources:
        return _NO_SOURCES
    if definition.needs_holdout and not texts.holdout:
        return "no real texts were given that the maker did not see"
    if definition.needs_holdout and not texts.specification.label:
        return "the specification names no label"
    return ""


def _has(candidate: str, definition: Definition) -> bool:
    """Say whether a reference has a meaning: real texts come without signals."""
    return candidate in ("value", "floor") or not definition.id.startswith("plausibility.signal")


def _is_of_images(definition: Definition) -> bool:
    return definition.id.startswith("plausibility.image")


def _of_others(texts: Texts) -> list[Document]:
    """Return documents with the images of other patients."""
    order = np.random.default_rng(texts.seed).permutation(len(texts.made)).tolist()
    return [one.model_copy(update={"image": texts.made[at].image}) for one, at in zip(texts.made, order, strict=True)]


def _drawn(texts: Texts) -> list[Document]:
    """Return documents whose images show just what their table says: what the measurement makes of a perfect image."""
    names = texts.specification.image
    return [
        one.model_copy(update={"image": image_of(one.attributes, names, seed=texts.seed + at, noise=False)})
        for at, one in enumerate(texts.made)
        if names is not None and one.image is not None
    ]


def _limits(texts: Texts) -> list[str]:
    said = [
        "Texts are compared by their words: whether a text makes sense is for a person to say.",
        "An identifier that no pattern, word or check digit gives away is not found.",
    ]
    if texts.specification.image is not None:
        said.append(
            "The images are drawn, with one bright round lesion each: a program that reads them has not been tried on "
            "images of patients. Diameters are read within 1.5 mm."
        )
    if not texts.sources:
        said.append("There were no real texts: nothing is said of closeness to any, nor of what was copied from one.")
    if len(texts.made) < 50:
        said.append(f"There are only {len(texts.made)} texts: shares are coarse.")
    return said


def _words(documents: Sequence[Document]) -> list[list[str]]:
    return [of.words(one.text) for one in documents]


def _ks(left: Sequence[float], right: Sequence[float]) -> float:
    one, other = np.sort(np.asarray(left)), np.sort(np.asarray(right))
    every = np.concatenate([one, other])
    apart = np.searchsorted(one, every, "right") / len(one) - np.searchsorted(other, every, "right") / len(other)
    return float(1 - np.abs(apart).max())


def _length(documents: Sequence[Document], texts: Texts) -> float:
    return _ks([len(text) for text in _words(documents)], [len(text) for text in _words(texts.sources)])


def _readability(documents: Sequence[Document], texts: Texts) -> float:
    return _ks([of.reading_ease(one.text) for one in documents], [of.reading_ease(one.text) for one in texts.sources])


def _vocabulary(documents: Sequence[Document], texts: Texts) -> float:
    counts: list[dict[str, int]] = []
    for side in (documents, texts.sources):
        found: dict[str, int] = {}
        for word in (word for text in _words(side) for word in text):
            found[word] = found.get(word, 0) + 1
        counts.append(found)
    totals = [max(1, sum(found.values())) for found in counts]
    every = set(counts[0]) | set(counts[1])
    return 1 - sum(abs(counts[0].get(word, 0) / totals[0] - counts[1].get(word, 0) / totals[1]) for word in every) / 2


def _label(documents: Sequence[Document], texts: Texts) -> float | None:
    name = texts.specification.label
    train = [one for one in documents if name in one.attributes]
    test = [one for one in texts.holdout if name in one.attributes]
    truth = np.array([str(one.attributes[name]).lower() in ("true", "yes", "1") for one in test])
    taught = [str(one.attributes[name]).lower() in ("true", "yes", "1") for one in train]
    if len(set(taught)) < 2 or not len(test):
        return None
    vectors = TfidfVectorizer(sublinear_tf=True)
    model = LogisticRegression(max_iter=1000).fit(vectors.fit_transform([one.text for one in train]), taught)
    scores = model.predict_proba(vectors.transform([one.text for one in test]))[:, 1]
    return auc(truth.astype(np.float64), scores)


def _plan_kept(documents: Sequence[Document], texts: Texts) -> float | None:
    found = shares(documents, texts.specification)
    return 1 - max(abs(one.wanted - one.found) for one in found) if found else None


def _distinct(n: int) -> Callable[[Sequence[Document], Texts], float]:
    def of_texts(documents: Sequence[Document], texts: Texts) -> float:
        sides = [side for side in (texts.made, texts.holdout) if side]
        tokens = min(sum(len(text) for text in _words(side)) for side in sides)
        return of.distinct(_words(documents), n=n, tokens=tokens)

    return of_texts


_OF_SOURCES = {"fidelity.length", "fidelity.readability", "fidelity.vocabulary", "privacy.longest_overlap"}
_COMPUTE: Mapping[str, Callable[[Sequence[Document], Texts], float | None]] = {
    "fidelity.length": _length,
    "fidelity.readability": _readability,
    "fidelity.vocabulary": _vocabulary,
    "utility.label": _label,
    "privacy.identifiers": lambda documents, _texts: of.identifiers(documents),
    "privacy.longest_overlap": lambda documents, texts: of.longest_overlap(_words(documents), _words(texts.sources)),
    **{f"diversity.distinct_{n}": _distinct(n) for n in (1, 2, 3)},
    "diversity.self_bleu": lambda documents, _texts: of.self_bleu(_words(documents)),
    "diversity.near_duplicates": lambda documents, _texts: of.near_duplicates(_words(documents)),
    "diversity.plan_kept": _plan_kept,
    "plausibility.sections": lambda documents, texts: of.sections(documents, texts.specification),
    "plausibility.concepts": lambda documents, texts: of.concepts(documents, texts.specification),
    "plausibility.note_agrees": lambda documents, texts: of.note_agrees(documents, texts.specification),
    "plausibility.signal_agrees": lambda documents, texts: of.signal_agrees(documents, texts.specification),
    "plausibility.signal_note_agrees": lambda documents, texts: of.signal_note_agrees(documents, texts.specification),
    "plausibility.image_agrees": lambda documents, texts: of.image_agrees(documents, texts.specification),
    "plausibility.image_note_agrees": lambda documents, texts: of.image_note_agrees(documents, texts.specification),
}
