"""The programs, version by version with their differences, and their runs on twin and real data side by side."""

from __future__ import annotations

from collections.abc import Sequence

from counterproof.provenance.page.decisions import anchor
from counterproof.provenance.page.documents import scalar, table
from counterproof.provenance.page.highlight import code_block, diff_block
from counterproof.provenance.page.overview import badge, event_links
from counterproof.provenance.transparency.bodies import as_dict, as_list
from counterproof.provenance.transparency.markup import Children, Html, blob_link, el, join
from counterproof.provenance.transparency.programs import Program
from counterproof.provenance.transparency.runs import Run
from counterproof.provenance.transparency.story import Story


def programs(story: Story) -> Html:
    """Return every version of every program; the last of each is unfolded."""
    if not story.programs:
        return el("p", "No program was written.", cls="soft")
    roles = dict.fromkeys(program.role for program in story.programs)
    return join([_role(story, [program for program in story.programs if program.role == role]) for role in roles])


def runs(story: Story) -> Html:
    """Return each run, twin beside real data."""
    if not story.runs:
        return el("p", "No program was run.", cls="soft")
    rows: list[list[Html | str | int]] = [_run(story, run) for run in story.runs]
    columns = ["program", "ran on", "status", "seconds", "MiB", "files", "opened by", "events"]
    return join(
        el(
            "p",
            "Numbers of the synthetic twin mean nothing and are not shown. Standard output of real runs stays secure.",
            cls="soft",
        ),
        table(columns, rows, numbers=(3, 4)),
        _isolation(story),
    )


def checks(story: Story) -> Html:
    """Return the verdicts of the checks; their evidence is on the secure side."""
    found = story.of_type("checks.finished")
    if not found:
        return el("p", "No checks were run.", cls="soft")
    tones = {"pass": "good", "warn": "warn", "fail": "bad"}
    rows: list[list[Html | str | int]] = [
        [name.replace("_", " "), badge(str(verdict), tones.get(str(verdict), ""))]
        for name, verdict in as_dict(found[-1].data.get("verdicts")).items()
    ]
    return join(
        table(["check", "verdict"], rows),
        el("p", "The evidence of the checks stays on the secure side.", cls="soft small"),
    )


def program_anchor(story: Story, sha256: str) -> str:
    """Return the address of a version on this page; "" where no version has this digest."""
    for program in story.programs:
        if program.sha256 == sha256:
            return f"#{_anchor(program)}"
    return ""


def _anchor(program: Program) -> str:
    role = program.role if program.role.isalnum() and program.role.isascii() else "program"
    return f"program-{role}-{program.number}"


def _role(story: Story, versions: Sequence[Program]) -> Html:
    before: list[Program | None] = [None, *versions[:-1]]
    return join(
        el("h3", f"{versions[0].role.capitalize()} program"),
        [
            _version(story, program, old, last=program is versions[-1])
            for old, program in zip(before, versions, strict=True)
        ],
    )


def _version(story: Story, program: Program, old: Program | None, *, last: bool) -> Html:
    fate: Children = badge("not approved", "warn")
    if program.approved:
        fate = el(
            "a",
            badge(f"approved at {program.approved}", "warn" if story.replayed else "good"),
            href=f"#{anchor(program.approved)}",
        )
    inside: list[Children] = [
        el(
            "p",
            f"By {program.author}, ",
            event_links([program.seq]),
            ", sha256 ",
            el("code", program.sha256),
            cls="soft small",
        )
    ]
    if program.notes:
        inside.append(el("p", el("strong", "Notes of the author. "), el("span", program.notes, cls="said")))
    inside += _findings(story, program)
    if old is not None and old.code is not None and program.code is not None:
        inside += [
            el("p", f"Changed since version {old.number}:", cls="soft small"),
            diff_block(old.code, program.code),
        ]
    if program.code is None:
        inside.append(el("p", "This copy withholds its text.", cls="soft"))
    else:
        inside.append(code_block(program.code, program.language))
    title = el("summary", f"Version {program.number}, {program.language} ", fate)
    return el("details", title, el("div", inside, cls="inside"), open=last, id=_anchor(program))


def _findings(story: Story, program: Program) -> list[Children]:
    """Return the static findings that were shown to a reviewer with this version."""
    for ruling in reversed(story.rulings):
        subject = as_dict(story.bodies.json(ruling.subject)) if ruling.kind == "code" else {}
        for shown in map(as_dict, as_list(subject.get("programs"))):
            if shown.get("sha256") == program.sha256:
                found = [
                    f"line {row.get('line')}: {row.get('text')}" for row in map(as_dict, as_list(shown.get("static")))
                ]
                return [
                    el("p", el("strong", "Static findings. "), "; ".join(found) or "None; that does not make it right.")
                ]
    return []


def _run(story: Story, run: Run) -> list[Html | str | int]:
    status = run.status or run.ending
    where = program_anchor(story, run.program)
    label = f"{run.role} {run.program[:8]}…"
    name = el("a", label, href=where) if where else el("code", label)
    checkpoint = run.approval.rpartition(f"{story.study}.")[2]
    opened = el("a", checkpoint, href=f"#{anchor(run.approval)}") if run.approval else ""
    again = f", attempt {run.attempt}" if run.attempt > 1 else ""
    code = f" (exit {run.exit_code})" if run.exit_code else ""
    rejected = f"; not collected: {', '.join(run.rejected)}" if run.rejected else ""
    return [
        name,
        badge("synthetic twin") if run.synthetic else badge("real data", "warn"),
        join(badge(f"{status}{code}{again}", "good" if run.ok else "bad"), f" {run.error}" if run.error else None),
        scalar(run.usage.get("wall_s")),
        scalar(run.usage.get("max_rss_mib")),
        f"{', '.join(run.outputs) or 'none'}{rejected}",
        opened,
        join(event_links(run.events)),
    ]


def _isolation(story: Story) -> Html | None:
    run = story.runs[-1]
    if not run.isolation:
        return None
    guards = ", ".join(str(name) for name in as_list(run.isolation.get("protections")))
    host = ", ".join(f"{name} {value}" for name, value in sorted(run.host.items()))
    limits = ", ".join(f"{name} {value}" for name, value in run.limits.items())
    rows: list[tuple[str, Children]] = [
        ("Isolation", f"{run.isolation.get('back_end')}: {guards}"),
        ("Environment", blob_link(run.environment, there=False)),
        ("Host", host),
        ("Limits", limits),
        ("Seed", run.seed),
    ]
    return el("dl", [[el("dt", name), el("dd", value)] for name, value in rows])
