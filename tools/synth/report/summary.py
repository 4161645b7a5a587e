"""One page in plain words: what a synthetic data set can be used for, what it can't, and what stands out.

What it says follows from the verdicts of the card, by rules that stand in `_USES`. It does not cover a use that
the card was not asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from counterproof.tools.synth.evaluation.card import Card, Measure


@dataclass(frozen=True, kw_only=True)
class _Use:
    """What somebody may want to do, and the numbers that must keep their limits for it."""

    what: str
    needs: tuple[str, ...]


_DECIDES = "(a person decides; these numbers only don't speak against)"
_USES: dict[str, tuple[_Use, ...]] = {
    "table": (
        _Use(
            what="write and test programs",
            needs=("fidelity.missing", "plausibility.in_range", "diversity.levels"),
        ),
        _Use(
            what="rehearse the planned analysis and see what its answer may look like",
            needs=("fidelity.association_kept", "utility.interval_overlap", "utility.coefficient_difference"),
        ),
        _Use(what="train a model that is to work on real rows", needs=("utility.tstr", "fidelity.association_kept")),
        _Use(what="compare subgroups", needs=("fairness.shares", "fairness.fidelity_gap", "fairness.utility_gap")),
        _Use(
            what=f"give to people who may not see the real rows {_DECIDES}",
            needs=(
                "privacy.exact_rows",
                "privacy.nearer_to_training",
                "privacy.membership",
                "privacy.singling_out",
                "privacy.singling_out_several",
                "privacy.linkability",
                "privacy.inference",
                "privacy.rare_values",
            ),
        ),
    ),
    "text": (
        _Use(what="write and test programs that read such texts", needs=("fidelity.length", "plausibility.sections")),
        _Use(what="teach and show", needs=("plausibility.concepts", "diversity.near_duplicates")),
        _Use(
            what=f"give to people who may not see the real texts {_DECIDES}",
            needs=("privacy.identifiers", "privacy.longest_overlap"),
        ),
    ),
}
_USES["linked"] = (
    *_USES["text"],
    _Use(
        what="link the parts of a patient",
        needs=("plausibility.note_agrees", "plausibility.signal_agrees", "plausibility.signal_note_agrees"),
    ),
)


def to_summary(card: Card) -> str:
    """Return the summary of a card as Markdown."""
    by_id = {measure.definition.id: measure for measure in card.measures()}
    can, cannot, unknown = _sorted(card, by_id)
    about = card.provenance
    unit = "rows" if card.modality == "table" else "documents" if card.modality == "text" else "patients"
    lines = [
        f"# Synthetic data: {about.name}",
        "",
        f"**Synthetic, never real.** {about.rows:,} {unit}. Card {card.digest[:16]}.",
        f"Made by: {_maker(card)}. Compared with: {about.real.name if about.real else 'a specification only'}.",
        "",
        "## Can be used to",
        *([f"- {line}" for line in can] or ["- nothing that this card was asked about"]),
        "",
        "## Can't be used to",
        *([f"- {line}" for line in cannot] or ["- (nothing that was assessed speaks against a use above)"]),
        "- report any finding about people: sign-off of synthetic data as real is refused",
        "",
        "## Not known",
        *([f"- {line}" for line in unknown] or ["- (everything above was assessed)"]),
        "",
        "## What stands out",
        *(_outstanding(card) or ["- Every number keeps its limit."]),
        "",
        "## Limits of this card",
        *(f"- {line}" for line in card.limits),
        "",
    ]
    return "\n".join(lines)


def plain_number(value: float | None) -> str:
    """Return a number with three digits; a dash for none."""
    return "–" if value is None else f"{value:.3f}" if abs(value) < 1000 else f"{value:.4g}"


def _sorted(card: Card, by_id: dict[str, Measure]) -> tuple[list[str], list[str], list[str]]:
    can, cannot, unknown = [], [], []
    for use in _USES[card.modality]:
        of = [by_id[name] for name in use.needs if name in by_id]
        flagged = [measure.definition.title.lower() for measure in of if measure.verdict == "flag"]
        known = [measure for measure in of if measure.verdict in ("pass", "no limit")]
        if flagged:
            cannot.append(f"{use.what}: {_listed(flagged)}")
        elif known and len(known) * 2 > len(of):
            can.append(use.what)
        else:
            missing = [measure.definition.title.lower() for measure in of if measure.verdict == "not assessed"]
            unknown.append(f"{use.what}: not assessed: {_listed(missing)}")
    return can, cannot, unknown


def _outstanding(card: Card) -> list[str]:
    lines = []
    for measure in card.measures():
        if measure.verdict == "flag":
            about = measure.definition
            beside = [
                f"{name} {plain_number(value)}"
                for name, value in (("floor", measure.floor), ("ceiling", measure.ceiling))
                if value is not None
            ]
            rest = f" ({', '.join(beside)})" if beside else ""
            lines.append(f"- {about.title}: {plain_number(measure.value)}{rest}; {about.direction}.")
    return lines


def _maker(card: Card) -> str:
    maker = card.provenance.maker
    name = str(maker.get("maker", "not known"))
    epsilon = maker.get("epsilon")
    return name if epsilon is None else f"{name} (differential privacy, epsilon {epsilon:g})"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)
