"""`counterproof synth`: make synthetic data, judge them, check that they are marked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from counterproof.provenance.errors import MachineTrouble, UsageError, VerificationFailed
from counterproof.provenance.policy import read_policy
from counterproof.tools.data import Table, read_file
from counterproof.tools.identifiers import Finding, find_identifiers
from counterproof.tools.synth import review as rating
from counterproof.tools.synth.corpora import figures_of, guided
from counterproof.tools.synth.documents import (
    KINDS,
    Kind,
    TextSpecification,
    parse_documents,
    parse_specification,
    patients_of,
    ready_made,
)
from counterproof.tools.synth.evaluation.card import Card
from counterproof.tools.synth.evaluation.tables import Question
from counterproof.tools.synth.evaluation.texts import Texts
from counterproof.tools.synth.exhibits import Exhibit, blinded, of_rows
from counterproof.tools.synth.makers import MAKERS, PRIVATE, Maker, private_maker
from counterproof.tools.synth.marks import check_marks
from counterproof.tools.synth.report.summary import plain_number
from counterproof.tools.synth.rules import Rule, parse_rules
from counterproof.tools.synth.sets import SyntheticSet, judge_file, make_set
from counterproof.tools.synth.splitting import SHARE
from counterproof.tools.synth.text_sets import check_text_marks, text_set, with_sections
from counterproof.tools.synth.training_sets import check_training_marks, is_training_file, training_set
from counterproof.ui.commands.synth_study import command as study
from counterproof.ui.common import progress
from counterproof.ui.output import emit, json_option, say

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, dir_okay=False)
_MODEL = "model"
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group(name="synth")
def command() -> None:
    """Make synthetic data and judge them with an evaluation card.

    `study` makes a set under checkpoints, with a record and a bundle; `make` and `notes` are quick, and have none.
    """


command.add_command(study)


def _question_options(command_: F) -> F:
    """Add what a card may be asked for."""
    for option in reversed(
        [
            click.option(
                "--formula", default="", help='Planned model: "low ~ age + smoke", "Surv(time, status=2) ~ sex".'
            ),
            click.option("--outcome", default="", help="Column to predict; default: that of the model, or several."),
            click.option("--subgroups", default="", help="Column of subgroups, for fairness."),
            click.option("--rules", type=_FILE, help="File of rules that rows must keep, one a line."),
            click.option("--not-identifying", multiple=True, help="A column that was found to identify, and doesn't."),
            click.option("--seed", type=int, default=20260101, show_default=True, help="Of all draws."),
            click.option("-o", "--output", type=_FOLDER, required=True, help="Folder for card, report and summary."),
        ]
    ):
        command_ = option(command_)
    return command_


@command.command()
@click.argument("real", type=_FILE)
@click.option(
    "--maker",
    type=click.Choice([*MAKERS, PRIVATE, _MODEL]),
    default=next(iter(MAKERS)),
    show_default=True,
    help="How rows are made.",
)
@click.option(
    "--epsilon", type=click.FloatRange(0, 20, min_open=True), help="For `dp`: how much one person may change."
)
@click.option("--policy", type=_FILE, help="For `dp`: policy.toml that says what is publicly known of each column.")
@click.option("--model", default="", help="For the maker `model`: the endpoint's name for it.")
@click.option("--base-url", default="", help="Address of an OpenAI-compatible endpoint, like http://127.0.0.1:8000/v1.")
@click.option("--api-key-env", default="OPENAI_API_KEY", show_default=True, help="Variable with the key; '' for none.")
@click.option("--about", type=_FILE, help="What a person knows of the table, as text that the model gets.")
@click.option("--examples", type=click.IntRange(0, 50), default=0, help="How many real rows the model sees.")
@click.option("--show-real-to-model", is_flag=True, help="Say that rows of REAL may be shown to the model: open data.")
@click.option("--rows", type=click.IntRange(min=1), help="How many; default: as many as the maker sees.")
@click.option(
    "--holdout-share",
    type=click.FloatRange(0, 0.9),
    default=SHARE,
    show_default=True,
    help="Share of the real rows that the maker does not see, so that copying can be told; 0 for none.",
)
@_question_options
@json_option
def make(
    real: Path,
    maker: str,
    epsilon: float | None,
    policy: Path | None,
    model: str,
    base_url: str,
    api_key_env: str,
    about: Path | None,
    examples: int,
    show_real_to_model: bool,
    rows: int | None,
    holdout_share: float,
    formula: str,
    outcome: str,
    subgroups: str,
    rules: Path | None,
    not_identifying: tuple[str, ...],
    seed: int,
    output: Path,
    as_json: bool,
) -> None:
    """Make a synthetic table like REAL, with its evaluation card.

    The file is marked in every row and carries the digest of its card. Columns that may identify a person are made up.
    Nobody decides on it here: `counterproof synth study` has checkpoints.
    """
    tell = progress()
    table, findings = _read(real, not_identifying)
    tell(f"{table.rows:,} rows of {table.name}; {maker}")
    question = _question(table, findings, formula, outcome, subgroups, rules, seed)
    if maker != PRIVATE and (epsilon is not None or policy is not None):
        raise click.UsageError(f"--epsilon and --policy are for the maker `dp`; this is `{maker}`.")
    if examples and maker != _MODEL:
        raise click.UsageError("--examples is for the maker `model`.")
    if maker == _MODEL:
        if not model or not base_url:
            raise click.UsageError("The maker `model` needs --model and --base-url.")
        from counterproof.ui.synthesis import model_maker  # lazy: the model client takes a second to import

        told = "" if about is None else _bytes(about).decode("utf-8", errors="replace")
        make_rows: Maker = model_maker(
            output / "record",
            table,
            findings=findings,
            model=model,
            base_url=base_url,
            api_key_env=api_key_env,
            about=told,
            rules=question.rules,
            examples=examples,
            exposure="rows" if show_real_to_model else "metadata",
            say=tell,
        )
    elif maker == PRIVATE:
        if policy is None:
            raise click.UsageError("The maker `dp` needs --policy: what is publicly known of each column.")
        rules_of_file = read_policy(_bytes(policy), source=policy.name).of_file(table.name)
        make_rows = private_maker(rules_of_file, epsilon=epsilon)
    else:
        make_rows = MAKERS[maker]
    made = make_set(
        table,
        make_rows,
        findings=findings,
        question=question,
        share=holdout_share,
        rows=rows,
        seed=seed,
        blind=maker == PRIVATE,
    )
    tell("made and judged")
    _finish(made, output, as_json=as_json)


@command.command()
@click.argument("real", type=_FILE)
@click.argument("synthetic", type=_FILE)
@click.option("--holdout", type=_FILE, help="Real rows that the maker did not see; REAL is then what it saw.")
@click.option("--card", type=_FILE, help="The card that `make` wrote: tells which rows were held out.")
@_question_options
@json_option
def evaluate(
    real: Path,
    synthetic: Path,
    holdout: Path | None,
    card: Path | None,
    formula: str,
    outcome: str,
    subgroups: str,
    rules: Path | None,
    not_identifying: tuple[str, ...],
    seed: int,
    output: Path,
    as_json: bool,
) -> None:
    """Judge SYNTHETIC, a CSV file from anywhere, beside the table REAL that it was made from.

    Exit code 1 where a number does not keep its limit.
    """
    table, findings = _read(real, not_identifying)
    question = _question(table, findings, formula, outcome, subgroups, rules, seed)
    judged = judge_file(
        table,
        synthetic.name,
        _bytes(synthetic),
        question=question,
        holdout=None if holdout is None else read_file(holdout)[1],
        made_with=None if card is None else _bytes(card),
    )
    _finish(judged, output, as_json=as_json)
    if judged.card.flagged:
        raise VerificationFailed(f"{len(judged.card.flagged)} numbers don't keep their limits.")


@command.command()
@click.argument("patients", type=_FILE)
@click.option("--specification", type=_FILE, help="What each text must be like (docs/synthetic.md).")
@click.option(
    "--kind", type=click.Choice(KINDS), help="In its place: a ready-made one, that says every column by its name."
)
@click.option("--self-critique", is_flag=True, help="Have the model read each text once more and mend it.")
@click.option("--model", required=True, help="The endpoint's name for the model.")
@click.option("--base-url", required=True, help="Address of an OpenAI-compatible endpoint.")
@click.option("--api-key-env", default="OPENAI_API_KEY", show_default=True, help="Variable with the key; '' for none.")
@click.option("--seed", type=int, default=20260101, show_default=True, help="Of the signals and of the card.")
@click.option("-o", "--output", type=_FOLDER, required=True, help="Folder for texts, card, report and summary.")
@json_option
def notes(
    patients: Path,
    specification: Path | None,
    kind: Kind | None,
    self_critique: bool,
    model: str,
    base_url: str,
    api_key_env: str,
    seed: int,
    output: Path,
    as_json: bool,
) -> None:
    """Have a model write one text for each row of the synthetic table PATIENTS.

    A row gets a signal and an image, too, where the specification names what they show.
    """
    from counterproof.ui.synthesis import open_chat, write_notes  # lazy: the model client takes a second to import

    if (specification is None) == (kind is None):
        raise click.UsageError("Give a specification, or a kind.")
    rows = patients_of(read_file(patients)[1])
    form = _form(specification) if kind is None else ready_made(kind, rows)
    chat = open_chat(output / "record", [], model=model, base_url=base_url, api_key_env=api_key_env)
    made = write_notes(chat, rows, form, seed=seed, self_critique=self_critique, say=progress())
    texts = Texts(
        name=patients.name,
        made=made,
        sources=(),
        sources_name="",
        holdout=(),
        specification=form,
        maker={
            "maker": "model",
            "model": model,
            "how": "from the rows of a synthetic table",
            "kind": form.kind,
            "personas": dict(Counter(one.asked.persona for one in made if one.asked is not None)),
            "self_critique": self_critique,
            "corpus": form.corpus,
            "seed": seed,
        },
        seed=seed,
    )
    _finish(text_set(texts, write=True), output, as_json=as_json)


@command.command()
@click.argument("real", type=_FILE)
@click.option("--specification", type=_FILE, help="Names the sections; the rest of it is kept.")
@click.option("--kind", type=click.Choice(KINDS), help="In its place: a ready-made one.")
@click.option("-o", "--output", type=_FILE, required=True, help="The specification with the figures of the corpus.")
@json_option
def corpus(real: Path, specification: Path | None, kind: Kind | None, output: Path, as_json: bool) -> None:
    """Write a specification with the lengths, section shares and readability of the texts REAL.

    At least ten documents stand behind each figure, and no text goes in. Read it before you have texts made with it.
    """
    if (specification is None) == (kind is None):
        raise click.UsageError("Give a specification, or a kind.")
    form = _form(specification) if kind is None else ready_made(kind, [])
    documents = parse_documents(_bytes(real), source=real.name)
    said = guided(form, figures_of(documents, form)).model_dump(mode="json", exclude_defaults=True)
    _write(output.parent, {output.name: (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode()})
    emit(said, f"{output}: {', '.join(said)}", as_json=as_json)


@command.command(name="evaluate-texts")
@click.argument("synthetic", type=_FILE)
@click.option("--specification", type=_FILE, help="What each text must be like (docs/synthetic.md).")
@click.option("--real", type=_FILE, help="Real texts that the maker may have seen.")
@click.option("--holdout", type=_FILE, help="Real texts that the maker did not see.")
@click.option("--seed", type=int, default=20260101, show_default=True, help="Of all draws.")
@click.option("-o", "--output", type=_FOLDER, required=True, help="Folder for card, report and summary.")
@json_option
def evaluate_texts(
    synthetic: Path,
    specification: Path | None,
    real: Path | None,
    holdout: Path | None,
    seed: int,
    output: Path,
    as_json: bool,
) -> None:
    """Judge the texts of SYNTHETIC, JSON lines with `id`, `text`, `attributes` and perhaps a `signal`.

    Exit code 1 where a number does not keep its limit.
    """
    texts = Texts(
        name=synthetic.name,
        made=parse_documents(_bytes(synthetic), source=synthetic.name),
        sources=parse_documents(_bytes(real), source=real.name) if real else (),
        sources_name=real.name if real else "",
        holdout=parse_documents(_bytes(holdout), source=holdout.name) if holdout else (),
        specification=_form(specification),
        maker={},
        seed=seed,
    )
    judged = text_set(texts, write=False)
    _finish(judged, output, as_json=as_json)
    if judged.card.flagged:
        raise VerificationFailed(f"{len(judged.card.flagged)} numbers don't keep their limits.")


@command.command()
@click.argument("synthetic", type=_FILE)
@click.option("--card", type=_FILE, required=True, help="Its card.")
@json_option
def check(synthetic: Path, card: Path, as_json: bool) -> None:
    """Check that SYNTHETIC is marked in every row, and that it and its card belong together.

    SYNTHETIC is a table, texts, or a file of a training set.
    """
    data = _bytes(synthetic)
    check_of = check_text_marks if synthetic.suffix == ".jsonl" else check_marks
    if is_training_file(data):
        check_of = check_training_marks
    check_of(data, _bytes(card))
    emit({"ok": True}, f"{synthetic.name} is marked in every row and belongs to {card.name}.", as_json=as_json)


@command.command(name="training-set")
@click.argument("synthetic", type=_FILE)
@click.option("--card", type=_FILE, required=True, help="Its card.")
@click.option("--predict", default="", help="Column that the assistant says; default: it writes the text or the row.")
@click.option(
    "--validation-share",
    type=click.FloatRange(0, 0.5),
    default=0.1,
    show_default=True,
    help="Share of the examples that stand in a file of their own; 0 for none.",
)
@click.option("--seed", type=int, default=20260101, show_default=True, help="Of the draw of that share.")
@click.option("-o", "--output", type=_FOLDER, required=True, help="Folder for the files.")
@json_option
def export_training_set(
    synthetic: Path, card: Path, predict: str, validation_share: float, seed: int, output: Path, as_json: bool
) -> None:
    """Write SYNTHETIC, a marked table or marked texts, as conversations that a chat model can be fine-tuned with.

    A file without marks is refused: real rows and texts never become a training set.
    """
    files = training_set(
        synthetic.name, _bytes(synthetic), _bytes(card), predict=predict, validation_share=validation_share, seed=seed
    )
    _write(output, files)
    lines = {name: data.count(b"\n") for name, data in files.items() if name.endswith(".jsonl")}
    value = {"folder": str(output), "files": sorted(files), "examples": lines}
    emit(value, ", ".join(f"{name}: {count} examples" for name, count in lines.items()), as_json=as_json)


@command.command()
@click.argument("real", type=_FILE)
@click.argument("synthetic", type=_FILE)
@click.option("--card", type=_FILE, required=True, help="The card of SYNTHETIC.")
@click.option("--show-real-to-model", is_flag=True, help="Say that REAL may be shown to the model.")
@click.option("--beside", type=_FILE, help="Synthetic items of another maker: tells whether the judge prefers its own.")
@click.option("--pairs", type=click.IntRange(min=2), default=30, show_default=True, help="How many pairs.")
@click.option(
    "--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="How often each order is asked."
)
@click.option("--model", required=True, help="The endpoint's name for the judge.")
@click.option("--base-url", required=True, help="Address of an OpenAI-compatible endpoint.")
@click.option("--api-key-env", default="OPENAI_API_KEY", show_default=True, help="Variable with the key; '' for none.")
@click.option("--seed", type=int, default=20260101, show_default=True, help="Of the choice of pairs.")
@click.option("-o", "--output", type=_FOLDER, required=True, help="Folder for the file and the card anew.")
@json_option
def judge(
    real: Path,
    synthetic: Path,
    card: Path,
    show_real_to_model: bool,
    beside: Path | None,
    pairs: int,
    repeats: int,
    model: str,
    base_url: str,
    api_key_env: str,
    seed: int,
    output: Path,
    as_json: bool,
) -> None:
    """Have a model say which of two items is more real, in both orders; put it and its biases on the card.

    The model sees items of REAL, which must be open data: nothing is sent without --show-real-to-model.
    """
    if not show_real_to_model:
        raise click.UsageError("Nothing was sent: --show-real-to-model says that REAL may be shown to the model.")
    from counterproof.ui.synthesis import ask_judge, open_chat  # lazy: the model client takes a second to import

    chat = open_chat(output / "record", [], model=model, base_url=base_url, api_key_env=api_key_env)
    made_with = Card.model_validate_json(_bytes(card))
    said = ask_judge(
        chat,
        _items(real),
        _items(synthetic),
        pairs=pairs,
        seed=seed,
        modality=made_with.modality,
        repeats=repeats,
        maker=str(made_with.provenance.maker.get("model", "")),
        beside=() if beside is None else _items(beside),
    )
    _finish(with_sections(synthetic.name, _bytes(synthetic), _bytes(card), {"judge": said}), output, as_json=as_json)


@command.group()
def review() -> None:
    """Have people rate real and synthetic items, blinded; put what they say on the card."""


@review.command(name="start")
@click.argument("real", type=_FILE)
@click.argument("synthetic", type=_FILE)
@click.option("--items", type=click.IntRange(min=2), default=40, show_default=True, help="How many, half of them real.")
@click.option("--seed", type=int, default=20260101, show_default=True, help="Of choice and order.")
@click.option("-o", "--output", type=_FOLDER, required=True, help="Folder of the session.")
@json_option
def start_review(real: Path, synthetic: Path, items: int, seed: int, output: Path, as_json: bool) -> None:
    """Begin a session with items of REAL and SYNTHETIC: tables, or texts as JSON lines.

    Raters see real items, so they must be allowed to. Real rows should be ones that the maker did not see.
    """
    session = rating.start(output, _exhibits(real), _exhibits(synthetic), items=items, seed=seed)
    say(f"Each rater: counterproof synth review rate {output} --as NAME. key.json is not for raters.")
    emit({"folder": str(output), "items": len(session.items)}, str(output), as_json=as_json)


@review.command()
@click.argument("folder", type=_FOLDER)
@click.option("--as", "rater", required=True, help="Who rates.")
def rate(folder: Path, rater: str) -> None:
    """Rate what is left of a session, one item after the other; q stops, and the same command goes on."""
    session = rating.open_session(folder)
    left = rating.left_for(session, rating.ratings_of(folder), rater)
    for number, item in enumerate(left, start=len(session.items) - len(left) + 1):
        say(f"\n{number} of {len(session.items)}\n\n{item.text}\n")
        if (image := rating.lay_image(folder, item)) is not None:
            say(f"Its image: {image}\n")
        guess = click.prompt("[r]eal or [s]ynthetic, [q]uit", type=click.Choice(["r", "s", "q"]), err=True)
        if guess == "q":
            break
        scores = [click.prompt(f"{name}, 1 to 5", type=click.IntRange(1, 5), err=True) for name in rating.SCORES]
        rating.rate(
            folder,
            rating.Rating(
                rater=rater,
                item=item.id,
                guess="real" if guess == "r" else "synthetic",
                realism=scores[0],
                plausibility=scores[1],
            ),
        )
    else:
        say("Everything is rated.")


@review.command()
@click.argument("folder", type=_FOLDER)
@click.option("--synthetic", type=_FILE, required=True, help="The synthetic file that was rated.")
@click.option("--card", type=_FILE, required=True, help="Its card.")
@click.option("-o", "--output", type=_FOLDER, required=True, help="Folder for the file and the card anew.")
@json_option
def close(folder: Path, synthetic: Path, card: Path, output: Path, as_json: bool) -> None:
    """Put what people said, and how well they agree, on the card, and mark the file with the new one."""
    human, agreement = rating.conclude(folder)
    sections = {"human": human, "agreement": agreement}
    made = with_sections(synthetic.name, _bytes(synthetic), _bytes(card), sections)
    _finish(made, output, as_json=as_json)


def _form(path: Path | None) -> TextSpecification:
    """Read a specification; without a file, one that asks for nothing."""
    return TextSpecification() if path is None else parse_specification(_bytes(path), source=path.name)


def _items(path: Path) -> list[str]:
    """Return what a judge sees: no image."""
    if path.suffix == ".jsonl":
        return [document.text for document in parse_documents(_bytes(path), source=path.name)]
    return [one.text for one in of_rows(read_file(path)[1])]


def _exhibits(path: Path) -> list[Exhibit]:
    """Return what raters see."""
    if path.suffix == ".jsonl":
        return blinded(parse_documents(_bytes(path), source=path.name))
    return of_rows(read_file(path)[1])


def _read(path: Path, not_identifying: tuple[str, ...]) -> tuple[Table, tuple[Finding, ...]]:
    _, table = read_file(path)
    found = find_identifiers(table)
    unknown = set(not_identifying) - {column.name for column in table.columns}
    if unknown:
        raise UsageError(f"{table.name} has no column {sorted(unknown)[0]!r}, which --not-identifying names.")
    kept = tuple(finding for finding in found if finding.column not in not_identifying)
    for finding in kept:
        say(
            f"{finding.column} is made up and not judged: {finding.reason}. --not-identifying {finding.column} says no."
        )
    return table, kept


def _question(
    table: Table,
    findings: tuple[Finding, ...],
    formula: str,
    outcome: str,
    subgroups: str,
    rules: Path | None,
    seed: int,
) -> Question:
    given: list[Rule] = []
    if rules is not None:
        lines = _bytes(rules).decode("utf-8", errors="replace").splitlines()
        given = parse_rules(lines, source=rules.name, columns=[column.name for column in table.columns])
    return Question(
        model=formula,
        outcome=outcome,
        subgroups=subgroups,
        rules=given,
        hidden={finding.column for finding in findings},
        seed=seed,
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"The file {path} does not exist.", advice="Check its name.") from error
    except OSError as error:
        raise UsageError(
            f"The file {path} can't be read: {error.strerror}.", advice="Check who may read it."
        ) from error


def _finish(made: SyntheticSet, folder: Path, *, as_json: bool) -> None:
    _write(folder, made.files)
    card = made.card
    value = {
        "folder": str(folder),
        "files": sorted(made.files),
        "card": card.digest,
        "flagged": card.flagged,
        "measures": {measure.definition.id: measure.value for measure in card.measures()},
    }
    emit(value, _text(card, folder), as_json=as_json)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise MachineTrouble(
            f"The folder {folder} can't be written: {error.strerror}.", advice="Name another with -o."
        ) from error


def _text(card: Card, folder: Path) -> str:
    lines = [f"{'metric':<34} {'value':>8} {'floor':>8} {'ceiling':>8}  verdict"]
    for measure in card.measures():
        numbers = [f"{plain_number(number):>8}" for number in (measure.value, measure.floor, measure.ceiling)]
        lines.append(f"{measure.definition.id:<34} {' '.join(numbers)}  {measure.verdict}")
    flagged = len(card.flagged)
    lines.append(f"{flagged} numbers don't keep their limits." if flagged else "Every number keeps its limit.")
    lines.append(f"Read first: {folder / 'summary.md'}; with pictures: {folder / 'report.html'}")
    return "\n".join(lines)
