"""What the nodes of the study graph work with: handles that are never saved with the state."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from counterproof.agents.chat import Chat
from counterproof.agents.papers import Papers
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.events import Event, Ref
from counterproof.provenance.journal import Journal
from counterproof.sandbox import Environment
from counterproof.sandbox.orders import Role
from counterproof.sandbox.secure_side import SecureSide

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class StudyContext(Papers):
    """The handles of one study, beside its papers.

    Attributes:
        journal: the effects.
        chat: the model.
        secure: the secure side: has programs run, and answers what may be known of the real data.
        environments: what each of the two programs runs in.
        set_folder: where the store has the set of the study, once it is released, and its rating session.
        answers: reads what a person said to the transparency statement, as it is now; nothing where nobody did.
        progress: is told one line a step.
        export: makes the bundle of the ended study.
    """

    journal: Journal
    chat: Chat
    secure: SecureSide
    environments: Mapping[Role, Environment]
    set_folder: Path
    answers: Callable[[], bytes]
    progress: Callable[[str], None]
    export: Callable[[], None]

    @property
    def environment_digests(self) -> dict[Role, str]:
        """Digest of what each program runs in."""
        return {role: environment.digest for role, environment in self.environments.items()}

    def put_json(self, role: str, value: Any, **options: Any) -> Ref:
        """Store a JSON document."""
        return self.record.put(role, canonical_json(value), **options)

    def note_once(self, type_: str, data: dict[str, Any], refs: Sequence[Ref] = (), *, durable: bool = True) -> Event:
        """Add an event unless the same one is there already: a step that is run again after a kill adds nothing.

        Without `durable` the node must append a durable event before it ends: its end is flushed with the graph, and
        a node that has ended is not run again.
        """
        with self.record.exclusive():
            for event in self.record.of_type(type_):
                if event.data == data and event.refs == tuple(refs):
                    return event
            return self.record.append(type_, data=data, refs=refs, durable=durable)

    def both(self, do: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Do the same for each item at the same time and return the answers in order."""
        with ThreadPoolExecutor(max_workers=max(1, len(items))) as pool:
            return [job.result() for job in [pool.submit(contextvars.copy_context().run, do, item) for item in items]]
