"""Queries for the sections A (declaration), B (tool) and C (prompts and answers)."""

from __future__ import annotations

from urllib.parse import urlsplit

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.transparency.bodies import as_dict, as_list
from counterproof.provenance.transparency.calls import Call
from counterproof.provenance.transparency.evidence import (
    Finding,
    Lacking,
    NotApplicable,
    Query,
    counted,
    listed,
    short,
    shown,
)
from counterproof.provenance.transparency.story import Story

_NO_CALL = NotApplicable(reason="The record holds no call of a language model.")
_STAGES = {"plan": "drafting the plan", "write": "writing programs", "report": "drafting the text of the report"}


def ai_used(story: Story) -> Finding:
    """A1."""
    if not story.calls:
        return (shown("No language model was called in this study.", [0]),)
    models = listed(call.model for call in story.calls)
    return (shown(f"A language model was used: {counted(len(story.calls), 'call')} of {models}.", _events(story)),)


def purposes(story: Story) -> Finding:
    """A2."""
    stages: dict[str, list[Call]] = {}
    for call in story.calls:
        stages.setdefault(call.key.partition("/")[0], []).append(call)
    return tuple(
        shown(f"{_STAGES.get(stage, stage)}: {counted(len(calls), 'model call')}", _seqs(calls))
        for stage, calls in stages.items()
    )


def touched(story: Story) -> Finding:
    """A3."""
    found = []
    if drafts := story.of_type("plan.drafted"):
        found.append(shown(f"Plan: {counted(len(drafts), 'draft')} by the model.", [event.seq for event in drafts]))
    for program in story.programs:
        name = f"{program.role} program, version {program.number} ({short(program.sha256)})"
        found.append(shown(f"{name}: written by {_author(program.author)}.", [program.seq]))
    for event in story.of_type("report.rendered"):
        sections = [str(as_dict(section).get("name")) for section in as_list(story.report.get("sections"))]
        text = f"Report: the sections {listed(sections)} were drafted by the model; each number was filled in by code."
        found.append(shown(text, [event.seq]))
    run = _released_run(story)
    for file in map(as_dict, as_list(story.released.get("files"))):
        text = f"{file.get('name')}: made by the {run} program on the real data, not by a generative model."
        found.append(shown(text, story.numbers("results.released")))
    return tuple(found)


def ready_texts(story: Story) -> Finding:
    """A7."""
    return (shown("This statement holds the four texts, made from the record alone.", [0, story.events[-1].seq]),)


def models(story: Story) -> Finding:
    """B1."""
    if not story.calls:
        return _NO_CALL
    configured = urlsplit(str(as_dict(story.created.get("model")).get("base_url", ""))).hostname or "not recorded"
    found: dict[str, list[Call]] = {}
    for call in story.calls:
        if call.status != "finished":
            continue
        named = call.returned or "no name of a model"
        print_ = f", fingerprint {call.fingerprint}" if call.fingerprint else ", no fingerprint"
        text = f"Asked for {call.model}; the answers name {named}{print_}. Endpoint {call.host or 'not recorded'}"
        found.setdefault(f"{text} (configured: {configured}).", []).append(call)
    if not found:
        return Lacking(why="No model call came back, so no answer names a model.")
    return tuple(shown(f"{text} {counted(len(calls), 'answer')}.", _seqs(calls)) for text, calls in found.items())


def settings(story: Story) -> Finding:
    """B3."""
    if not story.calls:
        return _NO_CALL
    found: dict[str, list[Call]] = {}
    for call in story.calls:
        sent = "; ".join(f"{name} = {value}" for name, value in call.settings.items()) or "none"
        unset = [name for name in ("temperature", "top_p", "seed") if name not in call.settings]
        rest = f" Not sent, so the endpoint's own: {listed(unset)}." if unset else ""
        found.setdefault(f"Sent: {sent}.{rest}", []).append(call)
    return tuple(shown(text, _seqs(calls)) for text, calls in found.items())


def times(story: Story) -> Finding:
    """B4."""
    if not story.calls:
        return _NO_CALL
    first, last = story.calls[0].started_at, max(call.ended_at or call.started_at for call in story.calls)
    each = [
        shown(f"{call.key}: {call.started_at} to {call.ended_at or '(cut off)'}", call.events) for call in story.calls
    ]
    return (shown(f"First use {first}, last use {last} (UTC).", _events(story)), *each)


