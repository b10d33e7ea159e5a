"""Which shapes of a picture are ink, and which are paper or erasers.

Paper is a filled rectangle that covers the picture and lies below all else; its color is the
paper's, white where there is none. A shape in the paper's color is not ink, unless what lies
directly beneath it is filled with another color: a white tick on a black disc is seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from data_prep.readers import svg_clip, svg_css, svg_paths, svg_values
from data_prep.readers.svg_document import UNPAINTED, Document, Shape
from data_prep.readers.svg_values import Box

PAPER, ERASERS = "paper rectangles", "shapes in the paper's color"
AUTO, NO_PAPER = "auto", "none"

_WHITE = (1.0, 1.0, 1.0, 1.0)
_SAME = 8.5 / 255  # colors that differ by less, in each channel, look the same
_SAMPLES = 24  # points of a shape at which it is compared with what lies beneath
_MAX_STEPS = 20_000_000  # of comparing; beyond it a shape counts as lying on paper


def ink(document: Document, paper: str = AUTO) -> tuple[list[Shape], Counter]:
    """Returns the shapes that are ink, and how many of each kind are not.

    A picture in which nothing can be seen on white paper was made for other paper: all its shapes
    are ink. So are lines that only a fill would paint where there is nothing else.

    Args:
      document: the picture.
      paper: a color; `AUTO` to find it; `NO_PAPER` for none, then all that is painted is ink.
    """
    left_out: Counter = Counter()
    shapes = [shape for shape in document.shapes if shape.stroke is not None or has_area(shape)]
    if not shapes:
        return document.shapes, left_out
    left_out[UNPAINTED] += len(document.shapes) - len(shapes)
    if paper != NO_PAPER:
        shapes = _without_paper(shapes, document.picture, paper, left_out)
    return shapes, left_out


def _without_paper(
    shapes: list[Shape], picture: Box | None, paper: str, left_out: Counter
) -> list[Shape]:
    found, rest = _paper(shapes, picture)
    color = found if paper == AUTO and found is not None else None
    if paper != AUTO:
        color = svg_values.color(paper)
        if found is not None and not _same(found, color):
            rest, found = shapes, None
    sheets = len(shapes) - len(rest)
    kept = _seen_on(color or _WHITE, rest) if color != svg_values.UNKNOWN_COLOR else rest
    if not kept and paper == AUTO and (found is None or not _same(found, _WHITE)):
        # White on nothing, or one full rectangle alone: that is what there is to see.
        return rest or shapes[-1:]
    left_out[PAPER] += sheets
    left_out[ERASERS] += len(rest) - len(kept)
    return kept


def _paper(shapes: list[Shape], picture: Box | None) -> tuple[svg_css.Paint, list[Shape]]:
    """Returns the color of the paper, None without any, and the shapes that lie on it."""
    color, count = None, 0
    for shape in shapes:
        if shape.fill is None or shape.clips or not _covers(shape, picture):
            break
        below, color = color or _WHITE, shape.fill
        if color:  # a translucent paint shows what is beneath
            opacity = color[3]
            pairs = zip(color[:3], below[:3], strict=True)
            color = (*(opacity * a + (1 - opacity) * b for a, b in pairs), 1.0)
        if shape.stroke is not None and not _same(shape.stroke, shape.fill):
            return color, [shape._replace(fill=None), *shapes[count + 1 :]]  # its frame is seen
        count += 1
    return color, shapes[count:]


def _covers(shape: Shape, picture: Box | None) -> bool:
    """Whether a shape is an upright rectangle that covers the picture, but for 1 % of its sides."""
    if picture is None or len(shape.outline.starts) != 1 or len(shape.outline.rows) > 6:
        return False
    curves = svg_paths.placed([(shape.outline, shape.matrix)]).points  # [S, 4, 2]
    corners = np.concatenate([curves[:, 0], curves[-1:, 3]])
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    near_x, near_y = picture.width / 100, picture.height / 100
    if left > near_x or top > near_y:
        return False
    if right < picture.width - near_x or bottom < picture.height - near_y:
        return False
    extent = max(right - left, bottom - top) * 1e-6
    at_side = (np.abs(curves - [left, top]) < extent) | (np.abs(curves - [right, bottom]) < extent)
    return bool(at_side.all(axis=1).any(axis=1).all())  # each curve runs along one side


def _same(paint: svg_css.Paint, paper: svg_css.Paint) -> bool:
    """Whether a paint cannot be told from the paper that it is on."""
    if not paint or not paper:
        return False
    return max(abs(a - b) for a, b in zip(paint[:3], paper[:3], strict=True)) * paint[3] < _SAME


def _seen_on(paper: svg_values.Color, shapes: list[Shape]) -> list[Shape]:
    """Returns the shapes that are seen on paper of this color."""
    doubtful = [
        all(paint is None or _same(paint, paper) for paint in (shape.fill, shape.stroke))
        for shape in shapes
    ]
    if not any(doubtful):
        return shapes
    beneath = _Beneath(shapes)
    return [
        shape for i, shape in enumerate(shapes) if not doubtful[i] or beneath.shows(i, shape, paper)
    ]


class _Beneath:
    """Tells what lies beneath the shapes of a picture."""

    def __init__(self, shapes: Sequence[Shape]):
        self._shapes = shapes
        self._clipper = svg_clip.Clipper(0.0)
        self._regions: dict[int, tuple[svg_clip.Region, np.ndarray]] = {}
        self._left = _MAX_STEPS

    def shows(self, index: int, shape: Shape, paper: svg_values.Color) -> bool:
        """Whether most of a shape in the paper's color lies on a fill of another color."""
        points = _outline_points(shape, 1)[0]
        points = points[np.linspace(0, len(points) - 1, _SAMPLES).astype(int)]
        unknown = np.ones(len(points), bool)
        seen = 0
        for below in range(index - 1, -1, -1):
            fill = self._shapes[below].fill
            if fill is None or not unknown.any():
                continue
            region, box = self._region(below)
            near = unknown & ((points >= box[0]) & (points <= box[1])).all(axis=1)
            self._left -= 1 + near.sum() * len(region.edges)
            if self._left < 0:
                return False
            if near.any():
                inside = np.zeros(len(points), bool)
                inside[near] = self._clipper.contains(points[near], (region,))
                seen += 0 if _same(fill, paper) else int(inside.sum())
                unknown &= ~inside
        return seen > len(points) / 2

    def _region(self, index: int) -> tuple[svg_clip.Region, np.ndarray]:
        """Returns a shape's inside, and the box around it [2, 2]."""
        if index not in self._regions:
            shape = self._shapes[index]
            strokes = _outline_points(shape)
            self._left -= sum(map(len, strokes))
            points = np.concatenate(strokes)
            box = np.stack([points.min(axis=0), points.max(axis=0)])
            self._regions[index] = svg_clip.region(strokes, shape.even_odd), box
        return self._regions[index]


def _outline_points(shape: Shape, most: int | None = None) -> list[np.ndarray]:
    """Returns the strokes of a shape, coarsely flattened; as one with `most`."""
    curves = svg_paths.placed([(shape.outline, shape.matrix)])
    extent = float(np.ptp(curves.points.reshape(-1, 2), axis=0).max())
    strokes = svg_paths.flatten(curves, extent / 100)
    return strokes if most is None else [np.concatenate(strokes)]


def has_area(shape: Shape) -> bool:
    """Whether a fill has anything to paint: not where all points lie on one line."""
    if shape.fill is None:
        return False
    rows = shape.outline.rows
    x0, y0 = rows[0][:2]
    points = [(row[i] - x0, row[i + 1] - y0) for row in rows[:64] for i in (2, 4, 6)]
    if len(rows) > 64:
        return True
    u, v = max(points, key=lambda point: abs(point[0]) + abs(point[1]))
    limit = 1e-9 * (u * u + v * v)
    return any(abs(u * y - v * x) > limit for x, y in points)
