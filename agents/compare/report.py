"""The comparison as one page: the tables and figures of the published study, readable offline and without colours.

No script, no address, no image: figures are inline SVG with a title and the same numbers in the table beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from counterproof.agents.compare.campaign import LoadedCampaign
from counterproof.agents.compare.cell import IN_WORDS, Done
from counterproof.agents.compare.table import Row, Standing, Table
from counterproof.tools.tasks import Task

_CSS = """
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}
table{border-collapse:collapse;margin:1rem 0}caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{border:1px solid #777;padding:.25rem .5rem;text-align:left;vertical-align:top}th{background:#eee}
td.n{text-align:right;font-variant-numeric:tabular-nums}svg{max-width:100%;height:auto}
"""
_WIDTH, _LEFT, _LINE = 640, 150, 24


def report_page(loaded: LoadedCampaign, table: Table, done: Sequence[Done]) -> str:
    """Return the page of a comparison, of one that has not ended too."""
    groups = list(dict.fromkeys((row.task, row.language, row.arm) for row in table.rows))
    sections = [
        _section(loaded.tasks[task].task, [row for row in table.rows if (row.task, row.language, row.arm) == group])
        for group in groups
        for task in group[:1]
    ]
    title = escape(loaded.campaign.title)
    missing = f"<p><strong>{table.missing} cells are missing: the campaign has not ended.</strong></p>"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_CSS}</style>'
        f"</head><body><main><h1>{title}</h1>"
        f"<p>{table.cells - table.missing} of {table.cells} cells. Programs ran on open or simulated data, without "
        "approval; answers were held out and read by the scoring alone.</p>"
        f"{missing if table.missing else ''}"
        f"<h2>Models</h2>{_standings(table.standings)}{_completion(table)}{_spent(done)}"
        f"<h2>Tasks</h2>{''.join(sections)}{_pairs(table)}{_categories()}</main></body></html>\n"
    )


def _standings(standings: Sequence[Standing]) -> str:
    rows = [
        [
            str(one.place),
            one.name,
            f"{one.counted} of {one.cells}",
            str(one.reached_baseline),
            f"{one.mean_rank:.2f}",
            one.category,
        ]
        for one in standings
    ]
    head = ["Place", "Model", "Cells that count", "At least the baseline", "Mean rank", "Mostly"]
    return _table("Which models can be trusted with these tasks", head, rows)


def _completion(table: Table) -> str:
    """Return completion by model and language, the first table of the published study."""
    languages = sorted({row.language for row in table.rows})
    rows = []
    for one in table.standings:
        cells = [one.name]
        for language in languages:
            own = [row for row in table.rows if row.name == one.name and row.language == language]
            cells.append(f"{sum(row.completed for row in own)} of {sum(row.repeats for row in own)}")
        rows.append(cells)
    return _table("Completion by model and language", ["Model", *(_language(one) for one in languages)], rows)


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


def _section(task: Task, rows: Sequence[Row]) -> str:
    first = rows[0]
    heading = f"{task.title}: {_language(first.language)}, {first.arm.replace('_', ' ')}"
    about = f"<p>{escape(task.source)} Contamination: {escape(task.contamination)}</p>"
    ordered = sorted(rows, key=lambda row: (row.rank is None, row.rank or 0, row.name))
    cells = [
        [
            "none" if row.rank is None else str(row.rank),
            row.name,
            _number(row.value),
            "" if row.ci_low is None else f"{_number(row.ci_low)} to {_number(row.ci_high)}",
            _number(row.baseline_p, 4),
            _number(row.spread),
            _number(row.claimed),
            ", ".join(f"{name} {count}" for name, count in row.categories.items()),
        ]
        for row in ordered
    ]
    metric = task.prediction.metric if task.prediction else "share of numbers that are right"
    head = [
        "Rank",
        "Model",
        metric,
        "95% interval",
        "p against baseline",
        "Spread of repeats",
        "Claimed by a leak",
        "Repeats",
    ]
    return f"<h3>{escape(heading)}</h3>{about}{_figure(task, ordered)}{_table(heading, head, cells)}"


def _figure(task: Task, rows: Sequence[Row]) -> str:
    """Return scores with their intervals as lines, the baseline as a dashed line."""
    shown = [row for row in rows if row.value is not None]
    if not shown:
        return "<p>No model has a score that counts.</p>"
    baseline = task.prediction.baseline if task.prediction else None
    ends = [value for row in shown for value in (row.value, row.ci_low, row.ci_high) if value is not None]
    ends += [baseline.value] if baseline else []
    low, high = min(ends), max(ends)
    width = (high - low) or 1.0

    def x(value: float) -> float:
        return round(_LEFT + (value - low) / width * (_WIDTH - _LEFT - 60), 1)

    height = _LINE * (len(shown) + 2)
    parts = [f'<svg role="img" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}"><title>Scores by model</title>']
    for at, row in enumerate(shown, start=1):
        y = at * _LINE
        parts.append(f'<text x="0" y="{y + 5}" font-size="13">{escape(row.name)}</text>')
        if row.ci_low is not None and row.ci_high is not None:
            parts.append(f'<line x1="{x(row.ci_low)}" x2="{x(row.ci_high)}" y1="{y}" y2="{y}" stroke="#111"/>')
        for value in {row.value, row.low, row.high} - {None}:
            parts.append(f'<circle cx="{x(value or 0.0)}" cy="{y}" r="4" fill="#111"/>')
    if baseline:
        at_x = x(baseline.value)
        parts.append(f'<line x1="{at_x}" x2="{at_x}" y1="8" y2="{height - 24}" stroke="#111" stroke-dasharray="4 3"/>')
        label = escape(f"baseline: {baseline.label} ({baseline.value:.3f})")
        parts.append(f'<text x="{at_x}" y="{height - 8}" font-size="12" text-anchor="middle">{label}</text>')
    return "".join([*parts, "</svg>"])


def _pairs(table: Table) -> str:
    rows = [
        [
            pair.task,
            _language(pair.language),
            pair.arm,
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
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    number = text.replace(",", "").replace(".", "").replace("-", "").isdigit()
    return f'<td class="n">{escape(text)}</td>' if number else f"<td>{escape(text)}</td>"


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _language(language: str) -> str:
    return {"python": "Python", "r": "R"}[language]
