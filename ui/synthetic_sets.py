"""View objects of the synthetic data in the store: sets with their cards, and rating sessions.

    synthetic/<name>/              a set, as `counterproof synth make` writes it
    synthetic/<study>/             a set that was made in a study, once it is released
    synthetic/<name>/review/       a rating session of it, which is there before

It does not cover making and judging, which is for the command line: a card looks at real rows.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from counterproof.provenance.errors import UsageError
from counterproof.tools.synth import review
from counterproof.tools.synth.evaluation.card import Assessment, Card
from counterproof.tools.synth.report.summary import plain_number
from counterproof.tools.synth.sets import CARD, SUMMARY
from counterproof.tools.synth.studies import SESSION, SETS
from counterproof.ui.desk import Desk
from counterproof.ui.sets import fact_text
from counterproof.ui.subjects import Listing

FOLDER, REVIEW = SETS, SESSION
_LARGEST = 64 * 2**20
"""Larger files are taken from the folder."""


@dataclass(frozen=True, kw_only=True)
class SetRow:
    """A set in the list.

    Attributes:
        name: its folder.
        title: name of its file.
        about: how it was made, and what its card says, in a line.
        session: how far its rating session is; "" when it has none.
    """

    name: str
    title: str
    about: str
    session: str


@dataclass(frozen=True, kw_only=True)
class SetView:
    """A set with its card."""

    title: str
    flagged: str
    summary: str
    measures: Listing
    said: tuple[Listing, ...]
    files: tuple[Path, ...]
    too_large: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RatingView:
    """The next item of a rater; `item` and `text` are empty when everything is rated.

    Attributes:
        image: the image that is shown with it, as a PNG without a mark; empty for none.
        number: which one it is for this rater, from 1.
        total: how many there are.
    """

    item: str
    text: str
    image: bytes
    number: int
    total: int


def sets_view(desk: Desk) -> tuple[SetRow, ...]:
    """Return the sets in the store, by name.

    Raises:
        NotAllowed: nobody is there.
    """
    desk.require("read")
    return tuple(_row(folder) for folder in _folders(desk))


def set_view(desk: Desk, name: str) -> SetView:
    """Return a set.

    Raises:
        NotAllowed: nobody is there.
        UsageError: there is none of this name, or its card can't be read.
    """
    desk.require("read")
    folder = _folder(desk, name)
    card = _card(folder)
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    large = [path for path in files if path.stat().st_size > _LARGEST]
    rows = [
        {
            "what": measure.definition.title,
            "value": plain_number(measure.value),
            "floor": plain_number(measure.floor),
            "ceiling": plain_number(measure.ceiling),
            "copy": plain_number(measure.copy_),
            "verdict": measure.verdict,
            "why": measure.reason,
        }
        for measure in card.measures()
    ]
    said = (("A judging model", card.judge), ("People", card.human), ("How well they agree", card.agreement))
    flagged = f"{len(card.flagged)} numbers don't keep their limits." if card.flagged else ""
    summary = folder / SUMMARY
    return SetView(
        title=card.provenance.name,
        flagged=flagged,
        summary=summary.read_text(encoding="utf-8", errors="replace") if summary.is_file() else "",
        measures=Listing(title="The card: every number between its floor and its ceiling", rows=tuple(rows)),
        said=tuple(_said(title, assessment) for title, assessment in said),
        files=tuple(path for path in files if path not in large),
        too_large=tuple(path.name for path in large),
    )


def rating_view(desk: Desk, name: str, *, rater: str) -> RatingView:
    """Return what a rater is to look at next.

    Raises:
        NotAllowed: nobody is there.
        UsageError: there is no such session, or it has a rating that can't be read.
    """
    desk.require("rate")
    folder = _folder(desk, name) / REVIEW
    session = review.open_session(folder)
    left = review.left_for(session, review.ratings_of(folder), rater)
    total = len(session.items)
    if not left:
        return RatingView(item="", text="", image=b"", number=total, total=total)
    item, image = left[0], base64.b64decode(left[0].png)
    return RatingView(item=item.id, text=item.text, image=image, number=total - len(left) + 1, total=total)


def rate_item(
    desk: Desk, name: str, *, rater: str, item: str, guess: str | None, realism: int | None, plausibility: int | None
) -> None:
    """Write down what a rater says of an item.

    Raises:
        NotAllowed: nobody is there.
        UsageError: something is not said, or the item is rated already.
    """
    person = desk.require("rate")
    if person is not None and person.id != rater:
        raise UsageError(f"{person.name} can't rate as {rater}.", advice="Sign in as that person.")
    try:
        given = review.Rating.model_validate(
            {"rater": rater, "item": item, "guess": guess, "realism": realism, "plausibility": plausibility}
        )
    except ValidationError as error:
        missing = ", ".join(str(fault["loc"][0]) for fault in error.errors())
        raise UsageError(f"Not said: {missing}.", allowed="An answer to each of the three questions.") from error
    review.rate(_folder(desk, name) / REVIEW, given)


def _folders(desk: Desk) -> list[Path]:
    place = desk.workplace.store.home / FOLDER
    if not place.is_dir():
        return []
    rated = {path.parents[1] for path in place.glob(f"*/{REVIEW}/{review.SESSION}")}
    return sorted(rated | {path.parent for path in place.glob(f"*/{CARD}")})


def _folder(desk: Desk, name: str) -> Path:
    for folder in _folders(desk):
        if folder.name == name:
            return folder
    raise UsageError(f"There is no synthetic set {name!r} in the store.", advice="The page Synthetic lists all.")


def _card(folder: Path) -> Card:
    try:
        return Card.model_validate_json((folder / CARD).read_bytes())
    except FileNotFoundError as error:
        raise UsageError(
            "Of this set only the rating session is here: nobody has released it yet.",
            advice=f"Rate it; `counterproof show {folder.name}` says where its study stands.",
        ) from error
    except ValidationError as error:
        raise UsageError(
            f"{folder.name}/{CARD} is no card of this version.", advice="Judge the set anew: `synth evaluate`."
        ) from error


def _row(folder: Path) -> SetRow:
    session = ""
    if (folder / REVIEW / review.SESSION).is_file():
        raters = {rating.rater for rating in review.ratings_of(folder / REVIEW)}
        session = f"{len(review.open_session(folder / REVIEW).items)} items, {len(raters)} raters so far"
    try:
        card = _card(folder)
    except UsageError as error:
        return SetRow(name=folder.name, title=folder.name, about=str(error), session=session)
    maker = str(card.provenance.maker.get("maker", "")) or "made elsewhere"
    flagged = f"{len(card.flagged)} numbers don't keep their limits" if card.flagged else "every number keeps its limit"
    about = f"{card.provenance.rows:,} {'rows' if card.modality == 'table' else 'documents'} · {maker} · {flagged}"
    return SetRow(name=folder.name, title=card.provenance.name, about=about, session=session)


def _said(title: str, assessment: Assessment) -> Listing:
    rows = [{"what": name, "found": fact_text(value)} for name, value in assessment.facts.items()]
    empty = f"{assessment.status}: {assessment.reason}" if assessment.reason else assessment.status
    return Listing(title=f"{title} ({assessment.status})", rows=tuple(rows), empty=empty)
