"""The figures of the report, as SVG."""

from __future__ import annotations

import html
from collections.abc import Sequence

WIDTH, HEIGHT = 340, 230
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 12, 38
INK, FLOOR = "#1f6fb4", "#999"
_PADDING = 0.08  # of an axis beyond its first and last value


def curve(
    points: Sequence[tuple[float, float]],
    *,
    x_title: str,
    y_title: str,
    labels: Sequence[str] | None = None,
    floor: float | None = None,
    floor_point: tuple[float, float] | None = None,
    mark: int | None = None,
) -> str:
    """Returns points joined by lines, on axes with three values each.

    Args:
      points: (x, y), in the order in which they are joined.
      x_title: words below.
      y_title: words above the y axis, for screen readers too.
      labels: a word beside each point.
      floor: y of a dashed line.
      floor_point: (x, y) of a mark of its own, such as where real drawings lie.
      mark: which point stands out.
    """
    extra = [floor_point] if floor_point else []
    xs = [x for x, _ in [*points, *extra]]
    ys = [y for _, y in [*points, *extra]] + ([floor] if floor is not None else [])
    across = _Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    upward = _Axis(min(ys), max(ys), HEIGHT - BOTTOM, TOP)
    middle_x, middle_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    parts = [
        _grid(across, upward),
        f'<text x="{middle_x}" y="{HEIGHT - 6}" text-anchor="middle">{html.escape(x_title)}</text>'
        f'<text transform="translate(12 {middle_y}) rotate(-90)" text-anchor="middle">'
        f"{html.escape(y_title)}</text>",
    ]
    if floor is not None:
        y = upward.place(floor)
        parts.append(
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{FLOOR}" stroke-dasharray="5 4"/>'
            f'<text x="{WIDTH - RIGHT}" y="{y - 4:.1f}" text-anchor="end" fill="#666">floor</text>'
        )
    if floor_point:
        x, y = across.place(floor_point[0]), upward.place(floor_point[1])
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="none" stroke="#666" stroke-width="2"/>'
            f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle" fill="#666">real</text>'
        )
    way = [(across.place(x), upward.place(y)) for x, y in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in way)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{INK}" stroke-width="1.5"/>')
    for i, (x, y) in enumerate(way):
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{5 if i == mark else 3}" fill="{INK}"/>'
        )
        if labels:
            weight = ' font-weight="bold"' if i == mark else ""
            parts.append(
                f'<text x="{x + 7:.1f}" y="{y - 6:.1f}"{weight}>{html.escape(labels[i])}</text>'
            )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{html.escape(y_title)} over {html.escape(x_title)}" width="{WIDTH}"'
        f' height="{HEIGHT}" font-family="sans-serif" font-size="11">{"".join(parts)}</svg>'
    )


class _Axis:
    """From values to pixels."""

    def __init__(self, low: float, high: float, start: float, end: float):
        spread = (high - low) or abs(high) or 1.0
        self.low, self.high = low - _PADDING * spread, high + _PADDING * spread
        self.values = [low, (low + high) / 2, high] if high > low else [low]
        self.start, self.end = start, end

    def place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def _grid(across: _Axis, upward: _Axis) -> str:
    parts = [
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#999"/>'
    ]
    for value in upward.values:
        y = upward.place(value)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#eee"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    for value in across.values:
        x = across.place(value)
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{value:.3g}</text>'
        )
    return "".join(parts)
