"""The inner loops of `simplify` in NumPy, where numba (`simplify_numba`) is not installed.

Each function takes, does and returns what its namesake in `simplify_numba` does.
"""

from __future__ import annotations

import math

import numpy as np


def resample(points: np.ndarray, spacing: float) -> np.ndarray:
    """Places points along a stroke at equal distances: `simplify.resample`."""
    steps = np.diff(points, axis=0)  # [n - 1, 2]
    lengths = np.sqrt(steps[:, 0] * steps[:, 0] + steps[:, 1] * steps[:, 1])
    along = np.concatenate([[0.0], np.cumsum(lengths)])  # [n]
    if not along[-1] > 0:
        return points[[0, -1]]
    places = np.arange(int(np.ceil(along[-1] / spacing))) * spacing
    places = places[places < along[-1]]  # [m - 1]
    start = np.searchsorted(along, places, side="right") - 1
    slopes = steps[start] / lengths[start, None]
    result = slopes * (places - along[start])[:, None] + points[start]
    return np.concatenate([result, points[-1:]])


def simplified_mask(
    points: np.ndarray, epsilon: float, whole_line: bool, max_work: int
) -> tuple[np.ndarray, int]:
    """Chooses points by Ramer-Douglas-Peucker: `simplify.simplified_mask`, and the work it took."""
    keep = np.zeros(len(points), bool)
    keep[[0, -1]] = True
    x, y = points.T.copy()
    spans, work = [(0, len(points) - 1)], 0
    while spans and work <= max_work:
        first, last = spans.pop()
        if last - first < 2:
            continue
        work += last - first
        found = distances(x[first : last + 1], y[first : last + 1], whole_line)
        farthest = int(found.argmax())
        if found[farthest] > epsilon:
            middle = first + 1 + farthest
            keep[middle] = True
            spans += [(middle, last), (first, middle)]
    return keep, work


def distances(x: np.ndarray, y: np.ndarray, whole_line: bool) -> np.ndarray:
    """Returns the distances of the inner points to the line, or the chord, through the ends.

    Args:
      x: [n]; from the start of the chord to its end.
      y: [n].
      whole_line: see `simplified_mask`.

    Returns:
      [n - 2].
    """
    start_x, start_y = x.item(0), y.item(0)
    chord_x, chord_y = x.item(-1) - start_x, y.item(-1) - start_y
    length = math.sqrt(chord_x * chord_x + chord_y * chord_y)
    x, y = x[1:-1] - start_x, y[1:-1] - start_y
    if not length > 0:
        return np.sqrt(x * x + y * y)
    along_x, along_y = chord_x / length, chord_y / length
    across = np.abs(along_x * y - along_y * x)
    if whole_line:
        return across
    along = along_x * x + along_y * y
    beyond = np.maximum(np.maximum(-along, along - length), 0.0)
    return np.where(beyond > 0, np.sqrt(across * across + beyond * beyond), across)
