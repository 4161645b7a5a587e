"""What other people's screens answer to an interrupt: read as a request for a decision, never as one.

Agent Inbox, Agent Chat UI and LangGraph Studio show a checkpoint's interrupt and send an answer back. Nobody signs it,
so it decides nothing; it is written down as what somebody asked for, and who may decide finds it beside the checkpoint.

Understood are the shapes that those screens send, seen in their sources in November 2026:

    {"decisions": [d]}, [d], d, {"<id of the interrupt>": one of these}
    d = {"type": "approve" | "edit" | "reject" | "respond", …}        LangChain's HITLResponse (Agent Chat UI)
        an edit in "edited_action": {"name", "args"}, a reason in "message"
    d = {"type": "accept" | "edit" | "response" | "ignore", "args"}   Agent Inbox, older and newer
        an edit in "args": {"action", "args"}, a reason as the text "args"

It does not cover several decisions in one answer: there is one action in the question, so such an answer is not
understood, as anything else that is not listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from counterproof.provenance.decisions import Checkpoint
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.record import Record

Asked = Literal["approve", "edit", "reject", "respond"]
COMMENT_MAX = 20_000
_BYTES_MAX = 1_000_000
_WORDS: dict[str, Asked] = {
    "approve": "approve",
    "accept": "approve",
    "edit": "edit",
    "reject": "reject",
    "respond": "respond",
    "response": "respond",
    "ignore": "reject",
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody asked for.

    Attributes:
        decision: which decision; `respond` for words without one.
        comment: the words that came with it; "" for none.
        edited: the new content of an edit; None otherwise.
    """

    decision: Asked
    comment: str = ""
    edited: Any = None

    def document(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {"decision": self.decision, "comment": self.comment, "edited": self.edited}


def read_answer(answer: Any) -> Request | None:
    """Return what an answer asks for; None for one that only wakes the study up, or is not understood."""
    one = _one_decision(answer)
    word = one.get("type") if one is not None else None
    decision = _WORDS.get(word) if isinstance(word, str) else None
    if one is None or decision is None:
        return None
    edited = _edited(one) if decision == "edit" else None
    if decision == "edit" and edited is None:
        return None
    request = Request(decision=decision, comment=_comment(one)[:COMMENT_MAX], edited=edited)
    return request if _fits(request) else None


def note_request(record: Record, waiting: Checkpoint, answer: Any) -> Request | None:
    """Write down what another screen asked for, once, and not after somebody has decided; return what it was."""
    asked = read_answer(answer)
    if asked is None:
        return None
    data = {"checkpoint": waiting.id, "subject": waiting.subject, "decision": asked.decision}
    with record.exclusive():
        ref = record.put("asked", canonical_json(asked.document()))
        known = [(event.data, event.refs) for event in record.of_type("decision.requested")]
        decided = [event.data["checkpoint"] for event in record.of_type("decision.recorded")]
        if (data, (ref,)) not in known and waiting.id not in decided:
            record.append("decision.requested", data=data, refs=[ref])
    return asked


def question(waiting: Checkpoint) -> dict[str, Any]:
    """Return what an interrupt shows of a checkpoint: LangChain's HITLRequest with one action, and no content."""
    action = f"decide_{waiting.kind}"
    described = (
        f"The {waiting.kind} of study {waiting.study} waits for a signed decision. "
        f"Look at it with `counterproof show {waiting.id}`, sign it with `counterproof decide`."
    )
    arguments = {"checkpoint": waiting.id, "subject_sha256": waiting.subject}
    return {
        "action_requests": [{"name": action, "args": arguments, "description": described}],
        "review_configs": [{"action_name": action, "allowed_decisions": ["approve", "edit", "reject"]}],
    }


def _one_decision(answer: Any) -> dict[str, Any] | None:
    """Take the wrappings off."""
    for _ in range(4):
        if isinstance(answer, list):
            if len(answer) != 1:
                return None
            answer = answer[0]
        elif not isinstance(answer, dict) or isinstance(answer.get("type"), str):
            break
        elif isinstance(answer.get("decisions"), list):
            answer = answer["decisions"]
        elif len(answer) == 1:
            answer = next(iter(answer.values()))
        else:
            return None
    return answer if isinstance(answer, dict) and "type" in answer else None


def _edited(one: dict[str, Any]) -> Any:
    action = one.get("edited_action", one.get("args"))
    return action.get("args") if isinstance(action, dict) else None


def _comment(one: dict[str, Any]) -> str:
    for name in ("message", "args"):
        if isinstance(one.get(name), str):
            return str(one[name]).strip()
    return ""


def _fits(request: Request) -> bool:
    try:
        return len(canonical_json(request.document())) <= _BYTES_MAX
    except (ValueError, TypeError, RecursionError):
        return False
