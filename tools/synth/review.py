"""Rating sessions: people see real and synthetic items, blinded and in an order of their own, and say what they think.

    session.json    the items, without what they are; the digest of the key
    key.json        which items are real; not for raters
    ratings.jsonl   one rating a line, appended: a session goes on where it was left
    images/         images of items, laid for whoever rates in a terminal
    lock            held while a rating is written

A rater says of each item whether it is real or synthetic, and scores realism and clinical plausibility from 1 to 5.

It does not cover who may rate: the real items are real, so raters must be allowed to see them.
"""

from __future__ import annotations

import base64
import fcntl
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from counterproof.provenance.digests import canonical_json, sha256_bytes
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.tools.results import faults
from counterproof.tools.synth.evaluation.agreement import UNITS_MIN, Coefficient, cohen, fleiss, krippendorff
from counterproof.tools.synth.evaluation.card import Assessment, rounded
from counterproof.tools.synth.exhibits import Exhibit

SESSION, KEY, RATINGS, IMAGES = "session.json", "key.json", "ratings.jsonl", "images"
_LOCK = "lock"
RATERS_MIN = 2
Side = Literal["real", "synthetic"]
SCORES = ("realism", "plausibility")
_Z = 1.959964


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Item(_Model):
    """One thing to look at."""

    id: str
    """Says nothing of what it is."""
    text: str
    """What is shown."""
    png: str = ""
    """The image that is shown with it, as base64, without a mark; "" for none."""


class Session(_Model):
    """What raters get."""

    seed: int
    """Of the order of each rater."""
    key_sha256: str
    """Digest of the key, so that it can't be changed afterwards."""
    items: tuple[Item, ...]
    """In an order that says nothing."""

    def order_for(self, rater: str) -> list[Item]:
        """Return the items in the order of one rater."""
        random = np.random.default_rng([self.seed, zlib.crc32(rater.encode())])
        return [self.items[at] for at in random.permutation(len(self.items)).tolist()]


class Rating(_Model):
    """What one rater says of one item."""

    rater: str = Field(min_length=1, max_length=100)
    """Who."""
    item: str
    """Of which item."""
    guess: Side
    """What it is taken for."""
    realism: int = Field(ge=1, le=5)
    """1 could not be, 5 could well be."""
    plausibility: int = Field(ge=1, le=5)
    """1 is medical nonsense, 5 is sound."""


def start(folder: Path, real: Sequence[Exhibit], made: Sequence[Exhibit], *, items: int, seed: int) -> Session:
    """Begin a session with equally many real and synthetic items.

    Raises:
        UsageError: there is a session already, or too few of a side.
    """
    if (folder / SESSION).exists():
        raise UsageError(f"{folder} holds a session already.", advice="Take another folder.")
    session, key = make_session(real, made, items=items, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / KEY).write_bytes(key)
    (folder / SESSION).write_text(session.model_dump_json(indent=1), encoding="utf-8")
    return session


def make_session(real: Sequence[Exhibit], made: Sequence[Exhibit], *, items: int, seed: int) -> tuple[Session, bytes]:
    """Return a session with equally many items of both sides, and its key; the same items and seed give the same.

    Raises:
        UsageError: there are too few of a side.
    """
    each = items // 2
    if min(len(real), len(made)) < each or each < 1:
        raise UsageError(
            f"There are {len(real)} real and {len(made)} synthetic items.", allowed=f"At least {max(each, 1)} of each."
        )
    return _session([("real", real), ("synthetic", made)], each=each, seed=seed)


def make_session_without_real(made: Sequence[Exhibit], *, items: int, seed: int) -> tuple[Session, bytes]:
    """Return a session of synthetic items alone, and its key: raters score them, and tell nothing apart."""
    return _session([("synthetic", made)], each=min(items, len(made)), seed=seed)


def _session(sides: Sequence[tuple[Side, Sequence[Exhibit]]], *, each: int, seed: int) -> tuple[Session, bytes]:
    random = np.random.default_rng(seed)
    chosen = [
        (side, shown[at]) for side, shown in sides for at in random.choice(len(shown), each, replace=False).tolist()
    ]
    shuffled = [chosen[at] for at in random.permutation(len(chosen)).tolist()]
    named = {f"item-{number:03d}": side for number, (side, _) in enumerate(shuffled, start=1)}
    key = canonical_json(named)
    session = Session(
        seed=seed,
        key_sha256=sha256_bytes(key),
        items=tuple(Item(id=name, text=one.text, png=one.png) for name, (_, one) in zip(named, shuffled, strict=True)),
    )
    return session, key


def open_session(folder: Path) -> Session:
    """Read a session.

    Raises:
        UsageError: there is none.
    """
    try:
        return Session.model_validate_json((folder / SESSION).read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"{folder} holds no session.", advice="Begin one: `counterproof synth review start`."
        ) from error


def ratings_of(folder: Path) -> list[Rating]:
    """Read what was rated so far; a torn last line was never acknowledged, and is left out.

    Raises:
        UsageError: a line is no rating.
    """
    path = folder / RATINGS
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else [""]
    found = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            found.append(Rating.model_validate_json(line))
        except ValidationError as error:
            raise UsageError(f"{path.name}, line {number}, is no rating: {faults(error)}.") from error
    return found


def who_rated_all(session: Session, given: Sequence[Rating]) -> list[str]:
    """Return the raters who rated every item of a session, by name."""
    return [rater for rater in sorted({one.rater for one in given}) if not left_for(session, given, rater)]


def left_for(session: Session, given: Sequence[Rating], rater: str) -> list[Item]:
    """Return what a rater has not rated yet, in the rater's order."""
    done = {rating.item for rating in given if rating.rater == rater}
    return [item for item in session.order_for(rater) if item.id not in done]


