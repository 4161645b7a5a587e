"""`counterproof statement`: what guidelines ask about a study, what its record answers, and what only a person can.

A person's answers are kept beside the record, in `answers.toml` of the study's folder, until the sign-off is put up: it
takes them, as they are then, into the record and under the signature. After the end of a study they are closed.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Literal, assert_never

import click

from counterproof.agents.study import OpenStudy, open_study
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.transparency import (
    Statement,
    make_statement,
    parse_answers,
    template_answers,
    to_html,
)
from counterproof.provenance.transparency.recorded import (
    answers_of,
    recorded_answers,
    signed_statement,
    statements,
)
from counterproof.provenance.transparency.render_docx import to_docx
from counterproof.provenance.transparency.render_text import to_text
from counterproof.provenance.transparency.wording import answers_words, how_many, status_words
from counterproof.ui.common import check_target, home_option, workplace
from counterproof.ui.output import emit, json_option, say

Format = Literal["html", "docx", "json", "text"]
_ENDINGS: dict[str, Format] = {".html": "html", ".docx": "docx", ".json": "json", ".txt": "text"}
_FILE = click.Path(path_type=Path, dir_okay=False)
_SHOWN = ("id", "kind", "text", "status", "reason", "lacks", "answer")


@click.command(name="statement")
@click.argument("study")
@click.option("--template", type=_FILE, help="Write the file to fill in: what only a person can say.")
@click.option("--answers", type=_FILE, help="Check a filled-in file and keep it; it replaces the one before.")
@click.option("--format", "format_", type=click.Choice(list(_ENDINGS.values())), help="Default: by the file's ending.")
@click.option("-o", "--output", type=_FILE, help="Write the statement to a file.")
@click.option("--force", is_flag=True, help="Replace the file of -o when it exists.")
@home_option
@json_option
def command(
    study: str,
    template: Path | None,
    answers: Path | None,
    format_: Format | None,
    output: Path | None,
    force: bool,
    home: Path,
    as_json: bool,
) -> None:
    """Show the transparency statement of STUDY: each item is present, not applicable or missing.

    Most items are filled from the record. What only a person can say is asked for with --template and kept with
    --answers. The sign-off signs the answers that are kept when it is put up; after the end of the study they are
    closed.
    """
    if sum(option is not None for option in (template, answers, output)) > 1:
        raise click.UsageError("--template, --answers and -o were given together. Give one of them at a time.")
    if format_ is not None and output is None:
        raise click.UsageError("--format was given without -o. Name the file with -o.")
    opened = open_study(workplace(home), study)
    if template is not None:
        _write_template(template, study, as_json=as_json)
    elif answers is not None:
        _keep(opened, answers, as_json=as_json)
    elif output is not None:
        _write(opened, output, format_ or _format_of(output), force=force, as_json=as_json)
    else:
        _show(opened, as_json=as_json)


def statement_of(study: OpenStudy) -> Statement:
    """Return the statement of a study as it stands: with the answers that are kept, after its end with those recorded.

    Raises:
        UsageError: the answers are not of their form, or the study makes a synthetic set, which has no statement.
    """
    if study.settings.purpose == "synthesis":
        raise UsageError(
            f"Study {study.id} makes a synthetic set, which has no transparency statement.",
            advice="What was said of the set is on its card, and in its release.",
        )
    events, blobs = study.record.events(), study.record.blobs
    answers = recorded_answers(events, blobs.get) if _has_ended(study) else study.kept_answers()
    return make_statement(events, blobs, parse_answers(answers, source=str(study.answers)))


def open_items(statement: Statement) -> list[str]:
    """Return the items that wait for a person's answer."""
    return [item.id for item in statement.items if "person" in item.lacks]


def _show(study: OpenStudy, *, as_json: bool) -> None:
    made = statement_of(study)
    statuses = [item.status for item in made.items]
    value = {
        "study": made.study,
        "title": made.title,
        "review": made.label,
        "ended": made.ended,
        "head": made.head,
        "answers": made.answers,
        "counts": {status: statuses.count(status) for status in ("present", "not_applicable", "missing")},
        "items": [item.model_dump(mode="json", include=set(_SHOWN)) for item in made.items],
    }
    rows = [f"{item.id:<4} {status_words(item):<31} {item.text}" for item in made.items]
    text = "\n".join([*rows, "", f"{how_many(made.items)}. Answers: {answers_words(made)}."])
    emit(value, text, as_json=as_json)
    if waiting := open_items(made):
        say(f"{len(waiting)} items wait for you: counterproof statement {study.id} --template answers.toml")


