"""Small pictures as SVG: bars of two sides, squares of strength, lines of quantiles, and a number on its scale.

Each picture has a text for those who don't see it. Nothing is loaded from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from counterproof.tools.synth.evaluation.card import Pair

REAL, MADE = "#5b6b7a", "#c8551b"
_WIDTH, _HEIGHT = 240, 110
_LABEL_MAX = 24


def bars(title: str, labels: Sequence[str], real: Sequence[float | None], made: Sequence[float]) -> str:
    """Draw the shares of two sides beside each other."""
    most = max([share for share in (*real, *made) if share is not None], default=0.0) or 1.0
    step = _WIDTH / max(len(labels), 1)
    parts = []
    for at, label in enumerate(labels):
        for offset, share, colour in ((0.08, real[at], REAL), (0.5, made[at], MADE)):
            if share is None:
                continue
            height = share / most * (_HEIGHT - 22)
            parts.append(
                f'<rect x="{(at + offset) * step:.1f}" y="{_HEIGHT - 4 - height:.1f}" width="{step * 0.4:.1f}" '
                f'height="{height:.1f}" fill="{colour}"><title>{escape(label)}: {share:.1%}</title></rect>'
            )
    return _svg(title, _WIDTH, _HEIGHT, f'<text x="2" y="12">{escape(_cut(title))}</text>{"".join(parts)}')


def squares(title: str, names: Sequence[str], strength: Sequence[Sequence[float]]) -> str:
    """Draw how strongly columns go together: the darker, the stronger."""
    side = max(9, min(22, 320 // max(len(names), 1)))
    left = 120
    parts = []
    for row, values in enumerate(strength):
        parts.append(
            f'<text x="{left - 4}" y="{24 + row * side + side * 0.7:.1f}" text-anchor="end">'
            f"{escape(_cut(names[row], 18))}</text>"
        )
        for column, value in enumerate(values):
            parts.append(
                f'<rect x="{left + column * side}" y="{24 + row * side}" width="{side - 1}" height="{side - 1}" '
                f'fill="{MADE}" fill-opacity="{min(1.0, max(0.04, value)):.2f}">'
                f"<title>{escape(names[row])} and {escape(names[column])}: {value:.2f}</title></rect>"
            )
    extent = len(names) * side
    return _svg(title, left + extent + 4, 28 + extent, f'<text x="2" y="14">{escape(title)}</text>{"".join(parts)}')


def grids(pair: Pair) -> str:
    """Draw how two columns go together, real rows on the left and synthetic ones on the right: the darker, the more."""
    most = max((share for row in (*pair.real, *pair.made) for share in row if share is not None), default=0.0) or 1.0
    title = f"{_cut(pair.first, 20)} (down) and {_cut(pair.second, 20)} (across)"
    width, height = 150 / max(len(pair.second_labels), 1), 110 / max(len(pair.first_labels), 1)
    parts = [f'<text x="2" y="12">{escape(title)}</text>']
    for left, name, colour, shares in ((2, "real", REAL, pair.real), (162, "synthetic", MADE, pair.made)):
        parts.append(f'<text x="{left}" y="26" fill="{colour}">{name}</text>')
        for down, row in enumerate(shares):
            for across, share in enumerate(row):
                cell = f"{pair.first_labels[down]}, {pair.second_labels[across]}"
                said = "fewer than ten rows" if share is None else f"{share:.1%}"
                opacity = 0.0 if share is None else max(0.04, share / most)
                parts.append(
                    f'<rect x="{left + across * width:.1f}" y="{32 + down * height:.1f}" width="{width - 1:.1f}" '
                    f'height="{height - 1:.1f}" fill="{colour}" fill-opacity="{opacity:.2f}" stroke="#ddd" '
                    f'stroke-width="0.5"><title>{escape(cell)}: {said}</title></rect>'
                )
    return _svg(title, 316, 146, "".join(parts))


def intervals(found: Mapping[str, Sequence[float]]) -> str:
    """Draw coefficients of agreement, each a point in its 95 % interval, from -1 to 1."""
    left, right, step = 12, 308, 34

    def at(value: float) -> float:
        return left + (min(1.0, max(-1.0, value)) + 1) / 2 * (right - left)

    height = 22 + step * len(found)
    parts = []
    for end in (-1, 0, 1):
        parts.append(f'<line x1="{at(end)}" y1="4" x2="{at(end)}" y2="{height - 18}" stroke="#ddd"/>')
        parts.append(f'<text x="{at(end)}" y="{height - 4}" text-anchor="middle">{end}</text>')
    for row, (name, (value, low, high)) in enumerate(found.items()):
        y = 24 + row * step
        parts.append(f'<text x="{left}" y="{y - 9}">{escape(_cut(name.partition(" (")[0], 50))}</text>')
        parts.append(f'<line x1="{at(low):.1f}" y1="{y}" x2="{at(high):.1f}" y2="{y}" stroke="{REAL}"/>')
        parts.append(
            f'<circle cx="{at(value):.1f}" cy="{y}" r="4.5" fill="{MADE}"><title>{escape(name)}: {value:.2f}, '
            f"{low:.2f} to {high:.2f}</title></circle>"
        )
    return _svg("Agreement, with 95 % intervals", 320, height, "".join(parts))


def quantiles(title: str, lines: Mapping[str, Sequence[float]]) -> str:
    """Draw deciles of several sides as lines: the share of rows by their distance."""
    most = max((value for line in lines.values() for value in line), default=0.0) or 1.0
    width, height = 360, 190
    parts = [f'<text x="2" y="14">{escape(title)}</text>']
    for (name, line), colour in zip(lines.items(), (MADE, REAL), strict=False):
        points = " ".join(
            f"{10 + value / most * (width - 20):.1f},{height - 24 - at / 10 * (height - 60):.1f}"
            for at, value in enumerate(line, start=1)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{10 + (0 if colour == MADE else 140)}" y="30" fill="{colour}">{escape(name)}</text>')
    parts.append(f'<text x="10" y="{height - 6}">0</text><text x="{width - 50}" y="{height - 6}">{most:.3g}</text>')
    return _svg(title, width, height, "".join(parts))


def scale(value: float | None, floor: float | None, ceiling: float | None) -> str:
    """Draw a number between its floor and its ceiling."""
    known = [one for one in (value, floor, ceiling) if one is not None]
    if value is None or len(known) < 2:
        return ""
    low, high = min(known), max(known)
    span = (high - low) or 1.0

    def at(one: float) -> float:
        return 8 + (one - low) / span * 104

    parts = ['<line x1="8" y1="10" x2="112" y2="10" stroke="#bbb"/>']
    if floor is not None:
        parts.append(
            f'<rect x="{at(floor) - 1:.1f}" y="3" width="2" height="14" fill="#999"><title>floor</title></rect>'
        )
    if ceiling is not None:
        parts.append(
            f'<rect x="{at(ceiling) - 1:.1f}" y="3" width="2" height="14" fill="#222"><title>ceiling</title></rect>'
        )
    parts.append(f'<circle cx="{at(value):.1f}" cy="10" r="4.5" fill="{MADE}"/>')
    return _svg("the number between its floor and its ceiling", 120, 20, "".join(parts))


def _svg(title: str, width: int, height: int, body: str) -> str:
    return (
        f'<svg role="img" aria-label="{escape(title, quote=True)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">{body}</svg>'
    )


def _cut(text: str, most: int = _LABEL_MAX) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
