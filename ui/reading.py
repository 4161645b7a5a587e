"""Reading what a checkpoint shows from its subject.

The exact bytes of the subject stand on the page too; what is read here is what a person looks at.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any, assert_never

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.twins import guarantee, some
from counterproof.tools import Plan, readable_plan
from counterproof.tools.codebooks import Variable, readable_codebook
from counterproof.ui.differences import changes, noted, side_by_side
from counterproof.ui.rendering import finding_text
from counterproof.ui.sets import is_of_a_set, sample_part, set_release_part, specification_part
from counterproof.ui.subjects import (
    CheckProgramView,
    CodePart,
    FileItem,
    Listing,
    Part,
    PlanPart,
    ProgramView,
    ReleasePart,
    ReportSection,
    ReportText,
    Row,
    Sides,
    SignoffPart,
)


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """The editable parts of earlier checkpoints of the same kind; None where there was none.

    Attributes:
        shown: of the one before.
        approved: of the last one that was approved.
    """

    shown: Any = None
    approved: Any = None


def part_of(kind: CheckpointKind, subject: dict[str, Any], blobs: Blobs, *, earlier: Earlier | None = None) -> Part:
    """Return what a subject shows; `earlier` for what changed.

    Raises:
        VerificationFailed: a figure is missing or was changed, or the subject is not of the form that is known here.
    """
    try:
        return _read(kind, subject, blobs, earlier or Earlier())
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise VerificationFailed(
            f"The subject of this {kind} checkpoint is not of the form that this version shows ({error!r}).",
            advice="Look at it with the version of Counterproof that made it.",
        ) from error


def _read(kind: CheckpointKind, subject: dict[str, Any], blobs: Blobs, earlier: Earlier) -> Part:
    match kind:
        case CheckpointKind.PLAN:
            return _plan(subject, earlier)
        case CheckpointKind.CODE:
            return _code(subject, earlier)
        case CheckpointKind.RELEASE:
            return set_release_part(subject) if is_of_a_set(subject) else _release(subject, blobs)
        case CheckpointKind.SIGNOFF:
            return _signoff(subject)
        case CheckpointKind.SPECIFICATION:
            return specification_part(subject)
        case CheckpointKind.SAMPLE:
            return sample_part(subject)
        case _:
            assert_never(kind)


def _plan(subject: dict[str, Any], earlier: Earlier) -> PlanPart:
    listings = [
        *_replaced(subject.get("replaces")),
        _data(subject["data"]),
        noticed_listing(subject["noticed"]),
        _identifiers(subject["identifiers"]),
        _quasi(subject["quasi_identifiers"]),
        _twins(subject["twins"]),
    ]
    for file in subject["profile"]["files"]:
        described = any("codebook" in column for column in file["columns"])
        shown = [column_row(column, described=described) for column in file["columns"]]
        held = [{"column": row["column"], "held back": row["what"], "why": row["why"]} for row in file["held_back"]]
        listings.append(
            Listing(title=f"What the model is told about {file['file']} ({file['rows']} rows)", rows=_t(shown))
        )
        listings.append(Listing(title=f"Held back from the model: {file['file']}", rows=_t(held), empty="Nothing."))
    before = subject["editable"] if earlier.shown is None else earlier.shown
    return PlanPart(
        markdown=readable_plan(Plan.model_validate(subject["editable"])),
        listings=tuple(listings),
        codebook=_codebook(subject),
        changes=changes(before, subject["editable"], title="Changed since the plan that was shown before"),
    )


def _replaced(before: dict[str, Any] | None) -> list[Listing]:
    """Return what a plan changes of the locked one that it replaces; nothing for a first plan."""
    if before is None:
        return []
    opened = "had" if before["data_were_open"] else "had not"
    title = (
        f"What version {before['version'] + 1} changes of version {before['version']} (approved at "
        f"{before['checkpoint']}); the real data {opened} been opened"
    )
    return [Listing(title=title, rows=_t(before["changes"]), empty="Nothing.")]


def _codebook(subject: dict[str, Any]) -> str:
    """Return the codebook in words, and a line a variable where it has a form."""
    variables = [Variable.model_validate(one) for one in subject["variables"]]
    return "\n\n".join(filter(None, [subject["codebook"], readable_codebook(variables)]))


def noticed_listing(rows: list[dict[str, Any]]) -> Listing:
    """Return what was noticed about the data before there was a plan."""
    return Listing(
        title="Noticed about the data at the intake",
        rows=_t(
            [
                {
                    "file": row["file"],
                    "columns": ", ".join(row["columns"]),
                    "kind": row["kind"],
                    "what": row["text"],
                    "told to": "people" if row["hidden"] else "people and the model",
                }
                for row in rows
            ]
        ),
        empty="Nothing was noticed by code. That does not mean that all is in order.",
    )


def _identifiers(found: list[dict[str, str]]) -> Listing:
    return Listing(
        title="Columns that may identify a person",
        rows=_t(
            [
                {
                    "file": row["file"],
                    "column": row["column"],
                    "reason": row["reason"],
                    "taken for": row["said"],
                    "said by": row["by"],
                    "why": row["why"],
                }
                for row in found
            ]
        ),
        empty="None was found by code. That does not mean that there is none.",
    )


def _quasi(found: list[dict[str, Any]]) -> Listing:
    return Listing(
        title="Quasi-identifiers: columns that single persons out together",
        rows=_t(
            [
                {
                    "file": row["file"],
                    "columns": ", ".join(row["columns"]),
                    "smallest group": f"{row['smallest_group']} persons",
                    "persons in groups below k": row["persons_in_groups_below_k"],
                }
                for row in found
            ]
        ),
        empty="None was found by their names. That does not mean that there is none.",
    )


def _twins(found: list[dict[str, Any]]) -> Listing:
    rows = [
        {
            "file": row["file"],
            "engine": f"{row['engine']} (version {row['version']})",
            "what keeps persons out": guarantee(row),
            "seed": row["seed"],
            "columns": "; ".join(f"{part['how']}: {some(part['columns'])}" for part in row["made"]),
            "sha256": row["sha256"],
        }
        for row in found
    ]
    return Listing(title="Synthetic twins, on which programs are tried", rows=_t(rows))


def column_row(column: dict[str, Any], *, described: bool = False) -> dict[str, str]:
    """Return what the model is told of a column, as a row for reading; with what a codebook says where any has it."""
    levels, ends = column.get("levels"), column.get("range", "")
    values = ", ".join(f"{level} ({share})" for level, share in levels.items()) if levels else ""
    if isinstance(ends, list):
        ends = " to ".join(f"{end:g}" if isinstance(end, float) else str(end) for end in ends)
    if isinstance(span := column.get("span"), dict):
        ends = f"{span['first_year']} to {span['last_year']}"
    return {
        "column": column["name"],
        "type": column["type"],
        "missing": str(column["missing"]),
        "levels or range": values or ends,
        **({"codebook": _described(column.get("codebook", {}))} if described else {}),
    }


def _described(said: dict[str, Any]) -> str:
    """Return what the codebook says of a column, in one line."""
    parts = [str(said[key]) for key in ("label", "type") if key in said]
    parts += [f"[{said['unit']}]"] if "unit" in said else []
    parts += [", ".join(f"{code} = {text}" if text else code for code, text in said.get("codes", {}).items())]
    parts += [f"missing: {', '.join(said['missing'])}"] if "missing" in said else []
    return "; ".join(filter(None, parts))


def _code(subject: dict[str, Any], earlier: Earlier) -> CodePart:
    limits = [
        {"program": order["role"], "limits": ", ".join(f"{name} {value}" for name, value in order["limits"].items())}
        for order in subject["orders"]
    ]
    runs = [
        {"program": order["role"], "program digest": order["program"], "seed": str(order["seed"])}
        for order in subject["orders"]
    ]
    environments = {found["digest"]: found for found in subject["environments"].values()}
    return CodePart(
        programs=tuple(_program(raw, (earlier.approved or {}).get(raw["role"])) for raw in subject["programs"]),
        against=_against(subject["programs"]),
        checkers=tuple(_checker(raw) for raw in subject.get("checkers", [])),
        listings=(
            _data(subject["reads"], title="What the programs will read, without network"),
            *_text_checks(subject),
            Listing(title="What an approval opens the data to", rows=_t(runs)),
            Listing(title="Limits", rows=_t(limits)),
        ),
        packages="\n\n".join(
            f"Environment {found['name']} ({found['language']} {found['version']}), {digest}: "
            + ", ".join(found["packages"])
            for digest, found in environments.items()
        ),
    )


def _text_checks(subject: dict[str, Any]) -> list[Listing]:
    return [
        Listing(
            title=f"Checks of the text of the {program['role']} program",
            rows=_t(
                [
                    {"verdict": made["verdict"], "check": made["title"], "evidence": "; ".join(made["evidence"])}
                    for made in program["checks"]
                ]
            ),
        )
        for program in subject["programs"]
        if program.get("checks")
    ]


def _against(programs: list[dict[str, Any]]) -> Sides | None:
    if len(programs) != 2 or programs[0]["language"] != programs[1]["language"]:
        return None
    one, other = programs
    return side_by_side(one["code"], other["code"], names=(one["role"], other["role"]))


def _checker(raw: dict[str, Any]) -> CheckProgramView:
    return CheckProgramView(name=raw["role"], language=raw["language"], sha256=raw["sha256"], code=raw["code"])


def _program(raw: dict[str, Any], approved: str | None) -> ProgramView:
    run = raw["twin_run"]
    found = [{"line": str(row["line"]), "level": row["level"], "finding": row["text"]} for row in raw["static"]]
    outputs = [output["name"] for output in run["outputs"]] + [f"rejected: {text}" for text in run["rejected"]]
    flow = run["flow"]
    excluded = "".join(f"; excluded, {part['reason']}: {part['n']}" for part in flow["excluded"])
    return ProgramView(
        role=raw["role"],
        language=raw["language"],
        sha256=raw["sha256"],
        code=raw["code"],
        diff=raw["diff_since_last_shown"],
        since_approved=side_by_side(approved, raw["code"], names=("approved last", "now")) if approved else None,
        noted=tuple(
            noted(raw["code"], row["line"], f"Line {row['line']}, {row['level']}: {row['text']}")
            for row in raw["static"]
        ),
        findings=Listing(title="Static findings", rows=_t(found), empty="No line stands out. That proves nothing."),
        status=run["status"],
        stdout=run["stdout"],
        results=Listing(title="Results on the twin", rows=_t([_result(result) for result in run["results"]])),
        flow=f"assessed: {flow['assessed']}{excluded}; analysed: {flow['analysed']}",
        outputs=", ".join(outputs),
    )


def _result(result: dict[str, Any]) -> dict[str, str]:
    ends = f"{result['ci_low']:.6g} to {result['ci_high']:.6g}" if result["ci_low"] is not None else ""
    return {
        "result": result["id"],
        "what": result["label"],
        "value": f"{result['value']:.6g}",
        "interval": ends,
        "p": _number(result["p_value"], ".4g"),
        "n": str(result["n"]),
        "unit": result["unit"],
    }


def _release(subject: dict[str, Any], blobs: Blobs) -> ReleasePart:
    warned = [item for item in subject["items"] if item["id"].startswith("warning:")]
    files = [item for item in subject["items"] if "/" in item["id"]]
    numbers = [item for item in subject["items"] if item not in warned and item not in files]
    checks = [
        {"verdict": made["verdict"], "check": made["title"], "evidence": "; ".join(made["evidence"])}
        for made in subject["checks"]
    ]
    compared = [
        {
            "agrees": "yes" if row["agrees"] else "NO",
            "result": row["result"],
            "field": row["field"],
            "primary": _number(row["primary"], ".8g"),
            "replication": _number(row["replication"], ".8g"),
            "tolerance": f"{row['tolerance']:g}",
        }
        for row in subject["comparison"]
    ]
    return ReleasePart(
        numbers=Listing(title="Numbers", rows=_t(list(map(_item, numbers))), empty="None."),
        files=tuple(_file(item, blobs) for item in files),
        warnings=Listing(title="Warnings of the libraries", rows=_t(list(map(_item, warned))), empty="None was seen."),
        listings=(
            Listing(title="Checks", rows=_t(checks), empty="No check was run: that is a failure."),
            Listing(title="Primary program against replication", rows=_t(compared), empty="Nothing was compared."),
        ),
    )


def _item(item: dict[str, Any]) -> dict[str, str]:
    return {
        "item": item["id"].removeprefix("result:"),
        "verdict": item["verdict"],
        "shows": item["shows"],
        "findings": "; ".join(map(finding_text, item["findings"])) or "none",
    }


def _file(item: dict[str, Any], blobs: Blobs) -> FileItem:
    is_figure = item["id"].startswith("figures/")
    return FileItem(
        id=item["id"],
        verdict=item["verdict"],
        findings=tuple(map(finding_text, item["findings"])),
        text=item["shows"],
        rows=() if is_figure else _table(item["shows"]),
        image=blobs.get(item["sha256"]) if is_figure else None,
    )


def _table(text: str) -> tuple[Row, ...]:
    """Return the rows of a table; none when its text is no even table, so that it is shown as text."""
    try:
        head, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (csv.Error, ValueError):
        return ()
    if len(set(head)) < len(head) or any(len(row) != len(head) for row in rows):
        return ()
    return _t([dict(zip(head, row, strict=True)) for row in rows])


def _signoff(subject: dict[str, Any]) -> SignoffPart:
    document = subject["document"]
    rows = [
        {"section": section["name"], "number": part["text"], "comes from": part["ref"]}
        for section in [*document["sections"], *document["appendix"]]
        for part in section["parts"]
        if part["kind"] == "number"
    ]
    numbers = Listing(title="Where each number comes from", rows=_t(rows), empty="No number: that is a failure.")
    statement = subject["transparency"]
    missing = [
        {"item": item["id"], "asks for": item["text"], "lacks": " and ".join(item["lacks"])}
        for item in statement["missing"]
    ]
    return SignoffPart(
        markdown=subject["markdown"],
        head=document["head"],
        sections=tuple(_section(section) for section in document["sections"]),
        numbers=numbers,
        summary=statement["summary"],
        missing=Listing(title="Missing from the transparency statement", rows=_t(missing), empty="Nothing."),
        statement=statement["text"],
    )


def _section(section: dict[str, Any]) -> ReportSection:
    texts = [
        ReportText(text=part["text"], result=part["ref"].rpartition(".")[0] if part["kind"] == "number" else "")
        for part in section["parts"]
    ]
    return ReportSection(name=section["name"], texts=tuple(texts))


def _data(files: list[dict[str, Any]], *, title: str = "Data") -> Listing:
    made = any(file.get("original") for file in files)
    rows = [
        {
            "file": file["name"],
            "bytes": f"{file['size']:,}",
            "SHA-256": file["sha256"],
            **({"made from": _original(file)} if made else {}),
        }
        for file in files
    ]
    return Listing(title=title, rows=_t(rows))


def _original(file: dict[str, Any]) -> str:
    original = file.get("original")
    return f"{original['name']}, SHA-256 {original['sha256']}" if original else ""


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _t(rows: list[dict[str, str]]) -> tuple[Row, ...]:
    return tuple(rows)