def _write_template(path: Path, study: str, *, as_json: bool) -> None:
    check_target(path)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(template_answers())
    except FileExistsError as error:
        raise UsageError(
            f"{path} exists already, and may hold answers.", advice="Choose another name for the template."
        ) from error
    except OSError as error:
        raise _trouble(path, error) from error
    say(f"Fill it in, then: counterproof statement {study} --answers {path}")
    emit({"file": str(path)}, str(path), as_json=as_json)


def _keep(study: OpenStudy, path: Path, *, as_json: bool) -> None:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(
            f"The file {path} does not exist.", advice=f"Make it: counterproof statement {study.id} --template {path}"
        ) from error
    except OSError as error:
        raise UsageError(f"The file {path} can't be read: {error.strerror}.") from error
    given = parse_answers(data, source=str(path))
    if not given.by_id:
        raise UsageError(
            f"The file {path} answers nothing.", advice="Fill in `answer` or `not_applicable` of an item, then again."
        )
    _refuse_after_the_end(study)
    _replace(study.answers, data)
    waiting = open_items(statement_of(study))
    say(_what_next(study))
    value = {"answers": given.sha256, "answered": sorted(given.by_id), "waiting": waiting}
    text = f"{len(given.by_id)} items answered, {len(waiting)} wait for an answer; sha256 {given.sha256}"
    emit(value, text, as_json=as_json)


def _has_ended(study: OpenStudy) -> bool:
    return bool(study.record.of_type("study.ended"))


def _refuse_after_the_end(study: OpenStudy) -> None:
    if not _has_ended(study):
        return
    made = statements(study.record.events())
    closed = answers_of(made[-1]) if made else ""
    signed = "were signed off" if signed_statement(study.record.events()) else "are closed"
    raise UsageError(
        f"Study {study.id} has ended, and its answers {signed}: {closed or 'none were given'}. Nothing was changed.",
        allowed="Answers can be given and changed until the report is signed off.",
        advice="What is to be added now belongs beside the bundle, for example into the manuscript.",
    )


def _what_next(study: OpenStudy) -> str:
    waiting = study.checkpoints.waiting()
    if waiting is None or waiting.kind is not CheckpointKind.SIGNOFF:
        return "Kept. The sign-off signs them as they are when it is put up."
    return (
        f"Kept. {waiting.id} was put up before and does not sign them. For a sign-off that does: "
        f"counterproof show {waiting.id} --editable > edit.json; "
        f"counterproof decide {waiting.id} edit --file edit.json --as REVIEWER --comment REASON; "
        f"counterproof run {study.id}"
    )


def _write(study: OpenStudy, path: Path, format_: Format, *, force: bool, as_json: bool) -> None:
    if path.exists() and not force:
        raise click.UsageError(f"{path} exists already. Choose another name, or replace it with --force.")
    check_target(path)
    made = statement_of(study)
    _replace(path, _rendered(made, format_, made_at=study.record.events()[-1].ts))
    emit({"file": str(path), "format": format_}, f"{path} ({how_many(made.items)})", as_json=as_json)


def _rendered(made: Statement, format_: Format, *, made_at: str) -> bytes:
    match format_:
        case "html":
            return to_html(made)
        case "docx":
            return to_docx(made, made_at=made_at)
        case "json":
            return made.to_json()
        case "text":
            return to_text(made).encode()
        case _:
            assert_never(format_)


def _format_of(path: Path) -> Format:
    found = _ENDINGS.get(path.suffix.lower())
    if found is None:
        raise UsageError(
            f"The ending of {path.name} names no format.",
            allowed=f"Endings: {', '.join(_ENDINGS)}.",
            advice="Choose one of them, or say --format.",
        )
    return found


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as new:
            try:
                new.write(data)
                new.flush()
                os.fsync(new.fileno())
                Path(new.name).replace(path)
            except BaseException:
                Path(new.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise _trouble(path, error) from error


def _trouble(path: Path, error: OSError) -> MachineTrouble:
    return MachineTrouble(
        f"The file {path} can't be written: {error.strerror}.", advice="Make room or mend the permissions, then again."
    )
