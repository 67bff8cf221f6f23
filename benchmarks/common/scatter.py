"""A small scatter chart as an SVG file, readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 400, 64, 52, 20, 110


@dataclass(frozen=True)
class Point:
    """A named measurement."""

    name: str
    x: float
    y: float


def scatter_svg(points: Sequence[Point], *, x_title: str, y_title: str) -> str:
    """The points with their names; the x axis begins at 0, the y axis where the points are."""
    x_step = _step(max(p.x for p in points))
    low, high = min(p.y for p in points), max(p.y for p in points)
    y_step = _step(max(high - low, 1.0))
    x_end = x_step * (int(max(p.x for p in points) / x_step) + 1)
    y_first, y_end = y_step * int(low / y_step), y_step * (int(high / y_step) + 1)

    def across(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * x / x_end

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (y - y_first) / (y_end - y_first)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(y_title)} over {escape(x_title)}">',
        "<style>svg{font:13px sans-serif}text{fill:#444}line{stroke:#9996}circle{fill:#2a7}"
        "@media(prefers-color-scheme:dark){text{fill:#ccc}}</style>",
    ]
    for n in range(round(x_end / x_step) + 1):
        x = across(n * x_step)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        label = f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
        parts.append(f"{label}{n * x_step:g}</text>")
    for n in range(round((y_end - y_first) / y_step) + 1):
        value = y_first + n * y_step
        y = up(value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for point in points:
        x, y = across(point.x), up(point.y)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5"/>')
        parts.append(f'<text x="{x + 9:.1f}" y="{y + 4:.1f}">{escape(point.name)}</text>')
    middle = (WIDTH + LEFT - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x_title)}</text>'
        f'<text transform="translate(16 {(HEIGHT - BOTTOM + TOP) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_title)}</text></svg>'
    )
    return "\n".join(parts) + "\n"


def _step(span: float) -> float:
    """A round distance between four to nine grid lines."""
    size = 10.0 ** (len(str(int(span))) - 1)
    return next(s * size for s in (0.2, 0.5, 1.0, 2.0) if span / (s * size) <= 9)
