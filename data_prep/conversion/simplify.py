"""From dense strokes to few points: align, scale, resample, Ramer-Douglas-Peucker.

Google made the simplified Quick, Draw! drawings from the raw ones by this chain, and
`quickdraw_simplify` gives its points. For any other source the same algorithm runs on its own,
with an epsilon in the units of the source.

The inner loops exist twice, here in NumPy and in `fast` for numba (extra `[fast]`), and give the
same points bit for bit: both write out the same floating point operations in the same order.
"""

from __future__ import annotations

import dataclasses
import functools
import heapq
import importlib.util
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from data_prep.conversion import simplify_numpy
from data_prep.readers.source import Polylines, RawSketch
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.strokes import polylines_to_stroke3

QUICKDRAW_SIZE = 255.0  # the longer side of a simplified drawing
QUICKDRAW_SPACING = 1.0  # between resampled points
QUICKDRAW_EPSILON = 2.0

MAX_POINTS = 1_000_000  # of one drawing after resampling
MAX_WORK = 500_000_000  # distances that one stroke may cost; RDP is quadratic at its worst


class TooComplexError(UserError):
    """A drawing would cost more than any honest one; it is dropped and counted."""


@dataclasses.dataclass(frozen=True)
class Simplification:
    """How absolute coordinates become the points of a data set.

    Attributes:
      method: "quickdraw" aligns, scales, resamples, simplifies and rounds as Google did; "rdp"
        simplifies in source units and moves nothing; "none" keeps every point.
      epsilon: tolerance of the simplification, in units of the result.
      size: longer side after scaling ("quickdraw" only).
      spacing: distance between resampled points ("quickdraw" only).
      published: whether published rows and drawings that are simplified already are simplified
        too, by Ramer-Douglas-Peucker with `epsilon` in their own units.
      points: budget of each drawing: points are taken where the line is farthest off until it is
        used up or all is within `epsilon`; two per stroke always stay. None: `epsilon` alone.
      center: row 0 is the first point as seen from the middle of the drawing's box, not (0, 0).
    """

    method: str = "quickdraw"
    epsilon: float = QUICKDRAW_EPSILON
    size: float = QUICKDRAW_SIZE
    spacing: float = QUICKDRAW_SPACING
    published: bool = False
    points: int | None = None
    center: bool = False

    def __post_init__(self):
        if self.points is not None and (self.points < 2 or self.method == "none"):
            raise UserError(f"simplification to {self.points} points: expected 2 or more, and rdp")
        if self.method not in ("quickdraw", "rdp", "none"):
            raise UserError(f"simplification {self.method!r}: expected quickdraw, rdp or none")
        for name in ("epsilon", "size", "spacing"):
            value = getattr(self, name)
            if not 0 <= value < float("inf") or (name != "epsilon" and not value):
                raise UserError(f"simplification: {name} is {value}, expected a positive number")

    def to_json(self) -> dict[str, Any]:
        """Returns what `dataset.json` and a run's config hold: the fields that matter."""
        fields = {"quickdraw": ("epsilon", "size", "spacing"), "rdp": ("epsilon",), "none": ()}
        return {
            "method": self.method,
            **{name: getattr(self, name) for name in fields[self.method]},
            **({"published": True} if self.published else {}),
            **({"points": self.points} if self.points else {}),
            **({"center": True} if self.center else {}),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any] | None) -> Simplification:
        """Returns what `to_json` wrote; Quick, Draw!'s chain where nothing was written."""
        return cls(**content) if content else cls()


def convert(drawing: RawSketch, simplification: Simplification) -> np.ndarray:
    """Returns a drawing's stroke-3 rows: the one way from any reader to a data set or a model.

    Args:
      drawing: what a reader yielded. Rows of published files and drawings that are simplified
        already are taken as they are.
      simplification: applied to absolute coordinates.

    Returns:
      [N, 3]; row 0 of an absolute drawing is (0, 0, pen).

    Raises:
      TooComplexError: simplifying it would take more than a second or so.
    """
    content = simplified(drawing, simplification)
    if drawing.offsets is not None:
        rows = content
    else:
        rows = dataclasses.replace(drawing, polylines=content).to_stroke3()
    return centered(rows) if simplification.center else rows


