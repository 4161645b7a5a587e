"""The diagram of participants: who was assessed, left out and analysed, drawn from the numbers of `flow.json`.

Boxes and arrows in black on white, with words in every box: nothing is said by a colour.
"""

from __future__ import annotations

import textwrap
from html import escape

from counterproof.tools.results import Flow

_WIDTH, _BOX, _LINE, _PAD, _CHARACTERS = 640, 260, 18, 10, 34


def flow_diagram(flow: Flow) -> str:
    """Return the diagram as SVG; each number in it is one of the flow's."""
    left = [e for e in flow.excluded if e.n]
    boxes, arrows = [], []
    height = _height([f"Assessed: {flow.assessed}"])
    boxes.append(_box(0, 0, [f"Assessed: {flow.assessed}"]))
    at = height + 20
    for excluded in left:
        lines = [*textwrap.wrap(f"Excluded: {excluded.reason}", _CHARACTERS), f"n = {excluded.n}"]
        boxes.append(_box(_WIDTH - _BOX, at, lines))
        middle = at + _height(lines) / 2
        arrows.append(_arrow(_BOX / 2, middle, _WIDTH - _BOX, middle))
        at += _height(lines) + 12
    end = max(at, height + 40)
    arrows.append(_arrow(_BOX / 2, height, _BOX / 2, end))
    boxes.append(_box(0, end, [f"Analysed: {flow.analysed}"]))
    total = end + _height([""]) + 2
    title = f"<title>Participants: {flow.assessed} assessed, {flow.analysed} analysed</title>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1 -1 {_WIDTH + 2} {total:g}" role="img" '
        f'font-family="sans-serif" font-size="13">{title}'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>' + "".join([*arrows, *boxes]) + "</svg>"
    )


def _height(lines: list[str]) -> int:
    return len(lines) * _LINE + 2 * _PAD


def _box(x: float, y: float, lines: list[str]) -> str:
    texts = "".join(
        f'<text x="{x + _PAD:g}" y="{y + _PAD + _LINE * (at + 0.75):g}">{escape(line)}</text>'
        for at, line in enumerate(lines)
    )
    box = f'<rect x="{x:g}" y="{y:g}" width="{_BOX}" height="{_height(lines)}" fill="white" stroke="black"/>'
    return box + texts


def _arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<path d="M{x:g} {y:g} L{to_x:g} {to_y:g}" stroke="black" fill="none" marker-end="url(#tip)"/>'
