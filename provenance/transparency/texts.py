"""Ready text for cover letter, abstract, methods and acknowledgments, made from the record alone.

Each sentence states a fact of the record; where the record has none, the sentence is not there. What only people can
say (authorship, responsibility, ethics) is left to the answers. A study that nobody reviewed says so in every text.

It does not cover the journal's own wording, nor what was done outside of the record.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from counterproof.provenance.labels import NOT_REVIEWED, mode_notice
from counterproof.provenance.reviewers import REPLAY_LABEL
from counterproof.provenance.transparency.bodies import as_dict, as_list
from counterproof.provenance.transparency.counts import Counts
from counterproof.provenance.transparency.evidence import counted, listed
from counterproof.provenance.transparency.story import Ruling, Story
from counterproof.provenance.transparency.text import PlainText

_DID = {"plan": "approved the plan", "code": "approved the programs", "release": "released the results"}
_DID["signoff"] = "took responsibility for the report"
_PART_11 = (
    "The record supports 21 CFR Part 11 (audit trail, signatures with printed name, time and meaning, bound to what "
    "was signed); whether a site meets it depends on its own procedures, too."
)


class Texts(BaseModel):
    """The four texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cover_letter: PlainText
    """For the letter to the editor."""
    abstract: PlainText
    """One or two sentences for the abstract."""
    methods: PlainText
    """For the methods section."""
    acknowledgments: PlainText
    """For the acknowledgments."""


def make_texts(story: Story, counts: Counts) -> Texts:
    """Write the texts."""
    return Texts(
        cover_letter=_join(_review(story), _use(story), _dates(story), _people(story), _bundle(story)),
        abstract=_join(_review(story), _use(story), _released(counts)),
        methods=_join(
            _review(story),
            _use(story),
            _dates(story),
            _settings(story),
            _exposure(story),
            _people(story),
            _locked(story),
            _runs(story, counts),
            _released(counts),
            _abandoned(counts),
            _PART_11 if story.decided and not story.replayed else "",
            _bundle(story),
        ),
        acknowledgments=_join(_review(story), _use(story), _people(story), _bundle(story)),
    )


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _review(story: Story) -> str:
    if story.replayed:
        return f"This study was {REPLAY_LABEL}: its decisions are scripted, and no person looked at it."
    unfinished = "This study was not reviewed to its end." if story.label == NOT_REVIEWED else ""
    return _join(mode_notice(story.events[0]), unfinished)


def _use(story: Story) -> str:
    if not story.calls:
        return "No language model was called in the recorded study."
    asked = listed(call.model for call in story.calls)
    returned = listed(call.returned for call in story.calls)
    named = f" (named {returned} in its answers)" if returned and returned != asked else ""
    stages = {
        "plan": "draft the analysis plan",
        "write": "write the programs",
        "report": "draft the text of the report",
    }
    answered = [call for call in story.calls if call.status == "finished"]
    used = [what for stage, what in stages.items() if any(call.key.startswith(f"{stage}/") for call in answered)]
    hosts = listed(call.host for call in story.calls)
    at = f" at the endpoint {hosts}" if hosts else ""
    for_ = f"was used to {_and(used)}" if used else "was called"
    return f"The language model {asked}{named}{at} {for_}, with Counterproof keeping the record."


def _dates(story: Story) -> str:
    if not story.calls:
        return ""
    first, last = story.calls[0].started_at, max(call.ended_at or call.started_at for call in story.calls)
    tokens = [call for call in story.calls if call.tokens_in is not None]
    used = f", {sum(call.tokens_in or 0 for call in tokens):,} tokens in and " if tokens else ""
    used += f"{sum(call.tokens_out or 0 for call in tokens):,} out" if tokens else ""
    return f"It was called {counted(len(story.calls), 'time')} from {_time(first)} to {_time(last)} UTC{used}."


def _settings(story: Story) -> str:
    names = ("temperature", "top_p", "seed", "max_completion_tokens", "max_tokens", "reasoning_effort")
    sent = listed(f"{name} {call.settings[name]}" for name in names for call in story.calls if name in call.settings)
    if not story.calls:
        return ""
    unset = [name for name in ("temperature", "seed") if not any(name in call.settings for call in story.calls)]
    rest = f"{_and(unset).capitalize()} {'were' if len(unset) > 1 else 'was'} left to the endpoint." if unset else ""
    return _join(f"Settings: {sent}." if sent else "", rest)


def _exposure(story: Story) -> str:
    exposure = str(story.created.get("exposure", ""))
    return (
        f"The model's exposure to the data was set to {exposure!r}; each request is in the record." if exposure else ""
    )


def _people(story: Story) -> str:
    if story.replayed:
        return ""
    approved = [ruling for ruling in story.decided if ruling.decision == "approve"]
    done = [f"{ruling.name}{_orcid(ruling)} {_DID[ruling.kind]} ({ruling.decided_at[:10]})" for ruling in approved]
    return f"{_and(done)}; each signed for exactly these bytes." if done else ""


def _orcid(ruling: Ruling) -> str:
    return f" (ORCID iD {ruling.orcid})" if ruling.orcid else ""


def _locked(story: Story) -> str:
    locked = story.of_type("plan.locked")
    real = [run for run in story.runs if not run.synthetic]
    if not locked:
        return "No plan was locked."
    if not real:
        return f"The plan was locked on {locked[-1].ts[:10]}; no program was run on the real data."
    before = "before" if locked[-1].seq < real[0].started else "after"
    return f"The plan was locked on {locked[-1].ts[:10]}, {before} any program ran on the real data."


def _runs(story: Story, counts: Counts) -> str:
    if not counts.executions:
        return ""
    back_ends = listed(str(run.isolation.get("back_end", "")) for run in story.runs)
    isolated = f" (sandbox: {back_ends})" if back_ends else ""
    both = {"write/primary", "write/replication"} <= {"/".join(call.key.split("/")[:2]) for call in story.calls}
    independent = " Two programs were written in separate conversations." if both else ""
    return (
        f"Programs were run{isolated} {counted(counts.executions_twin, 'time')} on a synthetic twin of the data and "
        f"{counted(counts.executions_real, 'time')} on the real data; {counts.executions_failed} of these runs "
        f"failed.{independent}"
    )


def _released(counts: Counts) -> str:
    if not counts.released:
        return "No result was released."
    held = f"; {counted(counts.suppressed, 'item')} held back" if counts.suppressed else ""
    were = "was" if counts.released == 1 else "were"
    return f"{counted(counts.released, 'result')} of program runs {were} released{held}."


def _abandoned(counts: Counts) -> str:
    return (
        f"Also in the record: {counted(counts.rejected, 'rejection')}, {counted(counts.edited, 'edit')}, "
        f"{counted(counts.plan_drafts_abandoned, 'abandoned plan draft')}, "
        f"{counted(counts.programs_abandoned, 'abandoned program version')}, "
        f"{counted(counts.model_calls_failed, 'failed model call')} and {counted(counts.stops, 'stop')}."
    )


def _bundle(story: Story) -> str:
    files = listed(
        f"{file['name']} (sha256 {file['sha256']})" for file in map(as_dict, as_list(story.created.get("data")))
    )
    return (
        f"The record of all prompts, answers, programs, runs and decisions on {files} comes with this text; the head "
        f"of its chain is {story.events[-1].digest}."
    )


def _time(ts: str) -> str:
    return ts[:19].replace("T", " ")


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
