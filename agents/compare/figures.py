"""The figures of a comparison as inline SVG: completion by model and language, scores with their baseline.

Drawn for paper, for a screen reader and without colours: shapes and patterns tell things apart, each figure has a
title, and every number of it stands in a table beside it. No script, no font, no address.

It does not cover what is drawn: `report` reads that from the table and the results of the cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

_WIDTH, _LINE, _CHARACTER = 760, 22, 7.3
_RIGHT, _TICKS = 20, 6
_INK, _SOFT = "#111", "#bbb"
_HATCH = (
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="6" height="6" fill="#fff"/><line x1="0" x2="0" y1="0" y2="6" stroke="{_INK}" stroke-width="2"/>'
    "</pattern></defs>"
)
_FILLS = (_INK, "url(#hatch)", "#999")

Kind = Literal["counts", "leaked", "unprobed"]


@dataclass(frozen=True, kw_only=True)
class Dot:
    """The score of one repeat, and whether it counts."""

    value: float
    kind: Kind


@dataclass(frozen=True, kw_only=True)
class Line:
    """One model in a figure of scores.

    Attributes:
        label: its name.
        dots: its repeats that have a score.
        interval: of the median repeat; None where none counts.
        words: what came of it, where it has no score at all.
    """

    label: str
    dots: tuple[Dot, ...] = ()
    interval: tuple[float, float] | None = None
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Group:
    """The models in one language and way of working."""

    label: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """How many cells of a model were completed, in one language."""

    label: str
    completed: int
    of: int


def completion_figure(models: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Return one bar a model and language, as long as the share of its cells that were completed."""
    left = _margin([f"{name} {bar.label}" for name, bars in models for bar in bars])
    height = _LINE * (sum(len(bars) for _, bars in models) + 1) + 6 * len(models)
    full = _WIDTH - left - 80
    parts, y = [_open("Share of cells completed, by model and language", height), _HATCH], 8.0
    for name, bars in models:
        for at, bar in enumerate(bars):
            label = name if at == 0 else ""
            width = full * bar.completed / bar.of if bar.of else 0.0
            parts.append(_text(0, y + 12, label) + _text(left - 8, y + 12, bar.label, anchor="end"))
            parts.append(f'<rect x="{left}" y="{y}" width="{full}" height="14" fill="none" stroke="{_SOFT}"/>')
            if width:
                fill = _FILLS[at % len(_FILLS)]
                parts.append(
                    f'<rect x="{left}" y="{y}" width="{width:.1f}" height="14" fill="{fill}" stroke="{_INK}"/>'
                )
            parts.append(_text(left + full + 8, y + 12, f"{bar.completed} of {bar.of}"))
            y += _LINE
        y += 6
    return "".join([*parts, "</svg>"])


def score_figure(
    groups: Sequence[Group], *, title: str, axis: str, baseline: tuple[str, float] | None, least: tuple[float, float]
) -> str:
    """Return scores by group and model: a dot a repeat, a line for the interval, the baseline as a dashed line.

    Args:
        groups: what is drawn, from top to bottom.
        title: what the figure is, for a screen reader.
        axis: what the scores are.
        baseline: what it is, and its score; None where there is none.
        least: what the axis shows at least, where there are no scores.
    """
    values = [value for group in groups for line in group.lines for value in _values(line)]
    values += [baseline[1]] if baseline else []
    ticks = _ticks(min(values, default=least[0]), max(values, default=least[1]))
    left = _margin(
        [*(group.label for group in groups), *(f"  {line.label}" for group in groups for line in group.lines)]
    )
    top = 26.0
    bottom = top + _LINE * sum(1 + len(group.lines) for group in groups) + 4

    def x(value: float) -> float:
        return round(left + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (_WIDTH - left - _RIGHT), 1)

    parts = [_open(title, int(bottom) + 40)]
    for tick in ticks:
        parts.append(
            _rule(x(tick), top, bottom, stroke=_SOFT) + _text(x(tick), bottom + 15, _short(tick), anchor="middle")
        )
    parts.append(_text((left + _WIDTH - _RIGHT) / 2, bottom + 33, axis, anchor="middle"))
    if baseline:
        parts += _baseline(f"baseline: {baseline[0]} ({baseline[1]:.3f})", x(baseline[1]), top=top, bottom=bottom)
    y = top
    for group in groups:
        y += _LINE
        parts.append(_text(0, y - 4, group.label, weight="600"))
        for line in group.lines:
            parts.append(_text(12, y + 15, line.label))
            parts += _drawn(
                line, [x(value) for value in line.interval or ()], [x(dot.value) for dot in line.dots], y + 11
            )
            if line.words:
                parts.append(_text(left + 4, y + 15, line.words, fill="#555"))
            y += _LINE
    return "".join([*parts, "</svg>"])


def _values(line: Line) -> list[float]:
    return [*(dot.value for dot in line.dots), *(line.interval or ())]


def _drawn(line: Line, ends: Sequence[float], places: Sequence[float], y: float) -> list[str]:
    parts = []
    if ends:
        parts.append(f'<line x1="{ends[0]}" x2="{ends[1]}" y1="{y}" y2="{y}" stroke="{_INK}" stroke-width="1.5"/>')
        parts += [_rule(end, y - 4, y + 4) for end in ends]
    return [*parts, *(_mark(dot.kind, at, y) for dot, at in zip(line.dots, places, strict=True))]


def _mark(kind: Kind, x: float, y: float) -> str:
    if kind == "leaked":
        return f'<path d="M{x - 6} {y}L{x} {y - 6}L{x + 6} {y}L{x} {y + 6}Z" fill="#fff" stroke="{_INK}"/>'
    return f'<circle cx="{x}" cy="{y}" r="4.5" fill="{_INK if kind == "counts" else "#fff"}" stroke="{_INK}"/>'


def _baseline(label: str, x: float, *, top: float, bottom: float) -> list[str]:
    """Return the dashed line, and its label where it fits."""
    half = len(label) * _CHARACTER / 2
    at = min(max(x, half), _WIDTH - half)
    return [_rule(x, top - 6, bottom, stroke=_INK, dashes="5 3"), _text(at, top - 11, label, anchor="middle")]


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers around a range, some of them outside of it."""
    width = (high - low) or abs(high) or 1.0
    step = 10 ** math.floor(math.log10(width / _TICKS))
    step *= next(factor for factor in (1, 2, 5, 10) if width / (step * factor) <= _TICKS)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [at * step for at in range(first, max(last, first + 1) + 1)]


def _short(value: float) -> str:
    return f"{value:.6g}" if abs(value) > 1e-9 else "0"


def _margin(labels: Sequence[str]) -> float:
    return round(min(_WIDTH / 2, max((len(label) for label in labels), default=0) * _CHARACTER + 16))


def _open(title: str, height: int) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" font-size="13">'
        f"<title>{escape(title)}</title>"
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "400", fill: str = _INK) -> str:
    if not text:
        return ""
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    halo = 'stroke="#fff" stroke-width="3" paint-order="stroke"'
    return f'<text {where} {halo} font-weight="{weight}" fill="{fill}">{escape(text)}</text>'


def _rule(x: float, y1: float, y2: float, *, stroke: str = _INK, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<line x1="{x}" x2="{x}" y1="{y1}" y2="{y2}" stroke="{stroke}"{dashed}/>'