def centered(rows: np.ndarray) -> np.ndarray:
    """Returns stroke-3 rows whose row 0 is the first point as seen from the middle of the box."""
    if not len(rows):
        return rows
    places = np.cumsum(rows[:, :2], axis=0, dtype=np.float64)
    rows = rows.copy()
    rows[0, :2] = places[0] - (places.min(axis=0) + places.max(axis=0)) / 2
    return rows


def convert_scaled(drawing: RawSketch, simplification: Simplification, scale: float) -> np.ndarray:
    """As `convert` for absolute coordinates whose size is known: scaled, not stretched.

    Args:
      drawing: with polylines, such as the beginning of a drawing.
      simplification: all of it but Quick, Draw!'s aligning and scaling.
      scale: what coordinates are multiplied by.

    Raises:
      TooComplexError: simplifying it would take more than a second or so.
    """
    strokes = [stroke * scale for stroke in drawing.polylines.strokes()]
    if simplification.method == "quickdraw" and strokes:
        low = np.concatenate(strokes).min(axis=0)
        strokes = [stroke - low for stroke in strokes]
        _refuse_too_long(strokes, simplification.spacing)
        strokes = [resample(stroke, simplification.spacing) for stroke in strokes]
    content = Polylines.of(finished(strokes, simplification))
    return dataclasses.replace(drawing, polylines=content).to_stroke3()


def simplified(drawing: RawSketch, simplification: Simplification) -> np.ndarray | Polylines:
    """Returns a drawing's rows as published, or its polylines as a data set has them.

    Rows whose simplification is asked for keep their first point's offset from the origin.

    Raises:
      TooComplexError: see `convert`.
    """
    if drawing.offsets is None and not drawing.simplified:
        return simplify(drawing.polylines, simplification)
    if not simplification.published or simplification.method == "none":
        return drawing.polylines if drawing.offsets is None else drawing.offsets
    own = simplification.method == "quickdraw" and simplification.points is not None
    epsilon = 0.0 if own else simplification.epsilon  # a budget of itself says nothing of units
    rdp = Simplification("rdp", epsilon, points=simplification.points)
    if drawing.offsets is None:
        return simplify(drawing.polylines, rdp)
    kept = finished(drawing.to_polylines(), rdp)
    return polylines_to_stroke3(kept).astype(np.float32)


def simplify(polylines: Polylines, simplification: Simplification | None = None) -> Polylines:
    """Simplifies one drawing.

    Args:
      polylines: its strokes.
      simplification: Quick, Draw!'s by default.

    Returns:
      The same strokes with fewer points, float64; the first and last of each stay.

    Raises:
      TooComplexError: see `MAX_POINTS` and `MAX_WORK`.
    """
    simplification = simplification or Simplification()
    if simplification.method == "none" or not polylines.ends:
        return polylines
    if simplification.method == "quickdraw" and hasattr(_kernels(), "quickdraw"):
        # `prepared` and `finished` in one compiled call.
        points = np.ascontiguousarray(polylines.points, np.float64)
        fields = (simplification.size, simplification.spacing, simplification.epsilon)
        kept, ends, length, work = _kernels().quickdraw(
            points, np.array(polylines.ends), *map(float, fields), MAX_POINTS, MAX_WORK
        )
        if length > MAX_POINTS:
            raise _too_long(length)
        if work > MAX_WORK:
            raise _too_complex(len(points))
        if simplification.points is None or len(kept) <= simplification.points:
            return Polylines(kept, ends.tolist())
    return Polylines.of(finished(prepared(polylines.strokes(), simplification), simplification))