def effort(story: Story) -> Finding:
    """B5."""
    if not story.calls:
        return _NO_CALL
    failed = sum(call.status == "failed" for call in story.calls)
    cut = sum(call.status == "cut off" for call in story.calls)
    retries = sum(call.attempt > 1 for call in story.calls)
    given = [call for call in story.calls if call.tokens_in is not None and call.tokens_out is not None]
    tokens = (
        f"{sum(call.tokens_in or 0 for call in given):,} tokens in, {sum(call.tokens_out or 0 for call in given):,} out"
    )
    unknown = len(story.calls) - len(given)
    rest = f" ({counted(unknown, 'call')} without a count)" if unknown else ""
    texts = [
        shown(
            f"{counted(len(story.calls), 'model call')}: {retries} retries, {failed} failed, {cut} cut off.",
            _events(story),
        ),
        shown(f"{tokens}{rest}. The record holds no prices.", _events(story)),
    ]
    if story.runs:
        cpu = sum(float(run.usage.get("cpu_s", 0)) for run in story.runs)
        seqs = [seq for run in story.runs for seq in run.events]
        texts.append(
            shown(f"{counted(len(story.runs), 'execution')} of programs, {cpu:.1f} s of processor time.", seqs)
        )
    return tuple(texts)


def software(story: Story) -> Finding:
    """B7."""
    named = as_dict(story.created.get("software"))
    if not named:
        return Lacking(why="The record does not name the version, commit and graph of the software.")
    return (shown("; ".join(f"{name}: {value}" for name, value in sorted(named.items())), [0]),)


def tools_offered(story: Story) -> Finding:
    """B8."""
    if not story.calls:
        return _NO_CALL
    offered = [call for call in story.calls if "tools" in call.settings or "functions" in call.settings]
    if not offered:
        return (
            shown(
                "No request offered the model a tool: it could run, read or search nothing by itself.", _events(story)
            ),
        )
    return (shown(f"{counted(len(offered), 'request')} offered tools; their bodies list them.", _seqs(offered)),)


def prompts(story: Story) -> Finding:
    """C1."""
    if not story.calls:
        return _NO_CALL
    held = [call for call in story.calls if not story.bodies.has(call.request)]
    if held:
        return Lacking(why=f"This copy withholds the prompts of {counted(len(held), 'call')}; their digests remain.")
    return tuple(
        shown(
            f"{call.key}, attempt {call.attempt}: {counted(len(call.messages), 'message')}, {short(call.request)}",
            call.events,
        )
        for call in story.calls
    )


def prompt_templates(story: Story) -> Finding:
    """C2."""
    found: dict[str, list[Call]] = {}
    for call in story.calls:
        system = "\n".join(message.text for message in call.messages if message.role in ("system", "developer"))
        if system:
            found.setdefault(sha256_bytes(system.encode("utf-8", "surrogatepass")), []).append(call)
    return tuple(
        shown(f"System prompt {short(digest)}, used for {listed(call.key for call in calls)}.", _seqs(calls))
        for digest, calls in found.items()
    )


def outputs(story: Story) -> Finding:
    """C3."""
    if not story.calls:
        return _NO_CALL
    answered = [call for call in story.calls if call.response]
    held = [call for call in answered if not story.bodies.has(call.response)]
    if held or not answered:
        return Lacking(why=f"{len(held)} of {counted(len(answered), 'raw answer')} are withheld in this copy.")
    raw = [shown(f"Raw answer of {call.key}: {short(call.response)}", call.events) for call in answered]
    made = [
        shown(f"Made of it: {event.type.partition('.')[0]} {short(event.refs[0].sha256)}", [event.seq])
        for event in story.of_type("plan.drafted", "program.written", "report.rendered")
    ]
    return (*raw, *made)


def context(story: Story) -> Finding:
    """C4."""
    if not story.calls:
        return _NO_CALL
    found = [
        shown(
            f"Exposure {story.created.get('exposure', 'not recorded')!r}; the question, in the investigator's words.",
            [0],
        )
    ]
    codebook = str(story.created.get("codebook", ""))
    if codebook:
        digest = sha256_bytes(codebook.encode("utf-8", "surrogatepass"))
        found.append(shown(f"Codebook of {counted(len(codebook), 'character')}, {short(digest)}.", [0]))
    variables = story.created.get("variables", [])
    if variables:
        found.append(shown(f"Codebook that describes {counted(len(variables), 'column')}, in the profile.", [0]))
    for event in story.of_type("intake.finished"):
        profile = event.ref("profile").sha256
        found.append(shown(f"Suppressed profile of the data, {short(profile)}.", [event.seq]))
    for event in story.of_type("results.released"):
        found.append(shown(f"Released results, {short(event.ref('released').sha256)}, for the report.", [event.seq]))
    return tuple(found)


def _author(author: str) -> str:
    return "the model" if author == "model" else author


def _released_run(story: Story) -> str:
    runs = [run.role for run in story.runs if run.outcome == story.released.get("execution")]
    return runs[-1] if runs else "approved"


def _seqs(calls: list[Call]) -> list[int]:
    return [seq for call in calls for seq in call.events]


def _events(story: Story) -> list[int]:
    return [seq for call in story.calls for seq in call.events]


QUERIES: dict[str, Query] = {
    query.__name__: query
    for query in (
        ai_used,
        purposes,
        touched,
        ready_texts,
        models,
        settings,
        times,
        effort,
        software,
        tools_offered,
        prompts,
        prompt_templates,
        outputs,
        context,
    )
}
"""The queries of this module by name."""