def lay_image(folder: Path, item: Item) -> Path | None:
    """Lay the image of an item where a rater can open it, and return the file; None where it has none."""
    if not item.png:
        return None
    path = folder / IMAGES / f"{item.id}.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(base64.b64decode(item.png))
    return path


def rate(folder: Path, rating: Rating) -> None:
    """Write a rating down; several raters may do so at once.

    Raises:
        UsageError: the session has no such item, or the rater has rated it.
    """
    with (folder / _LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _append(folder, rating)


def _append(folder: Path, rating: Rating) -> None:
    left = {item.id for item in left_for(open_session(folder), ratings_of(folder), rating.rater)}
    if rating.item not in left:
        raise UsageError(
            f"{rating.rater} can't rate {rating.item!r}.", allowed=f"One of {len(left)} items that are left."
        )
    path = folder / RATINGS
    held = path.read_bytes() if path.exists() else b""
    whole = held[: held.rfind(b"\n") + 1]
    with path.open("r+b" if held else "wb") as file:
        file.truncate(len(whole))
        file.seek(len(whole))
        file.write(rating.model_dump_json().encode() + b"\n")


def conclude(folder: Path) -> tuple[Assessment, Assessment]:
    """Return what people said, and how well they agree: the sections `human` and `agreement` of a card.

    Raises:
        VerificationFailed: the key is not the one that the session began with.
        UsageError: nothing was rated.
    """
    given = ratings_of(folder)
    if not given:
        raise UsageError(f"Nothing was rated in {folder}.", advice="`counterproof synth review rate` first.")
    return conclude_from(open_session(folder), (folder / KEY).read_bytes(), given)


def conclude_from(session: Session, data: bytes, given: Sequence[Rating]) -> tuple[Assessment, Assessment]:
    """Return what people said of a session, and how well they agree.

    Args:
        session: what they saw.
        data: its key.
        given: what they said; at least one rating.

    Raises:
        VerificationFailed: the key is not the one that the session began with.
    """
    if sha256_bytes(data) != session.key_sha256:
        raise VerificationFailed("The key was changed after the session began.", advice="Begin another session.")
    key: dict[str, Side] = json.loads(data)
    raters = sorted({rating.rater for rating in given})
    units = sum(count >= RATERS_MIN for count in Counter(rating.item for rating in given).values())
    few = ""
    if len(raters) < RATERS_MIN:
        few = f"there is {len(raters)} rater; at least {RATERS_MIN} are needed"
    elif units < UNITS_MIN:
        few = f"{units} items were rated by two people; at least {UNITS_MIN} are needed"
    status: Literal["assessed", "too few to conclude"] = "too few to conclude" if few else "assessed"
    human = Assessment(status=status, reason=few, facts=_human(session, given, key))
    agreement = Assessment(status=status, reason=few, facts=_agreement(session, given, raters))
    return human, agreement


def _human(session: Session, given: Sequence[Rating], key: Mapping[str, Side]) -> dict[str, Any]:
    right = [rating.guess == key[rating.item] for rating in given]
    share, count = sum(right) / len(right), len(right)
    below = 1 + _Z**2 / count
    middle = (share + _Z**2 / (2 * count)) / below
    error = _Z / below * float(np.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)))
    facts: dict[str, Any] = {"ratings": count, "raters": len({rating.rater for rating in given})}
    if images := sum(bool(item.png) for item in session.items):
        facts["items shown with their image"] = images
    if len(set(key.values())) > 1:
        facts["told apart"] = rounded(share)
        facts["told apart, 95 % interval"] = [rounded(middle - error), rounded(middle + error)]
    for name in SCORES:
        for side in ("real", "synthetic"):
            scores = [getattr(rating, name) for rating in given if key[rating.item] == side]
            facts[f"{name}, {side}"] = rounded(float(np.mean(scores))) if scores else None
    return facts


def _agreement(session: Session, given: Sequence[Rating], raters: Sequence[str]) -> dict[str, Any]:
    place = {item.id: at for at, item in enumerate(session.items)}
    facts: dict[str, Any] = {}
    for name in ("guess", *SCORES):
        ratings = np.full((len(session.items), len(raters)), np.nan)
        for rating in given:
            value = getattr(rating, name)
            number = float(value == "synthetic") if name == "guess" else float(value)
            ratings[place[rating.item], raters.index(rating.rater)] = number
        for said, coefficient in _coefficients(ratings, raters, nominal=name == "guess"):
            facts[f"{name}: {said}"] = [
                rounded(number) for number in (coefficient.value, coefficient.low, coefficient.high)
            ]
    return facts


def _coefficients(
    ratings: np.ndarray[tuple[int, int], np.dtype[np.float64]], raters: Sequence[str], *, nominal: bool
) -> list[tuple[str, Coefficient]]:
    found: list[tuple[str, Coefficient]] = []
    if ((~np.isnan(ratings)).sum(axis=1) >= RATERS_MIN).any():
        alpha = krippendorff(ratings, level="nominal" if nominal else "ordinal")
        found.append((f"{alpha.name} (value, 95 % interval)", alpha))
    if nominal and len(raters) >= RATERS_MIN:
        whole = ratings[~np.isnan(ratings).any(axis=1)]
        if len(whole):
            kappa = fleiss(whole)
            found.append((f"{kappa.name} (value, 95 % interval)", kappa))
        for one, other in combinations(range(len(raters)), 2):
            both = ratings[~np.isnan(ratings[:, [one, other]]).any(axis=1)][:, [one, other]]
            if len(both):
                pair = cohen(both[:, 0].tolist(), both[:, 1].tolist())
                found.append((f"{pair.name}, {raters[one]} and {raters[other]}", pair))
    return found