def prepared(strokes: Sequence[np.ndarray], simplification: Simplification) -> list[np.ndarray]:
    """Returns the strokes as the simplification reads them: all steps that know no epsilon."""
    if simplification.method != "quickdraw" or not strokes:
        return list(strokes)
    strokes = align_and_scale(strokes, simplification.size)
    _refuse_too_long(strokes, simplification.spacing)
    return [resample(stroke, simplification.spacing) for stroke in strokes]


def finished(strokes: Sequence[np.ndarray], simplification: Simplification) -> list[np.ndarray]:
    """Returns `prepared` strokes simplified, and rounded where the chain rounds."""
    as_google = simplification.method == "quickdraw"
    masks = [simplified_mask(s, simplification.epsilon, whole_line=as_google) for s in strokes]
    budget = simplification.points
    if budget is not None and sum(map(np.count_nonzero, masks)) > budget:
        masks = budgeted_masks(strokes, budget, whole_line=as_google)
    kept = [stroke[mask] for stroke, mask in zip(strokes, masks, strict=True)]
    return [np.round(stroke) for stroke in kept] if as_google else kept


def quickdraw_simplify(drawing: Sequence[Sequence[Sequence[float]]]) -> list[list[list[int]]]:
    """Simplifies a raw Quick, Draw! drawing as Google did.

    Args:
      drawing: the `drawing` of a raw ndjson record: a list of strokes [[x...], [y...], [t...]]; the
        times are not needed.

    Returns:
      The `drawing` of the simplified record: strokes [[x...], [y...]] in whole numbers 0 to 255.
    """
    polylines = Polylines.of(np.asarray(stroke[:2], np.float64).T for stroke in drawing)
    return [stroke.T.astype(int).tolist() for stroke in simplify(polylines).strokes()]


def align_and_scale(strokes: Sequence[np.ndarray], size: float) -> list[np.ndarray]:
    """Moves a drawing to the top left and makes its longer side `size`; a mere dot stays one."""
    points = np.concatenate(strokes)
    low = points.min(axis=0)
    extent = float((points.max(axis=0) - low).max())
    factor = size / extent if extent > 0 else 1.0
    if not np.isfinite(factor):  # an extent so small that the quotient overflows is a dot
        factor = 1.0
    return [(stroke - low) * factor for stroke in strokes]


def resample(points: np.ndarray, spacing: float) -> np.ndarray:
    """Places points along a stroke at equal distances; its first and last point are kept.

    Args:
      points: [n, 2], n > 0.
      spacing: distance along the stroke.

    Returns:
      [m, 2]. A stroke without extent gives its point twice, as in Google's files.
    """
    return _kernels().resample(np.ascontiguousarray(points, np.float64), float(spacing))


def simplified_mask(points: np.ndarray, epsilon: float, whole_line: bool = False) -> np.ndarray:
    """Chooses points by Ramer-Douglas-Peucker.

    Args:
      points: [n, 2], n > 0.
      epsilon: a point that is farther than this from the chord is kept.
      whole_line: measure to the infinite line through the chord's ends, as Google did. By default
        to the chord itself, so that no point of the stroke ends up farther than epsilon away.

    Returns:
      bool [n]; first and last are true.

    Raises:
      TooComplexError: it took more than `MAX_WORK` distances.
    """
    points = np.ascontiguousarray(points, np.float64)
    keep, work = _kernels().simplified_mask(points, float(epsilon), whole_line, MAX_WORK)
    if work > MAX_WORK:
        raise _too_complex(len(points))
    return keep


