"""The comparison as one page: the tables and figures of the published study, readable offline and without colours.

No script, no address, no image: figures are inline SVG (`figures`) with the same numbers in the tables beside them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from counterproof.agents.compare.campaign import LoadedCampaign
from counterproof.agents.compare.cell import IN_WORDS, CellResult, Done
from counterproof.agents.compare.figures import Bar, Dot, Group, Kind, Line, completion_figure, score_figure
from counterproof.agents.compare.lines import STANDING_HEAD, standing_cells
from counterproof.agents.compare.table import Row, Standing, Table, counts
from counterproof.tools.tasks import Task

_CSS = """
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}
table{border-collapse:collapse;margin:1rem 0}caption{text-align:left;font-weight:600;padding:.3rem 0;white-space:nowrap}
th,td{border:1px solid #777;padding:.25rem .5rem;text-align:left;vertical-align:top}th{background:#eee}
td.n{text-align:right;font-variant-numeric:tabular-nums}figure{margin:1rem 0}svg{max-width:100%;height:auto}
div.wide{overflow-x:auto}
"""
_LEGEND = (
    "In the figures each filled dot is a repeat that counts; the line is the 95% bootstrap interval of the median "
    "repeat, over the test samples. An empty diamond is what a leaking repeat would have claimed, an empty dot a "
    "repeat that could not be probed for leaks: neither has a rank. Where there is no score, words say what came of it."
)
_Key = tuple[str, str, str, str]


def report_page(loaded: LoadedCampaign, table: Table, done: Sequence[Done]) -> str:
    """Return the page of a comparison, of one that has not ended too."""
    results: dict[_Key, list[CellResult]] = {}
    for one in sorted((one.result for one in done), key=lambda result: result.repeat):
        results.setdefault((one.task, one.language, one.arm, one.name), []).append(one)
    tasks = [
        _task(loaded.tasks[name].task, [row for row in table.rows if row.task == name], results)
        for name in dict.fromkeys(row.task for row in table.rows)
    ]
    title = escape(loaded.campaign.title)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_CSS}</style></head><body><main><h1>{title}</h1>"
        f"<p>{table.cells - table.missing} of {table.cells} cells. Programs ran on open or simulated data, without "
        "approval; answers were held out and read by the scoring alone.</p>"
        f"{_missing(table)}"
        f"<h2>Models</h2>{_standings(table.standings)}{_completion(table)}{_spent(done)}"
        f"<h2>Tasks</h2><p>{_LEGEND}</p>{''.join(tasks)}{_pairs(table)}{_categories()}</main></body></html>\n"
    )


def _missing(table: Table) -> str:
    if not table.missing:
        return ""
    are = "cell is" if table.missing == 1 else "cells are"
    return f"<p><strong>{table.missing} {are} missing: the campaign has not ended.</strong></p>"


def _standings(standings: Sequence[Standing]) -> str:
    head = [name.capitalize() for name in STANDING_HEAD]
    return _table("Which models can be trusted with these tasks", head, [[*standing_cells(one)] for one in standings])


def _completion(table: Table) -> str:
    """Return completion by model and language, the first figure of the published study, and its numbers."""
    languages = sorted({row.language for row in table.rows})
    rows, models = [], []
    for one in table.standings:
        bars = []
        for language in languages:
            own = [row for row in table.rows if row.name == one.name and row.language == language]
            completed, of = sum(row.completed for row in own), sum(row.repeats for row in own)
            bars.append(Bar(label=_language(language), completed=completed, of=of))
        models.append((one.name, bars))
        rows.append([one.name, *(f"{bar.completed} of {bar.of}" for bar in bars)])
    head = ["Model", *(_language(language) for language in languages)]
    return f"<figure>{completion_figure(models)}</figure>" + _table("Completion by model and language", head, rows)


def _spent(done: Sequence[Done]) -> str:
    rows = []
    for name in sorted({one.result.name for one in done}):
        own = [one.spent for one in done if one.result.name == name]
        tokens = sum(one.tokens_in + one.tokens_out for one in own)
        rows.append(
            [
                name,
                str(sum(one.calls for one in own)),
                str(sum(one.failed_calls for one in own)),
                f"{tokens:,}",
                f"{sum(one.cost for one in own):.2f}",
                f"{sum(one.programs_s for one in own):.1f}",
                f"{sum(one.wall_s for one in own):.1f}",
            ]
        )
    head = ["Model", "Calls", "Failed calls", "Tokens", "Cost", "Programs (s)", "Wall time (s)"]
    return _table("What it took", head, rows)


def _task(task: Task, rows: Sequence[Row], results: Mapping[_Key, Sequence[CellResult]]) -> str:
    """Return what came of a task: one figure for all languages and ways, and a table for each."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(f"{_language(row.language)}, {row.arm.replace('_', ' ')}", []).append(row)
    ordered = {
        name: sorted(own, key=lambda row: (row.rank is None, row.rank or 0, row.name)) for name, own in groups.items()
    }
    drawn = [
        Group(label=name, lines=tuple(_line(row, results[(row.task, row.language, row.arm, row.name)]) for row in own))
        for name, own in ordered.items()
    ]
    asked = task.prediction
    figure = score_figure(
        drawn,
        title=f"Scores of {task.title}, by model",
        axis=f"{asked.metric} ({asked.direction} is better)" if asked else "share of numbers that are right",
        baseline=(asked.baseline.label, asked.baseline.value) if asked else None,
        least=(0.0, 1.0),
    )
    return (
        f"<h3>{escape(task.title)}</h3><p>{escape(task.source)} Contamination: {escape(task.contamination)}</p>"
        f"<figure>{figure}</figure>{''.join(_scores(task, name, own) for name, own in ordered.items())}"
        f"{_repeats(rows, results)}"
    )


def _line(row: Row, results: Sequence[CellResult]) -> Line:
    dots = tuple(Dot(value=one.value, kind=_kind(one)) for one in results if one.value is not None)
    ends = () if row.ci_low is None or row.ci_high is None else (row.ci_low, row.ci_high)
    interval = (ends[0], ends[1]) if ends and all(map(math.isfinite, ends)) else None
    words = "" if dots else ", ".join(IN_WORDS[one.category] for one in results[:1])
    return Line(label=row.name, dots=dots, interval=interval, words=words)


def _kind(result: CellResult) -> Kind:
    if counts(result):
        return "counts"
    return "leaked" if result.category == "leaked" else "unprobed"


def _scores(task: Task, name: str, rows: Sequence[Row]) -> str:
    cells = [
        [
            "none" if row.rank is None else str(row.rank),
            row.name,
            _number(row.value),
            "" if row.ci_low is None else f"{_number(row.ci_low)} to {_number(row.ci_high)}",
            _number(row.baseline_p, 4),
            _number(row.spread),
            _number(row.claimed),
            ", ".join(f"{category} {count}" for category, count in row.categories.items()),
        ]
        for row in rows
    ]
    metric = task.prediction.metric if task.prediction else "share of numbers that are right"
    head = ["Rank", "Model", metric, "95% interval", "p against baseline", "Spread of repeats", "Claimed by a leak"]
    return _table(f"{task.title}: {name}", [*head, "Repeats"], cells)


def _repeats(rows: Sequence[Row], results: Mapping[_Key, Sequence[CellResult]]) -> str:
    """Return what each repeat came to, where there are several."""
    most = max(row.repeats for row in rows)
    if most < 2:
        return ""
    cells = []
    for row in rows:
        own = {one.repeat: one for one in results[(row.task, row.language, row.arm, row.name)]}
        told = [_told(own[repeat]) if repeat in own else "" for repeat in range(1, most + 1)]
        cells.append([row.name, _language(row.language), row.arm.replace("_", " "), *told])
    head = ["Model", "Language", "Way", *(f"Repeat {number}" for number in range(1, most + 1))]
    return _table("What each repeat came to", head, cells)


def _told(result: CellResult) -> str:
    return _number(result.value) if counts(result) else f"{result.category} {_number(result.value)}".strip()


def _pairs(table: Table) -> str:
    rows = [
        [
            pair.task,
            _language(pair.language),
            pair.arm.replace("_", " "),
            pair.first,
            pair.second,
            _number(pair.difference),
            _number(pair.p_holm, 4),
        ]
        for pair in table.pairs
    ]
    head = ["Task", "Language", "Way", "First", "Second", "Difference", "p (Holm)"]
    return _table("Tests between models, sample by sample", head, rows) if rows else ""


def _categories() -> str:
    return _table("Words", ["Category", "What it means"], [[name, words] for name, words in IN_WORDS.items()])


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    number = text.replace(",", "").replace(".", "").replace("-", "").isdigit()
    return f'<td class="n">{escape(text)}</td>' if number else f"<td>{escape(text)}</td>"


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _language(language: str) -> str:
    return {"python": "Python", "r": "R"}[language]
