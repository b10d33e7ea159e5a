"""Smooth strokes: cubic Bezier curves through a drawing's points."""

from __future__ import annotations

import itertools
import math

import numpy as np

CORNER = math.radians(80)  # a stroke that turns more than this keeps its corner
STEPS = 12  # lines that stand for a curve in PNG and GIF


def starts(strokes: np.ndarray) -> np.ndarray:
    """Returns for each row of a stroke-3 array whether a stroke begins with it, bool [N]."""
    return np.concatenate([[True], strokes[:-1, 2] > 0.5])[: len(strokes)]


def handles(points: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Returns the two inner control points of the curve that leads to each point.

    The curve through a point has the direction from the point before to the point after (as a
    Catmull-Rom spline has), and its handles are a third of the line, so that it does not overshoot
    where points lie at uneven distances. A stroke that turns by more than `CORNER` keeps its
    corner, and a stroke that ends where it began is closed.

    Args:
      points: [N, 2], absolute.
      begins: [N], whether a stroke begins with a point; no curve leads to it.

    Returns:
      [N, 2, 2]; for the first point of a stroke both are the point itself.
    """
    result = np.repeat(points[:, None], 2, axis=1)
    edges = [*np.flatnonzero(begins), len(points)]
    for first, after in itertools.pairwise(edges):
        stroke = points[first:after]
        lines = np.diff(stroke, axis=0)  # [n - 1, 2], to each point but the first
        lengths = np.linalg.norm(lines, axis=1, keepdims=True)
        units = lines / np.where(lengths > 0, lengths, 1)
        leaving, arriving = units.copy(), units.copy()
        joined = list(zip(range(len(units) - 1), range(1, len(units)), strict=True))
        if len(units) > 2 and np.array_equal(stroke[0], stroke[-1]):
            joined.append((len(units) - 1, 0))
        for before, behind in joined:
            both = lengths[before] * units[before] + lengths[behind] * units[behind]
            size = np.linalg.norm(both)
            if size > 0 and float(units[before] @ units[behind]) > math.cos(CORNER):
                arriving[before] = leaving[behind] = both / size
        result[first + 1 : after, 0] = stroke[:-1] + leaving * lengths / 3
        result[first + 1 : after, 1] = stroke[1:] - arriving * lengths / 3
    return result


def flattened(points: np.ndarray, begins: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns smooth strokes as many short lines.

    Args:
      points: [N, 2], absolute.
      begins: [N], whether a stroke begins with a point.

    Returns:
      points [M, 2], begins [M], and the row of the drawing that each belongs to, int [M].
    """
    if not len(points):
        return points, begins, np.zeros(0, int)
    t = np.linspace(0, 1, STEPS + 1)[1:, None]
    inner = handles(points, begins)
    parts, rows = [], []
    for row, begin in enumerate(begins.tolist()):
        if begin:
            parts.append(points[row : row + 1])
        else:
            a, (b, c), d = points[row - 1], inner[row], points[row]
            curve = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
            parts.append(curve)
        rows += [row] * len(parts[-1])
    row_of = np.array(rows)
    first = np.concatenate([[True], row_of[1:] != row_of[:-1]])
    return np.concatenate(parts), begins[row_of] & first, row_of
