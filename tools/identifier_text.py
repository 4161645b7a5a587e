"""Finding identifiers inside text: a name, a number, an address, wherever it stands.

Four ways, each alone enough: the form of the value (an e-mail address, a number with the right check digit), a word that
announces it ("MRN 48-1123"), the name of the column that it stands in, and for names of persons what stands around them
("Dr", "seen by", "her sister"). The forms come from presidio's pattern recognisers, called one by one: no language
model is loaded. Telephone numbers are parsed by `phonenumbers`. What is a code of a known clinical vocabulary, or a
measurement, is nobody's.

It does not cover a bare name or place without any sign around it; a column full of them is found by how they differ
(`identifiers`). Nothing here goes to the network: the list of top-level domains is the one that is installed.

Source: the 18 identifiers of the HIPAA Privacy Rule, 45 CFR 164.514(b)(2).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from counterproof.tools.identifier_words import BEFORE_VALUES, NUMBER_WORD, Kind

_CERTAIN = 0.95
"""What presidio says of a value whose check digit is right."""
_NEAR = 40
_PIECE, _OVERLAP = 2_000, 300
"""Characters before a value in which a word may announce it."""
_AGE_SHOWN = 89

_DASH = r"[-‐-―]"
_MONTH = (
    r"(?:jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|f[ée]v(?:rier)?|m(?:ar(?:ch|s)?|ärz|rz)|a(?:pr(?:il)?|vr(?:il)?|br(?:il)?)|"
    r"ma[iy]o?|ju(?:ne?|in|nio)|ju(?:ly?|illet|li|lio)|aug(?:ust)?|ao[ûu]t|ago(?:sto)?|sep(?:t(?:ember|embre)?)?|"
    r"o[ck]t(?:ober|obre|ubre)?|nov(?:ember|embre)?|d[eé][cz](?:ember|embre)?|enero|febrero|marzo|abril|diciembre)\.?"
)
_DATE = re.compile(
    rf"(?<![\d.])(?:(?:1[89]|20)\d\d([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])"
    rf"|(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|[12]\d|3[01])\2(?:1[89]|20)\d\d"
    rf"|(?:0[1-9]|[12]\d|3[01])([-/.])(?:0[1-9]|[12]\d|3[01])\3\d\d"
    rf"|(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th|\.)?[ -](?:of |de )?{_MONTH}[ ,-]+(?:de )?(?:(?:1[89]|20)\d\d|'?\d\d)"
    rf"|{_MONTH}[ -](?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?,?[ -]+(?:1[89]|20)\d\d"
    rf"|(?:1[89]|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:T?\d{{4,6}})?)(?![\d])",
    re.IGNORECASE,
)
_OLD = re.compile(
    r"\b(?:aged?\s*:?\s*)(\d{2,3})\b|\b(\d{2,3})[ -](?:years?|yrs?)(?:[ -]old)?\b|\b(\d{2,3}) ?y/?o\b", re.I
)
_URL = re.compile(
    r"(?:https?|ftp)://[^\s<>\"']+|\bwww\d?\.[^\s<>\"']+"
    r"|\b(?:[a-z0-9-]{2,}\.)+(?:com|org|net|edu|gov|info|io|eu|uk|de|fr|it|es|nl|ch|at|se|dk|no|fi|pl|pt|be|jp|cn|in|br|ru|"
    r"au|ca|us|biz|me|tv)(?:/[^\s<>\"']*|(?=[\s,;\"')|]|\.?$))",
    re.IGNORECASE,
)
_FILE = re.compile(r"[\w.()-]+\.(?:jpe?g|png|heic|tiff?|gif|bmp|webp|raw|cr2|nef)\b|data:image/\S+", re.IGNORECASE)
_PHONE = re.compile(
    r"(?<![\w.,/+-])\(?(?:\+|00)?\(?\d[\d ().\-/]{6,}\d(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?![\w%])", re.IGNORECASE
)
_MAC = re.compile(r"\b[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}\b", re.IGNORECASE)
_UDI = re.compile(r"\(01\)\d{14}(?:\(\d\d\)[\w-]+)*")
_VIN = re.compile(r"\b(?=[A-HJ-NPR-Z0-9]*\d)(?=[A-HJ-NPR-Z0-9]*[A-HJ-NPR-Z])[A-HJ-NPR-Z0-9]{17}\b")
_PLATE = re.compile(
    r"\b(?:[A-Z]{2}\d{2} ?[A-Z]{3}|[A-Z]{2}-\d{3}-[A-Z]{2}|(?!HLA|DNA|RNA)[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} \d{1,4}[EH]?)\b"
)
_BLOB = re.compile(
    r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{24,}\b|(?<![\w/+])(?=\S*[a-z])(?=\S*[A-Z])(?=\S*\d)[A-Za-z0-9+/]{24,}={0,2}",
    re.I,
)
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_LONG_DIGITS = re.compile(r"(?<![\w.,])\d{9,}(?![\w]|[.,]\d)")
_CHECKED_SSN = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_STREET = re.compile(
    r"\b\d{1,5}[a-z]? (?:[A-ZÀ-Þ][\w'.-]+ ){1,4}(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Court|Ct|Way|Place|Pl|Close|"
    r"Boulevard|Blvd|Terrace|Square|Crescent|Highway|Parkway|Circle|Trail|Mews|Row|Hill|Gardens?|Station|Park)\b"
    r"|\b(?:rue|avenue|boulevard|chemin|place|via|viale|piazza|calle|avenida|paseo|rua|plaza) (?:d[eu'] ?|de la |del )?"
    r"[A-ZÀ-Þ][\w' -]{2,40}"
    r"|\b[A-ZÄÖÜ][\wäöüß.-]{2,}(?:stra(?:ß|ss)e|str\.|weg|gasse|allee|platz|ring|straat|laan)\s?\d{1,4}[a-z]?\b"
    r"|\b\d{1,5},? (?:rue|avenue|boulevard|chemin|place|via|viale|calle) .{3,40}",
    re.UNICODE,
)
_POSTCODE = re.compile(
    r"\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b|\b[ABCEGHJ-NPRSTVXY]\d[A-Z] \d[A-Z]\d\b|\b[A-Z]{2} \d{5}(?:-\d{4})?\b|\b\d{5}-\d{4}\b"
    r"|\b(?:[A-Z]{1,2}-)?\d{4,5} [A-ZÀ-Þ][a-zà-ÿ]{2,}(?:[ -][A-ZÀ-Þ][a-zà-ÿ]+)*"
)
_NAME = r"(?:[A-ZÀ-Þ][a-zà-ÿ'’]+(?:[-'’][A-ZÀ-Þ]?[a-zà-ÿ]+)*|[A-ZÀ-Þ]\.|[A-ZÀ-Þ]{2,}|O'[A-Z][a-z]+|Mc[A-Z][a-z]+)"
_PARTICLE = r"(?: (?:von|van|de|der|den|del|della|di|da|dos|du|la|le|ter|zu|bin|al|el)\b){0,2}"
_PERSON = rf"{_NAME}(?:,? ?{_PARTICLE} {_NAME}|, {_NAME}){{0,3}}"
_TITLED = re.compile(
    r"\b(?:Mrs?|Ms|Miss|Mx|Sir|Dame|Drs?|Prof(?:essor)?|Hr|Herrn?|Frau|Fr|Mme|Mlle|Monsieur|Madame|Se[ñn]ora?|Sra?|Dott(?:\.ssa)?|"
    rf"Sig(?:\.ra|nora?)?|Dhr|Mevr|Nurse|Sister|Rev)\b\.?,? (?:(?:Dr|Prof|med)\.? ){{0,2}}({_PERSON})"
)
_AROUND = re.compile(
    r"\b(?i:called|named|known as|signed(?: by)?|seen by|reviewed by|referred by|discussed with|spoke (?:to|with)|"
    r"accompanied by|dictated by|visited by|informed|contacted?|cared for by|on behalf of|(?:his|her|their|the) (?:wife|husband|"
    r"partner|son|daughter|mother|father|sister|brother|neighbou?r|carer|guardian|aunt|uncle|friend|employer)|patient|"
    rf"regards|sincerely|c/o|attn\.?|tell|ask|thank)[,:]? ({_PERSON})"
)
_LIVES = re.compile(
    r"\b(?i:lives?|living|resid(?:es?|ing|ent)|moved|born|works?|retired|travell?ed|transferred|house|flat|home) "
    rf"(?:alone )?(?:in|at|of|to|from|near) ((?:the )?(?:\d{{4,6}} )?{_NAME}(?:[ -](?:upon|on|am|an|der|de|la|sur|in)?[ -]?{_NAME}){{0,4}})"
)
_VOCABULARY = re.compile(
    r"[A-TV-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?"  # ICD-10
    r"|[VE]?\d{3}(?:\.\d{1,2})?"  # ICD-9
    r"|[A-Z]\d{2}(?:[A-Z](?:[A-Z](?:\d{2})?)?)?"  # ATC
    r"|(?:LP)?\d{1,7}-\d"  # LOINC
    r"|rs\d+|ENS[A-Z]*\d{11}(?:\.\d+)?|[NX][CGMPRT]_\d+(?:\.\d+)?(?::\S+)?|(?:[cgpmn]\.)\S+|NCT\d{8}"
    r"|(?:GO|HP|MONDO|DOID|CHEBI|ORPHA|OMIM|HGNC|UBERON|EFO):?\d{3,}|[OPQ]\d[A-Z0-9]{3}\d"
    r"|HLA-[A-Z]+\d*(?:\*[\d:]+)?|CD\d{1,3}[a-z]?|(?:hsa-)?(?:mi|let)[rR]?-\d+\w*(?:-[35]p)?"
    r"|(?:chr)?(?:\d{1,2}|[XY])[pq]\d+(?:\.\d+)?"
)
_GENE = re.compile(r"(?!(?:\D*\d){5})(?:[A-Z][A-Z0-9]{1,9}(?:-[A-Z0-9]{1,4})?|[A-Z]\d*orf\d+|[A-Z][a-z]+\d+[a-z]?\d*)")
_MEASURE = re.compile(
    r"[<>≤≥~=±]{0,2}\s?[-+]?\d+(?:[.,]\d+)?(?:\s?(?:-|–|to|/|x|±)\s?\d+(?:[.,]\d+)?)?(?:e[-+]?\d+)?\s?"
    r"(?:(?:[x×*]\s?)?10(?:\^|\*\*|e)?\d{1,2})?(?:[a-zA-Zµμ%°/^²³*·(][a-zA-Zµμ%°/^²³*·()\d.-]{0,13})?"
    r"(?:\s(?:b\.?i\.?d|t\.?[id]\.?[ds]|q\.?[id]\.?d|q\d+h|[oq]d|daily|weekly|monthly|nightly|mane|nocte|prn|once|twice|per|a|day|"
    r"week|every|hours?|p\.?o|i\.?v|i\.?m|s\.?c)\.?)*"
)
# Words that begin with a capital and are no names: of diseases, scales, sections of notes.
_NO_PERSON = re.compile(
    r"\b(?:disease|syndrome|sign|test|score|scale|index|stage|grade|class|type|phase|lymphoma|sarcoma|tumou?r|carcinoma|"
    r"mg|daily|admitted|reports?|denies|presents?|history|blood|heart|pressure|left|right|acute|chronic|emergency|clinic|"
    r"department|unit|ward|hospital|male|female|unknown|none|yes|not|information|number|id|no)\b",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"(?:'s)?[ -](?:disease|syndrome|sign|test|score|scale|index|criteria|classification|lymphoma|grade|stage)", re.I
)

# Recognisers of presidio whose answers are used where the value's check digit is right.
_CHECKED: dict[str, Kind] = {
    "CreditCardRecognizer": "account number",
    "IbanRecognizer": "account number",
    "CryptoRecognizer": "account number",
    "MedicalLicenseRecognizer": "licence number",
    "UsNpiRecognizer": "licence number",
    "UsMbiRecognizer": "health plan number",
    "DeHealthInsuranceRecognizer": "health plan number",
    "AuMedicareRecognizer": "health plan number",
    "NhsRecognizer": "medical record number",
    "UsSsnRecognizer": "national number",
    "CaSinRecognizer": "national number",
    "AuTfnRecognizer": "national number",
    "DeTaxIdRecognizer": "national number",
    "DeSocialSecurityRecognizer": "national number",
    "DeIdCardRecognizer": "national number",
    "EsNifRecognizer": "national number",
    "EsNieRecognizer": "national number",
    "ItFiscalCodeRecognizer": "national number",
    "PlPeselRecognizer": "national number",
    "FiPersonalIdentityCodeRecognizer": "national number",
    "SePersonnummerRecognizer": "national number",
    "SgFinRecognizer": "national number",
    "InAadhaarRecognizer": "national number",
    "InPanRecognizer": "national number",
    "KrRrnRecognizer": "national number",
    "ThTninRecognizer": "national number",
    "TrNationalIdRecognizer": "national number",
    "ZaIdNumberRecognizer": "national number",
    "UkNinoRecognizer": "national number",
    "UkDrivingLicenceRecognizer": "licence number",
    "EmailRecognizer": "email",
    "IpRecognizer": "ip address",
}
# Forms that no measurement has: these count without a check digit.
_STRONG = frozenset({"IpRecognizer", "UkNinoRecognizer", "UkDrivingLicenceRecognizer", "UsMbiRecognizer"})
_FORMS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("url", _URL),
    ("photograph", _FILE),
    ("device", _MAC),
    ("device", _UDI),
    ("other number", _UUID),
    ("national number", _CHECKED_SSN),
    ("date", _DATE),
    ("place", _STREET),
    ("place", _POSTCODE),
    ("vehicle", _VIN),
    ("vehicle", _PLATE),
    ("biometric", _BLOB),
    ("other number", _LONG_DIGITS),
)
_OPEN = r"(?:\s*\(?(?:of|is|was|are|del?|du)\b)?[\s\"'>)]*[:=#|,>-]?[\s\"'\[(<]*"
_NUMBER = r"(?:[A-ZÄÖÜ]{1,4}[ -])?(?=[\w./+*-]*\d)[\w][\w./:+*-]{1,}(?:[ -](?=[\w]*\d)[\w./-]{2,}){0,5}(?:[ -][A-Z]{1,4}(?![\w]))?"
_TEXT = rf"(?:{_NAME}|\d[\w-]*)(?:[ ,.'-]{{1,2}}(?:{_NAME}|\d[\w-]*|[a-zà-ÿ]{{1,3}}(?= ))){{0,7}}"
_ANNOUNCED: dict[Kind, re.Pattern[str]] = {
    kind: re.compile(
        rf"(?:(?<![^\W_])|(?<=[a-z])(?=[A-Z]))(?i:{words})(?i:{NUMBER_WORD})?(?![^\W_]){_OPEN}"
        + (rf"({_PERSON})" if kind == "name" else rf"({_TEXT})" if kind == "place" else rf"({_NUMBER})"),
    )
    for kind, words in BEFORE_VALUES.items()
}
_STRICT = frozenset({"date", "phone", "fax", "url", "email", "ip address", "photograph"})
"""Kinds whose values have a form of their own; a word before them adds nothing."""
_WEAK_WORDS = re.compile(
    r"(?i)(?:patient|case|visit|group|plan|record|hospital|fall|sample|specimen|card|pump|link|lot|image|episode|chart|"
    r"registration|device|implant|iris|street|city|profile|stent|study|subject|participant|kit|date|session)\W*$"
)
"""Words that often announce something else: a number after them counts from five characters."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Where in a text an identifier stands, and of which kind it is."""

    kind: Kind
    start: int
    end: int


