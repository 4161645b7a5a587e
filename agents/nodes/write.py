"""Write: the model writes the primary program and, in a conversation of its own, the replication.

Neither conversation sees the other. A role whose program already works is left alone.
"""

from __future__ import annotations

from typing import Any, Literal, assert_never

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langgraph.runtime import Runtime
from pydantic import BaseModel, ConfigDict, Field

from counterproof.agents.answers import Structured, ask
from counterproof.agents.context import StudyContext
from counterproof.agents.executions import PROGRAM_MEDIA
from counterproof.agents.nodes._replanning import answers_in
from counterproof.agents.prompts import codebook_told, fill, quoted, shown
from counterproof.agents.reasons import answered, pending
from counterproof.agents.state import StudyState
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.sandbox import Environment, Language
from counterproof.sandbox.orders import ROLES, Role
from counterproof.tools.profile import told as profile_told

_PREFERENCE: dict[Language, str] = {
    "python": "for example statsmodels or scipy in place of lifelines, or the formula written out",
    "r": "for example another package, or the formula written out",
}


_NAMES = "lifelines, matplotlib, numpy, pandas, pyarrow, scikit-learn, scipy, seaborn, statsmodels, tableone"
LIBRARIES = frozenset(_NAMES.split(", "))
"""What a program in Python is told of; the rest of an environment is what these need."""


class _AnyProgram(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Language
    """Language of the program."""
    code: str = Field(min_length=1, max_length=200_000)
    """The whole program."""
    notes: str = Field(default="", max_length=20_000)
    """What a reviewer should look at."""


class ProgramText(_AnyProgram):
    """A program as the model writes it."""

    language: Literal["python"]


class RProgramText(_AnyProgram):
    """A program in R as the model writes it."""

    language: Literal["r"]


_FORMS: dict[Language, type[_AnyProgram]] = {"python": ProgramText, "r": RProgramText}


def write(state: StudyState, runtime: Runtime[StudyContext]) -> dict[str, Any]:
    """Ask for each program that is missing or doesn't work."""
    ctx = runtime.context
    wanted = [role for role in ROLES if role not in state.get("twin_runs", {})]
    turns = {role: list(state.get("turns", {}).get(role, [])) for role in ROLES}
    answers = ctx.both(lambda role: _write_one(ctx, state, role, turns[role]), wanted)
    programs = dict(state.get("programs", {}))
    told_to = dict(state.get("answered", {}))
    for role, structured in zip(wanted, answers, strict=True):
        answer = structured.value
        rows = answered(ctx, CheckpointKind.CODE, structured.answers, role=role)
        told_to[role] = ctx.put_json("answers", rows).sha256 if rows else ""
        program = ctx.record.put("program", answer.code.encode(), media=PROGRAM_MEDIA[answer.language])
        notes = ctx.record.put("notes", answer.notes.encode(), media="text/markdown")
        number = _number(state, role, turns[role])
        ctx.note_once(
            "program.written",
            {"role": role, "number": number, "language": answer.language},
            [program, notes],
            durable=role == wanted[-1],  # the last one flushes them all
        )
        programs[role] = program.sha256
        said = ctx.put_json("answer", answer.model_dump(mode="json"))
        turns[role].append(f"assistant:{said.sha256}")
    return {"programs": programs, "turns": turns, "answered": told_to}


def _write_one(ctx: StudyContext, state: StudyState, role: Role, turns: list[str]) -> Structured[_AnyProgram]:
    number = _number(state, role, turns)
    ctx.progress(f"write: asking for the {role} program ({number})")
    task = fill(
        "programmer_task",
        plan=shown(ctx.json(state["plan"])),
        profile=shown(profile_told(ctx.json(state["profile"]))),
        codebook=codebook_told(ctx.settings),
        feedback="",
    )
    language = ctx.settings.language_of(role)
    system = instructions(language, ctx.environments[role])
    if role == "replication":
        system += "\n\n" + fill("replicator", preference=_PREFERENCE[language])
    messages: list[BaseMessage] = [SystemMessage(system), HumanMessage(task)]
    for turn in turns:
        speaker, _, digest = turn.partition(":")
        messages.append(AIMessage(ctx.text(digest)) if speaker == "assistant" else HumanMessage(ctx.text(digest)))
    reasons = len(pending(ctx, CheckpointKind.CODE))
    return ask(ctx.chat, f"write/{role}/{number}", messages, _FORMS[language], reasons=reasons)


def _number(state: StudyState, role: Role, turns: list[str]) -> int:
    """Return the number of the next program of this role, those for earlier versions of the plan counted in."""
    return 1 + state.get("written", {}).get(role, 0) + answers_in(turns)


def instructions(language: Language, environment: Environment) -> str:
    """Return what a programmer of this language is told."""
    match language:
        case "python":
            return fill("programmer", packages=", ".join(_libraries(environment)))
        case "r":
            return fill("programmer_r", packages=", ".join(environment.packages))
        case _:
            assert_never(language)


def _libraries(environment: Environment) -> list[str]:
    """Return the libraries that a program may import, with their versions, as far as they are there."""
    named = (library.partition("==") for library in environment.distributions)
    return [f"{name} {version}" for name, _, version in named if name.lower() in LIBRARIES]


def told(ctx: StudyContext, fault: str) -> str:
    """Store what a program's author is told of a fault, and return the turn for its conversation.

    What a program printed may hold what stands in the data, so it is quoted like all that came with them.
    """
    text = fill("program_fault", fault=quoted(fault))
    return f"user:{ctx.record.put('feedback', text.encode(), media='text/plain').sha256}"
