"""The report of a card as one HTML page that needs nothing else: every number with its definition, and the pictures.

What comes from a file (names of columns, levels) is escaped. The same card gives the same bytes.
"""

from __future__ import annotations

from html import escape

from counterproof.tools.synth.evaluation.card import Assessment, Card, Measure
from counterproof.tools.synth.report.drawing import MADE, REAL, bars, grids, intervals, quantiles, scale, squares
from counterproof.tools.synth.report.summary import plain_number, to_summary

_SECTIONS = ("fidelity", "utility", "privacy", "diversity", "clinical_plausibility", "fairness")
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1c2126}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #ddd}
table{border-collapse:collapse;width:100%}td,th{padding:.25rem .5rem;text-align:left;vertical-align:top}
tr{border-bottom:1px solid #eee}.n{text-align:right;font-variant-numeric:tabular-nums}
.flag{color:#a3260f;font-weight:600}.pass{color:#1d6b3a}.mark{background:#c8551b;color:#fff;padding:.3rem .6rem}
details{font-size:.85rem;color:#444}svg text{font:11px system-ui,sans-serif}svg{margin:.2rem}
.grid{display:flex;flex-wrap:wrap;gap:.4rem}svg{max-width:100%;height:auto}
.wide{overflow-x:auto}h1,code,td{overflow-wrap:anywhere}.wide td{overflow-wrap:normal}
"""


def to_html(card: Card) -> str:
    """Return the report of a card."""
    about = card.provenance
    head = (
        f"<h1>Evaluation card: {escape(about.name)}</h1><p class=mark>Synthetic data, never real</p>"
        f"<p>Card <code>{card.digest}</code>, rows <code>{about.content_sha256}</code></p>"
    )
    body = [head, _summary(card), _provenance(card)]
    for name in _SECTIONS:
        body.append(f"<h2>{name.replace('_', ' ').capitalize()}</h2>{_table(getattr(card, name))}")
    for name, section in (("Judge", card.judge), ("People", card.human), ("Agreement", card.agreement)):
        body.append(f"<h2>{name}</h2>{_assessment(section)}")
    body.append(_pictures(card))
    body.append("<h2>Limits</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in card.limits) + "</ul>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width,initial-scale=1">'
        f"<title>Evaluation card: {escape(about.name)}</title><style>{_STYLE}</style></head><body>"
        f"{''.join(body)}</body></html>\n"
    )


def _summary(card: Card) -> str:
    parts, in_list = [], False
    for line in to_summary(card).splitlines()[5:]:
        if line.startswith("- "):
            parts.append(("" if in_list else "<ul>") + f"<li>{escape(line[2:])}</li>")
            in_list = True
            continue
        parts.append("</ul>" if in_list else "")
        in_list = False
        if line.startswith("## Limits"):
            break
        if line.startswith("## "):
            parts.append(f"<h3>{escape(line[3:])}</h3>")
    return "".join(parts)


def _provenance(card: Card) -> str:
    about = card.provenance
    rows = {
        "rows": f"{about.rows:,}",
        "compared with": f"{about.real.name} ({about.real.rows:,} rows, {about.real.sha256[:16]})"
        if about.real
        else "",
        "hold-out": f"{about.holdout} ({about.training_rows:,} training rows, {about.holdout_rows:,} held out)",
        "planned model": about.planned_model,
        "outcome": about.outcome,
        "subgroups": about.subgroups,
        "maker": ", ".join(f"{name} {value}" for name, value in about.maker.items() if name != "made"),
        "left out": ", ".join(f"{name} ({why})" for name, why in about.left_out.items()),
        "seed of the card": str(about.seed),
        "software": ", ".join(f"{name} {value}" for name, value in about.software.items()),
    }
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value or '–')}</td></tr>" for name, value in rows.items())
    return f"<h2>Provenance</h2><table>{cells}</table>"


def _table(measures: tuple[Measure, ...]) -> str:
    if not measures:
        return "<p>No metric of this section belongs to this kind of data.</p>"
    head = (
        "<tr><th>metric</th><th class=n>value</th><th class=n>floor</th><th class=n>ceiling</th><th class=n>copy</th>"
    )
    rows = "".join(_row(measure) for measure in measures)
    return f"<div class=wide><table>{head}<th></th><th>verdict</th></tr>{rows}</table></div>"


def _row(measure: Measure) -> str:
    about, limit = measure.definition, measure.definition.limit
    interval = measure.interval
    value = plain_number(measure.value)
    if interval is not None:
        value += f"<br><small>{plain_number(interval.low)} to {plain_number(interval.high)}</small>"
    more = [
        ("formula", about.formula),
        ("direction", f"{about.direction}; {about.range}"),
        ("limit", limit.rule if limit.rule == "none" else f"{limit.rule} {limit.value:g} ({limit.source})"),
        ("computed by", about.library),
        ("source", about.source),
        ("note", measure.reason),
        ("looked at", f"{measure.sampled:,} rows, a sample" if measure.sampled else ""),
        ("in detail", ", ".join(f"{name}: {number:.3g}" for name, number in measure.detail.items())),
    ]
    detail = "".join(f"<div><b>{escape(name)}</b> {escape(text)}</div>" for name, text in more if text)
    numbers = "".join(
        f"<td class=n>{plain_number(number)}</td>" for number in (measure.floor, measure.ceiling, measure.copy_)
    )
    picture = scale(measure.value, measure.floor, measure.ceiling)
    kind = measure.verdict if measure.verdict in ("flag", "pass") else "none"
    return (
        f"<tr><td>{escape(about.title)} <small>{escape(about.id)}</small><details><summary>what it is</summary>{detail}"
        f"</details></td><td class=n>{value}</td>{numbers}<td>{picture}</td>"
        f'<td class="{kind}">{escape(measure.verdict)}</td></tr>'
    )


def _assessment(section: Assessment) -> str:
    facts = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in section.facts.items()
    )
    status = f"{section.status}: {section.reason}" if section.reason else section.status
    found = {name: value for name, value in section.facts.items() if _is_interval(value)}
    return f"<p>{escape(status)}</p>{intervals(found) if found else ''}<table>{facts}</table>"


def _is_interval(value: object) -> bool:
    """Say whether a fact is a number with its interval."""
    return isinstance(value, list | tuple) and len(value) == 3 and all(isinstance(one, float | int) for one in value)


def _pictures(card: Card) -> str:
    shown = card.pictures
    if not shown.distributions:
        return ""
    parts = [
        f'<h2>Pictures</h2><p><span style="color:{REAL}">■</span> real (bars of fewer than ten rows are left out) '
        f'<span style="color:{MADE}">■</span> synthetic</p><div class=grid>'
    ]
    parts += [bars(one.column, one.labels, one.real, one.made) for one in shown.distributions]
    parts.append("</div>")
    if shown.columns:
        parts.append("<h3>How strongly columns go together</h3><div class=grid>")
        parts.append(squares("real", shown.columns, shown.associations_real))
        parts.append(squares("synthetic", shown.columns, shown.associations_made) + "</div>")
    if shown.pairs:
        parts.append(
            "<h3>Pairs that go together most (cells of fewer than ten real rows are empty)</h3><div class=grid>"
        )
        parts += [grids(pair) for pair in shown.pairs]
        parts.append("</div>")
    if shown.nearest:
        parts.append(quantiles("Distance to the nearest training row: deciles", shown.nearest))
    return "".join(parts)
