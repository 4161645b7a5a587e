"""The page on oversight: its tables and its diagram are made from the code that decides.

    python -m counterproof.provenance.oversight_page > docs/oversight.md

It does not cover keys of reviewers (`docs/keys.md`) nor the record (`docs/record.md`), written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from pydantic import BaseModel

from counterproof.provenance.permissions import KINDS_OF, PERMISSIONS, CheckpointKind, Purpose, Role
from counterproof.provenance.policy import (
    Budgets,
    CheckpointPolicies,
    CheckpointPolicy,
    ColumnPolicy,
    DataPolicy,
    Policy,
)
from counterproof.provenance.states import ENDS, WAYS, State

_HEAD = """# Oversight

<!-- Made from the code by `python -m counterproof.provenance.oversight_page > docs/oversight.md`; don't edit. -->

Nothing goes ahead at a checkpoint without a signed decision, and real data are opened by the gate alone. The study
graph is no security boundary: it can be told to go anywhere, and the gate still reads record, policy and
signatures. This page says what the rules are; all of it is read from the tables that the program itself uses.

## The policy

A `policy.toml` holds the rules as data. `counterproof policy set FILE` makes one the installation's, which is written
into the registry's record. `counterproof new --policy FILE` gives a study its own; it may be stricter than the
installation's, never looser. Where neither is there, the standard one holds (`counterproof policy show`). The exact
bytes of a study's policy are a body of its first event. Every decision signs their digest; the gate and `counterproof
verify` hold each decision against them.

`policy.toml` in the study's folder is that file for people to read. When it says something else than the record,
nothing is decided and no data are opened until it is put back. The same holds when the study's folder is carried
into another installation, and when the installation's policy has become stricter than the study's. A gate that is
another user's ([gate.md](gate.md)) can't see that file: it takes the policy from the signed record, and its own
registry's policy holds.

- **Four eyes.** A study names its author (`new --author`), a registered reviewer. The author never approves the
  release, and no other checkpoint whose `author_may_approve` is false. Who the author is, is taken from whoever makes
  the study: it is not signed.
- **Two signatures.** With `signatures = 2` the first approval is recorded and the checkpoint goes on waiting; another
  person's is the decision. One person is enough to edit, reject or withdraw.
- **Single-user mode** (`single_user = true`, or `new --single-user`): one person makes the study and decides
  everything. It is stated on every page of the study, in `show` and `inbox`, in the report, the statement and the
  bundle, and the label is never "reviewed by people".
- **Reasons.** A rejection goes back to the model with its reasons, each numbered (a list in the comment gives one for
  each item). What comes back holds an answer to each; reasons and answers are shown at the next checkpoint, and
  `verify` demands them.
- **Back to the plan.** A plan is locked by its approval. `replan`, at the code or the release, is the only way to
  another one: the model drafts the next version for the signed reasons, people approve it, and code is written, shown
  and approved anew. Approvals of what rested on the old version open nothing. Each version stands in `show`, on the
  page and in the report, with its reasons, what it changed, and whether the real data had been opened before. At the
  release the reason holds no digit, for it goes to the model before anything is released.
- **Refusals.** Whatever is not let in is in the record: `decision.refused` at a checkpoint, `gate.refused` at the
  gate, `budget.refused` for an effect.

## Reviewers

The registry is a record of its own: who was added by whom and when, who was revoked, and each policy that was set.
`counterproof reviewers list --all` shows it. A revocation holds from a time on (`reviewers revoke ada --since
2026-11-20`): decisions of before stand, later ones open nothing. A time in the past is for a key that was stolen. The
record's own time counts, not the one in the statement, which whoever has the key could choose. Whoever can write the
store's files can also write times: against that stands the chain of the record, and where it matters a time stamp on
the bundle.

## Budgets

Before each model call and each execution the most that it can take is reserved. Where that is more than is left, the
effect does not happen and the study stands as `over_budget`. `counterproof budget show STUDY` shows where it stands;
`counterproof budget extend STUDY --as ada --add model_calls=50 --comment …` signs for more, and nothing else raises a
limit. What was started and not finished counts with its whole reservation. Calls that a replay answers from a record
are not counted.
"""


def oversight_page() -> str:
    """Return the page."""
    parts = [
        _HEAD,
        "## Who may decide what\n",
        *_permissions(),
        "\nA policy takes roles away from this table and adds none. A study has the checkpoints of its purpose:\n",
        *(f"- {purpose}: {', '.join(kinds)}" for purpose, kinds in KINDS_OF.items()),
        "\nA synthetic set is released whole or not at all: at its release there is no `edit` and no `replan`.\n",
        *_ways("analysis", "## States of a study\n"),
        *_ways("synthesis", "## States of the making of a synthetic set\n"),
        "\nA record with an event that can't follow is refused by the gate and by `verify`. Real data are opened in\n"
        f"two states: *{State.EXECUTING.value}*, and of a synthetic set *{State.MAKING.value}*.\n",
        "## Fields of a policy\n",
        *_fields(Policy, ""),
        *_fields(CheckpointPolicies, "checkpoints."),
        *_fields(CheckpointPolicy, "checkpoints.*."),
        *_fields(Budgets, "budgets."),
        *_fields(DataPolicy, 'data."FILE".'),
        *_fields(ColumnPolicy, 'data."FILE".columns."COLUMN".'),
    ]
    return "\n".join(parts) + "\n"


def _permissions() -> Iterator[str]:
    yield f"| checkpoint | {' | '.join(Role)} |\n|---|{'---|' * len(Role)}"
    for kind in CheckpointKind:
        cells = [", ".join(PERMISSIONS[kind][role]) or "nothing" for role in Role]
        yield f"| {kind} | {' | '.join(cells)} |"


def _ways(purpose: Purpose, heading: str) -> Iterator[str]:
    """Yield the states of a purpose as a diagram and as a table."""
    yield heading
    begin, table = WAYS[purpose]
    yield "```mermaid\nstateDiagram-v2"
    names = {state: state.name.lower() for state in State if state in table}
    yield from (f'    state "{state.value}" as {name}' for state, name in names.items() if state.value != name)
    yield f"    [*] --> {names[begin]}"
    for state, ways in table.items():
        yield from (f"    {names[state]} --> {names[after]}: {cause}" for cause, after in ways.items())
    yield from (f"    {names[end]} --> [*]" for end in State if end in ENDS)
    yield "```"
    yield "\n| state | what leads on | to |\n|---|---|---|"
    for state, ways in table.items():
        for cause, after in ways.items():
            yield f"| {state.value} | {cause} | {after.value} |"
    yield ""


def _fields(model: type[BaseModel], place: str) -> Iterator[str]:
    yield f"| `{place or 'policy'}` | what it says |\n|---|---|"
    for name, field in model.model_fields.items():
        yield f"| `{place}{name}` | {field.description} |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(oversight_page())