def find_in_text(text: str) -> list[Span]:
    """Return the identifiers in a text, in the order in which they stand; one place has one kind.

    A long text is looked at piece by piece: some patterns take time with the square of its length.
    """
    found = [
        Span(kind=span.kind, start=at + span.start, end=at + span.end)
        for at in range(0, max(1, len(text) - _OVERLAP), _PIECE - _OVERLAP)
        for span in _in_piece(text[at : at + _PIECE])
        # What a cut goes through stands whole in the piece before or behind.
        if (span.start or not at) and (span.end < _PIECE or at + _PIECE >= len(text))
    ]
    kept: list[Span] = []
    for span in sorted(found, key=lambda one: (one.start, -one.end)):
        if _is_known_code(text, span) or (kept and span.start < kept[-1].end):
            continue
        kept.append(span)
    return kept


def _in_piece(text: str) -> Iterator[Span]:
    for find in (_forms, _phones, _checked, _announced, _persons, _ages):
        yield from find(text)


def is_clinical_code(text: str) -> bool:
    """Say whether a whole value is a code of a clinical vocabulary, a gene, or a measurement."""
    return bool(_VOCABULARY.fullmatch(text) or _GENE.fullmatch(text) or _MEASURE.fullmatch(text))


def _forms(text: str) -> Iterator[Span]:
    for kind, pattern in _FORMS:
        for match in pattern.finditer(text):
            yield Span(kind=kind, start=match.start(), end=match.end())


