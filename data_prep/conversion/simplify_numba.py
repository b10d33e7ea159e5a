"""The inner loops of `simplify`, compiled by numba (extra `[fast]`).

Each function takes, does and returns what its namesake in `simplify` does, operation by operation:
no fast-math, no fused multiply-add, so that both give the same points.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def quickdraw(points, ends, size, spacing, epsilon, max_points, max_work):
    """Does the whole chain for one drawing: `simplify.prepared` and `simplify.finished`.

    Args:
      points: [n, 2], the points of all strokes.
      ends: [k], where each stroke ends among them.
      size: longer side after scaling.
      spacing: distance between resampled points.
      epsilon: of the simplification.
      max_points: limit on the resampled points.
      max_work: limit on the distances a stroke may cost.

    Returns:
      Points [m, 2], their strokes' ends [k], length in steps, and work; nothing was done beyond
      a limit.
    """
    scaled = _align_and_scale(points, size)
    length = _length(scaled, ends) / spacing
    kept_ends = np.zeros(len(ends), np.int64)
    work = 0
    if length > max_points:
        return scaled[:0], kept_ends, length, work
    kept = np.empty((int(length) + 2 * len(points) + 2 * len(ends), 2))
    start, filled = 0, 0
    for i in range(len(ends)):
        stroke = resample(scaled[start : ends[i]], spacing)
        keep, work = simplified_mask(stroke, epsilon, True, max_work)
        if work > max_work:
            return scaled[:0], kept_ends, length, work
        for j in range(len(stroke)):
            if keep[j]:
                kept[filled, 0], kept[filled, 1] = np.rint(stroke[j, 0]), np.rint(stroke[j, 1])
                filled += 1
        start, kept_ends[i] = ends[i], filled
    return kept[:filled].copy(), kept_ends, length, work


@numba.njit(cache=True)
def _align_and_scale(points, size):
    """Moves a drawing to the top left and scales it: `simplify.align_and_scale`."""
    low_x, low_y = points[:, 0].min(), points[:, 1].min()
    extent = max(points[:, 0].max() - low_x, points[:, 1].max() - low_y)
    factor = size / extent if extent > 0 else 1.0
    if not np.isfinite(factor):
        factor = 1.0
    scaled = np.empty_like(points)
    for i in range(len(points)):
        scaled[i, 0] = (points[i, 0] - low_x) * factor
        scaled[i, 1] = (points[i, 1] - low_y) * factor
    return scaled


@numba.njit(cache=True)
def _length(points, ends):
    """Returns the sum of all steps in x and in y: no less than the strokes' length."""
    total, start = 0.0, 0
    for end in ends:
        for i in range(start + 1, end):
            total += abs(points[i, 0] - points[i - 1, 0]) + abs(points[i, 1] - points[i - 1, 1])
        start = end
    return total


@numba.njit(cache=True)
def resample(points, spacing):
    """Places points along a stroke at equal distances: `simplify.resample`."""
    count = len(points)
    along = np.zeros(count)
    for i in range(1, count):
        dx, dy = points[i, 0] - points[i - 1, 0], points[i, 1] - points[i - 1, 1]
        along[i] = along[i - 1] + np.sqrt(dx * dx + dy * dy)
    total = along[-1]
    result = np.empty((max(1, int(np.ceil(total / spacing))) + 1, 2))
    if not total > 0:
        result[0], result[1] = points[0], points[-1]
        return result
    filled, start = 0, 0
    while filled < len(result) - 1 and filled * spacing < total:
        place = filled * spacing
        while along[start + 1] <= place:
            start += 1
        dx, dy = points[start + 1, 0] - points[start, 0], points[start + 1, 1] - points[start, 1]
        length = np.sqrt(dx * dx + dy * dy)
        rest = place - along[start]
        result[filled, 0] = (dx / length) * rest + points[start, 0]
        result[filled, 1] = (dy / length) * rest + points[start, 1]
        filled += 1
    result[filled] = points[-1]
    return result[: filled + 1]


@numba.njit(cache=True)
def simplified_mask(points, epsilon, whole_line, max_work):
    """Chooses points by Ramer-Douglas-Peucker: `simplify.simplified_mask`."""
    count = len(points)
    keep = np.zeros(count, np.bool_)
    keep[0] = keep[-1] = True
    spans = [(0, count - 1)]
    work = 0
    while len(spans) > 0 and work <= max_work:
        first, last = spans.pop()
        if last - first < 2:
            continue
        work += last - first
        middle, distance = _farthest(points, first, last, whole_line)
        if distance > epsilon:
            keep[middle] = True
            spans.append((middle, last))
            spans.append((first, middle))
    return keep, work


@numba.njit(cache=True)
def _farthest(points, first, last, whole_line):
    """Returns the first of the points farthest from the chord, and its distance."""
    start_x, start_y = points[first, 0], points[first, 1]
    chord_x, chord_y = points[last, 0] - start_x, points[last, 1] - start_y
    length = np.sqrt(chord_x * chord_x + chord_y * chord_y)
    best, farthest = first + 1, -1.0
    for i in range(first + 1, last):
        x, y = points[i, 0] - start_x, points[i, 1] - start_y
        if not length > 0:
            distance = np.sqrt(x * x + y * y)
        else:
            along_x, along_y = chord_x / length, chord_y / length
            distance = abs(along_x * y - along_y * x)
            if not whole_line:
                along = along_x * x + along_y * y
                beyond = max(max(-along, along - length), 0.0)
                if beyond > 0:
                    distance = np.sqrt(distance * distance + beyond * beyond)
        if distance > farthest:
            best, farthest = i, distance
    return best, farthest
