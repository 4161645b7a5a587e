"""A part of steps 7 and 9 of a synthetic table: what the gate opened to its maker, and what came of it.

The specification that people approved says maker, number of rows and epsilon. The gate, the rows of a model and the
card must say the same; all sets of the study took no more of epsilon than the policy says of the file; and each row
that a model is said to have written is one of those in the record.

It does not cover whether noise was really drawn: nobody can see that from outside.
"""

from __future__ import annotations

from typing import Any

from counterproof.provenance.budgets import epsilon_spent
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import Event
from counterproof.provenance.marks import read_cells
from counterproof.provenance.verify.reading import Bundle
from counterproof.provenance.verify.rules import rules_of

_MODEL = "model"


def check_opened(bundle: Bundle, gate: Event, specification: dict[str, Any]) -> None:
    """Check that the gate opened the data for the epsilon that was approved, and to rows that the record has."""
    opened = (float(gate.data.get("epsilon", 0)), bool(gate.data.get("written", "")))
    if opened != (_epsilon(specification), specification["maker"] == _MODEL):
        raise VerificationFailed(
            f"Event {gate.seq} opened the data with epsilon {opened[0]:g} and {'' if opened[1] else 'no '}rows of a "
            "model, and something else was approved."
        )
    spent, allowed = epsilon_spent(bundle.events[: gate.seq + 1]), _allowed(bundle)
    if opened[0] and spent > allowed:
        raise VerificationFailed(
            f"Event {gate.seq}: the sets of this study took an epsilon of {spent:g}, and the policy allows {allowed:g}."
        )
    if opened[1]:
        _written(bundle, gate)


def check_made(bundle: Bundle, specification: dict[str, Any], card: dict[str, Any], name: str) -> None:
    """Check that the card of a table, and its rows, are of the maker, the number and the epsilon that were approved."""
    rows, maker = len(next(iter(_cells(bundle, name).values()), [])), card["provenance"]["maker"]
    wanted = specification["rows"] or rows
    if not rows == card["provenance"]["rows"] == wanted:
        raise VerificationFailed(
            f"The file set/{name} has {rows} rows, its card counts {card['provenance']['rows']}, and {wanted} were "
            "approved."
        )
    told = (maker["maker"], float(maker.get("epsilon") or 0))
    if told != (specification["maker"] or told[0], _epsilon(specification)):
        raise VerificationFailed(f"The card says that {told[0]!r} made the set with epsilon {told[1]:g}; not approved.")
    if specification["maker"] == _MODEL:
        _check_rows(bundle, name, maker["asked_for"])


def _check_rows(bundle: Bundle, name: str, asked_for: list[str]) -> None:
    """Check that each row is, in the columns that the model was asked for, one that it wrote."""
    cells = _cells(bundle, name)
    there = {tuple(row) for row in _written(bundle, bundle.of_type("gate.opened")[-1])["rows"]}
    strange = [row for row in zip(*(cells[column] for column in asked_for), strict=True) if row not in there]
    if strange:
        raise VerificationFailed(f"{len(strange)} rows of set/{name} are none that the model wrote.")


def _written(bundle: Bundle, gate: Event) -> dict[str, Any]:
    """Return the rows of the model that the gate was given."""
    for event in bundle.of_type("set.written"):
        use = (event.ref("written").sha256, event.data["order"])
        if event.seq < gate.seq and use == (gate.data["written"], gate.data["order"]):
            found: dict[str, Any] = bundle.body(event, "written")
            return found
    raise VerificationFailed(f"Event {gate.seq} opened the data to rows of a model that the record does not have.")


def _cells(bundle: Bundle, name: str) -> dict[str, list[str]]:
    return dict(read_cells(bundle.get(f"set/{name}")))


def _epsilon(specification: dict[str, Any]) -> float:
    return float(specification.get("epsilon", 0))


def _allowed(bundle: Bundle) -> float:
    policy = rules_of(bundle).policy
    return min(policy.of_file(file["name"]).epsilon for file in bundle.events[0].data["data"])