def _phones(text: str) -> Iterator[Span]:
    for match in _PHONE.finditer(text):
        number = match.group()
        digits = sum(character.isdigit() for character in number)
        announced = _before(text, match.start(), BEFORE_VALUES["fax"])
        called = announced or _before(text, match.start(), BEFORE_VALUES["phone"])
        groups = len(re.findall(r"\d+", number))
        if 7 <= digits <= 17 and (called or (digits >= 9 and groups < digits / 2 and _is_possible(number))):
            yield Span(kind="fax" if announced else "phone", start=match.start(), end=match.end())


def _is_possible(number: str) -> bool:
    import phonenumbers  # lazy: 0.1 s, and only where text has something like a number

    regions = (
        (None,) if number.startswith(("+", "00")) else ("US", "GB", "DE", "FR", "ES", "IT", "NL", "IN", "JP", "AU")
    )
    for region in regions:
        try:
            parsed = phonenumbers.parse(number.replace("00", "+", 1) if number.startswith("00") else number, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(parsed):
            return True
    return False


def _checked(text: str) -> Iterator[Span]:
    if not any(character.isdigit() or character == "@" for character in text):
        return
    for recognizer, kind in _recognizers():
        for result in recognizer.analyze(text, recognizer.supported_entities):
            strong = type(recognizer).__name__ in _STRONG or kind == "email"
            enzyme = kind == "ip address" and _before(text, result.start, r"ec")
            if (result.score >= _CERTAIN or strong) and result.end - result.start >= 7 and not enzyme:
                yield Span(kind=kind, start=result.start, end=result.end)


@cache
def _recognizers() -> tuple[tuple[Any, Kind], ...]:
    """Return presidio's recognisers; importing them takes more than a second, so that happens where text has digits."""
    import presidio_analyzer.predefined_recognizers as theirs  # lazy: it takes more than a second and is rarely needed

    logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL)  # it would log what it found

    # Theirs fetches the list of public endings; a hospital's own (`ward3.intern`, `.local`) is in no list.
    class _Email(theirs.EmailRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            last = pattern_text.rpartition(".")[2]
            return len(last) >= 2 and (last.isalpha() or last.startswith("xn--"))

    made = {name: getattr(theirs, name) for name in _CHECKED} | {"EmailRecognizer": _Email}
    return tuple((made[name](), kind) for name, kind in _CHECKED.items())


def _announced(text: str) -> Iterator[Span]:
    for kind, pattern in _ANNOUNCED.items():
        if kind in _STRICT:
            continue
        for match in pattern.finditer(text):
            value = match.group(1)
            word = text[match.start() : match.start(1)]
            if kind == "name":
                span = _person(text, match, 1)
                if span and (re.search(r"[:=|\"]", word) or not _WEAK_WORDS.search(word.strip())):
                    yield span
                continue
            digits = sum(character.isdigit() for character in value)
            if kind == "place":
                if re.search(r"[:=|\"]", word) or digits >= 4:
                    yield Span(kind=kind, start=match.start(1), end=match.end(1))
                continue
            few = (4, 1) if kind == "vehicle" and len(value) > 4 else (4, 4) if kind == "vehicle" else (5, 3)
            if len(value) >= few[0] and digits >= few[1] and not _VOCABULARY.fullmatch(value):
                yield Span(kind=kind, start=match.start(1), end=match.end(1))


def _persons(text: str) -> Iterator[Span]:
    for pattern in (_TITLED, _AROUND, _LIVES):
        for match in pattern.finditer(text):
            span = _person(text, match, 1)
            if span:
                yield span if pattern is not _LIVES else Span(kind="place", start=span.start, end=span.end)


def _person(text: str, match: re.Match[str], group: int) -> Span | None:
    """Return where a name of a person stands, cut where other words begin; None where it is no name."""
    value, start = match.group(group), match.start(group)
    other = _NO_PERSON.search(value)
    if other:
        value = value[: other.start()].rstrip(" ,")
    if len(value) < 3 or _AFTER.match(text[start + len(value) :]) or (value.isupper() and len(value) < 5):
        return None
    return Span(kind="name", start=start, end=start + len(value))


def _ages(text: str) -> Iterator[Span]:
    for match in _OLD.finditer(text):
        age = next(group for group in match.groups() if group)
        if _AGE_SHOWN < int(age) < 125:
            yield Span(kind="date", start=match.start(), end=match.end())


def _before(text: str, start: int, words: str) -> bool:
    return bool(
        re.search(
            rf"(?i)(?<![^\W_])(?:{words})(?![^\W_])[\W_]*(?:[^\W_]+[\W_]+)?$", text[max(0, start - _NEAR) : start]
        )
    )


def _is_known_code(text: str, span: Span) -> bool:
    value = text[span.start : span.end]
    return span.kind not in ("name", "place", "date") and bool(_VOCABULARY.fullmatch(value))