def budgeted_masks(
    strokes: Sequence[np.ndarray], budget: int, whole_line: bool = False
) -> list[np.ndarray]:
    """Chooses points of all strokes of a drawing, always where the drawing is farthest off.

    Args:
      strokes: [n, 2] each.
      budget: points of all strokes together; the ends of strokes are kept even beyond it.
      whole_line: see `simplified_mask`.

    Returns:
      bool [n] for each stroke.
    """
    masks, spans = [], []

    def look(number: int, first: int, last: int) -> None:
        if last - first > 1:
            x, y = strokes[number][first : last + 1].T
            distances = simplify_numpy.distances(x, y, whole_line)
            farthest = int(distances.argmax())
            middle = first + 1 + farthest
            heapq.heappush(spans, (-distances[farthest], number, first, middle, last))

    for number, stroke in enumerate(strokes):
        masks.append(np.zeros(len(stroke), bool))
        masks[-1][[0, -1]] = True
        look(number, 0, len(stroke) - 1)
    for _ in range(budget - sum(map(np.count_nonzero, masks))):
        if not spans or not spans[0][0] < 0:
            break
        _, number, first, middle, last = heapq.heappop(spans)
        masks[number][middle] = True
        look(number, first, middle)
        look(number, middle, last)
    return masks


def search_epsilon(
    drawings: Sequence[Polylines],
    target_length: int,
    simplification: Simplification,
    percentile: float = 95.0,
    published: Sequence[Polylines] = (),
) -> Simplification:
    """Finds the smallest epsilon that makes drawings short enough.

    Args:
      drawings: a sample of polylines in absolute coordinates.
      target_length: points that the percentile may have at most.
      simplification: its method, size and spacing are used.
      percentile: share of the drawings, in percent, that has to fit.
      published: a sample of drawings that are published or simplified already.

    Returns:
      `simplification`, of published drawings too where there are any, with the epsilon found (three
      significant digits; 0 where all fit as is).

    Raises:
      UserError: no drawings, or no epsilon does it because the strokes alone are too many.
    """
    rdp = Simplification("rdp")
    ready = [(prepared(drawing.strokes(), simplification), simplification) for drawing in drawings]
    ready += [(drawing.strokes(), rdp) for drawing in published]
    if not ready:
        raise UserError("target length: the input holds no drawing to search on")

    def fits(epsilon: float) -> bool:
        lengths = [
            sum(map(len, finished(strokes, dataclasses.replace(how, epsilon=epsilon))))
            for strokes, how in ready
        ]
        return float(np.percentile(lengths, percentile, method="inverted_cdf")) <= target_length

    largest = max(float(np.ptp(np.concatenate(d), axis=0).max()) for d, _ in ready if d) or 1.0
    epsilon = _smallest(fits, 2 * largest, target_length)
    found = simplification if drawings else rdp
    return dataclasses.replace(found, epsilon=epsilon, published=bool(published))


def _smallest(fits: Callable[[float], bool], largest: float, target_length: int) -> float:
    """Bisects on a logarithmic scale for the smallest epsilon that fits, rounded up."""
    if fits(0.0):
        return 0.0
    if not fits(largest):
        raise UserError(
            f"target length {target_length}: even with two points per stroke more than 5 % of the"
            " drawings are longer"
        )
    low, high = largest * 1e-7, largest
    while high / low > 1.002:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if fits(middle) else (middle, high)
    return float(f"{high * 1.004:.3g}")


def _refuse_too_long(strokes: Sequence[np.ndarray], spacing: float) -> None:
    length = sum(float(np.abs(np.diff(stroke, axis=0)).sum()) for stroke in strokes)
    if length / spacing > MAX_POINTS:
        raise _too_long(length / spacing)


def _too_long(length: float) -> TooComplexError:
    return TooComplexError(f"the strokes are {length:.0f} steps long: too complex to resample")


def _too_complex(points: int) -> TooComplexError:
    return TooComplexError(f"a stroke of {points} points is too complex to simplify")


@functools.cache
def _kernels() -> types.ModuleType:
    """Returns the compiled inner loops where numba is installed, NumPy's otherwise."""
    if importlib.util.find_spec("numba") is None:
        return simplify_numpy
    try:
        from data_prep.conversion import simplify_numba
    except (ImportError, RuntimeError):  # of another NumPy, or without any folder for its cache
        return simplify_numpy
    return simplify_numba
