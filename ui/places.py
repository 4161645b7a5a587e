"""View objects of the installation: who may decide under which rules, the models and budgets, and the machine."""

from __future__ import annotations

import asyncio
import platform
from dataclasses import dataclass

from counterproof.agents.models import load_models
from counterproof.agents.software import software
from counterproof.provenance.errors import CounterproofError
from counterproof.provenance.events import now
from counterproof.provenance.permissions import PERMISSIONS, CheckpointKind, Role
from counterproof.provenance.policy import LIMITS, STANDARD, read_policy
from counterproof.sandbox import find_environment
from counterproof.sandbox.contract import IN_WORDS
from counterproof.ui.desk import COMMANDS, Desk
from counterproof.ui.gates import gate_settings
from counterproof.ui.isolation import sandbox
from counterproof.ui.subjects import Listing
from counterproof.ui.vaults import bodies_state, vault_state


@dataclass(frozen=True, kw_only=True)
class ReviewersView:
    """Who may decide, under which rules."""

    people: Listing
    permissions: Listing
    commands: Listing
    policy: Listing
    policy_text: str


@dataclass(frozen=True, kw_only=True)
class ModelsView:
    """Which models may be asked, and how far a study may go."""

    models: Listing
    budgets: Listing


@dataclass(frozen=True, kw_only=True)
class SystemView:
    """The machine and what is installed."""

    versions: Listing
    parts: Listing


def reviewers_view(desk: Desk) -> ReviewersView:
    """Return who may decide what.

    Raises:
        NotAllowed: nobody is there.
    """
    desk.require("read")
    registry = desk.workplace.registry
    at = now()
    people = [
        {
            "id": one.reviewer.id,
            "name": one.reviewer.name,
            "roles": ", ".join(one.reviewer.roles) + (" (replay reviewer)" if one.reviewer.replay else ""),
            "key": one.reviewer.fingerprint,
            "since": one.added_at[:10],
            "active": "yes" if one.is_active(at) else f"revoked from {one.revoked_from[:10]}",
        }
        for one in registry.registered()
    ]
    permissions = [
        {"checkpoint": kind.value, **{role.value: ", ".join(PERMISSIONS[kind][role]) or "nothing" for role in Role}}
        for kind in CheckpointKind
    ]
    commands = [
        {"command": command, "roles": ", ".join(role for role in Role if role in roles)}
        for command, roles in COMMANDS.items()
    ]
    text = registry.policy() or STANDARD
    policy = read_policy(text, source="in force")
    rules = [
        {
            "checkpoint": kind.value,
            "roles": ", ".join(policy.rule(kind).roles),
            "signatures": str(policy.rule(kind).signatures),
            "author may approve": "yes" if policy.rule(kind).author_may_approve else "no",
            "shortest reason": f"{policy.rule(kind).comment_min} characters",
        }
        for kind in CheckpointKind
    ]
    return ReviewersView(
        people=Listing(title="Reviewers", rows=tuple(people), empty="There is no reviewer yet."),
        permissions=Listing(title="Who may decide what, at most", rows=tuple(permissions)),
        commands=Listing(title="Who may do what on these pages", rows=tuple(commands)),
        policy=Listing(title="The policy in force", rows=tuple(rules)),
        policy_text=text.decode(),
    )


def models_view(desk: Desk) -> ModelsView:
    """Return the models and budgets.

    Raises:
        NotAllowed: nobody is there.
        UsageError: `models.toml` can't be understood.
    """
    desk.require("read")
    file = desk.workplace.store.home / "models.toml"
    models = load_models(file) if file.exists() else {}
    rows = [
        {
            "name": name,
            "model": model.model,
            "endpoint": model.base_url,
            "key from": model.api_key_env or "(no key)",
            "structured answers": model.structured,
        }
        for name, model in models.items()
    ]
    budgets = read_policy(desk.workplace.registry.policy() or STANDARD, source="in force").budgets
    described = type(budgets).model_fields
    limits = [
        {"budget": name, "a study may take": f"{getattr(budgets, name):,}", "what": described[name].description or ""}
        for name in (*LIMITS, "price_in", "price_out")
    ]
    return ModelsView(
        models=Listing(
            title="Models",
            rows=tuple(rows),
            empty="There is no models.toml in the store; a new study names an endpoint.",
        ),
        budgets=Listing(title="Budgets of a study", rows=tuple(limits)),
    )


def system_view(desk: Desk) -> SystemView:
    """Return what is installed and what runs.

    Raises:
        NotAllowed: nobody is there.
    """
    desk.require("read")
    store = desk.workplace.store
    gate = gate_settings(store.home)
    asked, left = store.asked(), store.left_behind()
    parts = [
        {"part": "store", "state": "PostgreSQL, shared" if store.shared else "SQLite, on this machine"},
        {"part": "studies", "state": f"{store.count_studies():,}; {store.count_waiting():,} checkpoints wait"},
        {"part": "worker", "state": _worker(len(asked), len(left))},
        {"part": "gate", "state": f"runs as {gate.user}" if gate else "a process of its own under this user"},
        {"part": "vault", "state": f"belongs to {gate.user}" if gate else vault_state(desk.workplace)},
        {"part": "messages, and what was computed from real data", "state": bodies_state(desk.workplace)},
        {"part": "analysis environment", "state": _environment()},
        {"part": "sign-in", "state": "single-user mode" if desk.who is None else "everybody signs in"},
    ]
    machine = {"system": f"{platform.system()} {platform.release()}"}
    versions = {**software(), **machine}
    return SystemView(
        versions=Listing(title="Versions", rows=tuple({"name": name, "version": v} for name, v in versions.items())),
        parts=Listing(title="Parts", rows=tuple(parts)),
    )


def isolation_listing(desk: Desk) -> Listing:
    """Attack the isolation from inside, and return what held; takes some seconds.

    Raises:
        NotAllowed: nobody is there.
        MachineTrouble: something that is required did not hold.
    """
    desk.require("read")
    here = sandbox()
    found = asyncio.run(here.probe())
    here.close()
    rows = [{"held": name, "what": IN_WORDS[name]} for name in found.protections]
    return Listing(title=f"{found.back_end}: every attack from inside failed", rows=tuple(rows))


def _worker(asked: int, left: int) -> str:
    if asked or left:
        return f"{asked} studies ask to go on, {left} were left behind: is `counterproof worker` running?"
    return "nothing waits for it"


def _environment() -> str:
    try:
        found = find_environment()
    except CounterproofError as error:
        return str(error)
    return f"{found.name}: {found.language} {found.version}, {len(found.distributions)} packages, {found.digest[:16]}…"
