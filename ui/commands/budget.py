"""`counterproof budget`: what a study may use, what it has used, and a signature for more."""

from __future__ import annotations

from pathlib import Path

import click

from counterproof.agents.study import OpenStudy, Workplace, open_study
from counterproof.provenance.budgets import NAMES, Ledger, Longest, limits_of
from counterproof.provenance.errors import UsageError
from counterproof.provenance.extensions import Extensions
from counterproof.ui.common import home_option, workplace
from counterproof.ui.keys import signer_of
from counterproof.ui.output import emit, json_option, say

_NOTHING = Longest(answer_tokens=0, call_s=0, execution_s=0)


@click.group(name="budget")
def command() -> None:
    """Show what a study may use and has used; extend it with a signature."""


@command.command()
@click.argument("study")
@home_option
@json_option
def show(study: str, home: Path, as_json: bool) -> None:
    """Show the budgets of STUDY: what its policy allows, what people added, and what it has used."""
    place = workplace(home)
    opened = open_study(place, study)
    rules = opened.checkpoints.policy()
    ledger = Ledger(record=opened.record, budgets=rules.policy.budgets, longest=_NOTHING)
    spent, allowed, added = ledger.spent(), limits_of(rules.policy.budgets), _extensions(place, opened).total()
    rows = [
        {
            "budget": name,
            "allowed": getattr(allowed, name),
            "added": getattr(added, name),
            "used": round(getattr(spent, name), 6),
        }
        for name in NAMES
    ]
    lines = [f"{'budget':<12} {'allowed':>12} {'added':>12} {'used':>12}"]
    lines += [f"{row['budget']:<12} {row['allowed']:>12g} {row['added']:>12g} {row['used']:>12g}" for row in rows]
    emit(rows, "\n".join(lines), as_json=as_json)


@command.command()
@click.argument("study")
@click.option("--as", "reviewer", required=True, help="The reviewer's id.")
@click.option("--add", "added", multiple=True, required=True, help=f"NAME=NUMBER; of {', '.join(NAMES)}.")
@click.option("--comment", required=True, help="Why the study may go on; stands in the record.")
@click.option("--key", type=click.Path(path_type=Path), help="Private key; default: keys/REVIEWER in the store.")
@click.option("--agent", is_flag=True, help="Sign with the reviewer's key in ssh-agent; no key file is opened.")
@home_option
@json_option
def extend(
    study: str,
    reviewer: str,
    added: tuple[str, ...],
    comment: str,
    key: Path | None,
    agent: bool,
    home: Path,
    as_json: bool,
) -> None:
    """Sign that STUDY may use more. Nothing else raises a budget. After it, `counterproof run STUDY` goes on."""
    place = workplace(home)
    opened = open_study(place, study)
    extra = dict(_amount(one) for one in added)
    signer = signer_of(place.registry.get(reviewer), home=home, key=key, agent=agent)
    made = _extensions(place, opened).extend(extra, signer, reviewer=reviewer, comment=comment)
    say(f"Signed as {made.name} ({made.role}).")
    say(f"Go on with: counterproof run {study}")
    text = ", ".join(f"{name} +{more:g}" for name, more in made.extra.items())
    emit(made.model_dump(mode="json"), f"{study}: {text}", as_json=as_json)


def _extensions(place: Workplace, opened: OpenStudy) -> Extensions:
    rules = opened.checkpoints.policy()
    return Extensions(record=opened.record, registry=place.registry, study=opened.id, rules=rules)


def _amount(given: str) -> tuple[str, float]:
    name, _, number = given.partition("=")
    try:
        return name.strip(), float(number)
    except ValueError as error:
        raise UsageError(f"{given!r} is no amount.", allowed=f"NAME=NUMBER, with one of {', '.join(NAMES)}.") from error
