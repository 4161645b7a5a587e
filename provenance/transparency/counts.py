"""What is counted of a study, the failed, rejected and abandoned too."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from counterproof.provenance.transparency.story import Story


class Counts(BaseModel):
    """How often what happened. Nothing that failed, was rejected or was dropped is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: int
    """Events of the record."""
    model_calls: int
    """Attempts of model calls."""
    model_calls_failed: int
    """Attempts that came back as an error, or not at all."""
    model_calls_cut_off: int
    """Attempts in which the process died."""
    model_retries: int
    """Attempts after the first."""
    model_repairs: int
    """Further questions because an answer could not be used."""
    tokens_in: int
    """Input tokens, of the answers that give them."""
    tokens_out: int
    """Output tokens, of the answers that give them."""
    executions: int
    """Attempts of executions."""
    executions_twin: int
    """Of those, on the synthetic twin."""
    executions_real: int
    """Of those, on the real data."""
    executions_failed: int
    """Of those, with another status than ok, or refused."""
    executions_cut_off: int
    """Of those, in which the process died."""
    gate_refusals: int
    """How often the gate kept the data closed."""
    second_attempts: int
    """Effects that were begun again because the process died inside."""
    plan_drafts: int
    """Plans drafted by the model."""
    plan_drafts_abandoned: int
    """Of those, not locked as they were drafted."""
    programs: int
    """Versions of programs."""
    programs_abandoned: int
    """Of those, never approved."""
    reports: int
    """Reports rendered."""
    reports_abandoned: int
    """Of those, not signed off."""
    approved: int
    """Decisions to approve."""
    edited: int
    """Decisions to edit."""
    rejected: int
    """Decisions to reject."""
    withdrawn: int
    """Decisions to withdraw."""
    replayed: int
    """Decisions that were scripted."""
    undecided: int
    """Checkpoints without a decision."""
    released: int
    """Results that were released."""
    suppressed: int
    """Items that the output checker held back."""
    withheld: int
    """Bodies that are not in this copy."""
    stops: int
    """How often the study stopped with an error."""
    repairs: int
    """Torn lines that were cut off the record."""


def count(story: Story) -> Counts:
    """Count what happened in a study."""
    decisions = [ruling.decision for ruling in story.decided]
    drafted = [event.ref("plan").sha256 for event in story.of_type("plan.drafted")]
    locked = {event.ref("plan").sha256 for event in story.of_type("plan.locked")}
    reports = story.of_type("report.rendered")
    signed_off = any((ruling.kind, ruling.decision) == ("signoff", "approve") for ruling in story.decided)
    return Counts(
        events=len(story.events),
        **_effects(story),
        plan_drafts=len(drafted),
        plan_drafts_abandoned=sum(draft not in locked for draft in drafted),
        programs=len(story.programs),
        programs_abandoned=sum(not program.approved for program in story.programs),
        reports=len(reports),
        reports_abandoned=max(0, len(reports) - signed_off),
        approved=decisions.count("approve"),
        edited=decisions.count("edit"),
        rejected=decisions.count("reject") + decisions.count("replan"),
        withdrawn=decisions.count("withdraw"),
        replayed=sum(ruling.replayed for ruling in story.decided),
        undecided=len(story.rulings) - len(decisions),
        released=len(story.released.get("results", [])),
        suppressed=len(story.released.get("suppressed", [])),
        withheld=len(story.bodies.withheld()),
        stops=len(story.of_type("study.stopped")),
        repairs=len(story.of_type("record.repaired")),
    )


def _effects(story: Story) -> dict[str, int]:
    calls, runs = story.calls, story.runs
    return {
        "model_calls": len(calls),
        "model_calls_failed": sum(call.status == "failed" for call in calls),
        "model_calls_cut_off": sum(call.status == "cut off" for call in calls),
        "model_retries": sum(call.attempt > 1 for call in calls),
        "model_repairs": len({call.key for call in calls if _question(call.key) > 1}),
        "tokens_in": sum(call.tokens_in or 0 for call in calls),
        "tokens_out": sum(call.tokens_out or 0 for call in calls),
        "executions": len(runs),
        "executions_twin": sum(run.synthetic for run in runs),
        "executions_real": sum(not run.synthetic for run in runs),
        "executions_failed": sum(run.ending == "failed" or (run.ending == "finished" and not run.ok) for run in runs),
        "executions_cut_off": sum(run.ending == "cut off" for run in runs),
        "gate_refusals": len(story.of_type("gate.refused")),
        "second_attempts": sum(effect.after_kill for effect in story.effects),
    }


def _question(key: str) -> int:
    """Return the number at the end of a model call's key: it counts the questions in one step."""
    last = key.rpartition("/")[2]
    return int(last) if last.isdecimal() else 1
