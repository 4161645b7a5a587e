"""Recording the turns of a scenario: the study runs, and what answers its requests is written down with them.

Today the answers are authored by hand: the file for a role (planner, primary, replication, reporter) answers the first
request of that role. Such turns are marked `origin: authored` with who and when, and are never a model's.

This is where recording from a real endpoint plugs in: another `Source`, with `origin: recorded`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from counterproof.agents.prompts import fill
from counterproof.agents.runner import Runner
from counterproof.provenance.digests import digest_of
from counterproof.provenance.errors import UsageError
from counterproof.scenarios.catalogue import Scenario
from counterproof.scenarios.replayer import scripted_decision, start_scenario
from counterproof.scenarios.server import Turn, TurnServer


def record_scenario(runner: Runner, scenario: Scenario) -> list[Turn]:
    """Run a scenario with its authored answers and return the turns, in the order of their roles.

    Raises:
        UsageError: a request has no authored answer.
    """
    study = start_scenario(runner.workplace, scenario)
    origin = {"origin": scenario.turns.origin, "by": scenario.turns.by, "at": scenario.turns.at}

    def source(request: dict[str, Any]) -> dict[str, Any]:
        return authored_answer(scenario, request)

    with TurnServer([], source=source, origin=origin) as server:
        running = Runner(**{**vars(runner), "endpoint": server.base_url})
        try:
            running.run(
                study, decide=lambda open_, waiting: scripted_decision(runner.workplace, scenario, open_, waiting)
            )
        finally:
            if server.drifts:
                raise UsageError(server.drifts[0])
    roles = list(scenario.turns.authored)
    return sorted(server.turns, key=lambda turn: roles.index(role_of(turn.request)))


def write_turns(path: Path, turns: list[Turn]) -> None:
    """Write turns one a line, replacing the file."""
    rows = [{"origin": turn.origin, "request": turn.request, "response": turn.response} for turn in turns]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def role_of(request: dict[str, Any]) -> str:
    """Return which role a request speaks for, by its system prompt."""
    system = request["messages"][0]["content"]
    for role, prompt in (("planner", "planner"), ("reporter", "reporter")):
        if system.startswith(fill(prompt)):
            return role
    replicators = fill("replicator", preference="").partition("\n")[0]
    return "replication" if replicators in system else "primary"


def authored_answer(scenario: Scenario, request: dict[str, Any]) -> dict[str, Any]:
    """Return the authored answer to a request as a chat completion.

    Raises:
        UsageError: nothing is authored for its role.
    """
    role = role_of(request)
    name = scenario.turns.authored.get(role)
    if name is None:
        raise UsageError(f"Scenario {scenario.name!r} has no authored answer for the {role}.")
    text = (scenario.folder / "authored" / name).read_text(encoding="utf-8")
    if name.endswith((".py", ".R")):
        language = "python" if name.endswith(".py") else "r"
        notes = text.split('"""')[1].strip() if language == "python" else text.partition("\n")[0].lstrip("# ")
        text = json.dumps({"language": language, "code": text, "notes": notes}, ensure_ascii=False)
    return chat_completion(text, request)


def chat_completion(text: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return a chat completion that says `text`; its id is made from the request, its token counts are zero."""
    return {
        "id": f"chatcmpl-{digest_of(request)[:24]}",
        "object": "chat.completion",
        "created": 0,
        "model": request["model"],
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text, "refusal": None}}
        ],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }
