"""Clips strokes to regions: which parts of a polyline lie inside of polygons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_prep.readers.svg_paths import GeometryError

MAX_STEPS = 50_000_000  # of comparing a segment with an edge, in one drawing: about five seconds
_CHUNK = 1 << 18  # comparisons that are held at once


class Region(NamedTuple):
    """What lies inside of polygons by one fill rule.

    Attributes:
      edges: [E, 2, 2]: both ends of each edge; every polygon is closed.
      even_odd: the rule.
      rectangle: (left, top, right, bottom) where the region is an upright rectangle, else None.
      inner: regions of which a point has to lie in all, too: each a union.
    """

    edges: np.ndarray
    even_odd: bool
    rectangle: tuple[float, float, float, float] | None
    inner: tuple[tuple[Region, ...], ...] = ()


Union = tuple[Region, ...]  # what lies in any of the regions


def region(polygons: Sequence[np.ndarray], even_odd: bool, inner: tuple[Union, ...] = ()) -> Region:
    """Returns the region inside of polygons [n, 2], closed or not."""
    edges = [np.stack([p, np.roll(p, -1, axis=0)], axis=1) for p in polygons if len(p)]
    joined = np.concatenate(edges) if edges else np.zeros((0, 2, 2))
    rectangle = _upright(polygons[0]) if len(polygons) == 1 else None
    return Region(joined, even_odd, rectangle, inner)


def _upright(points: np.ndarray) -> tuple[float, float, float, float] | None:
    """Returns the sides of a polygon that is an upright rectangle."""
    if len(points) > 1 and (points[0] == points[-1]).all():
        points = points[:-1]
    if len(points) != 4:
        return None
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    on_corners = np.isin(points[:, 0], (left, right)) & np.isin(points[:, 1], (top, bottom))
    one_side_at_a_time = ((points != np.roll(points, -1, axis=0)).sum(axis=1) == 1).all()
    return (left, top, right, bottom) if on_corners.all() and one_side_at_a_time else None


class Clipper:
    """Clips the strokes of one drawing; bounds the work that they take together."""

    def __init__(self, tolerance: float):
        """Clips with a tolerance: what lies this near to the border of a region is inside."""
        self._tolerance = max(tolerance, 1e-12)
        self._left = MAX_STEPS

    def clip(self, strokes: Sequence[np.ndarray], unions: Sequence[Union]) -> list[np.ndarray]:
        """Returns the parts of strokes [n, 2] that lie in all unions, in order."""
        found = list(strokes)
        for union in unions:
            found = [part for stroke in found for part in self._clip_stroke(stroke, union)]
        return found

    def contains(self, points: np.ndarray, union: Union) -> np.ndarray:
        """Returns which points [n, 2] lie in a union."""
        inside = np.zeros(len(points), bool)
        for one in union:
            own = self._in_region(points, one)
            for other in one.inner:
                own &= self.contains(points, other)
            inside |= own
        return inside

    def _clip_stroke(self, stroke: np.ndarray, union: Union) -> list[np.ndarray]:
        if any(_holds(one, stroke) for one in union):
            return [stroke]
        cuts = [self._cuts(stroke, one.edges) for one in _all_regions(union)]
        segment = np.concatenate([np.arange(len(stroke) - 1), *(cut[0] for cut in cuts)])
        share = np.concatenate([np.zeros(len(stroke) - 1), *(cut[1] for cut in cuts)])
        order = np.lexsort((share, segment))
        segment, share = segment[order], share[order]
        along = np.diff(stroke, axis=0)
        points = np.concatenate([stroke[segment] + share[:, None] * along[segment], stroke[-1:]])
        inside = self.contains((points[:-1] + points[1:]) / 2, union)
        change = np.diff(np.concatenate([[0], inside.astype(np.int8), [0]]))
        firsts, lasts = np.nonzero(change == 1)[0], np.nonzero(change == -1)[0]
        return [points[first : last + 1] for first, last in zip(firsts, lasts, strict=True)]

    def _cuts(self, stroke: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns where a stroke crosses edges: segments and the shares of them before."""
        segments, shares = [np.zeros(0, np.int64)], [np.zeros(0)]
        start, along = stroke[:-1], np.diff(stroke, axis=0)
        for first, last in self._chunks(len(start), len(edges)):
            a, ab = start[first:last, None], along[first:last, None]  # [S, 1, 2]
            c, cd = edges[None, :, 0], (edges[:, 1] - edges[:, 0])[None]  # [1, E, 2]
            with np.errstate(all="ignore"):
                turn = _cross(ab, cd)
                t, u = _cross(c - a, cd) / turn, _cross(c - a, ab) / turn
                hit = (t > 0) & (t < 1) & (u >= 0) & (u <= 1)
            which, edge = np.nonzero(hit)
            segments.append(which + first)
            shares.append(t[which, edge])
        return np.concatenate(segments), np.concatenate(shares)

    def _in_region(self, points: np.ndarray, one: Region) -> np.ndarray:
        if one.rectangle is not None:
            left, top, right, bottom = one.rectangle
            near = np.array([self._tolerance] * 2)
            lower, upper = np.array([left, top]) - near, np.array([right, bottom]) + near
            return ((points >= lower) & (points <= upper)).all(axis=1)
        inside = np.zeros(len(points), bool)
        for first, last in self._chunks(len(points), len(one.edges)):
            chunk = points[first:last]
            winding = _winding(chunk, one.edges)
            found = winding % 2 == 1 if one.even_odd else winding != 0
            inside[first:last] = found | (_distance(chunk, one.edges) <= self._tolerance)
        return inside

    def _chunks(self, count: int, edges: int):
        """Yields ranges of `count` items, each of which is compared with all edges."""
        self._left -= count * edges
        if self._left < 0:
            raise GeometryError("has clip paths that take too long to apply")
        step = max(_CHUNK // max(edges, 1), 1)
        for first in range(0, count if edges else 0, step):
            yield first, min(first + step, count)


def _holds(one: Region, stroke: np.ndarray) -> bool:
    """Whether a stroke lies in a rectangle for sure."""
    if one.rectangle is None or one.inner:
        return False
    (left, top), (right, bottom) = stroke.min(axis=0), stroke.max(axis=0)
    x0, y0, x1, y1 = one.rectangle
    return x0 <= left and y0 <= top and right <= x1 and bottom <= y1


def _all_regions(union: Union) -> list[Region]:
    found = []
    for one in union:
        found.append(one)
        for other in one.inner:
            found += _all_regions(other)
    return found


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _winding(points: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Returns how often the edges wind around each point. [n]."""
    start, end = edges[None, :, 0], edges[None, :, 1]  # [1, E, 2]
    point = points[:, None]  # [n, 1, 2]
    side = _cross(end - start, point - start)  # [n, E]
    up = (start[..., 1] <= point[..., 1]) & (end[..., 1] > point[..., 1]) & (side > 0)
    down = (start[..., 1] > point[..., 1]) & (end[..., 1] <= point[..., 1]) & (side < 0)
    return up.sum(axis=1) - down.sum(axis=1)


def _distance(points: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Returns how far each point is from the nearest edge. [n]."""
    start, along = edges[None, :, 0], (edges[:, 1] - edges[:, 0])[None]
    square = np.maximum((along**2).sum(axis=-1), 1e-300)
    share = np.clip(((points[:, None] - start) * along).sum(axis=-1) / square, 0, 1)
    return np.sqrt(
        ((points[:, None] - start - share[..., None] * along) ** 2).sum(axis=-1).min(axis=1)
    )
